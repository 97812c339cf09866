"""Times in requests: ISO 8601 with a zone, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

#: What every database can store and every zone can be converted to and from.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
#: Longer than any time in ISO 8601.
MAX_LENGTH: Final = 64

_ZONE_DIGITS: Final = len("0200")
_DAY_LENGTH: Final = len("2026-05-03")


class BadTime(ValueError):
    """A text that is no moment. ``code`` is ``missing_zone`` or ``invalid_time``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_time(text: str) -> datetime:
    """Return the moment that ``text`` names, in UTC; raises BadTime.

    The plus sign of a zone that arrived as a space (``+`` means that in a query string) is put back: nothing else can
    have been meant.
    """
    # Python's own parser passes over a NUL behind the zone.
    if len(text) > MAX_LENGTH or not (text.isascii() and text.isprintable()):
        raise _refuse(text)
    found = _read(_restore_plus(text))
    if found is None:
        day = _read_day(text)
        if day is None:
            raise _refuse(text)
        raise _ask_for_zone(f"{day}T00:00:00")
    if found.tzinfo is None:
        raise _ask_for_zone(text)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadTime(
            "invalid_time",
            _("Give a time between the years %(first)d and %(last)d.") % {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return found.astimezone(UTC)


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)


def as_stored(moment: datetime) -> datetime:
    """Return ``moment`` as the database takes it: without USE_TZ, naive and in the project's own zone."""
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def format_time(moment: datetime) -> str:
    """Return ``moment`` in UTC as every answer of the API writes it."""
    aware = moment if moment.tzinfo is not None else moment.astimezone()
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _restore_plus(text: str) -> str:
    moment, space, zone = text.rpartition(" ")
    digits = zone.replace(":", "", 1)
    is_zone = len(digits) == _ZONE_DIGITS and digits.isascii() and digits.isdecimal()
    return f"{moment}+{zone}" if space and is_zone and len(moment) > _DAY_LENGTH else text


def _read(text: str) -> datetime | None:
    try:
        # A bare date would read as midnight of nowhere.
        return parse_datetime(text) if len(text) > _DAY_LENGTH else None
    except ValueError:
        return None


def _read_day(text: str) -> str | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day.isoformat() if day is not None else None


def _ask_for_zone(text: str) -> BadTime:
    message = _("Add the time zone: %(text)sZ for UTC, or an offset such as +02:00.") % {"text": text}
    return BadTime("missing_zone", message)


def _refuse(text: str) -> BadTime:
    message = _("“%(text)s” is no time. Write ISO 8601 with the zone, such as 2026-05-03T12:00:00Z.") % {
        "text": text[:MAX_LENGTH]
    }
    return BadTime("invalid_time", message)
