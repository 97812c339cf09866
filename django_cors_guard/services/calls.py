"""What each of many grants let in within a window, by method: as the API and the command tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import OriginUsage, TrustedOrigin


def narrow_to_unused(grants: QuerySet[TrustedOrigin], usage: QuerySet[OriginUsage]) -> QuerySet[TrustedOrigin]:
    """Return those of ``grants`` that still stand and that nobody used, as ``usage`` has it, however young they are."""
    used = Exists(usage.filter(trusted_origin=OuterRef("pk")))
    still = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return grants.filter(~used, still, revoked_at=None)


def describe_calls(grants: Sequence[TrustedOrigin], usage: QuerySet[OriginUsage]) -> list[dict[str, Any]]:
    """Return what each of ``grants`` (with their places and front ends) let in, as plain values. One query."""
    methods = _count_methods(usage, grants)
    return [_describe(grant, methods.get(grant.pk, [])) for grant in grants]


def _count_methods(usage: QuerySet[OriginUsage], grants: Iterable[TrustedOrigin]) -> dict[int, list[dict[str, Any]]]:
    """Return what was done by grant and method, the most frequent first."""
    counted = (
        usage.filter(trusted_origin__in=[grant.pk for grant in grants])
        .values("trusted_origin", "method")
        .annotate(total=Sum("count"), first=Min("first_seen"), last=Max("last_seen"))
        .order_by("-total", "method")
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in counted:
        used = {"method": row["method"], "count": row["total"], "first_seen": row["first"], "last_seen": row["last"]}
        found.setdefault(row["trusted_origin"], []).append(used)
    return found


def _describe(grant: TrustedOrigin, methods: list[dict[str, Any]]) -> dict[str, Any]:
    parsed = parse_canonical(grant.origin)
    return {
        "trusted_origin": grant.pk,
        "environment": grant.environment.slug,
        "api_group": grant.api_group.slug,
        "origin": grant.origin,
        "unicode": parsed.unicode if parsed is not None else grant.origin,
        "status": grant.status().value,
        "front_end": grant.front_end.slug if grant.front_end is not None else None,
        "created_at": grant.created_at,
        "count": sum(used["count"] for used in methods),
        "first_seen": min((used["first_seen"] for used in methods), default=None),
        "last_seen": max((used["last_seen"] for used in methods), default=None),
        "methods": methods,
    }
