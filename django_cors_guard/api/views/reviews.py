"""The access review over HTTP: every grant as of a date, page by page or as a stream."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.errors import ErrorItem, InvalidInput
from django_cors_guard.api.export import STREAMS, ExportShape, stream
from django_cors_guard.api.filtersets import ReviewFilterSet
from django_cors_guard.api.pagination import ReviewPagination
from django_cors_guard.api.parameters import Shape
from django_cors_guard.api.permissions import VIEW_CHANGES, VIEW_ORIGINS, may, word_missing
from django_cors_guard.api.serializers.review import ReviewSerializer
from django_cors_guard.api.views.base import LIST, GuardViewSet
from django_cors_guard.api.views.trusting import grants
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.services import GrantList
from django_cors_guard.services.reviewing.sheets import as_values, choose_columns


class ReviewViewSet(GuardViewSet):
    """Grants as of now or of a moment that has gone: those of front ends past their review first, then the oldest."""

    permissions = {"list": (VIEW_ORIGINS,), "export": (VIEW_ORIGINS,)}
    answers = {"export": {HTTPStatus.OK: STREAMS}}
    narrowing = frozenset({LIST, "export"})
    filterset_class = ReviewFilterSet
    pagination_class = ReviewPagination
    serializer_class = ReviewSerializer

    @property
    def shape(self) -> Shape:
        return ExportShape() if self.action == "export" else super().shape

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of what the filters leave."""
        pager: Any = self.paginator
        found = self._find(request)
        rows = pager.paginate(found, request)
        data = ReviewSerializer(rows, many=True, context={"columns": self._choose_columns(request)}).data
        answer: Response = pager.get_paginated_response(data)
        return answer

    def export(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        """Return all that the filters leave, as a stream."""
        columns = self._choose_columns(request)
        blocks = ([as_values(grant, columns) for grant in block] for block in self._find(request).walk())
        return stream(
            request._request,  # noqa: SLF001 - REST framework documents it
            # An empty block would end the stream.
            (block for block in blocks if block),
            name="review",
            fields=columns,
        )

    def _find(self, request: Request) -> GrantList:
        self.filter_queryset(grants())
        wanted = self.narrowed_by.form.cleaned_data
        as_of = wanted["as_of"]
        if as_of is not None and not may(request, VIEW_CHANGES):
            # What was, is what the story tells.
            raise PermissionDenied(word_missing([(VIEW_CHANGES,)]))
        try:
            return services.list_grants(
                as_of,
                environments=_one(wanted["environment"]),
                api_groups=_one(wanted["api_group"]),
                front_ends=_one(wanted["front_end"]),
                statuses=_one(wanted["status"]),
                due_only=wanted["due"] == "true",
                older_than=wanted["older_than"] or services.OLDER_THAN,
            )
        except InvalidRequest as error:
            raise InvalidInput([ErrorItem("invalid_time", error.message, "as_of")]) from error

    def _choose_columns(self, request: Request) -> tuple[str, ...]:
        return choose_columns(lambda codename: may(request, f"cors_guard.{codename}"))


def _one(found: Any) -> list[Any]:
    return [found] if found else []
