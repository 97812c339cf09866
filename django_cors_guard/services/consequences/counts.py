"""How many grants an API group has, by environment, and what hangs on its credentials: for its page, in few queries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import router
from django.db.models import Count, Q, Sum
from django.utils import timezone

from django_cors_guard.core.decision import Reason
from django_cors_guard.models import ApiGroup, Environment, RejectionTally, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services.consequences.fates import Terms, compare, read_grants
from django_cors_guard.services.places import alias
from django_cors_guard.services.worth import with_status

WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class GrantCounts:
    """Grants of an API group in one environment, or in all. ``active`` are in force."""

    total: int = 0
    active: int = 0
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """Grants of an API group: by the id of their environment, and of the active ones what they are.

    ``insecure`` are in force and would be switched off by credentials.
    """

    places: dict[int, GrantCounts]
    front_ends: int = 0
    patterns: int = 0
    insecure: int = 0

    @property
    def whole(self) -> GrantCounts:
        """The sums over all environments."""
        rows = self.places.values()
        return GrantCounts(
            sum(row.total for row in rows), sum(row.active for row in rows), sum(row.revoked for row in rows)
        )


def count_grants_of(group: ApiGroup, environments: list[Environment]) -> GroupCounts:
    """Count the grants of a stored API group. Five queries."""
    rows = TrustedOrigin.objects.using(alias()).filter(api_group=group.pk)
    # As many rows as there are front ends in environments.
    active = list(
        with_status(rows, Status.ACTIVE)
        .order_by()
        .values_list("environment_id", "front_end_id")
        .annotate(times=Count("pk"), patterns=Count("pk", filter=Q(origin__contains="*")))
    )
    per_place = Counter[int]()
    for place, _front_end, times, _patterns in active:
        per_place[place] += times
    sums = rows.order_by().values_list("environment_id").annotate(total=Count("pk"), revoked=Count("revoked_at"))
    return GroupCounts(
        places={place: GrantCounts(total, per_place[place], revoked) for place, total, revoked in sums},
        front_ends=len({front_end for _place, front_end, _times, _patterns in active if front_end is not None}),
        patterns=sum(patterns for _place, _front_end, _times, patterns in active),
        insecure=_count_insecure(group, environments) if not group.allow_credentials else 0,
    )


def count_cross_site(api_group: str) -> int:
    """Return how many requests of a week isolation refused, or would have refused, in an API group (by slug).

    By kept sums, in all environments. One query.
    """
    tallies = RejectionTally.objects.using(router.db_for_read(RejectionTally)).filter(
        api_group=api_group, reason=Reason.CROSS_SITE.value, hour__gt=timezone.now() - WEEK
    )
    return int(tallies.aggregate(times=Sum("count"))["times"] or 0)


def _count_insecure(group: ApiGroup, environments: list[Environment]) -> int:
    credentialed = ApiGroup(slug=group.slug, allow_credentials=True)
    terms = {row.pk: (Terms.of(row, group), Terms.of(row, credentialed)) for row in environments}
    grants = read_grants(Q(origin__startswith="http://"), api_group=group.pk)
    return compare((item for item in grants if item.environment in terms), lambda item: terms[item.environment]).closed
