"""The audit log: which origins were refused, since when, why."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api.filters import RejectionFilterSet
from django_cors_guard.api.permissions import VIEW_PII, VIEW_REJECTIONS, may
from django_cors_guard.api.serializers.rejection import RejectionSerializer
from django_cors_guard.api.views.base import GuardViewSet, read_id
from django_cors_guard.models import Rejection


class RejectionViewSet(GuardViewSet):
    """Rejections, newest first."""

    permissions = {"list": (VIEW_REJECTIONS,), "retrieve": (VIEW_REJECTIONS,)}
    filterset_class = RejectionFilterSet
    serializer_class = RejectionSerializer

    def get_queryset(self) -> QuerySet[Rejection]:
        return Rejection.objects.all()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "pii": may(self.request, VIEW_PII)}

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of what the filters leave."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def retrieve(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Return one rejection."""
        row = self.get_queryset().filter(pk=read_id(pk)).first()
        if row is None:
            raise NotFound(_("There is no rejection by that id; it may have been pruned."))
        return Response(self.get_serializer(row).data)
