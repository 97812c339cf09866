"""Front ends that are past their day of review."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.services.places import alias

#: Longest list of them.
MAX_LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Overdue:
    """One of them, and how many of its grants stand."""

    front_end: FrontEnd
    review_by: date
    standing: int


def list_overdue(
    *,
    environments: Iterable[Environment] = (),
    api_groups: Iterable[ApiGroup] = (),
    front_ends: Iterable[FrontEnd] = (),
    limit: int = MAX_LISTED,
) -> list[Overdue]:
    """Return those whose day has passed, the longest ago first; places say whose grants count. One query."""
    counted = Q(trusted_origins__revoked_at=None) & (
        Q(trusted_origins__expires_at=None) | Q(trusted_origins__expires_at__gt=timezone.now())
    )
    places, groups, named = (tuple(rows) for rows in (environments, api_groups, front_ends))
    if places:
        counted &= Q(trusted_origins__environment__in=places)
    if groups:
        counted &= Q(trusted_origins__api_group__in=groups)
    rows = FrontEnd.objects.using(alias()).filter(review_by__lt=datetime.now(tz=UTC).date())
    if named:
        rows = rows.filter(pk__in=[row.pk for row in named])
    found = rows.annotate(standing=Count("trusted_origins", filter=counted)).order_by("review_by", "pk")[:limit]
    return [Overdue(row, row.review_by, row.standing) for row in found if row.review_by is not None]
