"""Fixtures of the API's tests: a client that speaks JSON, signed in with exactly the permissions a test names."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from django_cors_guard.api import times
from tests.factories import NOW, user_with

ROOT = "/cors-guard/"
JSON = "application/json"


class Api:
    """Calls the API as one user; paths are relative to where it is mounted. Every answer must say no-store."""

    def __init__(self, user: User | None = None, *, enforce_csrf_checks: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=enforce_csrf_checks)
        self.user = user
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, **query: Any) -> Any:
        return self._check(self.client.get(ROOT + path, query))

    def follow(self, link: str) -> Any:
        return self._check(self.client.get(link))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._check(
            self.client.post(ROOT + path, json.dumps(body if body is not None else {}), JSON, headers=headers)
        )

    def send(self, method: str, path: str, body: bytes | str = b"", content_type: str = JSON, **extra: Any) -> Any:
        return self._check(self.client.generic(method, ROOT + path, body, content_type, **extra))

    def _check(self, response: Any) -> Any:
        assert response.headers["Cache-Control"] == "no-store"
        return response


@pytest.fixture(autouse=True)
def _fresh_throttle() -> None:
    """Requests of one test must not count against the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The API's clock, which tests may set: windows end an hour after the factories' rows were seen."""
    moment = [NOW + timedelta(hours=1)]
    monkeypatch.setattr(times, "now", lambda: moment[0])
    return moment


MakeApi = Callable[..., Api]


@pytest.fixture
def api(db: None) -> MakeApi:
    """Return a maker of clients by the codenames of their permissions; the users are no staff."""

    def make(*permissions: str, **fields: Any) -> Api:
        return Api(user_with(*permissions, is_staff=False, **fields))

    return make


@pytest.fixture
def anonymous(db: None) -> Api:
    """A client that is not signed in."""
    return Api()


def codes(response: Any) -> list[tuple[str, str]]:
    """Return the (field, code) pairs of an error's parts, having checked its shape."""
    body = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "errors"}
    assert body["type"] == "about:blank"
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    for item in body["errors"]:
        assert {"code", "field", "text"} <= set(item) <= {"code", "field", "text", "value", "known"}
        assert len(item.get("value", "")) <= 255
        assert item["text"]
    return [(item["field"], item["code"]) for item in body["errors"]]
