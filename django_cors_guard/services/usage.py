"""What trusted origins did lately: it shows use and proves none, for anybody with curl can add to it.

The log of use has no budget, so a busy origin may have a million rows a month. Everything here reads a bounded number
of rows: where there are too many, a shorter time is looked at, and the answer says which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import router
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import OriginUsage, TrustedOrigin

#: What "lately" means: the longest of these whose rows are not too many.
WINDOWS: Final = (timedelta(days=30), timedelta(days=7), timedelta(days=1), timedelta(hours=1))
#: Most rows that one question reads.
MAX_ROWS: Final = 50_000
#: Most methods, and most origins of a pattern, that are named; of both a sender can make up any number.
MAX_NAMED: Final = 10

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was seen, and when last. ``name`` is a method or an origin, as it was sent."""

    name: str
    count: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """What one grant let in: by method and, of a pattern, by origin, the most frequent first.

    No more than ``MAX_NAMED`` of each are named; ``count`` and ``last_seen`` are of all.
    """

    count: int
    last_seen: datetime
    methods: tuple[Tally, ...]
    origins: tuple[Tally, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What several grants, by id, let in within ``window`` up to ``until``. One that is missing was not seen."""

    until: datetime
    window: timedelta
    by_grant: Mapping[int, Use]

    def a_day(self, grant: TrustedOrigin) -> float:
        """Return how many requests a day that is, since the grant was there; less than a day counts as one."""
        use = self.by_grant.get(grant.pk)
        age = max(self.until - grant.created_at, _DAY)
        return use.count / (min(self.window, age) / _DAY) if use is not None else 0.0


def find_last_uses(grants: Iterable[int]) -> dict[int, datetime]:
    """Return when these grants (by id) were used last; one that is missing was never seen. One query."""
    usage = OriginUsage.objects.filter(trusted_origin=OuterRef("pk")).order_by("-last_seen")
    # The end of an index for each grant; a GROUP BY would read all their rows.
    rows = TrustedOrigin.objects.using(_alias()).filter(pk__in=list(grants))
    seen = rows.annotate(seen=Subquery(usage.values("last_seen")[:1])).order_by("pk")
    return {pk: at for pk, at in seen.values_list("pk", "seen") if at is not None}


def read_usage(
    grants: Iterable[TrustedOrigin], *, through: Iterable[TrustedOrigin] = (), origin: Q | None = None
) -> Usage:
    """Return what ``grants`` let in lately, and what patterns let ``through`` that meets the condition ``origin``.

    Four queries; a few more where there are very many rows.
    """
    own, patterns, now = list(grants), list(through), timezone.now()
    window = _choose_window([grant.pk for grant in (*own, *patterns)], now)
    rows = OriginUsage.objects.using(_alias()).filter(last_seen__gte=now - window)
    rows = rows.filter(
        Q(trusted_origin__in=[grant.pk for grant in own])
        | (Q(trusted_origin__in=[grant.pk for grant in patterns]) & (origin or Q()))
    )
    named = [grant.pk for grant in (*own, *patterns) if _is_pattern(grant)]
    return Usage(now, window, _add_up(rows, named))


def longest_window() -> timedelta:
    """Return what "lately" means where there are not too many rows: no longer than rows are kept."""
    return min(WINDOWS[0], timedelta(days=conf.current().audit_retention_days))


def _choose_window(ids: list[int], now: datetime) -> timedelta:
    longest = longest_window()
    windows = [longest, *(window for window in WINDOWS if window < longest)]
    rows = OriginUsage.objects.using(_alias()).filter(trusted_origin__in=ids)
    for window in windows[:-1]:
        if rows.filter(last_seen__gte=now - window)[: MAX_ROWS + 1].count() <= MAX_ROWS:
            return window
    return windows[-1]


def _add_up(rows: QuerySet[OriginUsage], patterns: list[int]) -> dict[int, Use]:
    sums = rows.values("trusted_origin_id").annotate(times=Sum("count"), last=Max("last_seen")).order_by()
    totals = {pk: (times, last) for pk, times, last in sums.values_list("trusted_origin_id", "times", "last")}
    methods = _tally(rows, "method") if totals else {}
    origins = _tally(rows.filter(trusted_origin__in=patterns), "origin") if patterns and totals else {}
    return {pk: Use(*total, tuple(methods.get(pk, ())), tuple(origins.get(pk, ()))) for pk, total in totals.items()}


def _tally(rows: QuerySet[OriginUsage], column: str) -> dict[int, list[Tally]]:
    """Return the most frequent values of ``column`` for each grant."""
    counted = rows.values("trusted_origin_id", column).annotate(times=Sum("count"), last=Max("last_seen"))
    order = [F("times").desc(), F(column).asc()]
    ranked = counted.annotate(rank=Window(RowNumber(), partition_by=F("trusted_origin_id"), order_by=order))
    named = ranked.filter(rank__lte=MAX_NAMED).order_by("trusted_origin_id", "rank")
    found = defaultdict(list)
    for pk, name, times, last in named.values_list("trusted_origin_id", column, "times", "last"):
        found[pk].append(Tally(name, times, last))
    return found


def _is_pattern(grant: TrustedOrigin) -> bool:
    origin = parse_canonical(grant.origin)
    return origin is not None and origin.is_pattern


def _alias() -> str:
    return router.db_for_read(OriginUsage)
