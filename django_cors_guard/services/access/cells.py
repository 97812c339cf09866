"""Cells of the access matrix: one origin, one API group, and the grant or the pattern between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services.places import alias
from django_cors_guard.services.revoking.matches import lock_rows
from django_cors_guard.services.worth import SOON

#: Patterns that are looked at in one environment.
MAX_PATTERNS: Final = 5000


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether one origin may call one API group, and why not.

    ``status`` is that of the grant, blank where there is none; ``pattern`` then is what lets the origin in all the
    same. ``revoked_by`` names who closed it, where anybody knows.
    """

    api_group: ApiGroup
    grant: TrustedOrigin | None = None
    status: str = ""
    expiring: bool = False
    revoked_by: str = ""
    pattern: str = ""

    @property
    def is_active(self) -> bool:
        """Whether a grant of its own lets the origin in."""
        return self.status == Status.ACTIVE

    @property
    def state(self) -> str:
        """What ``state_of`` says of its grant."""
        return state_of(self.grant)


def state_of(grant: TrustedOrigin | None) -> str:
    """Return what a later look finds again if nothing has happened to a grant in between; blank for none."""
    return f"{grant.status().value}:{grant.pk}:{grant.revision}" if grant is not None else ""


def describe_cell(group: ApiGroup, grant: TrustedOrigin, revokers: Mapping[int, str]) -> Cell:
    """Return the cell of a grant; ``revokers`` is what ``label_revokers`` says."""
    status = grant.status()
    ends = grant.expires_at
    expiring = status == Status.ACTIVE and ends is not None and ends <= timezone.now() + SOON
    return Cell(group, grant, status.value, expiring, revokers.get(grant.pk, ""))


def read_grants(
    environment: Environment, groups: Iterable[ApiGroup], origins: Iterable[str], *, lock: bool = False
) -> dict[tuple[str, int], TrustedOrigin]:
    """Return the grants of ``origins``, at most some hundreds, by origin and id of the API group.

    With ``lock`` they are as they stand now, and nobody else changes them until the transaction ends.
    """
    rows = TrustedOrigin.objects.using(alias()).filter(environment=environment, origin__in=set(origins))
    rows = lock_rows(rows).order_by("pk") if lock else rows.select_related("revoked_by", "front_end")
    return {(grant.origin, grant.api_group_id): grant for grant in settle(rows, environment, groups)}


def settle(
    rows: QuerySet[TrustedOrigin], environment: Environment, groups: Iterable[ApiGroup]
) -> Iterator[TrustedOrigin]:
    """Yield grants of one environment with the place they belong to, which is at hand and need not be joined."""
    by_id = {group.pk: group for group in groups}
    for grant in rows:
        if grant.api_group_id in by_id:
            grant.environment, grant.api_group = environment, by_id[grant.api_group_id]
            yield grant


def read_patterns(environment: Environment, groups: tuple[ApiGroup, ...]) -> dict[tuple[str, int], TrustedOrigin]:
    """Return the patterns of an environment, by text and id of the API group."""
    rows = TrustedOrigin.objects.using(alias()).filter(environment=environment)
    rows = rows.filter(
        Q(origin__startswith="https://*.") | Q(origin__startswith="http://*.") | Q(origin__endswith=":*")
    )
    found = settle(rows.order_by("pk")[:MAX_PATTERNS], environment, groups)
    return {(grant.origin, grant.api_group_id): grant for grant in found}


def find_cover(above: Iterable[str], group: ApiGroup, patterns: Mapping[tuple[str, int], TrustedOrigin]) -> str:
    """Return the pattern that lets an origin in: the most specific of those ``above`` decides, perhaps against it."""
    decides = next((grant for text in above if (grant := patterns.get((text, group.pk))) is not None), None)
    return decides.origin if decides is not None and decides.status() == Status.ACTIVE else ""
