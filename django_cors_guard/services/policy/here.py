"""What there is: the small tables whole, and the grants that a document meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django_cors_guard.models import ApiGroup, ApiRoute, Environment, FrontEnd, GroupMode, TrustedOrigin
from django_cors_guard.models.trusted_origin import TrustedOriginQuerySet
from django_cors_guard.services.places import alias
from django_cors_guard.services.policy.plans import Key
from django_cors_guard.services.transfer.grants import chunked


@dataclass(frozen=True, slots=True)
class Here:
    """What documents name, by slug. Routes say by (host, path prefix) which API group has them."""

    environments: Mapping[str, Environment]
    groups: Mapping[str, ApiGroup]
    front_ends: Mapping[str, FrontEnd]
    routes: Mapping[tuple[str, str], str]
    modes: Mapping[tuple[str, str], str]

    @classmethod
    def read(cls) -> Here:
        """Return what there is now, in five queries."""
        groups = {row.pk: row for row in ApiGroup.objects.using(alias()).order_by("slug")}
        places = {row.pk: row for row in Environment.objects.using(alias()).order_by("slug")}
        routes = ApiRoute.objects.using(alias()).values_list("host", "path_prefix", "api_group_id")
        modes = GroupMode.objects.using(alias()).values_list("environment_id", "api_group_id", "mode")
        return cls(
            environments={row.slug: row for row in places.values()},
            groups={row.slug: row for row in groups.values()},
            front_ends={row.slug: row for row in FrontEnd.objects.using(alias()).order_by("slug")},
            routes={(host, prefix): groups[group].slug for host, prefix, group in routes if group in groups},
            modes={
                (places[place].slug, groups[group].slug): mode
                for place, group, mode in modes
                if place in places and group in groups
            },
        )

    @property
    def protected(self) -> tuple[Environment, ...]:
        """Return the protected environments."""
        return tuple(row for row in self.environments.values() if row.protected)

    def find_grants(self, origins: Iterable[str]) -> dict[Key, TrustedOrigin]:
        """Return the grants of these canonical origins, wherever they are."""
        rows = _grants()
        return self._settle(row for chunk in chunked(set(origins)) for row in rows.filter(origin__in=chunk))

    def find_managed(self, name: str, *, environment: str = "") -> dict[Key, TrustedOrigin]:
        """Return the grants in force or expired that ``name`` manages; with ``environment`` only those there."""
        rows = _grants().filter(managed_by=name, revoked_at=None)
        found = self._settle(rows.filter(environment__slug=environment) if environment else rows)
        # Not every database tells upper and lower case apart.
        return {key: row for key, row in found.items() if row.managed_by == name and environment in {"", key[0]}}

    def _settle(self, rows: Iterable[TrustedOrigin]) -> dict[Key, TrustedOrigin]:
        """Give grants the relations that were read before."""
        places = {row.pk: row for row in self.environments.values()}
        groups = {row.pk: row for row in self.groups.values()}
        front_ends = {row.pk: row for row in self.front_ends.values()}
        found = dict[Key, TrustedOrigin]()
        for row in rows:
            if row.environment_id in places and row.api_group_id in groups:
                row.environment, row.api_group = places[row.environment_id], groups[row.api_group_id]
                row.front_end = front_ends.get(row.front_end_id or 0)
                found[row.environment.slug, row.api_group.slug, row.origin] = row
        return found


def _grants() -> TrustedOriginQuerySet:
    rows: TrustedOriginQuerySet = TrustedOrigin.objects.using(alias()).select_related("revoked_by").order_by("pk")
    return rows
