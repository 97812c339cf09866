"""The health check, over its page: fresh, idle, stale, lapsed, without a policy or an environment."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import override_settings
from django.utils import translation
from health_check.exceptions import ServiceUnavailable  # type: ignore[import-untyped]

from django_cors_guard import conf
from django_cors_guard.health import MAX_AGE_SECONDS, CorsPolicy
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.store import store
from django_cors_guard.testing import override_cors_guard
from tests.sending import Send

pytestmark = pytest.mark.django_db

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _page() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="tests.monitoring.urls"):
        yield


@pytest.fixture
def site(production: Environment, billing: ApiGroup) -> Environment:
    return production


def ask(send: Send) -> tuple[int, str]:
    response: Any = send("GET", "/health/?format=json")
    ((_, told),) = json.loads(response.content).items()
    return response.status_code, told


class Looks:
    """How often the database was asked; it may be away."""

    def __init__(self) -> None:
        self.count = 0
        self.is_away = False


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks, read = Looks(), PolicyState.read

    def count(using: str) -> Any:
        looks.count += 1
        if looks.is_away:
            raise OperationalError("the server has closed the connection")
        return read(using)

    monkeypatch.setattr(PolicyState, "read", count)
    return looks


def age(seconds: float) -> None:
    """Let the policy have been confirmed so long ago, with no request since."""
    with store._mutex:
        state = store._state
        names = ("confirmed_wall", "confirmed_mono", "answered_wall", "answered_mono", "heard_mono")
        past = {name: getattr(state, name) - seconds for name in names}
        store._state = replace(state, **past, due_wall=0.0, due_mono=0.0)


def test_fresh_policy_is_healthy(send: Send, site: Environment) -> None:
    assert ask(send) == (200, "OK")


def test_idle_process_looks_first(send: Send, site: Environment, looks: Looks) -> None:
    ask(send)
    age(HOUR)
    before = looks.count
    assert ask(send) == (200, "OK")
    assert looks.count > before
    fresh = store.freshness()
    assert fresh.age_seconds is not None
    assert fresh.age_seconds < HOUR


def test_database_is_asked_no_more_often_than_by_requests(send: Send, site: Environment, looks: Looks) -> None:
    with override_cors_guard(REFRESH_SECONDS=HOUR):
        ask(send)
        before = looks.count
        for _ in range(5):
            assert ask(send) == (200, "OK")
        assert looks.count == before


def test_policy_that_cannot_be_confirmed_is_stale_in_time(send: Send, site: Environment, looks: Looks) -> None:
    ask(send)
    looks.is_away = True
    async_to_sync(CorsPolicy().run)()  # one look that failed is no alarm
    age(MAX_AGE_SECONDS + 5)
    status, told = ask(send)
    assert status == 500
    assert "The policy was last confirmed 3" in told
    assert told.endswith("The database did not answer of late, so the last policy that was read serves on.")
    looks.is_away = False
    assert ask(send) == (200, "OK")


def test_lapsed_policy_is_told_as_such(send: Send, site: Environment, looks: Looks) -> None:
    ask(send)
    looks.is_away = True
    age(HOUR)
    status, told = ask(send)
    assert (status, told) == (
        500,
        "Unavailable: The database did not answer for so long that every grant has lapsed: no origin is let in.",
    )


def test_process_without_a_policy(send: Send, site: Environment, looks: Looks) -> None:
    looks.is_away = True
    status, told = ask(send)
    assert status == 500
    assert told.startswith("Unavailable: This process has no policy, so it sends no CORS header.")


def test_environment_without_a_row(send: Send, billing: ApiGroup) -> None:
    status, told = ask(send)
    assert status == 500
    assert "The active environment “production” is not in the database" in told


def test_policy_that_guards_nothing_is_no_failure(send: Send, production: Environment) -> None:
    assert ask(send) == (200, "OK")


@pytest.mark.parametrize(
    ("refresh", "given", "limit"),
    [
        pytest.param(1.0, None, MAX_AGE_SECONDS, id="default"),
        pytest.param(60.0, None, 180.0, id="looks that are rare"),
        pytest.param(60.0, timedelta(seconds=5), 5.0, id="given"),
    ],
)
def test_limit(refresh: float, given: timedelta | None, limit: float) -> None:
    with override_cors_guard(REFRESH_SECONDS=refresh):
        assert CorsPolicy(max_age=given)._limit() == limit


def test_age_is_told_in_the_number_it_is(site: Environment, looks: Looks) -> None:
    store.current()
    looks.is_away = True
    age(1.2)
    with translation.override("en"), pytest.raises(ServiceUnavailable, match=r"confirmed 1 second ago\. The"):
        async_to_sync(CorsPolicy(max_age=timedelta(seconds=1)).run)()


def test_label_names_the_check(site: Environment) -> None:
    assert repr(CorsPolicy()).startswith("CorsPolicy(")
    assert conf.current().metrics is None, "health needs no metrics"
