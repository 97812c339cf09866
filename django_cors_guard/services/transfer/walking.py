"""The walk of an export: grants in a stable order, block by block, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from django.db.models import Max
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, FrontEnd, OriginUsage, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, TrustedOriginQuerySet
from django_cors_guard.models.write import label_of
from django_cors_guard.services.places import alias

#: Grants that are read, and in memory, at a time.
BLOCK: Final = 1000

#: One grant as files have it, by column.
Described: TypeAlias = dict[str, str | datetime | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which grants to walk; an empty sequence leaves all in."""

    environments: Sequence[Environment] = ()
    api_groups: Sequence[ApiGroup] = ()
    front_ends: Sequence[FrontEnd] = ()
    without_front_end: bool = False
    statuses: Sequence[str] = ()

    def narrow(self, rows: TrustedOriginQuerySet) -> TrustedOriginQuerySet:
        """Leave out what the database can tell; what safety rules say is judged grant by grant."""
        if self.front_ends:
            rows = rows.filter(front_end__in=self.front_ends)
        if self.without_front_end:
            rows = rows.filter(front_end=None)
        if self.statuses and Status.REVOKED not in self.statuses:
            rows = rows.filter(revoked_at=None)
        elif set(self.statuses) == {Status.REVOKED}:
            rows = rows.revoked()
        return rows


def walk_grants(choice: Choice, *, usage: bool = False) -> Iterator[list[Described]]:
    """Yield the grants by environment, API group and origin; with ``usage`` they say when they were last used.

    Each block is read when it is wanted, and no cursor of the database stays open between two.
    """
    rows: TrustedOriginQuerySet = TrustedOrigin.objects.using(alias())
    narrowed = choice.narrow(rows).select_related("front_end", "created_by", "revoked_by")
    for environment, group in _list_places(rows, choice):
        place = narrowed.filter(environment=environment, api_group=group).order_by("origin")
        last = ""
        while block := list(place.filter(origin__gt=last)[:BLOCK]):
            last = block[-1].origin
            used = _find_last_use(block) if usage else {}
            yield _describe_block(block, environment, group, choice, used)
            if len(block) < BLOCK:
                break


def _list_places(rows: TrustedOriginQuerySet, choice: Choice) -> list[tuple[Environment, ApiGroup]]:
    """Return where there are grants at all, in order."""
    taken = set(rows.order_by().values_list("environment_id", "api_group_id").distinct())
    environments = choice.environments or Environment.objects.using(alias())
    groups = choice.api_groups or ApiGroup.objects.using(alias())
    return [
        (environment, group)
        for environment in sorted(environments, key=lambda row: row.slug)
        for group in sorted(groups, key=lambda row: row.slug)
        if (environment.pk, group.pk) in taken
    ]


def _describe_block(
    block: Sequence[TrustedOrigin],
    environment: Environment,
    group: ApiGroup,
    choice: Choice,
    used: dict[int, datetime],
) -> list[Described]:
    now = timezone.now()
    found = []
    for grant in block:
        grant.environment, grant.api_group = environment, group
        status = grant.status(now)
        if not choice.statuses or status in choice.statuses:
            found.append(describe_grant(grant, status, used.get(grant.pk)))
    return found


def describe_grant(grant: TrustedOrigin, status: Status, last_used: datetime | None = None) -> Described:
    """Return ``grant`` as files have it; moments are aware."""
    return {
        "environment": grant.environment.slug,
        "api_group": grant.api_group.slug,
        "origin": grant.origin,
        "front_end": grant.front_end.slug if grant.front_end is not None else None,
        "note": grant.note,
        "expires_at": _aware(grant.expires_at),
        "status": status.value,
        "revoked_at": _aware(grant.revoked_at),
        "revoked_by": label_of(grant.revoked_by),
        "revoke_reason": grant.revoke_reason,
        "created_at": _aware(grant.created_at),
        "created_by": label_of(grant.created_by),
        "managed_by": grant.managed_by,
        "last_used": _aware(last_used),
    }


def _find_last_use(block: Sequence[TrustedOrigin]) -> dict[int, datetime]:
    # An index has it grant by grant.
    rows = OriginUsage.objects.using(alias()).filter(trusted_origin__in=[grant.pk for grant in block])
    return dict(rows.values_list("trusted_origin").annotate(last=Max("last_seen")).order_by())


def _aware(moment: datetime | None) -> datetime | None:
    """Without USE_TZ the database has moments in the project's zone."""
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())
