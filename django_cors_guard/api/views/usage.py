"""Usage: what trusted origins did, and which grants nobody uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api.filtersets import UsageFilterSet
from django_cors_guard.api.permissions import VIEW_USAGE
from django_cors_guard.api.serializers.usage import UsageSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.api.views.trusting import grants
from django_cors_guard.models import OriginUsage, TrustedOrigin
from django_cors_guard.services.calls import describe_calls


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
        found = describe_calls(rows, self.narrowed_by.narrow_usage(OriginUsage.objects.all()))
        return self.get_paginated_response(self.get_serializer(found, many=True).data)
