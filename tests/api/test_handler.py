from base64 import b64encode
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.settings import api_settings

from django_cors_guard.api.errors import MAX_TEXT
from django_cors_guard.api.handler import handle
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.api.views.rejections import RejectionViewSet
from django_cors_guard.core.origins import Problem
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment, RefusedOrigin, UnknownName
from tests.api.conftest import Api, codes
from tests.factories import user_with

HOSTILE = "<script>\x00\u202e" * 1000


class InvalidToken(exceptions.AuthenticationFailed):
    """An error whose detail is an object, as packages for tokens raise them."""

    def __init__(self) -> None:
        super().__init__({"detail": "Token is invalid", "messages": [{"token": "x"}]})


def context() -> dict[str, Any]:
    return {"view": RejectionViewSet(), "request": Request(RequestFactory().get("/"))}


@pytest.mark.parametrize(
    ("error", "status", "code", "items"),
    [
        pytest.param(RefusedOrigin("x", (Problem("path", "/x"), Problem("query", ""))), 400, "refused_origin", 2,
                     id="refused origin"),
        pytest.param(UnknownName("environment", "x", ("production",)), 400, "unknown_name", 1, id="unknown name"),
        pytest.param(ProtectedEnvironment(("a", "b")), 403, "protected_environment", 2, id="protected"),
        pytest.param(InvalidRequest("Say why."), 400, "invalid_request", 1, id="invalid request"),
        pytest.param(Http404("secret"), 404, "not_found", 0, id="Django's 404"),
        pytest.param(exceptions.NotFound("Gone."), 404, "not_found", 0, id="DRF's 404"),
        pytest.param(PermissionDenied("secret"), 403, "permission_denied", 0, id="Django's 403"),
        pytest.param(exceptions.NotAuthenticated(), 401, "not_authenticated", 0, id="nobody"),
        pytest.param(exceptions.AuthenticationFailed(), 401, "authentication_failed", 0, id="wrong password"),
        pytest.param(InvalidToken(), 401, "authentication_failed", 0, id="error with an object"),
        pytest.param(exceptions.ValidationError(["a", "b"]), 400, "invalid", 0, id="error with a list"),
        pytest.param(exceptions.Throttled(), 429, "throttled", 0, id="throttled without a time"),
        pytest.param(exceptions.Throttled(2.1), 429, "throttled", 0, id="throttled"),
        pytest.param(exceptions.UnsupportedMediaType(HOSTILE), 415, "unsupported_media_type", 0, id="media type"),
        pytest.param(SuspiciousOperation(HOSTILE), 400, "bad_request", 0, id="suspicious"),
        pytest.param(RefusedOrigin(HOSTILE, (Problem("path", HOSTILE, HOSTILE),)), 400, "refused_origin", 1,
                     id="hostile origin"),
        pytest.param(UnknownName("environment", HOSTILE, ("x",) * 500), 400, "unknown_name", 1, id="hostile name"),
    ],
)  # fmt: skip
def test_handle_gives_every_error_the_same_shape(error: Exception, status: int, code: str, items: int) -> None:
    response = handle(error, context())
    assert response is not None
    assert response.status_code == status
    assert set(response.data) == {"type", "title", "status", "detail", "code", "errors"}
    assert (response.data["status"], response.data["code"]) == (status, code)
    assert isinstance(response.data["detail"], str)
    assert 0 < len(response.data["detail"]) <= MAX_TEXT
    assert "secret" not in response.data["detail"]
    assert len(response.data["errors"]) == items
    assert all(len(item.get("value", "")) <= 255 for item in response.data["errors"])


def test_handle_of_a_bug_leaves_it_to_be_seen() -> None:
    assert handle(ZeroDivisionError(), context()) is None


def test_handle_of_an_error_with_an_object_keeps_its_sentence() -> None:
    response = handle(InvalidToken(), context())
    assert response is not None
    assert response.data["detail"] == "Token is invalid"


@pytest.mark.django_db
def test_handle_under_atomic_requests_rolls_the_request_back(settings: Any) -> None:
    connection = transaction.get_connection()
    with transaction.atomic():
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        try:
            handle(InvalidRequest("Say why."), context())
            assert connection.needs_rollback
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
            connection.set_rollback(False)


class Failing(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        raise InvalidToken

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Exploding(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        raise ZeroDivisionError


def test_authentication_of_the_project_decides_between_401_and_403(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GuardViewSet, "authentication_classes", [SessionAuthentication])
    assert anonymous.get("rejections/").status_code == 403
    monkeypatch.setattr(GuardViewSet, "authentication_classes", [BasicAuthentication, SessionAuthentication])
    response = anonymous.get("rejections/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert response.json()["code"] == "not_authenticated"


def test_authentication_that_fails_answers_in_the_same_shape(anonymous: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardViewSet, "authentication_classes", [Failing])
    response = anonymous.post("check/", {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert codes(response) == []


def test_authentication_that_breaks_is_no_answer_of_ours(anonymous: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardViewSet, "authentication_classes", [Exploding])
    with pytest.raises(ZeroDivisionError):
        anonymous.get("status/")


def test_without_any_user_everything_is_denied(anonymous: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_settings, "UNAUTHENTICATED_USER", None)
    for response in (anonymous.get("rejections/"), anonymous.post("check/", {}), anonymous.send("OPTIONS", "status/")):
        assert response.status_code == 403
        assert codes(response) == []


def test_user_of_another_kind_without_permissions_is_denied(anonymous: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class Claims:
        """A stateless user, as some token packages have."""

        is_authenticated = True

    class Stateless(BaseAuthentication):
        def authenticate(self, request: Request) -> tuple[Any, None]:
            return Claims(), None

    monkeypatch.setattr(GuardViewSet, "authentication_classes", [Stateless])
    assert anonymous.get("rejections/").status_code == 403


def test_answer_is_never_kept_by_djangos_cache_middleware(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    # With a header that no answer varies on, unlike a session's cookie.
    monkeypatch.setattr(GuardViewSet, "authentication_classes", [BasicAuthentication])
    user = user_with("view_rejection", username="ana")
    user.set_password("secret")
    user.save()
    credentials = b64encode(b"ana:secret").decode()
    signed_in = anonymous.send("GET", "rejections/", headers={"authorization": f"Basic {credentials}"})
    assert signed_in.status_code == 200
    assert anonymous.get("rejections/").status_code == 401
