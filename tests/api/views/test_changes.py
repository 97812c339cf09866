from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, writing
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import NOW, UserFactory

FIELDS = {
    "id", "revision", "at", "actor", "source", "batch", "action", "action_text", "target", "before", "after", "reason",
}  # fmt: skip
TARGET = "trustedorigin:production/public/https://app.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_policychange")


def rows(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def trust_and_revoke() -> None:
    ana = UserFactory.create(username="ana")
    with writing("api"):
        grant = services.trust("https://app.example.com", environment="production", api_group="public", actor=ana)
    with writing("cli"):
        services.revoke(grant, reason="taken over")


def test_list_tells_the_story_newest_first_with_before_and_after(reader: Api) -> None:
    trust_and_revoke()
    revoked, trusted = rows(reader.get("changes/"))[:2]
    assert set(revoked) == set(trusted) == FIELDS
    assert (trusted["action"], trusted["action_text"], trusted["actor"]) == ("trusted", "trusted", "ana")
    assert (trusted["source"], trusted["target"], trusted["before"]) == ("api", TARGET, None)
    assert trusted["after"]["origin"] == "https://app.example.com"
    assert (revoked["action"], revoked["actor"], revoked["source"]) == ("revoked", "", "cli")
    assert (revoked["before"]["revoked_at"], revoked["reason"]) == (None, "taken over")
    assert revoked["after"]["revoked_at"] is not None
    assert revoked["revision"] == trusted["revision"] + 1 == PolicyState.read("default").revision
    assert revoked["at"].endswith("Z")


def test_name_of_the_actor_outlives_the_user(reader: Api) -> None:
    trust_and_revoke()
    get_user_model().objects.filter(username="ana").delete()
    assert rows(reader.get("changes/"))[1]["actor"] == "ana"


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        pytest.param({"action": "revoked"}, ["revoked"], id="action"),
        pytest.param({"source": "api"}, ["trusted"], id="source"),
        pytest.param({"actor": "ana"}, ["trusted"], id="actor"),
        pytest.param({"actor": "ANA"}, [], id="actor in another case"),
        pytest.param({"actor": "\U0001f600"}, [], id="actor beyond the BMP"),
        pytest.param({"target": TARGET}, ["revoked", "trusted"], id="target"),
        pytest.param({"target_prefix": "trustedorigin:"}, ["revoked", "trusted"], id="target prefix"),
        pytest.param({"target_prefix": "trustedOrigin:"}, [], id="target prefix in another case"),
        pytest.param({"target": TARGET, "source": "cli"}, ["revoked"], id="two together"),
        pytest.param({"since": "2998-01-01T00:00:00Z"}, [], id="since"),
        pytest.param({"until": "1999-01-01T00:00:00Z"}, [], id="until"),
    ],
)
def test_filter_leaves_only_what_it_names(query: dict[str, str], actions: list[str], reader: Api) -> None:
    trust_and_revoke()
    assert [row["action"] for row in rows(reader.get("changes/", **query))] == actions


def test_filter_by_revision_finds_what_it_made(reader: Api) -> None:
    trust_and_revoke()
    newest = PolicyState.read("default").revision
    assert [row["action"] for row in rows(reader.get("changes/", revision=newest))] == ["revoked"]
    assert rows(reader.get("changes/", revision=newest + 1)) == []


def test_window_is_half_open(reader: Api) -> None:
    PolicyChange(revision=1, token="x", at=NOW, action="added", target="x").save()
    noon = "2026-05-03T12:00:00Z"
    assert [row["target"] for row in rows(reader.get("changes/", since=noon, until="2026-05-03T12:00:01Z"))] == ["x"]
    assert rows(reader.get("changes/", until=noon)) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("source=web", [("source", "unknown_value")], id="source"),
        pytest.param("revision=-1", [("revision", "invalid_number")], id="revision"),
        pytest.param("revision=" + "9" * 30, [("revision", "invalid_number")], id="revision beyond every database"),
        pytest.param("environment=production", [("environment", "unknown_parameter")], id="unknown"),
        pytest.param("after=x", [("after", "invalid_number")], id="after"),
        pytest.param("since=2026-05-03", [("since", "missing_zone")], id="since"),
    ],
)
def test_bad_parameters_are_400(query: str, expected: list[tuple[str, str]], reader: Api) -> None:
    response = reader.send("GET", f"changes/?{query}")
    assert response.status_code == 400
    assert codes(response) == expected


@pytest.mark.parametrize("name", ["action", "actor", "target", "target_prefix"])
@pytest.mark.parametrize("raw", ["%FF%FE", "%F0%9F%98%80", "x" * 10_000, "%27%22%3B--%5C", "%ED%A0%80", "%25%5F"])
def test_hostile_values_match_nothing(name: str, raw: str, reader: Api) -> None:
    assert rows(reader.send("GET", f"changes/?{name}={raw}")) == []


def test_list_takes_one_query_of_the_history(reader: Api) -> None:
    reader.get("changes/")
    with CaptureQueriesContext(connection) as queries:
        reader.get("changes/")
    assert sum("cors_guard_policychange" in query["sql"] and "actor_label" in query["sql"] for query in queries) == 1
