"""Cells of a CSV file that no spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection)."""

from __future__ import annotations

from typing import Final

#: What makes a spreadsheet run a cell; the wide forms are taken for the narrow ones where Japanese is spoken.
RUNNABLE: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_GUARD: Final = "'"


def guard_cell(text: str) -> str:
    """Return ``text`` with an apostrophe before it, if a spreadsheet would run it; ``unguard_cell`` takes it back.

    Text that looks guarded already is guarded once more, so that nothing is lost on the way there and back.
    """
    return f"{_GUARD}{text}" if _is_runnable(text) else text


def unguard_cell(text: str) -> str:
    """Return what ``guard_cell`` was given."""
    return text[1:] if text.startswith(_GUARD) and _is_runnable(text) else text


def _is_runnable(text: str) -> bool:
    return text.lstrip(_GUARD).startswith(RUNNABLE)
