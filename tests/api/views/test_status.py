from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_cors_guard import __version__
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.models.revision import Version
from django_cors_guard.testing import override_cors_guard
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import EnvironmentFactory, TrustedOriginFactory, user_with
from tests.processes import report

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


def test_status_takes_no_other_parameters(watcher: Api) -> None:
    response = watcher.get("status/", verbose="1")
    assert response.status_code == 400
    assert codes(response) == [("verbose", "unknown_parameter")]


# --- where a revision is out ------------------------------------------------------------------------------------------


def asked(watcher: Api, revision: int, **query: str) -> Any:
    response = watcher.get("status/", revision=revision, **query)
    assert response.status_code == 200, response.content
    assert set(response.json()) == FIELDS | {"asked_revision", "everywhere", "counts", "processes"}
    return response.json()


def test_status_of_a_revision_tells_how_each_process_stands_to_it(watcher: Api, production: Environment) -> None:
    now = timezone.now()
    report("web-1", 11)
    report("web-2", 22, revision=1, token="gone", idle_since=now)
    report("web-3", 33, revision=1, token="gone", lapses_at=now + timedelta(minutes=3))
    revision = PolicyState.read("default").revision

    found = asked(watcher, revision)

    assert (found["asked_revision"], found["everywhere"]) == (revision, False)
    assert found["counts"] == {"confirmed": 1, "idle": 1, "unconfirmed": 1, "unlisted": 0}
    assert [(item["host"], item["standing"]) for item in found["processes"]] == [
        ("web-3", "unconfirmed"),
        ("web-2", "idle"),
        ("web-1", "confirmed"),
    ]
    last = found["processes"][0]
    assert (last["pid"], last["environment"], last["revision"]) == (33, "production", 1)
    lapses_at = parse_datetime(last["lapses_at"])
    assert lapses_at is not None
    assert abs((lapses_at - now).total_seconds() - 180) < 30
    assert 0 < last["lapses_in"] <= 180


def test_status_of_a_revision_that_a_receipt_names(watcher: Api, production: Environment, public: ApiGroup) -> None:
    TrustedOriginFactory.create(origin="https://app.example.com")
    operator = Api(user_with("change_trustedorigin"))
    body = {"origin": "https://app.example.com", "reason": "leaked key"}
    receipt = operator.post("trusted-origins/revoke-origin/", body).json()
    report("web-1", 11)
    assert asked(watcher, receipt["revision"])["everywhere"] is True


def test_status_of_a_revision_looks_only_where_it_is_told_to(watcher: Api, production: Environment) -> None:
    EnvironmentFactory.create(slug="staging")
    report("web-1", 11, environment="staging", revision=1, token="gone")
    report("web-2", 22, environment="without-a-row")
    revision = PolicyState.read("default").revision
    hosts = {
        slug: [item["host"] for item in asked(watcher, revision, environment=slug)["processes"]]
        for slug in ("production", "staging", "without-a-row")
    }
    assert hosts == {"production": [], "staging": ["web-1"], "without-a-row": ["web-2"]}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        pytest.param({"revision": "ten"}, ("revision", "invalid_number"), id="a word"),
        pytest.param({"revision": "0"}, ("revision", "invalid_number"), id="none"),
        pytest.param({"revision": "-1"}, ("revision", "invalid_number"), id="negative"),
        pytest.param({"revision": "9" * 30}, ("revision", "invalid_number"), id="longer than any"),
        pytest.param({"revision": ""}, ("revision", "empty_parameter"), id="empty"),
        pytest.param({"revision": "999999"}, ("revision", "unknown_revision"), id="still to come"),
        pytest.param({"environment": "production"}, ("environment", "missing_revision"), id="of which revision"),
        pytest.param({"revision": "1", "environment": "prod"}, ("environment", "unknown_name"), id="misspelt"),
        pytest.param({"revision": "1", "environment": "<b>"}, ("environment", "unknown_name"), id="no slug"),
    ],
)
def test_status_of_what_makes_no_sense_says_so(
    query: dict[str, str], wrong: tuple[str, str], watcher: Api, production: Environment
) -> None:
    response = watcher.get("status/", **query)
    assert response.status_code == 400
    assert codes(response) == [wrong]


def test_status_of_a_revision_while_the_database_is_away_leaves_it_open(
    watcher: Api, production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("django_cors_guard.services.describe_processes", fail)
    found = asked(watcher, 1)
    assert (found["everywhere"], found["counts"], found["processes"]) == (None, None, None)


def test_status_of_a_revision_needs_the_same_permission(api: MakeApi, production: Environment) -> None:
    assert api("view_trustedorigin").get("status/", revision=1).status_code == 403
