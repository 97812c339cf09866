"""Spans of time as people write them: ``14d``, ``12h``, ``30m``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

#: A hundred years: what is longer is no span that anybody means.
MAX_LIFETIME: Final = timedelta(days=36_500)

_UNITS: Final = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,7})([wdhm])", re.ASCII)


def parse_lifetime(text: str) -> timedelta | None:
    """Return the span that ``text`` is, or None; weeks, days, hours or minutes, one of them, and more than none."""
    found = _SPAN.fullmatch(text.strip(" "))
    if found is None:
        return None
    number, unit = int(found[1]), _UNITS[found[2]]
    return number * unit if number <= MAX_LIFETIME / unit else None


def format_lifetime(span: timedelta) -> str:
    """Return ``span`` as ``parse_lifetime`` takes it, in the largest unit that fits; below a minute it is cut."""
    for letter in ("d", "h"):
        if span and span % _UNITS[letter] == timedelta(0):
            return f"{span // _UNITS[letter]}{letter}"
    return f"{span // _UNITS['m']}m"
