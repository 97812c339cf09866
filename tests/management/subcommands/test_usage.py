"""`cors_guard usage`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.management.subcommands import usage
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, TrustedOrigin
from django_cors_guard.testing import flush_rejections, override_cors_guard
from tests.factories import EnvironmentFactory, OriginUsageFactory, TrustedOriginFactory
from tests.management.cli import cors_guard

APP, IDLE = "https://app.example.com", "https://idle.example.com"


@pytest.fixture
def grants(production: Environment, public: ApiGroup, billing: ApiGroup) -> TrustedOrigin:
    """Two origins, of which one calls."""
    TrustedOriginFactory.create(origin=IDLE, environment=production, api_group=billing)
    row: TrustedOrigin = TrustedOriginFactory.create(origin=APP, environment=production, api_group=public)
    return row


def use(row: TrustedOrigin, method: str = "GET", count: int = 1, *, days: float = 1) -> None:
    at = timezone.now() - timedelta(days=days)
    OriginUsageFactory.create(trusted_origin=row, method=method, count=count, first_seen=at, last_seen=at)


def read_json(*words: str) -> list[dict[str, Any]]:
    run = cors_guard("usage", "--format", "json", *words)
    assert run.code == 0, run.err
    found: list[dict[str, Any]] = json.loads(run.out)
    return found


def test_requests_of_trusted_origins_are_told(grants: TrustedOrigin) -> None:
    for _ in range(3):
        Client().get("/api/public/hello", headers={"origin": APP})
    Client().post("/api/public/hello", headers={"origin": APP})
    flush_rejections()
    run = cors_guard("usage")
    assert run.code == 0, run.err
    (line,) = [line for line in run.out.splitlines() if line.startswith(APP)]
    assert line.split()[1:4] == ["production", "public", "4"]
    assert line.endswith("GET 3, POST 1")
    (line,) = [line for line in run.out.splitlines() if line.startswith(IDLE)]
    assert line.split()[1:] == ["production", "billing", "0", "not", "seen"]
    assert "shows use and proves none" in run.out


def test_json_says_it_in_the_words_of_the_api(grants: TrustedOrigin) -> None:
    use(grants, "GET", 5)
    use(grants, "PUT", 7)
    use(grants, "GET", 1, days=2)
    _idle, told = read_json()
    assert set(told) == {
        "trusted_origin",
        "environment",
        "api_group",
        "origin",
        "unicode",
        "status",
        "front_end",
        "created_at",
        "count",
        "first_seen",
        "last_seen",
        "methods",
    }
    assert (told["trusted_origin"], told["origin"], told["status"], told["count"]) == (grants.pk, APP, "active", 13)
    assert [(used["method"], used["count"]) for used in told["methods"]] == [("PUT", 7), ("GET", 6)]
    assert told["first_seen"] < told["last_seen"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param([], 1, id="thirty days"),
        pytest.param(["--days", "40"], 3, id="more"),
        pytest.param(["--days", "1"], 0, id="less"),
        pytest.param(["--days", "400"], 3, id="more than are kept"),
    ],
)
def test_days_say_how_far_back(grants: TrustedOrigin, words: list[str], count: int) -> None:
    use(grants, count=1, days=2)
    use(grants, count=2, days=35)
    use(grants, count=4, days=95)
    assert read_json(*words)[1]["count"] == count


def test_span_beyond_what_is_kept_is_said(grants: TrustedOrigin) -> None:
    with override_cors_guard(AUDIT_RETENTION_DAYS=10):
        assert "Use is kept for 10 days" in cors_guard("usage", "--days", "11").err
        assert "In the last 10 days." in cors_guard("usage").out
        assert cors_guard("usage", "--days", "10").err == ""


@pytest.mark.parametrize(
    ("words", "origins"),
    [
        pytest.param(["--group", "public"], [APP], id="group"),
        pytest.param(["--group", "public", "--group", "billing"], [IDLE, APP], id="two groups"),
        pytest.param(["--environment", "staging"], [], id="environment"),
        pytest.param(["--unused"], [IDLE], id="unused"),
        pytest.param(["--unused", "--group", "public"], [], id="unused in a group"),
    ],
)
def test_filters_narrow(grants: TrustedOrigin, words: list[str], origins: list[str]) -> None:
    EnvironmentFactory.create(slug="staging")
    use(grants)
    assert [told["origin"] for told in read_json(*words)] == origins


def test_unused_leaves_out_what_does_not_stand_and_what_cannot_be_known(grants: TrustedOrigin) -> None:
    services.revoke(TrustedOrigin.objects.get(origin=IDLE), reason="x")
    TrustedOrigin.objects.filter(pk=grants.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert read_json("--unused") == []
    TrustedOrigin.objects.filter(pk=grants.pk).update(expires_at=None)
    assert [told["origin"] for told in read_json("--unused")] == [APP]
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    assert read_json("--unused") == []


def test_no_grants_are_said_in_words(production: Environment) -> None:
    assert "There are no such grants." in cors_guard("usage").out
    assert read_json() == []


@pytest.mark.parametrize("words", [["--environment", "nowhere"], ["--group", "nowhere"]])
def test_unknown_place_is_refused(grants: TrustedOrigin, words: list[str]) -> None:
    assert cors_guard("usage", *words).code == 2


def test_many_grants_take_a_query_a_chunk(
    grants: TrustedOrigin, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(usage, "CHUNK", 10)
    group, production = grants.api_group, grants.environment
    TrustedOrigin.objects.bulk_create(
        TrustedOrigin(origin=f"https://a{number}.example.com", environment=production, api_group=group)
        for number in range(23)
    )
    for row in TrustedOrigin.objects.all():
        use(row)
    with django_assert_max_num_queries(5):
        found = read_json()
    assert [told["count"] for told in found] == [1] * 25
    assert OriginUsage.objects.count() == 25


def test_table_names_only_the_most_frequent_methods(grants: TrustedOrigin) -> None:
    for number in range(12):
        use(grants, f"M{number}", 100 - number)
    (line,) = [line for line in cors_guard("usage").out.splitlines() if line.startswith(APP)]
    assert "M9 91, …" in line
    assert "M10" not in line
