"""What the audit log adds up to in a window: who, why, where, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Trunc
from django.utils.translation import gettext as _

from django_cors_guard.api import times
from django_cors_guard.api.errors import ErrorItem, InvalidInput, describe_bad_choice, show
from django_cors_guard.api.exact import group_exactly, text_of
from django_cors_guard.api.numbers import BadNumber, read_number
from django_cors_guard.api.times import as_stored
from django_cors_guard.core.decision import Reason
from django_cors_guard.models import Rejection

LIMIT: Final = "limit"
INTERVAL: Final = "interval"
DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 100
#: A week of minutes, and a little more.
MAX_BUCKETS: Final = 11_000

INTERVALS: Final[Mapping[str, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
#: The longest window that is shown by the minute, and by the hour, where ``interval`` does not say.
_BY_MINUTE: Final = timedelta(hours=3)
_BY_HOUR: Final = timedelta(days=8)

#: Whose refusals a number counts: those of overflow rows too, or alone.
_COUNT: Final = Sum("count")
_SWALLOWED: Final = Sum("count", filter=Q(overflow=True))


class Window(NamedTuple):
    """From when until when; ``since`` is None for all that is kept."""

    since: datetime | None
    until: datetime


class SummaryShape:
    """``limit``: how many of each; ``interval``: how fine the time series is."""

    parameters: ClassVar[tuple[str, ...]] = (LIMIT, INTERVAL)
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {INTERVAL: tuple(INTERVALS)}

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        """Return what is wrong with the two."""
        errors = []
        limit, interval = given.get(LIMIT), given.get(INTERVAL)
        if limit is not None:
            try:
                read_limit(given)
            except BadNumber as error:
                errors.append(ErrorItem(error.code, str(error), LIMIT, show(limit)))
        if interval is not None and interval not in INTERVALS:
            errors.append(describe_bad_choice(INTERVAL, interval, list(INTERVALS)))
        return errors


def read_limit(given: Mapping[str, str]) -> int:
    """Return how many of each are wanted; raises BadNumber."""
    return read_number(given[LIMIT], least=1, most=MAX_LIMIT) if LIMIT in given else DEFAULT_LIMIT


def summarise(rows: QuerySet[Rejection], window: Window, *, limit: int, interval: str | None) -> dict[str, Any]:
    """Return the summary of ``rows``, which lie in ``window``.

    What exceeded the bounds of the audit has neither origin nor path: ``overflow`` says how many refusals that are;
    they count in everything else. What isolation refuses has no origin.
    """
    step = interval or _choose_interval(rows, window)
    _check_buckets(window.since, window.until, step)
    totals = rows.aggregate(total=_COUNT, swallowed=_SWALLOWED, rows=Count("pk", filter=Q(overflow=True)))
    return {
        "since": window.since,
        "until": window.until,
        "total": totals["total"] or 0,
        "overflow": {"count": totals["swallowed"] or 0, "rows": totals["rows"]},
        "origins": _rank_origins(rows, limit),
        "reasons": list(rows.values("reason").annotate(total=_COUNT).order_by("-total", "reason")[:limit]),
        "groups": list(
            rows.values("environment", "api_group")
            .annotate(total=_COUNT)
            .order_by("-total", "environment", "api_group")[:limit]
        ),
        "paths": [
            {"path": text_of(found["name"]), "total": found["total"]}
            for found in group_exactly(rows.filter(overflow=False), "path")
            .annotate(total=_COUNT)
            .order_by("-total", "name")[:limit]
        ],
        "interval": step,
        "series": _count_series(rows, window, step),
    }


def _rank_origins(rows: QuerySet[Rejection], limit: int) -> list[dict[str, Any]]:
    found = (
        group_exactly(rows.filter(overflow=False).exclude(reason=Reason.CROSS_SITE.value), "origin")
        .annotate(total=_COUNT, first=Min("first_seen"), last=Max("last_seen"))
        .order_by("-total", "name")[:limit]
    )
    return [{**row, "origin": text_of(row["name"])} for row in found]


def _choose_interval(rows: QuerySet[Rejection], window: Window) -> str:
    since = window.since or rows.aggregate(first=Min("last_seen"))["first"] or window.until
    length = window.until - since
    return "minute" if length <= _BY_MINUTE else "hour" if length <= _BY_HOUR else "day"


def _check_buckets(since: datetime | None, until: datetime, step: str) -> None:
    """A series that nobody could draw is refused before it is counted, as far as its length is known."""
    if since is not None and (until - since) / INTERVALS[step] > MAX_BUCKETS:
        text = _("The window has more than %(most)d of these intervals: choose a longer one, or a shorter window.")
        raise InvalidInput([ErrorItem("too_many_intervals", text % {"most": MAX_BUCKETS}, INTERVAL, step)])


def _count_series(rows: QuerySet[Rejection], window: Window, step: str) -> list[dict[str, Any]]:
    """Return every interval of the window, also those in which nothing was refused."""
    zone = UTC if settings.USE_TZ else None
    found = {
        bucket["start"]: bucket
        for bucket in rows.annotate(start=Trunc("last_seen", step, tzinfo=zone))
        .values("start")
        .annotate(total=_COUNT, swallowed=_SWALLOWED)
        .order_by()
    }
    if window.since is None and not found:
        return []
    first = _begin(window.since, step) if window.since is not None else min(found)
    _check_buckets(first, window.until, step)
    nothing = {"total": 0, "swallowed": 0}
    return [{**nothing, **found.get(start, {}), "start": start} for start in _list_starts(first, window.until, step)]


def _list_starts(first: datetime, until: datetime, step: str) -> Iterator[datetime]:
    start = first
    while start < until:
        yield start
        start += INTERVALS[step]


def _begin(moment: datetime, step: str) -> datetime:
    """Return when the interval began that ``moment`` lies in; days and hours are those of UTC."""
    whole = moment.replace(second=0, microsecond=0)
    if step != "minute":
        whole = whole.replace(minute=0)
    return whole.replace(hour=0) if step == "day" else whole


def close_window(since: datetime | None, until: datetime | None) -> Window:
    """Return the window with its end: nothing was seen later than now."""
    now = as_stored(times.now())
    # The rest of the present microsecond belongs to it.
    end = now + timedelta(microseconds=1)
    return Window(since, min(until, end) if until is not None else end)
