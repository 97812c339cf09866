"""What all views of the API share: everything that a project's REST framework defaults could change is pinned here.

Only authentication is the project's own.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
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
from django_cors_guard.api.pagination import IdCursorPagination
from django_cors_guard.api.permissions import ActionPermissions
from django_cors_guard.api.throttling import GuardThrottle

LIST: Final = "list"

#: Codecs that can neither fail on a query string nor make surrogates of it.
_CHARSETS: Final = frozenset({"ascii", "cp1252", "iso8859-1", "utf-8"})
_MAX_ID: Final = 2**63 - 1


class GuardViewSet(GenericViewSet[Any]):
    """Base of the API's views. ``permissions`` names, for each action, the permissions that it takes."""

    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    permission_classes = (ActionPermissions,)
    throttle_classes = (GuardThrottle,)
    renderer_classes = (GuardJSONRenderer,)
    parser_classes = (GuardJSONParser,)
    content_negotiation_class = JSONNegotiation
    filter_backends = (StrictFilterBackend,)
    pagination_class = IdCursorPagination
    versioning_class = None
    metadata_class = None
    schema = None

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        _check_charset(request._request)  # noqa: SLF001 - REST framework documents it
        super().initial(request, *args, **kwargs)
        if self.action in self.permissions and self.action != LIST:
            errors = parameters.find_errors(request.query_params, ())
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

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Name the methods, in ``Allow``, and nothing else."""
        return Response(status=status.HTTP_204_NO_CONTENT)


def actor_of(request: Request) -> AbstractBaseUser:
    """Return the user that a write is recorded under; there is one, or the permissions had refused it."""
    return cast(AbstractBaseUser, request.user)


def read_id(text: str) -> int:
    """Return the id that stands in a path; raises NotFound."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_ID)) and int(text) <= _MAX_ID:
        return int(text)
    raise NotFound(_("There is nothing here by that id."))


def _check_charset(request: HttpRequest) -> None:
    if request.encoding and codecs.lookup(request.encoding).name not in _CHARSETS:
        raise UnsupportedMediaType(request.content_type or "")
