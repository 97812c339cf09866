"""How much was refused, over time: by reason and by API group, from kept sums alone.

The log itself may hold millions of rows and is never added up here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import router
from django.db.models import Case, IntegerField, QuerySet, Sum, Value, When
from django.utils import timezone

from django_cors_guard.models import RejectionTally

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Period(StrEnum):
    """How far back to look: an hour a step for a day, else a day (of UTC) a step. The last step is not over yet."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def step(self) -> timedelta:
        """How long one interval is."""
        return HOUR if self is Period.DAY else DAY

    @property
    def steps(self) -> int:
        """How many intervals there are."""
        return _STEPS[self]


_STEPS: Final = {Period.DAY: 24, Period.WEEK: 7, Period.MONTH: 30}


@dataclass(frozen=True, slots=True)
class Series:
    """The counts of one reason or API group, one an interval."""

    code: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was refused in a period. ``begins`` are the beginnings of its intervals, in UTC, the oldest first."""

    period: Period
    begins: tuple[datetime, ...]
    by_reason: tuple[Series, ...]
    by_group: tuple[Series, ...]

    @property
    def total(self) -> int:
        """How many requests were refused."""
        return sum(series.total for series in self.by_reason)


#: (interval, API group, reason, count)
_Row = tuple[int, str, str, int]


def add_up(period: Period, *, environment: str | None = None, now: datetime | None = None) -> Refusals:
    """Add up what was refused in ``period``, in one environment (by slug) or in all. One query.

    Intervals in which nothing was refused count 0. Series are in order of their totals, the largest first.
    """
    begins = list_begins(period, now or datetime.now(tz=UTC))
    rows = _read(period, begins, environment)
    return Refusals(
        period=period,
        begins=begins,
        by_reason=_gather(rows, lambda row: row[2], period.steps),
        by_group=_gather(rows, lambda row: row[1], period.steps),
    )


def list_begins(period: Period, now: datetime) -> tuple[datetime, ...]:
    """Return when each interval of ``period`` began; ``now`` (aware) lies in the last one."""
    moment = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last = moment if period.step == HOUR else moment.replace(hour=0)
    return tuple(last - back * period.step for back in reversed(range(period.steps)))


def _read(period: Period, begins: tuple[datetime, ...], environment: str | None) -> list[_Row]:
    """Let the database add up, so that no more than intervals times groups times reasons come back."""
    ends = [_as_stored(begin + period.step) for begin in begins]
    tallies: QuerySet[RejectionTally] = RejectionTally.objects.using(router.db_for_read(RejectionTally))
    tallies = tallies.filter(hour__gte=_as_stored(begins[0]), hour__lt=ends[-1])
    if environment is not None:
        tallies = tallies.filter(environment=environment)
    # The first end that lies ahead is that of the interval.
    interval = Case(*(When(hour__lt=end, then=Value(at)) for at, end in enumerate(ends)), output_field=IntegerField())
    found = tallies.annotate(interval=interval).values_list("interval", "api_group", "reason")
    return list(found.annotate(times=Sum("count")).order_by())


def _gather(rows: list[_Row], code_of: Callable[[_Row], str], steps: int) -> tuple[Series, ...]:
    counts: dict[str, Counter[int]] = {}
    for row in rows:
        counts.setdefault(code_of(row), Counter())[row[0]] += int(row[3])
    series = (Series(code, tuple(found[at] for at in range(steps))) for code, found in counts.items())
    return tuple(sorted((item for item in series if item.total), key=lambda item: (-item.total, item.code)))


def _as_stored(moment: datetime) -> datetime:
    """As the log takes it: without USE_TZ, naive and in the project's own zone."""
    return moment if settings.USE_TZ else timezone.make_naive(moment)
