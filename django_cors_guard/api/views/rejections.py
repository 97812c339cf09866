"""The audit log: which origins were refused, since when, why."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final

from django.db import connections, router
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api import times
from django_cors_guard.api.export import STREAMS, ExportShape, export
from django_cors_guard.api.filtersets import RejectionFilterSet
from django_cors_guard.api.pagination import LogPagination
from django_cors_guard.api.parameters import Shape
from django_cors_guard.api.permissions import VIEW_PII, VIEW_REJECTIONS, may
from django_cors_guard.api.serializers.rejection import PII_FIELDS, RejectionSerializer
from django_cors_guard.api.serializers.summary import SummarySerializer
from django_cors_guard.api.summary import INTERVAL, SummaryShape, close_window, read_limit, summarise
from django_cors_guard.api.times import as_stored
from django_cors_guard.api.views.base import LIST, GuardViewSet, read_id
from django_cors_guard.models import Rejection
from django_cors_guard.wording import word_reason

#: How long a row has to have been written before a checkpoint may pass it. Ids are given out in order and become
#: visible when their transaction commits: an id can appear after a larger one, but later by no more than the two
#: transactions lasted and the clocks of their hosts differ. Those of the audit last milliseconds.
SETTLE: Final = timedelta(seconds=15)


class RejectionViewSet(GuardViewSet):
    """Rejections, newest first."""

    permissions = {
        "list": (VIEW_REJECTIONS,),
        "retrieve": (VIEW_REJECTIONS,),
        "summary": (VIEW_REJECTIONS,),
        "export": (VIEW_REJECTIONS,),
    }
    answers = {"summary": {HTTPStatus.OK: SummarySerializer}, "export": {HTTPStatus.OK: STREAMS}}
    narrowing = frozenset({LIST, "summary", "export"})
    filterset_class = RejectionFilterSet
    pagination_class = LogPagination
    serializer_class = RejectionSerializer

    @property
    def shape(self) -> Shape:
        if self.action == "summary":
            return SummaryShape()
        return ExportShape() if self.action == "export" else super().shape

    def get_queryset(self) -> QuerySet[Rejection]:
        return Rejection.objects.all()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "pii": may(self.request, VIEW_PII)}

    def settle(self, rows: list[Rejection]) -> list[Rejection]:
        """Hold back what was written a moment ago, and everything behind it."""
        if connections[router.db_for_write(Rejection)].vendor == "sqlite":
            return rows  # it has one writer at a time: what is visible has nothing before it still to come
        horizon = as_stored(times.now() - SETTLE)
        return list(takewhile(lambda row: row.written_at <= horizon, rows))

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

    def summary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return what the filters leave, added up."""
        rows = self.filter_queryset(self.get_queryset())
        given = request.query_params.dict()
        found = summarise(
            rows,
            close_window(*self.narrowed_by.window),
            limit=read_limit(given),
            interval=given.get(INTERVAL),
        )
        return Response(SummarySerializer(found).data)

    def export(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        """Return all that the filters leave, as a stream."""
        rows = self.filter_queryset(self.get_queryset())
        hidden = () if may(request, VIEW_PII) else PII_FIELDS
        fields = [name for name in RejectionSerializer.Meta.fields if name not in hidden]
        return export(
            request._request,  # noqa: SLF001 - REST framework documents it
            rows,
            name="rejections",
            fields=fields,
            columns=[name for name in fields if name != "reason_text"],
            represent=lambda row: {name: _read(row, name) for name in fields},
        )


def _read(row: dict[str, Any], name: str) -> str | int | bool | datetime:
    value: str | int | bool | datetime = word_reason(row["reason"]) if name == "reason_text" else row[name]
    return value
