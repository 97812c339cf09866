"""The least that each trusted origin needs, going by what the audit has seen. It proposes, and changes nothing.

Use that was recorded speaks for a grant, and its absence against one, as far back as the audit reaches. A refusal
proves only that somebody sent those bytes: whether the page really needs what it was refused is the operator's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.decision import Reason
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, Rejection, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services.grants import ROWS_PER_QUERY
from django_cors_guard.services.places import alias
from django_cors_guard.services.worth import with_status

#: Refusals that a grant for another API group would have spared a page.
_MENDABLE: Final = (Reason.UNKNOWN_ORIGIN.value, Reason.OTHER_GROUP.value)
_CHUNK: Final = 2000


class Advice(StrEnum):
    """What to do about one origin in one API group."""

    #: It was used.
    KEEP = "keep"
    #: It was not used in all the time that was looked at.
    REVOKE = "revoke"
    #: The origin is trusted elsewhere and was refused here.
    TRUST = "trust"
    #: It was not used, and there is a reason not to make anything of that; see ``Doubt``.
    WAIT = "wait"


class Doubt(StrEnum):
    """Why a grant that was not used may be needed all the same."""

    #: It has not been there for all of the time.
    YOUNG = "young"
    #: The API group is open to any origin, so nothing is recorded of the use of one.
    OPEN = "open"
    #: The audit has not been kept for all of the time.
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One origin in one API group. ``count`` are uses or, where it was refused, refusals."""

    origin: str
    api_group: str
    advice: Advice
    count: int = 0
    last_seen: datetime | None = None
    doubt: Doubt | None = None
    managed_by: str = ""


@dataclass(frozen=True, slots=True)
class LeastAccess:
    """What every trusted origin of an environment needs, by origin. ``reaches`` is since when the audit has any row."""

    environment: str
    since: datetime
    reaches: datetime | None
    suggestions: tuple[Suggestion, ...]

    @property
    def is_short(self) -> bool:
        """Whether the audit reaches less far back than was asked for."""
        return self.reaches is None or self.reaches > self.since


@dataclass(frozen=True, slots=True)
class _Sum:
    count: int
    last_seen: datetime


def suggest_access(environment: Environment, window: timedelta, now: datetime | None = None) -> LeastAccess:
    """Return what each origin that is trusted in ``environment`` needs, as of ``window`` up to ``now``.

    ``window`` is cut to the retention of the audit. A handful of queries, and one for 500 origins that were refused.
    """
    until = now or timezone.now()
    since = until - min(window, timedelta(days=conf.current().audit_retention_days))
    reaches = _find_beginning(environment)
    grants = _read_active(environment, until)
    uses = _sum_uses(environment, since)
    is_short = reaches is None or reaches > since
    found = [_judge(grant, uses.get(grant.pk), since, is_short=is_short) for grant in grants]
    found += _suggest_trust(environment, grants, since)
    ordered = sorted(found, key=lambda item: (item.origin, item.api_group))
    return LeastAccess(environment.slug, since, reaches, tuple(ordered))


def _judge(grant: TrustedOrigin, use: _Sum | None, since: datetime, *, is_short: bool) -> Suggestion:
    group = grant.api_group
    if use is not None:
        return Suggestion(grant.origin, group.slug, Advice.KEEP, use.count, use.last_seen, managed_by=grant.managed_by)
    doubt = (
        Doubt.OPEN
        if group.any_origin
        else Doubt.YOUNG
        if grant.created_at > since
        else Doubt.SHORT
        if is_short
        else None
    )
    advice = Advice.REVOKE if doubt is None else Advice.WAIT
    return Suggestion(grant.origin, group.slug, advice, doubt=doubt, managed_by=grant.managed_by)


def _read_active(environment: Environment, now: datetime) -> list[TrustedOrigin]:
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias()).filter(environment=environment)
    active = with_status(rows, Status.ACTIVE, now, environments=[environment])
    named = active.only("origin", "created_at", "managed_by", "api_group")
    groups = {group.pk: group for group in ApiGroup.objects.using(alias())}
    found = list(named.order_by("origin", "api_group"))
    for grant in found:
        grant.api_group = groups[grant.api_group_id]
    return found


def _sum_uses(environment: Environment, since: datetime) -> dict[int, _Sum]:
    rows = OriginUsage.objects.using(alias()).filter(last_seen__gte=since, trusted_origin__environment=environment)
    sums = rows.values("trusted_origin").annotate(times=Sum("count"), last=Max("last_seen")).order_by()
    return {pk: _Sum(times, last) for pk, times, last in sums.values_list("trusted_origin", "times", "last")}


def _suggest_trust(environment: Environment, grants: Iterable[TrustedOrigin], since: datetime) -> Iterator[Suggestion]:
    """Where origins that are trusted elsewhere were refused; what somebody ended on purpose is not proposed again."""
    active = {(grant.origin, grant.api_group.slug) for grant in grants}
    origins = {origin for origin, _group in active}
    groups = set(ApiGroup.objects.using(alias()).filter(any_origin=False).values_list("slug", flat=True))
    refused = {
        place: found
        for place, found in _sum_refusals(environment, since)
        if place[0] in origins and place[1] in groups and place not in active
    }
    ended = _find_ended(environment, {origin for origin, _group in refused})
    for (origin, group), found in refused.items():
        if (origin, group) not in ended:
            yield Suggestion(origin, group, Advice.TRUST, found.count, found.last_seen)


def _sum_refusals(environment: Environment, since: datetime) -> Iterator[tuple[tuple[str, str], _Sum]]:
    rows = Rejection.objects.using(alias()).filter(environment=environment.slug, last_seen__gte=since, overflow=False)
    # Of every origin: to join a log with a million grants is what databases plan badly, and there is a budget of rows.
    rows = rows.filter(reason__in=_MENDABLE)
    sums = rows.values("origin", "api_group").annotate(times=Sum("count"), last=Max("last_seen")).order_by()
    for origin, group, times, last in sums.values_list("origin", "api_group", "times", "last").iterator(_CHUNK):
        yield (origin, group), _Sum(times, last)


def _find_ended(environment: Environment, origins: Iterable[str]) -> set[tuple[str, str]]:
    """Return where there is a grant already: an active one is not asked about, so it was revoked, or has run out."""
    texts = sorted(origins)
    rows = TrustedOrigin.objects.using(alias()).filter(environment=environment)
    return {
        place
        for start in range(0, len(texts), ROWS_PER_QUERY)
        for place in rows.filter(origin__in=texts[start : start + ROWS_PER_QUERY]).values_list(
            "origin", "api_group__slug"
        )
    }


def _find_beginning(environment: Environment) -> datetime | None:
    """Return since when the audit tells of ``environment``; each table from the end of an index."""
    used = OriginUsage.objects.using(alias()).filter(trusted_origin__environment=environment)
    refused = Rejection.objects.using(alias()).filter(environment=environment.slug)
    oldest = [
        at for rows in (used, refused) for at in rows.order_by("last_seen").values_list("first_seen", flat=True)[:1]
    ]
    return min(oldest, default=None)
