"""What waits for an operator: who is refused most, which grants end, which nobody uses, what is due for review.

Reads alone, one query each, and bounded: pages show them at any number of grants and cards. What is long is counted up
to a limit, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import router
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from django_cors_guard.models import Environment, FrontEnd, OriginUsage, RejectedOrigin, TrustedOrigin
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import worth

Grants = QuerySet[TrustedOrigin]

#: Grants that end within so long are listed; those within ``worth.SOON`` are told apart.
LATER: Final = timedelta(days=30)
#: Front ends are due that long before their review.
REVIEW: Final = timedelta(days=30)

#: Unused grants are counted no further.
MAX_COUNTED: Final = 1000
#: Those refused most are looked for among so many cards, the ones seen last.
MAX_CARDS: Final = 1000
#: Longest list of anything.
MAX_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class GrantCount:
    """Active grants of one API group in one environment (by id); those that end ``soon`` end ``later``, too."""

    environment: int
    api_group: int
    active: int
    soon: int
    later: int


@dataclass(frozen=True, slots=True)
class Ending:
    """A grant that is about to expire."""

    id: int
    origin: str
    environment: str
    api_group: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Unused:
    """Active grants: ``never`` used, and ``long`` not used although they are older than that.

    A grant may be both. With ``is_cut`` there are more than these.
    """

    never: int
    long: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A new card: what was refused in the last seven days (of UTC), and in all."""

    id: int
    origin: str
    environment: str
    api_group: str
    reason: str
    lately: int
    count: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """A front end that is to be looked at."""

    id: int
    name: str
    owner: str
    review_by: date
    is_overdue: bool


def find_active(now: datetime, environments: Iterable[Environment]) -> Grants:
    """Return the grants that let somebody in at ``now``, to be counted and listed. Takes one query to make.

    ``environments`` are the rows there are; ``now`` is as ``timezone.now()`` gives it.
    """
    rows = TrustedOrigin.objects.using(router.db_for_read(TrustedOrigin))
    return worth.with_status(rows, Status.ACTIVE, now, environments=environments)


def count_grants(active: Grants, now: datetime) -> list[GrantCount]:
    """Count the ``active`` grants by environment and API group."""
    counted = active.values_list("environment_id", "api_group_id").annotate(
        active=Count("pk"),
        soon=Count("pk", filter=Q(expires_at__lte=now + worth.SOON)),
        later=Count("pk", filter=Q(expires_at__lte=now + LATER)),
    )
    return [GrantCount(*row) for row in counted.order_by("environment_id", "api_group_id")]


def list_ending(active: Grants, now: datetime) -> list[Ending]:
    """Return those of the ``active`` grants that expire next, within 30 days."""
    rows = active.filter(expires_at__lte=now + LATER).order_by("expires_at", "pk")
    columns = ("pk", "origin", "environment__slug", "api_group__slug", "expires_at")
    return [Ending(*row) for row in rows.values_list(*columns)[:MAX_LISTED]]


def count_unused(active: Grants, now: datetime) -> Unused:
    """Count those of the ``active`` grants that nobody uses, up to a limit: ``worth.never_used`` and ``worth.unused``.

    In API groups that are open to any origin nothing tells of the use of one.
    """
    since = now - worth.longest_silence()
    usage = OriginUsage.objects.using(active.db).filter(trusted_origin=OuterRef("pk"))
    idle = active.filter(~Exists(usage.filter(last_seen__gt=since)), api_group__any_origin=False)
    rows = list(idle.annotate(was_used=Exists(usage)).values_list("was_used", "created_at")[: MAX_COUNTED + 1])
    counted = rows[:MAX_COUNTED]
    return Unused(
        never=sum(not was_used for was_used, _created_at in counted),
        long=sum(created_at <= since for _was_used, created_at in counted),
        is_cut=len(rows) > MAX_COUNTED,
    )


def list_most_refused(since: datetime, today: date, *, environment: str | None = None) -> list[Refused]:
    """Return the new cards seen since ``since`` with the most refusals of the last seven days up to ``today``.

    They are looked for among the ``MAX_CARDS`` seen last, in one environment (by slug) or in all.
    """
    # Status and environment each have an index together with the time, and both have none: in one environment the
    # status is looked at here, or a million cards that were ignored might be read to find none that is new.
    place = {"status": CardStatus.NEW.value} if environment is None else {"environment": environment}
    cards = RejectedOrigin.objects.using(router.db_for_read(RejectedOrigin)).filter(last_seen__gte=since, **place)
    seen = [card for card in cards.order_by("-last_seen")[:MAX_CARDS] if card.status == CardStatus.NEW]
    found = [_read_card(card, today) for card in seen]
    return sorted(found, key=lambda card: (-card.lately, -card.count, card.origin))[:MAX_LISTED]


def list_reviews(today: date) -> list[Review]:
    """Return the front ends whose review is due within 30 days or overdue, the most urgent first."""
    rows = FrontEnd.objects.using(router.db_for_read(FrontEnd)).filter(review_by__lte=today + REVIEW)
    return [
        Review(row.pk, str(row), row.owner, row.review_by, row.review_by < today)
        for row in rows.order_by("review_by", "pk")[:MAX_LISTED]
        if row.review_by is not None
    ]


def _read_card(card: RejectedOrigin, today: date) -> Refused:
    return Refused(
        id=card.pk,
        origin=card.origin,
        environment=card.environment,
        api_group=card.api_group,
        reason=card.last_reason,
        lately=sum(count for _day, count in card.trend(today)),
        count=card.count,
        last_seen=card.last_seen,
    )
