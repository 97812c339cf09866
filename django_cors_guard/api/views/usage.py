"""Usage: what trusted origins did, and which grants nobody uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Max, Min, QuerySet, Sum
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api.filtersets import UsageFilterSet
from django_cors_guard.api.permissions import VIEW_USAGE
from django_cors_guard.api.serializers.usage import UsageSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.api.views.trusting import grants
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import OriginUsage, TrustedOrigin


class UsageViewSet(GuardViewSet):
    """Grants, newest first, each with the requests that it let in."""

    permissions = {"list": (VIEW_USAGE,)}
    filterset_class = UsageFilterSet
    serializer_class = UsageSerializer

    def get_queryset(self) -> QuerySet[TrustedOrigin]:
        return grants()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of the grants that the filters leave."""
        rows: Sequence[TrustedOrigin] = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        methods = _count_methods(self.narrowed_by.narrow_usage(OriginUsage.objects.all()), rows)
        found = [_describe(grant, methods.get(grant.pk, [])) for grant in rows]
        return self.get_paginated_response(self.get_serializer(found, many=True).data)


def _count_methods(usage: QuerySet[OriginUsage], rows: Iterable[TrustedOrigin]) -> dict[int, list[dict[str, Any]]]:
    """Return what was done by grant and method, the most frequent first."""
    counted = (
        usage.filter(trusted_origin__in=[grant.pk for grant in rows])
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
