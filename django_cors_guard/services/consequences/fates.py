"""What becomes of grants when the rules that they have to keep change: reads alone, for people to know beforehand.

Only grants that are neither revoked nor expired are looked at, and of those only the ones that the change can be about
at all. They come in chunks, so that a hundred thousand of them fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_cors_guard.core.origins import Origin, OriginRules, check_rules, parse_canonical
from django_cors_guard.core.policy import CLOCK_SLACK
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import rules_for
from django_cors_guard.services.places import alias

CHUNK: Final = 5000
#: Grants that are named, of those that close or open.
MAX_SAMPLES: Final = 10

TOO_LONG: Final = "trusted_too_long"
_NOT_CANONICAL: Final = "not_canonical"

#: All grants that a safety switch can be about; the rest is https, one name, and not this machine.
_SPECIAL: Final = (
    ~Q(origin__startswith="https://")
    | Q(origin__startswith="https://*")
    | Q(origin__contains="localhost")
    | Q(origin__contains="://127.")
    | Q(origin__contains="://[")
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant has to keep to be in force in one environment and API group."""

    rules: OriginRules
    max_trust_days: int | None = None

    @classmethod
    def of(cls, environment: Environment, api_group: ApiGroup) -> Terms:
        """Return the terms of a place, from rows that need not be stored so."""
        return cls(rules_for(environment, api_group), environment.max_trust_days)

    def list_faults(self, origin: Origin | None, expires_at: datetime | None, now: datetime) -> frozenset[str]:
        """Return the codes of what switches a grant off, as ``TrustedOrigin.find_faults`` finds it."""
        if origin is None:
            return frozenset({_NOT_CANONICAL})
        faults = frozenset(problem.code for problem in check_rules(origin, self.rules))
        latest = latest_end(self.max_trust_days, now)
        if latest is not None and (expires_at is None or expires_at > latest):
            faults |= {TOO_LONG}
        return faults


@dataclass(frozen=True, slots=True)
class Grant:
    """What is asked of a grant that may be in force."""

    environment: int
    api_group: int
    origin: str
    expires_at: datetime | None
    front_end: int | None


@dataclass(slots=True)
class Fates:
    """How many grants close, open and stay in force, and the first few of those that close and open."""

    closed: int = 0
    opened: int = 0
    kept: int = 0
    kept_patterns: int = 0
    front_ends: set[int] = field(default_factory=set)
    closed_by: Counter[str] = field(default_factory=Counter)
    closed_samples: list[Grant] = field(default_factory=list)
    opened_samples: list[Grant] = field(default_factory=list)

    def add(self, grant: Grant, origin: Origin | None, before: frozenset[str], after: frozenset[str]) -> None:
        """Count a grant in."""
        if not after:
            self._keep(grant, origin, is_new=bool(before))
        elif not before:
            self.closed += 1
            self.closed_by.update(after)
            _note(self.closed_samples, grant)

    def _keep(self, grant: Grant, origin: Origin | None, *, is_new: bool) -> None:
        self.kept += 1
        self.kept_patterns += origin is not None and origin.is_pattern
        if grant.front_end is not None:
            self.front_ends.add(grant.front_end)
        if is_new:
            self.opened += 1
            _note(self.opened_samples, grant)


@dataclass(frozen=True, slots=True)
class Switching:
    """How many grants flipping one switch would close (it is on) or open (it is off)."""

    closes: int = 0
    opens: int = 0


def compare(
    grants: Iterable[Grant], terms_of: Callable[[Grant], tuple[Terms, Terms]], now: datetime | None = None
) -> Fates:
    """Return what becomes of ``grants`` when their terms change from the first to the second of ``terms_of``."""
    at, fates = now or timezone.now(), Fates()
    for grant in grants:
        origin = parse_canonical(grant.origin)
        before, after = (terms.list_faults(origin, grant.expires_at, at) for terms in terms_of(grant))
        fates.add(grant, origin, before, after)
    return fates


def foresee_switches(environment: Environment) -> dict[str, Switching]:
    """Return what flipping each safety switch of a stored environment would do by itself. Two queries."""
    now = timezone.now()
    credentialed = set(ApiGroup.objects.using(alias()).filter(allow_credentials=True).values_list("pk", flat=True))
    closes, opens = Counter[str](), Counter[str]()
    for grant in read_grants(_SPECIAL, environment=environment.pk):
        origin = parse_canonical(grant.origin)
        if origin is None:
            continue
        strictest = OriginRules(credentials=grant.api_group in credentialed)
        needs = {problem.detail for problem in check_rules(origin, strictest)}
        missing = {switch for switch in needs if not getattr(environment, switch)}
        if TOO_LONG in Terms(strictest, environment.max_trust_days).list_faults(origin, grant.expires_at, now):
            continue
        if not missing:
            closes.update(needs)
        elif len(missing) == 1:
            opens.update(missing)
    return {switch: Switching(closes[switch], opens[switch]) for switch in {*closes, *opens}}


def read_grants(narrowed: Q | None = None, **place: int) -> Iterator[Grant]:
    """Return the grants of a place that are neither revoked nor expired, in chunks. One query."""
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias()).active().filter(**place)
    if narrowed is not None:
        rows = rows.filter(narrowed)
    columns = rows.values_list("environment_id", "api_group_id", "origin", "expires_at", "front_end_id")
    return (Grant(*row) for row in columns.order_by("pk").iterator(chunk_size=CHUNK))


def narrow(before: Terms, after: Terms, now: datetime | None = None) -> Q | None:
    """Return the condition under which a grant can fare differently under two terms; None: no grant can."""
    conditions = [_SPECIAL] if before.rules != after.rules else []
    if before.max_trust_days != after.max_trust_days:
        at = now or timezone.now()
        ends = [end for end in (latest_end(terms.max_trust_days, at) for terms in (before, after)) if end is not None]
        conditions += [Q(expires_at=None) | Q(expires_at__gt=min(ends))] if ends else []
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else conditions[0] | conditions[1]


def latest_end(max_trust_days: int | None, now: datetime) -> datetime | None:
    """Return the latest end that a grant may have; None: any."""
    if not max_trust_days:
        return None
    try:
        return now + timedelta(days=max_trust_days, seconds=CLOCK_SLACK)
    except OverflowError:
        return None


def _note(samples: list[Grant], grant: Grant) -> None:
    if len(samples) < MAX_SAMPLES:
        samples.append(grant)
