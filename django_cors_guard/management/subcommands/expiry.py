"""When a grant ends, as an operator types it."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _

_SPAN: Final = re.compile(r"([0-9]{1,5})([dh])", re.ASCII)


def parse_expiry(text: str) -> datetime:
    """Return the moment that ``7d``, ``12h`` or an ISO 8601 time with its zone means; raises ArgumentTypeError."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        number = int(span[1])
        return timezone.now() + (timedelta(days=number) if span[2] == "d" else timedelta(hours=number))
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ArgumentTypeError(
            _("%(text)r is no time. Give a span, such as 7d or 12h, or a time with its zone: 2030-12-31T18:00Z.")
            % {"text": text[:50]}
        ) from error
    if timezone.is_naive(at):
        raise ArgumentTypeError(
            _("%(text)r has no time zone. Write %(utc)s for UTC, or %(offset)s.")
            % {"text": text[:50], "utc": f"{at:%Y-%m-%dT%H:%M}Z", "offset": f"{at:%Y-%m-%dT%H:%M}+02:00"}
        )
    return at
