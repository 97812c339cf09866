from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard.models import ApiGroup, ApiRoute, Environment, PolicyChange
from tests.admin.conftest import login
from tests.admin.pages import errors, post, revision, said, text, url
from tests.factories import EnvironmentFactory, user_with

ADD, CHANGE, DELETE, LIST = (f"apigroup_{page}" for page in ("add", "change", "delete", "changelist"))


def filled_in(*routes: tuple[str, str], **values: Any) -> dict[str, Any]:
    data = {
        "name": "Public",
        "description": "",
        "allow_methods": "GET, HEAD, POST",
        "allow_headers": "authorization, content-type",
        "expose_headers": "",
        "max_age": "600",
        "why": "",
        "routes-TOTAL_FORMS": len(routes),
        "routes-INITIAL_FORMS": "0",
    }
    for number, (host, prefix) in enumerate(routes):
        data |= {f"routes-{number}-host": host, f"routes-{number}-path_prefix": prefix}
    return {**data, **values}


def existing(route: ApiRoute, **values: Any) -> dict[str, Any]:
    return {
        "routes-TOTAL_FORMS": "1",
        "routes-INITIAL_FORMS": "1",
        "routes-0-id": route.pk,
        "routes-0-api_group": route.api_group_id,
        "routes-0-host": route.host,
        "routes-0-path_prefix": route.path_prefix,
        **values,
    }


def test_adding_a_group_with_routes_is_one_revision_with_who_how_and_why(operator: Client, ana: User) -> None:
    before = revision()
    data = filled_in(("", "/api/shop/"), ("Api.Example.com", "/v2"), slug="shop", why="The new shop.")
    assert post(operator, url(ADD), data)["Location"] == url(LIST)
    assert set(ApiRoute.objects.values_list("host", "path_prefix")) == {("", "/api/shop"), ("api.example.com", "/v2")}
    assert revision() == before + 1
    told = PolicyChange.objects.filter(revision=before + 1)
    assert len(told) == 3
    assert {(change.actor, change.source, change.reason) for change in told} == {(ana, "admin", "The new shop.")}


def test_lists_are_shown_as_text_and_stored_tidied(operator: Client) -> None:
    data = filled_in(
        slug="shop",
        allow_methods="get, PATCH\npatch;  propfind",
        allow_headers="Content-Type X-Token,\n\n x-token ",
        expose_headers="ETag, etag",
    )
    post(operator, url(ADD), data)
    group = ApiGroup.objects.get()
    assert group.allow_methods == ["GET", "PATCH", "propfind"]
    assert group.allow_headers == ["content-type", "x-token"]
    page = operator.get(url(CHANGE, group.pk)).content.decode()
    assert ">\nGET, PATCH, propfind</textarea>" in page
    assert ">\ncontent-type, x-token</textarea>" in page


def test_saving_the_same_list_in_another_spelling_takes_no_revision(operator: Client, public: ApiGroup) -> None:
    before = revision()
    data = filled_in(allow_methods="get\nhead\npost", **existing(ApiRoute.objects.get()))
    assert post(operator, url(CHANGE, public.pk), data).status_code == 302
    assert revision() == before


def test_stored_value_that_is_no_list_can_be_seen_and_put_right(operator: Client, public: ApiGroup) -> None:
    ApiGroup.objects.update(allow_methods={"GET": "<script>"})
    page = operator.get(url(CHANGE, public.pk)).content.decode()
    assert "{&quot;GET&quot;: &quot;&lt;script&gt;&quot;}" in page
    post(operator, url(CHANGE, public.pk), filled_in(**existing(ApiRoute.objects.get())))
    public.refresh_from_db()
    assert public.allow_methods == ["GET", "HEAD", "POST"]


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        pytest.param({"allow_methods": "GET, TRACE"}, "allow_methods", "“TRACE” can never be allowed", id="TRACE"),
        pytest.param({"allow_methods": "G@T"}, "allow_methods", "no name of a method", id="no token"),
        pytest.param({"allow_headers": "cookie"}, "allow_headers", "set by the browser alone", id="forbidden header"),
        pytest.param({"expose_headers": "set-cookie"}, "expose_headers", "set by the browser alone", id="set-cookie"),
        pytest.param({"max_age": "86401"}, "max_age", "between 0 and 86400", id="max age"),
        pytest.param({"allow_methods": "G" * 5000}, "allow_methods", "at most 4000", id="over-long"),
    ],
)
def test_what_browsers_would_not_take_is_refused(
    operator: Client, values: dict[str, str], field: str, says: str
) -> None:
    page = post(operator, url(ADD), filled_in(slug="shop", **values))
    assert says in " ".join(errors(page)[field])
    assert not ApiGroup.objects.exists()


def test_any_origin_with_credentials_is_refused_once(operator: Client) -> None:
    page = post(operator, url(ADD), filled_in(slug="shop", any_origin="on", allow_credentials="on"))
    (problem,) = errors(page)["__all__"]
    assert "every web page in the world" in problem


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        pytest.param("api", "starts with a slash", id="relative"),
        pytest.param("/api/*", "no query, wildcard", id="wildcard"),
        pytest.param("/api/public", "exists already", id="taken"),
    ],
)
def test_route_that_cannot_be_is_refused_beside_it(operator: Client, public: ApiGroup, prefix: str, says: str) -> None:
    before = revision()
    page = post(operator, url(ADD), filled_in(("", prefix), slug="shop"))
    assert says in text(page)
    assert (ApiGroup.objects.count(), revision()) == (1, before)


def test_moving_a_route_is_one_revision(operator: Client, public: ApiGroup) -> None:
    before, route = revision(), ApiRoute.objects.get()
    data = filled_in(max_age="60", **existing(route, **{"routes-0-path_prefix": "/v2"}))
    post(operator, url(CHANGE, public.pk), data)
    route.refresh_from_db()
    assert route.path_prefix == "/v2"
    assert revision() == before + 1


# --- protection: all environments share groups and routes -------------------------------------------------------------


def test_group_beside_a_protected_environment_is_refused_in_words(apprentice: Client, public: ApiGroup) -> None:
    EnvironmentFactory.create(slug="live", protected=True)
    before = revision()
    assert "protected environment (live)" in text(apprentice.get(url(CHANGE, public.pk)))
    for address, data in (
        (url(CHANGE, public.pk), filled_in(**existing(ApiRoute.objects.get()))),
        (url(ADD), filled_in(slug="shop")),
    ):
        page = post(apprentice, address, data)
        assert "protected environment (live)" in errors(page)["__all__"][0]
    assert "protected environment (live)" in said(post(apprentice, url(DELETE, public.pk), {"post": "yes"}))[0]
    assert (ApiGroup.objects.count(), revision()) == (1, before)


def test_group_without_a_protected_environment_can_be_changed(
    apprentice: Client, public: ApiGroup, production: Environment
) -> None:
    data = filled_in(max_age="60", **existing(ApiRoute.objects.get()))
    assert post(apprentice, url(CHANGE, public.pk), data).status_code == 302
    assert ApiGroup.objects.get().max_age == 60


def test_who_may_only_look_sees_the_lists_and_no_field_for_reasons(public: ApiGroup) -> None:
    page = text(login(user_with("view_apigroup")).get(url(CHANGE, public.pk)))
    assert "HEAD" in page
    assert "Reason for this change" not in page
