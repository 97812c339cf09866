"""Cells of a CSV file that no spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection)."""

from __future__ import annotations

import re
from typing import Final

#: What makes a spreadsheet run a cell; the wide forms are taken for the narrow ones where Japanese is spoken.
RUNNABLE: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_GUARD: Final = "'"

#: Where a cell may begin: at the beginning, and wherever a spreadsheet splits that goes by semicolons (as where a comma
#: stands in numbers) or tabs, and knows nothing of the quotes around the cell. Quotes before it do not stop it.
_BEGINNING: Final = r"(?:^|(?<=[;\t\r\n]))"
_AHEAD: Final = rf"(?=['\"]*[{re.escape(''.join(RUNNABLE))}])"
_UNGUARDED: Final = re.compile(_BEGINNING + _AHEAD)
_GUARDED: Final = re.compile(_BEGINNING + _GUARD + _AHEAD)


def guard_cell(text: str) -> str:
    """Return ``text`` with an apostrophe wherever a spreadsheet would run what follows; ``unguard_cell`` undoes it.

    Text that looks guarded already is guarded once more, so that nothing is lost on the way there and back.
    """
    return _UNGUARDED.sub(_GUARD, text)


def unguard_cell(text: str) -> str:
    """Return what ``guard_cell`` was given."""
    return _GUARDED.sub("", text)
