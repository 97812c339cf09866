"""As of when: a day, or a moment, as people type it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.utils.translation import gettext as _

#: Longer than any moment in ISO 8601.
_MAX_LENGTH: Final = 40
_YEARS: Final = range(1971, 2999)


def read_as_of(text: str) -> datetime | None:
    """Return the end of the day (of UTC) or the moment that ``text`` names, None for a day that is not over yet.

    Raises ValueError that says what to type.
    """
    said = text.strip()[:_MAX_LENGTH]
    try:
        at = datetime.combine(date.fromisoformat(said), time.min, UTC) + timedelta(days=1, microseconds=-1)
        is_day = True
    except (ValueError, OverflowError):
        at, is_day = _read_moment(said), False
    if at.year not in _YEARS:
        raise _refuse(said)
    # Of today nothing more is known than what there is.
    return None if is_day and at.date() == datetime.now(tz=UTC).date() else at


def _read_moment(said: str) -> datetime:
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise _refuse(said) from error
    if at.tzinfo is None:
        raise ValueError(_("Add the time zone: %(text)sZ for UTC.") % {"text": said})
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise _refuse(said) from error


def _refuse(said: str) -> ValueError:
    text = _("“%(text)s” is no day and no moment: write 2026-06-30, or 2026-06-30T12:00:00Z.")
    return ValueError(text % {"text": said})
