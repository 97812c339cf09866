from typing import Any

import pytest
from django.db import OperationalError

from django_cors_guard import __version__
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.models.revision import Version
from django_cors_guard.testing import override_cors_guard
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import TrustedOriginFactory

FIELDS = {
    "version", "environment", "known_environment", "mode", "max_mode", "revision", "database_revision", "is_current",
    "age_seconds", "refresh_seconds", "failures", "lapsed", "switched_off",
}  # fmt: skip


@pytest.fixture
def watcher(api: MakeApi) -> Api:
    return api("view_policystate")


def status(watcher: Api) -> Any:
    response = watcher.get("status/")
    assert response.status_code == 200
    assert set(response.json()) == FIELDS
    return response.json()


def test_status_says_what_this_process_decides_by(watcher: Api, production: Environment, public: ApiGroup) -> None:
    found = status(watcher)
    revision = PolicyState.read("default").revision
    assert found["version"] == __version__
    assert (found["environment"], found["known_environment"], found["mode"]) == ("production", True, "enforce")
    assert (found["revision"], found["database_revision"], found["is_current"]) == (revision, revision, True)
    assert (found["failures"], found["lapsed"], found["switched_off"]) == (0, False, 0)
    assert found["age_seconds"] >= 0


def test_status_counts_the_grants_that_are_switched_off(
    watcher: Api, production: Environment, public: ApiGroup
) -> None:
    TrustedOriginFactory.create(origin="http://plain.example.com")
    assert status(watcher)["switched_off"] == 1


def test_status_of_an_environment_without_a_row_says_so(watcher: Api) -> None:
    with override_cors_guard(ENVIRONMENT="nowhere"):
        found = status(watcher)
    assert (found["environment"], found["known_environment"]) == ("nowhere", False)


def test_status_shows_the_mode_under_the_brake(watcher: Api, production: Environment) -> None:
    production.mode = "block"
    production.save()
    assert status(watcher)["mode"] == "block"
    with override_cors_guard(MAX_MODE="monitor"):
        found = status(watcher)
    assert (found["mode"], found["max_mode"]) == ("monitor", "monitor")


@pytest.mark.parametrize(
    ("revision", "token"),
    [
        pytest.param(0, "another", id="same number of a restored backup"),
        pytest.param(1, None, id="a newer one"),
    ],
)
def test_status_of_a_process_behind_the_database_is_not_current(
    revision: int,
    token: str | None,
    watcher: Api,
    production: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = PolicyState.read("default")
    there = Version(here.revision + revision, token or here.token)
    with override_cors_guard(REFRESH_SECONDS=1000):
        status(watcher)
        monkeypatch.setattr("django_cors_guard.api.views.status.PolicyState.read", lambda using: there)
        found = status(watcher)
    assert (found["revision"], found["database_revision"], found["is_current"]) == (
        here.revision,
        there.revision,
        False,
    )


def test_status_while_the_database_is_away_is_answered(
    watcher: Api, production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(using: str) -> Version:
        raise OperationalError("away")

    with override_cors_guard(REFRESH_SECONDS=1000):
        status(watcher)
        monkeypatch.setattr("django_cors_guard.api.views.status.PolicyState.read", fail)
        found = status(watcher)
    assert (found["database_revision"], found["is_current"]) == (None, False)


def test_status_takes_no_parameters(watcher: Api) -> None:
    response = watcher.get("status/", verbose="1")
    assert response.status_code == 400
    assert codes(response) == [("verbose", "unknown_parameter")]
