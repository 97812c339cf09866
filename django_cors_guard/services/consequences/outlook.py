"""What would change for those who were refused lately if an API group became stricter: read from the audit log.

It tells of what was sent, not of what will be. The newest rows of each API group are read, and no more than those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import connections, router
from django.db.models import QuerySet, Sum
from django.utils import timezone

from django_cors_guard.core.decision import Kind
from django_cors_guard.models import RejectedOrigin, Rejection, RejectionTally
from django_cors_guard.models.rejection import card_key
from django_cors_guard.services.consequences.modes import Effect, Step, effect_of

#: How far back one can look, in days.
PERIODS: Final = (7, 30)
#: Rows that are read in all, and at least of each API group.
MAX_ROWS: Final = 6000
MIN_GROUP_ROWS: Final = 500
#: More API groups than these, the ones refused most, are not looked into.
MAX_GROUPS: Final = MAX_ROWS // MIN_GROUP_ROWS
#: Longest list.
MAX_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """An origin that the change is about. ``card`` is the id of its triage card, where there is one."""

    origin: str
    api_group: str
    count: int
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]
    effects: tuple[str, ...]
    card: int | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """A link or form from another site that *block* stops: perhaps the way back from a login elsewhere."""

    path: str
    method: str
    origin: str
    count: int


Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the log says of a change of modes. ``total`` are the requests that would fare differently.

    ``is_cut``: there are older rows in the period that were not read. ``unknown`` exceeded the bounds of the log, so
    nobody knows what they were. ``skipped`` are API groups that were not looked into.
    """

    environment: str
    steps: tuple[Step, ...]
    since: datetime
    rows: int = 0
    is_cut: bool = False
    total: int = 0
    unknown: int = 0
    skipped: tuple[str, ...] = ()
    by_effect: Counts = ()
    by_kind: Counts = ()
    by_reason: Counts = ()
    by_method: Counts = ()
    callers: tuple[Caller, ...] = ()
    more_callers: int = 0
    callbacks: tuple[Callback, ...] = ()
    more_callbacks: int = 0


def look_ahead(
    environment: str, steps: Sequence[Step], *, days: int = PERIODS[0], now: datetime | None = None
) -> Outlook:
    """Return what was refused in the last ``days`` and would fare differently. Two queries, three for many groups."""
    stricter = [step for step in steps if step.is_stricter]
    since = (now or timezone.now()) - timedelta(days=days)
    chosen = _choose(environment, stricter, since)
    skipped = tuple(step.api_group for step in stricter if step not in chosen)
    if not chosen:
        return Outlook(environment, tuple(stricter), since, skipped=skipped)
    per_group = MAX_ROWS // len(chosen)
    rows = _read(environment, chosen, per_group)
    sums = _Sums({step.api_group: step for step in chosen}, since)
    for row in rows:
        sums.add(row)
    return sums.close(environment, tuple(stricter), skipped, per_group)


class _Row(NamedTuple):
    api_group: str
    mode: str
    origin: str
    reason: str
    kind: str
    method: str
    path: str
    times: int
    last_seen: datetime
    overflow: bool


_COLUMNS: Final = tuple("count" if name == "times" else name for name in _Row._fields)


def _choose(environment: str, steps: list[Step], since: datetime) -> list[Step]:
    """Of many API groups those that were refused most, by kept sums: asking each one would take too many questions."""
    if len(steps) <= MAX_GROUPS:
        return steps
    tallies = RejectionTally.objects.using(router.db_for_read(RejectionTally))
    sums = tallies.filter(hour__gte=since, environment=environment).values_list("api_group").order_by()
    refused = dict(sums.annotate(times=Sum("count")).values_list("api_group", "times"))
    return sorted(steps, key=lambda step: -refused.get(step.api_group, 0))[:MAX_GROUPS]


def _read(environment: str, steps: Sequence[Step], per_group: int) -> list[_Row]:
    using = router.db_for_read(Rejection)
    parts = [
        Rejection.objects.using(using)
        .filter(environment=environment, api_group=step.api_group)
        .order_by("-id")
        .values_list(*_COLUMNS)[:per_group]
        for step in steps
    ]
    if len(parts) > 1 and connections[using].features.supports_slicing_ordering_in_compound:
        parts = [parts[0].union(*parts[1:], all=True)]
    return [_Row(*row) for part in parts for row in part]


@dataclass(slots=True)
class _Sums:
    """What the rows add up to."""

    steps: dict[str, Step]
    since: datetime
    rows: Counter[str] = field(default_factory=Counter)
    oldest: dict[str, datetime] = field(default_factory=dict)
    unknown: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    callers: dict[tuple[str, str], Counter[tuple[str, str, str]]] = field(default_factory=dict)
    callbacks: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, row: _Row) -> None:
        self.rows[row.api_group] += 1
        self.oldest[row.api_group] = row.last_seen
        step = self.steps.get(row.api_group)
        # Under another mode than the one in force something else was done about it.
        if step is None or row.last_seen < self.since or row.mode != step.before:
            return
        if row.overflow:
            self.unknown += row.times
            return
        effect = effect_of(step, row.kind, row.reason)
        if effect is not None:
            self._count(row, effect)

    def _count(self, row: _Row, effect: Effect) -> None:
        self.effects[effect] += row.times
        self.kinds[row.kind] += row.times
        self.reasons[row.reason] += row.times
        self.methods[row.method] += row.times
        about = (row.kind, row.reason, effect.value)
        self.callers.setdefault((row.api_group, row.origin), Counter())[about] += row.times
        if row.kind == Kind.NAVIGATION:
            self.callbacks[row.path, row.method, row.origin] += row.times

    def close(self, environment: str, steps: tuple[Step, ...], skipped: tuple[str, ...], per_group: int) -> Outlook:
        most = sorted(self.callers.items(), key=lambda item: (-item[1].total(), item[0]))
        listed = most[:MAX_LISTED]
        cards = _find_cards(environment, [place for place, _about in listed])
        callbacks = self.callbacks.most_common()
        return Outlook(
            environment=environment,
            steps=steps,
            since=self.since,
            rows=self.rows.total(),
            is_cut=any(count == per_group and self.oldest[group] >= self.since for group, count in self.rows.items()),
            total=self.effects.total(),
            unknown=self.unknown,
            skipped=skipped,
            by_effect=tuple(self.effects.most_common()),
            by_kind=tuple(self.kinds.most_common()),
            by_reason=tuple(self.reasons.most_common()),
            by_method=tuple(self.methods.most_common(MAX_LISTED)),
            callers=tuple(_caller(place, about, cards.get(place)) for place, about in listed),
            more_callers=len(most) - len(listed),
            callbacks=tuple(Callback(*key, count) for key, count in callbacks[:MAX_LISTED]),
            more_callbacks=max(len(callbacks) - MAX_LISTED, 0),
        )


def _caller(place: tuple[str, str], about: Counter[tuple[str, str, str]], card: int | None) -> Caller:
    api_group, origin = place
    kinds, reasons, effects = (
        tuple(dict.fromkeys(column)) for column in zip(*(key for key, _ in about.most_common()), strict=True)
    )
    return Caller(origin, api_group, about.total(), kinds, reasons, effects, card)


def _find_cards(environment: str, places: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    keys = {card_key(environment, api_group, origin): (api_group, origin) for api_group, origin in places}
    cards: QuerySet[RejectedOrigin] = RejectedOrigin.objects.using(router.db_for_read(RejectedOrigin))
    return {keys[key]: pk for pk, key in cards.filter(key__in=keys).values_list("pk", "key")}
