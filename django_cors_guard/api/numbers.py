"""Whole numbers in requests: ASCII digits, and nothing that any database could stumble over."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _

#: The largest id or revision that the databases hold.
MAX_NUMBER: Final = 2**63 - 1


class BadNumber(ValueError):
    """A text that is no number in the range that was asked for."""

    code: Final = "invalid_number"


def read_number(text: str, *, least: int = 0, most: int = MAX_NUMBER) -> int:
    """Return the whole number that ``text`` names; raises BadNumber."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise BadNumber(_("Give a whole number between %(least)d and %(most)d.") % {"least": least, "most": most})
