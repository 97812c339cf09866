from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_guard.models import ApiGroup
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import ApiGroupFactory, ApiRouteFactory, EnvironmentFactory, FrontEndFactory, GroupModeFactory

PATHS = pytest.mark.parametrize("path", ["environments/", "api-groups/", "front-ends/"])


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_environment", "view_apigroup", "view_frontend")


def rows(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_environment_is_shown_with_its_switches_and_the_modes_of_its_groups(reader: Api) -> None:
    place = EnvironmentFactory.create(mode="block", max_trust_days=90, protected=True, description="live")
    GroupModeFactory.create(environment=place, api_group=ApiGroupFactory.create(slug="login"), mode="enforce")
    (row,) = rows(reader.get("environments/"))
    assert row == {
        "id": place.pk,
        "slug": "production",
        "name": "Production",
        "description": "live",
        "mode": "block",
        "group_modes": [{"api_group": "login", "mode": "enforce"}],
        "allow_insecure_http": False,
        "allow_insecure_credentials": False,
        "allow_loopback": False,
        "allow_subdomain_patterns": False,
        "allow_custom_schemes": False,
        "max_trust_days": 90,
        "protected": True,
    }


def test_api_group_is_shown_with_its_routes(reader: Api) -> None:
    group = ApiGroupFactory.create(
        slug="billing",
        allow_credentials=True,
        allow_methods=["GET", "PUT"],
        max_age=60,
        isolate="monitor",
        timing_allow_origin=True,
        cross_origin_resource_policy="same-site",
    )
    ApiRouteFactory.create(api_group=group, path_prefix="/b")
    ApiRouteFactory.create(api_group=group, path_prefix="/a", host="api.example.com")
    (row,) = rows(reader.get("api-groups/"))
    assert row == {
        "id": group.pk,
        "slug": "billing",
        "name": "Billing",
        "description": "",
        "any_origin": False,
        "allow_credentials": True,
        "trusted_for_csrf": False,
        "allow_methods": ["GET", "PUT"],
        "allow_headers": ["authorization", "content-type"],
        "expose_headers": [],
        "max_age": 60,
        "isolate": "monitor",
        "timing_allow_origin": True,
        "cross_origin_resource_policy": "same-site",
        "routes": [{"host": "", "path_prefix": "/b"}, {"host": "api.example.com", "path_prefix": "/a"}],
    }


@pytest.mark.parametrize("stored", ["GET", 3, {"a": 1}, [1, None]])
def test_api_group_that_was_stored_malformed_is_shown(stored: Any, reader: Api) -> None:
    ApiGroupFactory.create()
    ApiGroup.objects.update(allow_methods=stored)
    (row,) = rows(reader.get("api-groups/"))
    assert all(isinstance(token, str) for token in row["allow_methods"])


def test_front_end_is_shown_with_whom_to_call(reader: Api) -> None:
    row = FrontEndFactory.create(contact="shop@example.com", external=True, review_by=date(2027, 1, 31))
    assert rows(reader.get("front-ends/")) == [
        {
            "id": row.pk,
            "slug": "shop",
            "name": "Shop",
            "owner": "Team Shop",
            "contact": "shop@example.com",
            "external": True,
            "review_by": "2027-01-31",
        }
    ]


@PATHS
def test_list_is_paged_newest_first(path: str, reader: Api) -> None:
    factory: Any = {
        "environments/": EnvironmentFactory,
        "api-groups/": ApiGroupFactory,
        "front-ends/": FrontEndFactory,
    }[path]
    for name in ("a", "b", "c"):
        factory.create(slug=name)
    response = reader.get(path, page_size=2)
    assert [row["slug"] for row in rows(response)] == ["c", "b"]
    assert [row["slug"] for row in rows(reader.follow(response.json()["next"]))] == ["a"]


@PATHS
def test_unknown_parameters_are_400(path: str, reader: Api) -> None:
    response = reader.get(path, slug="production")
    assert response.status_code == 400
    assert codes(response) == [("slug", "unknown_parameter")]
    assert "cursor, page_size" in response.json()["detail"]


@pytest.mark.parametrize("path", ["environments/", "api-groups/"])
def test_list_takes_the_same_queries_however_long_it_is(path: str, reader: Api) -> None:
    counts = []
    for n in range(2):
        for name in ("a", "b"):
            group = ApiGroupFactory.create(slug=f"{name}{n}")
            ApiRouteFactory.create(api_group=group)
            GroupModeFactory.create(api_group=group, environment=EnvironmentFactory.create(slug=f"{name}{n}"))
        reader.get(path)  # the process looks at the new revision
        with CaptureQueriesContext(connection) as queries:
            reader.get(path)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_api_group_whose_isolation_is_not_known_is_shown(reader: Api) -> None:
    ApiGroupFactory.create()
    ApiGroup.objects.update(isolate="odd", cross_origin_resource_policy="odder")
    (row,) = rows(reader.get("api-groups/"))
    assert (row["isolate"], row["cross_origin_resource_policy"]) == ("odd", "odder")
