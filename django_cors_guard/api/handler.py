"""Every error as one shape: an RFC 9457 problem (https://www.rfc-editor.org/rfc/rfc9457) with a list of its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from django_cors_guard.api.errors import (
    MAX_TEXT,
    ErrorItem,
    InvalidInput,
    describe_problem,
    describe_unknown_name,
)
from django_cors_guard.exceptions import (
    CorsGuardError,
    ManagedElsewhere,
    NotIssuable,
    ProtectedEnvironment,
    RefusedOrigin,
    RevokedOrigin,
    TooManyActive,
    UnknownName,
)

PROBLEM_TYPE: Final = "application/problem+json"
_CSRF_FAILED: Final = "CSRF Failed"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    code: str
    detail: str
    items: tuple[ErrorItem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to ``exc``, or None for what is a bug and shall be seen as one.

    It takes the place of the project's EXCEPTION_HANDLER, so that clients can rely on the shape.
    """
    describe = next((describe for kinds, describe in _DESCRIBERS if isinstance(exc, kinds)), None)
    if describe is None:
        return None
    # Under ATOMIC_REQUESTS nothing of a failed request stays.
    set_rollback()
    found = describe(exc, context)
    return Response(
        {
            "type": "about:blank",
            "title": HTTPStatus(found.status).phrase,
            "status": found.status,
            "detail": found.detail[:MAX_TEXT],
            "code": found.code,
            "errors": [item.as_dict() for item in found.items],
        },
        status=found.status,
        headers=dict(found.headers),
        content_type=PROBLEM_TYPE,
    )


def _invalid_input(exc: InvalidInput, context: dict[str, Any]) -> _Answer:
    return _Answer(exc.status_code, exc.code, str(exc.detail), exc.items)


def _refused_origin(exc: RefusedOrigin, context: dict[str, Any]) -> _Answer:
    return _invalid_input(InvalidInput(describe_problem(problem) for problem in exc.problems), context)


def _unknown_name(exc: UnknownName, context: dict[str, Any]) -> _Answer:
    return _invalid_input(InvalidInput([describe_unknown_name(exc)]), context)


def _revoked_origin(exc: RevokedOrigin, context: dict[str, Any]) -> _Answer:
    item = ErrorItem(exc.code, exc.message, "origin", exc.origin)
    return _Answer(HTTPStatus.CONFLICT, exc.code, exc.message, (item,))


def _protected_environment(exc: ProtectedEnvironment, context: dict[str, Any]) -> _Answer:
    items = tuple(ErrorItem(exc.code, exc.message, "environment", slug) for slug in exc.slugs)
    return _Answer(HTTPStatus.FORBIDDEN, exc.code, exc.message, items)


def _not_issuable(exc: NotIssuable, context: dict[str, Any]) -> _Answer:
    return _Answer(HTTPStatus.FORBIDDEN, exc.code, exc.message)


def _conflict(exc: TooManyActive | ManagedElsewhere, context: dict[str, Any]) -> _Answer:
    return _Answer(HTTPStatus.CONFLICT, exc.code, exc.message, (ErrorItem(exc.code, exc.message, "origin"),))


def _service_error(exc: CorsGuardError, context: dict[str, Any]) -> _Answer:
    return _Answer(HTTPStatus.BAD_REQUEST, exc.code, exc.message, (ErrorItem(exc.code, exc.message),))


def _not_found(exc: Http404 | exceptions.NotFound, context: dict[str, Any]) -> _Answer:
    detail = str(exc.detail) if isinstance(exc, exceptions.NotFound) else _("There is nothing here by that id.")
    return _Answer(HTTPStatus.NOT_FOUND, "not_found", detail)


def _method_not_allowed(exc: exceptions.MethodNotAllowed, context: dict[str, Any]) -> _Answer:
    allowed = ", ".join(context["view"].allowed_methods)
    return _Answer(
        exc.status_code, exc.default_code, _("Use one of these methods: %(allowed)s.") % {"allowed": allowed}
    )


def _unsupported_media_type(exc: exceptions.UnsupportedMediaType, context: dict[str, Any]) -> _Answer:
    detail = _("Send JSON in UTF-8, with “Content-Type: application/json”.")
    return _Answer(exc.status_code, exc.default_code, detail)


def _throttled(exc: exceptions.Throttled, context: dict[str, Any]) -> _Answer:
    wait = max(1, ceil(getattr(exc, "wait", None) or 1))
    detail = ngettext(
        "Too many requests. Try again in %(seconds)d second.",
        "Too many requests. Try again in %(seconds)d seconds.",
        wait,
    ) % {"seconds": wait}
    return _Answer(exc.status_code, exc.default_code, detail, headers={"Retry-After": str(wait)})


def _denied(exc: PermissionDenied | exceptions.PermissionDenied, context: dict[str, Any]) -> _Answer:
    detail = str(exc.detail) if isinstance(exc, exceptions.PermissionDenied) else ""
    if detail.startswith(_CSRF_FAILED):
        # REST framework repeats the Origin header here; a refused origin is never echoed.
        detail = _(
            "The CSRF check failed. Send the cookie's token in the header “X-CSRFToken”, from the site's own page."
        )
        return _Answer(HTTPStatus.FORBIDDEN, "csrf_failed", detail)
    return _Answer(HTTPStatus.FORBIDDEN, "permission_denied", detail or _("You may not do that."))


def _api_exception(exc: exceptions.APIException, context: dict[str, Any]) -> _Answer:
    auth_header = getattr(exc, "auth_header", None)
    headers = {"WWW-Authenticate": auth_header} if auth_header else {}
    return _Answer(exc.status_code, _code_of(exc), _sentence_of(exc), headers=headers)


def _code_of(exc: exceptions.APIException) -> str:
    codes = exc.get_codes()
    return codes if isinstance(codes, str) else exc.default_code


def _sentence_of(exc: exceptions.APIException) -> str:
    """Return one sentence, whatever shape the project's authentication gave to its error."""
    detail: Any = exc.detail
    if isinstance(detail, Mapping):
        detail = detail.get("detail", exc.default_detail)
    return str(detail) if isinstance(detail, str) else str(exc.default_detail)


def _too_big(exc: Exception, context: dict[str, Any]) -> _Answer:
    return _Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", _("The request's body is too large."))


def _bad_request(exc: Exception, context: dict[str, Any]) -> _Answer:
    # Django's message may repeat what was sent.
    return _Answer(HTTPStatus.BAD_REQUEST, "bad_request", _("The request is malformed."))


_Describe = Callable[[Any, dict[str, Any]], _Answer]

#: The first that fits describes the error.
_DESCRIBERS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Describe], ...]] = (
    (InvalidInput, _invalid_input),
    (RefusedOrigin, _refused_origin),
    (UnknownName, _unknown_name),
    (RevokedOrigin, _revoked_origin),
    (ProtectedEnvironment, _protected_environment),
    (NotIssuable, _not_issuable),
    ((TooManyActive, ManagedElsewhere), _conflict),
    (CorsGuardError, _service_error),
    ((Http404, exceptions.NotFound), _not_found),
    (exceptions.MethodNotAllowed, _method_not_allowed),
    (exceptions.UnsupportedMediaType, _unsupported_media_type),
    (exceptions.Throttled, _throttled),
    ((PermissionDenied, exceptions.PermissionDenied), _denied),
    (exceptions.APIException, _api_exception),
    (RequestDataTooBig, _too_big),
    ((SuspiciousOperation, BadRequest), _bad_request),
)
