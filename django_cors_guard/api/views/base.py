"""What all views of the API share: everything that a project's REST framework defaults could change is pinned here.

Only authentication is the project's own.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import NotFound, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from django_cors_guard.api import parameters
from django_cors_guard.api.errors import InvalidInput
from django_cors_guard.api.filters import StrictFilterBackend
from django_cors_guard.api.formats import GuardJSONParser, GuardJSONRenderer, JSONNegotiation
from django_cors_guard.api.handler import handle
from django_cors_guard.api.numbers import BadNumber, read_number
from django_cors_guard.api.pagination import IdCursorPagination
from django_cors_guard.api.parameters import Shape
from django_cors_guard.api.permissions import ActionPermissions
from django_cors_guard.api.schema import GUARD_SCHEMA
from django_cors_guard.api.serializers.body import BodySerializer
from django_cors_guard.api.throttling import GuardThrottle

LIST: Final = "list"

#: Codecs that can neither fail on a query string nor make surrogates of it.
_CHARSETS: Final = frozenset({"ascii", "cp1252", "iso8859-1", "utf-8"})


class GuardViewSet(GenericViewSet[Any]):
    """Base of the API's views. ``permissions`` names, for each action, the permissions that it takes."""

    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: For the schema: the bodies that actions take, what they answer with where that is not 200 and the view's own
    #: serializer (a mapping says which media types), and which may meet something that stands against it.
    bodies: ClassVar[Mapping[str, type[BodySerializer]]] = {}
    answers: ClassVar[Mapping[str, Mapping[HTTPStatus, Any]]] = {}
    conflicting: ClassVar[frozenset[str]] = frozenset()
    #: Actions that take filters; the others take no parameters but those that are named here.
    narrowing: ClassVar[frozenset[str]] = frozenset({LIST})
    taking: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: The filters of this request, once they were applied.
    narrowed_by: Any = None

    permission_classes = (ActionPermissions,)
    throttle_classes = (GuardThrottle,)
    renderer_classes = (GuardJSONRenderer,)
    parser_classes = (GuardJSONParser,)
    content_negotiation_class = JSONNegotiation
    filter_backends = (StrictFilterBackend,)
    pagination_class = IdCursorPagination
    versioning_class = None
    metadata_class = None
    schema = GUARD_SCHEMA

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        _check_charset(request._request)  # noqa: SLF001 - REST framework documents it
        super().initial(request, *args, **kwargs)
        if self.action in self.permissions and self.action not in self.narrowing:
            errors = parameters.find_errors(request.query_params, self.taking.get(self.action, ()))
            if errors:
                raise InvalidInput(errors)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    @property
    def pager(self) -> IdCursorPagination:
        """The paginator of this request."""
        return cast(IdCursorPagination, self.paginator)

    @property
    def shape(self) -> Shape:
        """What the action takes beside filters: the parameters of a page, where it does not say otherwise."""
        return self.pager

    def settle(self, rows: list[Any]) -> list[Any]:
        """Return those of ``rows``, in order of their ids, before which nothing can appear any more."""
        return rows

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Name the methods, in ``Allow``, and nothing else."""
        return Response(status=status.HTTP_204_NO_CONTENT)


def actor_of(request: Request) -> AbstractBaseUser:
    """Return the user that a write is recorded under; there is one, or the permissions had refused it."""
    return cast(AbstractBaseUser, request.user)


def read_id(text: str) -> int:
    """Return the id that stands in a path; raises NotFound."""
    try:
        return read_number(text)
    except BadNumber as error:
        raise NotFound(_("There is nothing here by that id.")) from error


def _check_charset(request: HttpRequest) -> None:
    if request.encoding and codecs.lookup(request.encoding).name not in _CHARSETS:
        raise UnsupportedMediaType(request.content_type or "")
