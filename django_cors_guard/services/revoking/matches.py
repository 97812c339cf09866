"""What a revocation meets: the grants of an origin, and the patterns that let it in without one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connections
from django.db.models import Q, QuerySet

from django_cors_guard.core.origins import Origin, OriginKind, pattern_candidates
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.services.places import alias

#: Grants below a revoked pattern that a receipt lists.
MAX_REMAINING: Final = 100


@dataclass(frozen=True, slots=True)
class Matches:
    """The grants that a revocation meets: rows of the origin itself, and places where only a pattern lets it in."""

    exact: tuple[TrustedOrigin, ...]
    revoked: tuple[TrustedOrigin, ...]
    covered: tuple[tuple[Environment, ApiGroup, TrustedOrigin], ...]
    patterns: tuple[TrustedOrigin, ...]
    remaining: tuple[TrustedOrigin, ...]

    def environments(self, chosen: Iterable[Environment]) -> list[Environment]:
        """Return those of ``chosen`` that would change."""
        ids = {grant.environment_id for grant in self.exact} | {place.pk for place, _group, _grant in self.covered}
        return [environment for environment in chosen if environment.pk in ids]


def find_matches(
    origin: Origin, environments: list[Environment], groups: list[ApiGroup], *, lock: bool = False
) -> Matches:
    """Return what revoking ``origin`` in these places meets; with ``lock`` nobody else changes it until the end."""
    places = TrustedOrigin.objects.using(alias()).filter(environment__in=environments, api_group__in=groups)
    places = places.select_related("environment", "api_group")
    wanted = places.filter(origin__in=[origin.text, *list_patterns_above(origin)])
    wanted = lock_rows(wanted) if lock else wanted.select_related("environment", "api_group", "front_end")
    rows = list(wanted.order_by("environment__slug", "api_group__slug", "origin"))
    own = [row for row in rows if row.origin == origin.text]
    decided = {(row.environment_id, row.api_group_id) for row in own}
    # Also those that are switched off or have expired: they may be in force again tomorrow.
    patterns = [row for row in rows if row.origin != origin.text and row.revoked_at is None]
    covered = {
        (row.environment_id, row.api_group_id): (row.environment, row.api_group, row)
        for row in patterns
        if (row.environment_id, row.api_group_id) not in decided
    }
    return Matches(
        exact=tuple(row for row in own if row.revoked_at is None),
        revoked=tuple(row for row in own if row.revoked_at is not None),
        covered=tuple(covered.values()),
        patterns=tuple(patterns),
        remaining=tuple(_find_below(origin, places)) if origin.is_pattern else (),
    )


def list_patterns_above(origin: Origin) -> list[str]:
    """Return the patterns that let ``origin`` in, or, for a pattern, all that it matches."""
    if origin.kind is OriginKind.LOOPBACK_PORTS:
        return []
    return list(pattern_candidates(origin.text.replace("://*.", "://", 1)))


def matched_by(pattern: Origin) -> Q:
    """Return the condition that a row's ``origin`` is one that ``pattern`` matches (or the pattern itself)."""
    if pattern.kind is OriginKind.LOOPBACK_PORTS:
        plain = pattern.text.removesuffix(":*")
        return Q(origin=plain) | Q(origin__startswith=f"{plain}:")
    if pattern.kind is OriginKind.SUBDOMAINS:
        scheme, _separator, rest = pattern.text.partition("://*")
        return Q(origin__startswith=f"{scheme}://", origin__endswith=rest)
    return Q(origin=pattern.text)


def lock_rows(rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Lock grants, and those alone where the database can; a locking read also sees past an older snapshot."""
    only = ("self",) if connections[alias()].features.has_select_for_update_of else ()
    return rows.select_for_update(of=only)


def _find_below(pattern: Origin, places: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
    """Grants of their own that a revoked pattern leaves in force: they were trusted one by one."""
    below = places.filter(matched_by(pattern), revoked_at=None).exclude(origin=pattern.text)
    return below.order_by("origin")[:MAX_REMAINING]
