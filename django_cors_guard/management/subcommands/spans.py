"""How far back a subcommand looks, as an operator types it."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Final

from django.utils.translation import gettext as _

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dhm])", re.ASCII)
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


def parse_span(text: str) -> timedelta:
    """Return the time that ``7d``, ``12h`` or ``30m`` means; raises ArgumentTypeError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ArgumentTypeError(
            _("%(text)r is no span of time: give one such as 7d, 12h or 30m.") % {"text": text[:20]}
        )
    return int(found[1]) * _UNITS[found[2]]
