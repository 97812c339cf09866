"""Changes: the story of the policy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api.export import STREAMS, ExportShape, export
from django_cors_guard.api.filtersets import PolicyChangeFilterSet
from django_cors_guard.api.pagination import LogPagination
from django_cors_guard.api.parameters import Shape
from django_cors_guard.api.permissions import VIEW_CHANGES
from django_cors_guard.api.serializers.policy_change import PolicyChangeSerializer
from django_cors_guard.api.views.base import LIST, GuardViewSet
from django_cors_guard.models import PolicyChange, PolicyState
from django_cors_guard.wording import word_action

#: Fields by the columns that they are read from; those of the same name are left out, as is what is worded.
_COLUMNS = {"actor": "actor_label"}
_WORDED = "action_text"


class ChangeViewSet(GuardViewSet):
    """Changes, newest first. Policy writes commit in order, so a checkpoint has none to wait for."""

    permissions = {"list": (VIEW_CHANGES,), "export": (VIEW_CHANGES,)}
    answers = {"export": {HTTPStatus.OK: STREAMS}}
    narrowing = frozenset({LIST, "export"})
    filterset_class = PolicyChangeFilterSet
    pagination_class = LogPagination
    serializer_class = PolicyChangeSerializer

    @property
    def shape(self) -> Shape:
        return ExportShape() if self.action == "export" else super().shape

    def get_queryset(self) -> QuerySet[PolicyChange]:
        return PolicyChange.objects.using(router.db_for_write(PolicyState))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of what the filters leave."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def export(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        """Return all that the filters leave, as a stream."""
        rows = self.filter_queryset(self.get_queryset())
        fields = list(PolicyChangeSerializer().fields)
        return export(
            request._request,  # noqa: SLF001 - REST framework documents it
            rows,
            name="changes",
            fields=fields,
            columns=[_COLUMNS.get(name, name) for name in fields if name != _WORDED],
            represent=lambda row: {name: _read(row, name) for name in fields},
        )


def _read(row: dict[str, Any], name: str) -> Any:
    return word_action(row["action"]) if name == _WORDED else row[_COLUMNS.get(name, name)]
