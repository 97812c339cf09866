from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.testing import flush_rejections
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import (
    NOW,
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    TrustedOriginFactory,
)

ORIGIN = "https://app.example.com"
FIELDS = {
    "trusted_origin", "environment", "api_group", "origin", "unicode", "status", "front_end", "created_at", "count",
    "first_seen", "last_seen", "methods",
}  # fmt: skip
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_originusage")


def rows(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def ids(response: Any) -> set[int]:
    return {row["trusted_origin"] for row in rows(response)}


def test_list_shows_what_the_middleware_let_in(reader: Api) -> None:
    grant = TrustedOriginFactory.create(origin="https://xn--mnch-0ra.example.com", front_end=FrontEndFactory.create())
    for _time in range(2):
        Client().get("/api/public/hello", headers={"origin": grant.origin})
    Client().post("/api/public/hello", headers={"origin": grant.origin})
    flush_rejections()
    (row,) = rows(reader.get("usage/"))
    assert set(row) == FIELDS
    assert (row["trusted_origin"], row["environment"], row["api_group"]) == (grant.pk, "production", "public")
    assert (row["origin"], row["unicode"]) == ("https://xn--mnch-0ra.example.com", "https://münch.example.com")
    assert (row["status"], row["front_end"], row["count"]) == ("active", "shop", 3)
    assert [(used["method"], used["count"]) for used in row["methods"]] == [("GET", 2), ("POST", 1)]
    assert row["first_seen"] == min(used["first_seen"] for used in row["methods"])
    assert row["last_seen"] == max(used["last_seen"] for used in row["methods"])


def test_list_adds_up_rollups_by_grant_and_method(reader: Api) -> None:
    one = TrustedOriginFactory.create()
    two = TrustedOriginFactory.create(api_group=ApiGroupFactory.create(slug="billing"), origin=one.origin)
    OriginUsageFactory.create(trusted_origin=one, count=5, first_seen=NOW - DAY)
    OriginUsageFactory.create(trusted_origin=one, count=6, last_seen=NOW + DAY)
    OriginUsageFactory.create(trusted_origin=one, count=7, method="PUT")
    OriginUsageFactory.create(trusted_origin=two, count=100)
    OriginUsageFactory.create(trusted_origin=None, count=1000)
    found = {row["api_group"]: row for row in rows(reader.get("usage/"))}
    assert (found["public"]["count"], found["billing"]["count"]) == (18, 100)
    assert (found["public"]["first_seen"], found["public"]["last_seen"]) == (
        "2026-05-02T12:00:00Z",
        "2026-05-04T12:00:00Z",
    )
    assert [(used["method"], used["count"]) for used in found["public"]["methods"]] == [("GET", 11), ("PUT", 7)]


def test_grant_that_nobody_used_is_listed_with_nothing(reader: Api) -> None:
    TrustedOriginFactory.create()
    (row,) = rows(reader.get("usage/"))
    assert (row["count"], row["first_seen"], row["last_seen"], row["methods"]) == (0, None, None, [])


def test_window_is_half_open_and_narrows_the_use(reader: Api) -> None:
    grant = TrustedOriginFactory.create()
    for days, count in ((-1, 1), (0, 20), (1, 300)):
        OriginUsageFactory.create(trusted_origin=grant, count=count, last_seen=NOW + days * DAY)

    def total(**query: str) -> int:
        return int(rows(reader.get("usage/", **query))[0]["count"])

    noon, next_noon = "2026-05-03T12:00:00Z", "2026-05-04T12:00:00Z"
    assert total() == 321
    assert total(since=noon) == 320
    assert total(until=noon) == 1
    assert total(since=noon, until=next_noon) == 20
    assert total(since="2998-01-01T00:00:00Z") == 0


def test_unused_grants_are_those_that_stand_and_were_not_used_in_the_window(reader: Api) -> None:
    past = timezone.now() - DAY
    used = TrustedOriginFactory.create()
    OriginUsageFactory.create(trusted_origin=used)
    idle = TrustedOriginFactory.create()
    long_ago = TrustedOriginFactory.create()
    OriginUsageFactory.create(trusted_origin=long_ago, last_seen=NOW - 60 * DAY)
    TrustedOriginFactory.create(revoked_at=past)
    TrustedOriginFactory.create(expires_at=past)
    lasting = TrustedOriginFactory.create(expires_at=timezone.now() + DAY)
    assert ids(reader.get("usage/", unused="true")) == {idle.pk, lasting.pk}
    since = "2026-05-01T00:00:00Z"
    assert ids(reader.get("usage/", unused="true", since=since)) == {idle.pk, lasting.pk, long_ago.pk}
    assert ids(reader.get("usage/", unused="false", since=since)) == {used.pk}
    assert ids(reader.get("usage/", unused="false")) == {used.pk, long_ago.pk}


def test_filter_leaves_only_what_it_names(reader: Api) -> None:
    staged = TrustedOriginFactory.create(environment=EnvironmentFactory.create(slug="staging"))
    billed = TrustedOriginFactory.create(api_group=ApiGroupFactory.create(slug="billing"))
    owned = TrustedOriginFactory.create(front_end=FrontEndFactory.create())
    assert ids(reader.get("usage/", environment="staging")) == {staged.pk}
    assert ids(reader.get("usage/", api_group="billing")) == {billed.pk}
    assert ids(reader.get("usage/", front_end="shop")) == {owned.pk}


def test_filter_by_origin_tells_what_that_one_did_through_a_pattern_too(reader: Api, production: Environment) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    pattern = TrustedOriginFactory.create(origin="https://*.example.com")
    other = TrustedOriginFactory.create(origin="https://*.example.org")
    for origin, count in ((ORIGIN, 3), ("https://shop.example.com", 50)):
        OriginUsageFactory.create(trusted_origin=pattern, origin=origin, count=count)
    # The operator has just revoked it: what did it call before?
    services.revoke_origin(ORIGIN, reason="taken over")
    found = rows(reader.get("usage/", origin="HTTPS://App.Example.com:443/"))
    assert [(row["origin"], row["status"], row["count"]) for row in found] == [
        (ORIGIN, "revoked", 0),
        ("https://*.example.com", "active", 3),
    ]
    (row,) = rows(reader.get("usage/", origin="https://*.example.com"))
    assert (row["trusted_origin"], row["count"]) == (pattern.pk, 53)
    assert other.pk not in ids(reader.get("usage/", origin=ORIGIN))
    assert ids(reader.get("usage/", origin="no origin at all")) == set()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("unused=yes", [("unused", "unknown_value")], id="unused"),
        pytest.param("since=soon", [("since", "invalid_time")], id="since"),
        pytest.param("since=2026-05-04T00:00:00Z&until=2026-05-03T00:00:00Z", [("since", "since_after_until")],
                     id="window the wrong way round"),
        pytest.param("method=GET", [("method", "unknown_parameter")], id="unknown"),
        pytest.param("unused=no&until=soon&page_size=0",
                     [("unused", "unknown_value"), ("until", "invalid_time"), ("page_size", "invalid_page_size")],
                     id="all at once"),
    ],
)  # fmt: skip
def test_bad_parameters_are_400(query: str, expected: list[tuple[str, str]], reader: Api) -> None:
    response = reader.send("GET", f"usage/?{query}")
    assert response.status_code == 400
    assert codes(response) == expected


def test_list_takes_the_same_queries_however_long_it_is(reader: Api) -> None:
    counts = []
    for _round in range(2):
        for grant in TrustedOriginFactory.create_batch(10):
            OriginUsageFactory.create(trusted_origin=grant)
        reader.get("usage/")  # the process looks at the new revision
        with CaptureQueriesContext(connection) as queries:
            assert len(rows(reader.get("usage/"))) >= 10
        counts.append(len(queries))
    assert counts[0] == counts[1]
