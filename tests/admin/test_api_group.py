from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, PolicyChange, TrustedOrigin
from tests.admin.confirming import asked, confirm, question, token
from tests.admin.conftest import login
from tests.admin.pages import Response, errors, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    RejectionTallyFactory,
    TrustedOriginFactory,
    user_with,
)

ADD, CHANGE, DELETE, LIST = (f"apigroup_{page}" for page in ("add", "change", "delete", "changelist"))


def filled_in(*routes: tuple[str, str], **values: Any) -> dict[str, Any]:
    data = {
        "name": "Public",
        "description": "",
        "allow_methods": "GET, HEAD, POST",
        "allow_headers": "authorization, content-type",
        "expose_headers": "",
        "max_age": "600",
        "isolate": "off",
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


def test_lists_are_shown_as_boxes_and_text_and_stored_tidied(operator: Client) -> None:
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
    assert 'name="allow_methods" value="PATCH" id="id_allow_methods_4" checked' in page
    assert ">\npropfind</textarea>" in page
    assert 'name="allow_headers" value="content-type" id="id_allow_headers_1" checked' in page
    assert ">\nx-token</textarea>" in page


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


def test_saving_another_order_of_boxes_keeps_the_stored_one(operator: Client, public: ApiGroup) -> None:
    ApiGroup.objects.update(allow_methods=["POST", "GET"], allow_headers=["x-own", "content-type"])
    before = revision()
    data = filled_in(
        allow_methods=["GET", "POST"],
        allow_methods_others="",
        allow_headers=["content-type"],
        allow_headers_others="x-own",
        **existing(ApiRoute.objects.get()),
    )
    assert post(operator, url(CHANGE, public.pk), data).status_code == 302
    assert revision() == before
    post(operator, url(CHANGE, public.pk), {**data, "allow_methods": ["GET", "POST", "PUT"]})
    public.refresh_from_db()
    assert public.allow_methods == ["POST", "GET", "PUT"]


def test_boxes_that_were_ticked_stay_so_when_the_form_comes_back(operator: Client) -> None:
    data = filled_in(slug="shop", allow_methods=["PUT"], allow_methods_others="b@d, propfind")
    page = post(operator, url(ADD), data)
    assert "no name of a method" in errors(page)["allow_methods"][0]
    shown = page.content.decode()
    assert 'value="PUT" id="id_allow_methods_3" checked' in shown
    assert 'value="GET" id="id_allow_methods_0" checked' not in shown
    assert ">\nb@d, propfind</textarea>" in shown


def test_lifetime_of_preflights_is_said_in_words(operator: Client, public: ApiGroup) -> None:
    assert "10 minutes: so long may browsers act on a preflight" in text(operator.get(url(CHANGE, public.pk)))
    page = post(operator, url(CHANGE, public.pk), filled_in(max_age="x", **existing(ApiRoute.objects.get())))
    assert "so long may browsers act" not in text(page)


# --- what saving means ------------------------------------------------------------------------------------------------


def saved(page: Response) -> bool:
    return bool(page.status_code == 302)


@pytest.fixture
def grants(production: Environment, public: ApiGroup) -> None:
    """Four trusted origins of two front ends, one of them a pattern and one on http, and a revoked one."""
    Environment.objects.update(allow_subdomain_patterns=True, allow_insecure_http=True)
    shop, desk = FrontEndFactory.create(), FrontEndFactory.create(slug="desk")
    for origin, front_end in (
        ("https://a.example.com", shop),
        ("https://b.example.com", desk),
        ("https://*.example.com", shop),
        ("http://c.example.com", None),
    ):
        TrustedOriginFactory.create(origin=origin, front_end=front_end)
    services.revoke(TrustedOriginFactory.create(origin="https://gone.example.com"), reason="x")


def test_switching_credentials_on_says_who_may_act_as_the_user_before_it_is_saved(
    operator: Client, public: ApiGroup, grants: None
) -> None:
    before = revision()
    data = filled_in(allow_credentials="on", why="The new shop.", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    assert asked(page) == ["credentials_on", "insecure_closed", "grants_closed"]
    words = question(page)
    assert "3 active trusted origins (front ends: 2, patterns: 1) will be able to act as the signed-in user" in words
    assert "1 http origin may not have credentials" in words
    assert "http://c.example.com (production)" in words
    assert "Please correct" not in text(page)
    assert (revision(), ApiGroup.objects.get().allow_credentials) == (before, False)
    assert "The new shop." in page.content.decode()

    assert saved(post(operator, url(CHANGE, public.pk), {**data, "understood": token(page)}))
    assert (revision(), ApiGroup.objects.get().allow_credentials) == (before + 1, True)
    assert PolicyChange.objects.latest("pk").reason == "The new shop."
    closed = [grant.origin for grant in TrustedOrigin.objects.all() if grant.status() == "switched_off"]
    assert closed == ["http://c.example.com"]


def test_every_method_and_header_with_credentials_are_said(operator: Client, billing: ApiGroup) -> None:
    data = filled_in(allow_credentials="on", allow_methods="*", allow_headers="*", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, billing.pk), data)
    assert asked(page) == ["any_method_with_credentials", "any_header_with_credentials"]
    assert saved(post(operator, url(CHANGE, billing.pk), {**data, "understood": token(page)}))
    assert saved(post(operator, url(CHANGE, billing.pk), {**data, "max_age": "60"}))


def test_every_method_without_credentials_asks_nothing(operator: Client, public: ApiGroup) -> None:
    data = filled_in(allow_methods="*", allow_headers="*", **existing(ApiRoute.objects.get()))
    assert saved(post(operator, url(CHANGE, public.pk), data))


def test_switching_credentials_off_says_whose_calls_fail(operator: Client, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(api_group=billing)
    page = post(operator, url(CHANGE, billing.pk), filled_in(**existing(ApiRoute.objects.get())))
    assert asked(page) == ["credentials_off"]
    assert "1 active trusted origin goes on without cookies" in question(page)


def test_trusting_a_group_for_csrf_says_who_may_send_changes_before_it_is_saved(
    operator: Client, billing: ApiGroup
) -> None:
    TrustedOriginFactory.create(api_group=billing)
    data = filled_in(allow_credentials="on", trusted_for_csrf="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, billing.pk), data)
    assert asked(page) == ["csrf_on"]
    assert "1 active trusted origin may then also send what changes something with" in question(page)
    assert saved(post(operator, url(CHANGE, billing.pk), {**data, "understood": token(page)}))
    assert ApiGroup.objects.get().trusted_for_csrf

    page = post(operator, url(CHANGE, billing.pk), {**data, "trusted_for_csrf": ""})
    assert asked(page) == ["csrf_off"]
    assert "1 active trusted origin may still read, but Django refuses what its pages send" in question(page)


def test_group_without_credentials_is_not_trusted_for_csrf(operator: Client, billing: ApiGroup) -> None:
    ApiGroup.objects.update(trusted_for_csrf=True)
    data = filled_in(trusted_for_csrf="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, billing.pk), data)
    assert not saved(page)
    assert "“Trusted for CSRF” without “allow credentials” would mean nothing" in text(page)
    assert ApiGroup.objects.get().allow_credentials


def test_opening_a_group_says_what_the_world_may_read_and_that_revoking_does_nothing(
    operator: Client, public: ApiGroup, grants: None
) -> None:
    data = filled_in(any_origin="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    assert asked(page) == ["any_origin_on", "any_origin_grants", "any_origin_revoked"]
    words = question(page)
    assert "Every web page in the world will be able to read the answers of 9 URL patterns." in words
    assert "/api/public/hello" in words
    assert "4 trusted origins make no difference any more, and revoking them does nothing." in words
    assert "1 origin that was revoked may read again." in words
    assert not ApiGroup.objects.get().any_origin
    assert saved(post(operator, url(CHANGE, public.pk), {**data, "understood": token(page)}))
    assert ApiGroup.objects.get().any_origin


def test_new_group_that_is_open_says_what_its_routes_open(operator: Client) -> None:
    data = filled_in(("", "/elsewhere/hello"), slug="shop", any_origin="on")
    page = post(operator, url(ADD), data)
    assert asked(page) == ["any_origin_on"]
    assert "the answers of 1 URL pattern. /elsewhere/hello" in question(page)
    assert not ApiGroup.objects.exists()
    assert saved(post(operator, url(ADD), {**data, "understood": token(page)}))
    assert ApiRoute.objects.get().path_prefix == "/elsewhere/hello"


def test_widening_the_routes_of_an_open_group_says_what_is_opened(operator: Client, public: ApiGroup) -> None:
    ApiGroup.objects.update(any_origin=True)
    route = ApiRoute.objects.get()
    data = filled_in(any_origin="on", **existing(route, **{"routes-0-path_prefix": "/api"}))
    page = post(operator, url(CHANGE, public.pk), data)
    assert asked(page) == ["any_origin_wider"]
    assert "the answers of 9 URL patterns more" in question(page)
    narrower = filled_in(any_origin="on", **existing(route, **{"routes-0-path_prefix": "/api/public/hello"}))
    assert saved(post(operator, url(CHANGE, public.pk), narrower))


def test_closing_an_open_group_says_who_may_still_read(operator: Client, public: ApiGroup, grants: None) -> None:
    ApiGroup.objects.update(any_origin=True)
    page = post(operator, url(CHANGE, public.pk), filled_in(**existing(ApiRoute.objects.get())))
    assert asked(page) == ["any_origin_off"]
    assert "but for 4 active trusted origins" in question(page)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"max_age": "60"}, id="another field"),
        pytest.param({"allow_methods": "*"}, id="another list"),
        pytest.param({"routes-0-path_prefix": "/"}, id="another route"),
        pytest.param({"any_origin": "on", "allow_credentials": ""}, id="another switch"),
    ],
)
def test_confirmation_holds_for_just_the_change_that_was_shown(
    operator: Client, public: ApiGroup, values: dict[str, str]
) -> None:
    data = filled_in(allow_credentials="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    other = post(operator, url(CHANGE, public.pk), {**data, **values, "understood": token(page)})
    assert asked(other)
    assert token(other) != token(page)
    assert "checked" not in other.content.decode().partition('name="understood"')[2][:200]
    assert not ApiGroup.objects.get().allow_credentials


def test_confirmation_of_one_group_holds_for_no_other_and_not_once_somebody_else_has_saved(
    operator: Client, public: ApiGroup
) -> None:
    other = ApiGroupFactory.create(slug="other")
    data = filled_in(allow_credentials="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    elsewhere = filled_in(allow_credentials="on", understood=token(page))
    assert asked(post(operator, url(CHANGE, other.pk), elsewhere))
    ApiGroup.objects.filter(pk=public.pk).update(max_age=1)
    assert asked(post(operator, url(CHANGE, public.pk), {**data, "understood": token(page)}))
    assert not ApiGroup.objects.filter(allow_credentials=True).exists()


def test_name_may_change_between_question_and_answer_for_it_is_no_policy(operator: Client, public: ApiGroup) -> None:
    data = filled_in(allow_credentials="on", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    assert saved(post(operator, url(CHANGE, public.pk), {**data, "name": "Open", "understood": token(page)}))


def test_mistakes_are_said_first_and_nothing_is_asked(operator: Client, public: ApiGroup) -> None:
    data = filled_in(allow_credentials="on", max_age="x", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    assert asked(page) == []
    assert "max_age" in errors(page)


def test_button_of_the_question_goes_on_as_the_one_that_was_pressed(operator: Client, public: ApiGroup) -> None:
    data = filled_in(allow_credentials="on", _continue="1", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data)
    assert page.context["confirmation"]["button"] == "_continue"
    assert 'name="_continue" class="default"' in page.content.decode()


def test_apprentice_is_refused_before_anything_is_asked(apprentice: Client, public: ApiGroup) -> None:
    EnvironmentFactory.create(slug="live", protected=True)
    page = post(apprentice, url(CHANGE, public.pk), filled_in(allow_credentials="on"))
    assert "protected environment (live)" in errors(page)["__all__"][0]
    assert asked(page) == []


def test_what_a_switch_means_stands_beside_it_before_it_is_flipped(
    operator: Client, public: ApiGroup, billing: ApiGroup, grants: None
) -> None:
    page = operator.get(url(CHANGE, public.pk)).content.decode()
    beside = page.partition('id="id_allow_credentials_helptext"')[2].partition("form-row")[0]
    assert "cors-guard-when-on" in beside
    assert "4 active trusted origins (front ends: 2, patterns: 1) will be able to act" in beside
    assert "1 http origin may not have credentials" in beside
    beside = page.partition('id="id_trusted_for_csrf_helptext"')[2].partition("form-row")[0]
    assert "cors-guard-when-on" in beside
    assert "4 active trusted origins may then also send what changes something" in beside
    beside = page.partition('id="id_any_origin_helptext"')[2].partition("form-row")[0]
    assert "9 URL patterns" in beside
    assert "1 origin that was revoked may read again" in beside
    page = operator.get(url(CHANGE, billing.pk)).content.decode()
    assert "cors-guard-when-off" in page.partition('id="id_allow_credentials_helptext"')[2].partition("form-row")[0]


def test_panel_goes_by_what_is_stored_also_when_the_form_comes_back(operator: Client, public: ApiGroup) -> None:
    data = filled_in(allow_credentials="on", max_age="x", **existing(ApiRoute.objects.get()))
    page = post(operator, url(CHANGE, public.pk), data).content.decode()
    assert "cors-guard-when-on" in page.partition('id="id_allow_credentials_helptext"')[2].partition("form-row")[0]


# --- what routes cover ------------------------------------------------------------------------------------------------

COVERAGE = "apigroup_coverage"


def covered(client: Client, *routes: tuple[str, str], group: Any = "") -> list[dict[str, Any]]:
    """Return what the page is told while routes are typed."""
    query = {"host": [host for host, _ in routes], "path_prefix": [prefix for _, prefix in routes], "group": group}
    answer = client.get(url(COVERAGE), query)
    assert answer.status_code == 200
    notes: list[dict[str, Any]] = answer.json()["routes"]
    return notes


@pytest.mark.parametrize(
    ("prefix", "state", "says"),
    [
        pytest.param("/api/public", "good", "Covers 9 URL patterns.", id="some"),
        pytest.param(" /api/public/ ", "good", "Covers 9 URL patterns.", id="as it would be tidied"),
        pytest.param("/api/public/hello", "good", "Covers 1 URL pattern.", id="one"),
        pytest.param("/api/pub", "doubtful", "Covers no URL pattern of this project.", id="none"),
        pytest.param("/API/public", "doubtful", "upper and lower case differ", id="another case"),
        pytest.param("/admin", "doubtful", "nothing but the admin", id="closed"),
        pytest.param("api", "open", "No route yet", id="no slash"),
        pytest.param("/a b", "open", "No route yet", id="no path"),
        pytest.param("/" + "x" * 300, "open", "No route yet", id="too long"),
    ],
)
def test_note_says_what_a_prefix_covers(operator: Client, prefix: str, state: str, says: str) -> None:
    (note,) = covered(operator, ("", prefix))
    assert note["state"] == state
    assert says in note["summary"]


def test_note_lists_twenty_patterns_and_counts_the_rest(operator: Client) -> None:
    (note,) = covered(operator, ("", "/"))
    assert note["summary"].startswith("Covers 27 URL patterns")
    assert len(note["patterns"]) == 20
    assert note["more"] == "and 7 more"
    (warning,) = note["warnings"]
    assert "URL patterns of the admin and of this app's own API: closed" in warning


def test_note_tells_of_other_groups_routes(operator: Client, public: ApiGroup, billing: ApiGroup) -> None:
    ApiRouteFactory.create(api_group=billing, path_prefix="/api/public/hello")
    (note,) = covered(operator, ("", "/api/public"), group=public.pk)
    remarks = {pattern["text"]: pattern["remark"] for pattern in note["patterns"]}
    assert remarks["/api/public/hello"] == "taken by billing, whose route /api/public/hello decides first"
    assert remarks["/api/public/missing"] == ""
    (note,) = covered(operator, ("", "/api/public/hello"), group=public.pk)
    assert note["warnings"] == ["billing has this very route already."]
    (note,) = covered(operator, ("", "/api/billing/hello"), group=public.pk)
    assert note["state"] == "good"
    (note,) = covered(operator, ("", "/api"), group=billing.pk)
    remarks = {pattern["text"]: pattern["remark"] for pattern in note["patterns"]}
    assert remarks["/api/public/missing"] == "taken by public, whose route /api/public decides first"


def test_note_on_a_route_that_others_take_wholly_says_that_it_does_nothing(
    operator: Client, public: ApiGroup, billing: ApiGroup
) -> None:
    for name in ("hello", "own-headers", "varies-on-all", "missing", "broken", "redirect", "stream", "file"):
        ApiRouteFactory.create(api_group=billing, path_prefix=f"/elsewhere/{name}")
    ApiRouteFactory.create(api_group=billing, path_prefix="/elsewhere/async-stream")
    (note,) = covered(operator, ("", "/elsewhere"), group=public.pk)
    assert (note["state"], note["summary"]) == (
        "doubtful",
        "All that it covers belongs to longer routes of other API groups, so it does nothing.",
    )


def test_note_warns_of_routes_that_differ_in_case_alone(operator: Client, public: ApiGroup) -> None:
    first, second, third = covered(
        operator, ("", "/API/public"), ("", "/Api/Public"), ("api.example.com", "/API/PUBLIC")
    )
    assert first["warnings"] == [
        "Differs from /Api/Public in upper and lower case alone.",
        "Differs from /api/public of public in upper and lower case alone.",
    ]
    assert len(second["warnings"]) == 2
    assert third["warnings"] == []
    (note, _) = covered(operator, ("", "/x"), ("", "/x"))
    assert note["warnings"] == ["It stands here twice."]


def test_blank_rows_have_no_note_and_more_than_fifty_none_either(operator: Client) -> None:
    assert covered(operator, ("", ""), (" ", "")) == []
    assert len(covered(operator, *[("", f"/x{number}") for number in range(60)])) == 50


@pytest.mark.parametrize("group", ["x", "1" * 30, "\u0663", "-1", "\0"])
def test_group_that_is_none_has_no_routes_of_its_own(operator: Client, public: ApiGroup, group: str) -> None:
    (note,) = covered(operator, ("", "/api/public"), group=group)
    assert note["warnings"] == ["public has this very route already."]


def test_notes_are_for_those_who_may_view_groups_and_change_nothing(public: ApiGroup) -> None:
    assert login(user_with("view_apigroup")).get(url(COVERAGE)).status_code == 200
    assert login(user_with("view_environment")).get(url(COVERAGE)).status_code == 403
    assert Client().get(url(COVERAGE)).status_code == 302
    assert login(user_with("view_apigroup")).post(url(COVERAGE)).status_code == 405


def test_page_has_the_notes_without_any_script(operator: Client, public: ApiGroup) -> None:
    assert "What these routes cover" in text(operator.get(url(ADD)))
    assert "Without a route the API group guards nothing." in text(operator.get(url(ADD)))
    page = text(operator.get(url(CHANGE, public.pk)))
    assert "/api/public Covers 9 URL patterns. /api/public/hello" in page
    route = ApiRoute.objects.get()
    page = text(post(operator, url(CHANGE, public.pk), filled_in(**existing(route, **{"routes-0-path_prefix": "x"}))))
    assert "x ⚠ No route yet" in page
    moved = existing(route, **{"routes-0-path_prefix": "/nowhere", "routes-0-host": "H<i>"})
    page = post(operator, url(CHANGE, public.pk), filled_in(**moved)).content.decode()
    assert "H&lt;i&gt;/nowhere" in page
    gone = existing(route, max_age="x", **{"routes-0-DELETE": "on"})
    assert "Without a route" in text(post(operator, url(CHANGE, public.pk), filled_in(**gone)))


def test_routes_written_past_the_forms_break_no_page(operator: Client, public: ApiGroup) -> None:
    ApiRoute.objects.update(path_prefix="/\u202e<script>%", host="a b")
    page = operator.get(url(CHANGE, public.pk))
    assert "No route yet" in text(page)
    assert "<script>%" not in page.content.decode()
    assert covered(operator, ("", "/"))[0]["state"] == "good"


# --- beside the form --------------------------------------------------------------------------------------------------


def test_page_counts_trusted_origins_by_environment_with_links(
    operator: Client, production: Environment, public: ApiGroup, grants: None
) -> None:
    staging = EnvironmentFactory.create(slug="staging", mode="block")
    GroupModeFactory.create(environment=production, mode="monitor")
    page = operator.get(url(CHANGE, public.pk))
    rows = {place.environment.slug: place for place in page.context["places"]}
    here, there = rows["production"], rows["staging"]
    assert (here.counts.active, here.counts.revoked, here.counts.total) == (4, 1, 5)
    assert (str(here.mode), here.has_own_mode) == ("monitor", True)
    assert (there.counts.total, str(there.mode), there.environment) == (0, "block", staging)
    listed = operator.get(here.active_url)
    assert listed.context["cl"].result_count == 4
    assert operator.get(here.revoked_url).context["cl"].result_count == 1
    assert operator.get(here.all_url).context["cl"].result_count == 5
    assert operator.get(here.outlook_url).status_code == 200
    assert f'href="{here.active_url.replace("&", "&amp;")}"' in page.content.decode()


def test_switched_off_grants_are_not_counted_as_active(operator: Client, public: ApiGroup, grants: None) -> None:
    Environment.objects.update(allow_insecure_http=False)
    (place,) = operator.get(url(CHANGE, public.pk)).context["places"]
    assert (place.counts.active, place.counts.total) == (3, 5)
    assert operator.get(place.active_url).context["cl"].result_count == 3


def test_viewer_sees_it_all_and_is_offered_nothing(public: ApiGroup, grants: None) -> None:
    page = login(user_with("view_apigroup", "view_apiroute")).get(url(CHANGE, public.pk))
    shown, words = page.content.decode(), text(page)
    assert "/api/public Covers 9 URL patterns." in words
    (place,) = page.context["places"]
    assert (place.counts.active, place.active_url, place.outlook_url) == (4, "", "")
    assert "understood" not in shown
    assert shown.count("<input") == shown.count('<input type="hidden"') + shown.count('id="nav-filter"')
    assert "cors-guard-live" not in shown


def test_viewer_cannot_confirm_by_address(public: ApiGroup) -> None:
    viewer = login(user_with("view_apigroup", "view_apiroute"))
    data = filled_in(allow_credentials="on", understood="x", **existing(ApiRoute.objects.get()))
    assert post(viewer, url(CHANGE, public.pk), data).status_code == 403


def test_deleting_a_group_with_grants_is_refused_in_words(
    operator: Client, production: Environment, public: ApiGroup, grants: None
) -> None:
    page = text(operator.get(url(DELETE, public.pk)))
    assert "“Public” cannot be deleted while there are trusted origins in it." in page
    assert "5 trusted origins (1 of them revoked) for public in production" in page
    post(operator, url(DELETE, public.pk), {"post": "yes"})
    assert ApiGroup.objects.exists()
    empty = ApiGroupFactory.create(slug="empty")
    post(operator, url(DELETE, empty.pk), {"post": "yes"})
    assert not ApiGroup.objects.filter(slug="empty").exists()


@pytest.mark.parametrize("may", [pytest.param(True, id="superuser"), pytest.param(False, id="apprentice")])
def test_page_asks_few_questions(
    operator: Client,
    apprentice: Client,
    production: Environment,
    public: ApiGroup,
    may: bool,
    django_assert_max_num_queries: Any,
) -> None:
    client = operator if may else apprentice
    TrustedOriginFactory.create_batch(30)
    for number in range(12):
        EnvironmentFactory.create(slug=f"stage{number}")
        ApiRouteFactory.create(path_prefix=f"/x{number}")
    client.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        client.get(url(CHANGE, public.pk))
    with django_assert_max_num_queries(8):
        covered(client, ("", "/api"), group=public.pk)


def test_stored_values_of_any_kind_break_no_page(operator: Client, public: ApiGroup) -> None:
    for value in ({"a": 1}, 7, "<b>", [1, None], [["x"]], None):
        if value is not None:
            ApiGroup.objects.update(allow_methods=value, allow_headers=value, expose_headers=value)
        for client in (operator, login(user_with("view_apigroup", username=f"v{value!r}"[:20]))):
            page = client.get(url(CHANGE, public.pk))
            assert page.status_code == 200
            assert "<b></textarea>" not in page.content.decode()
    page = post(operator, url(CHANGE, public.pk), filled_in(allow_credentials="on", **existing(ApiRoute.objects.get())))
    assert asked(page) == ["credentials_on"]
    assert (
        confirm(
            operator, url(CHANGE, public.pk), filled_in(allow_credentials="on", **existing(ApiRoute.objects.get()))
        ).status_code
        == 302
    )


# --- isolation --------------------------------------------------------------------------------------------------------


def test_isolation_timing_and_resource_policy_are_saved_and_listed(operator: Client) -> None:
    data = filled_in(slug="shop", isolate="monitor", timing_allow_origin="on", cross_origin_resource_policy="same-site")
    # A resource policy stops what nothing records.
    page = post(operator, url(ADD), data)
    assert asked(page) == ["resources_kept"]
    confirm(operator, url(ADD), data)
    group = ApiGroup.objects.get()
    assert (group.isolate, group.timing_allow_origin, group.cross_origin_resource_policy) == (
        "monitor",
        True,
        "same-site",
    )
    assert 'class="field-isolation">monitor</td>' in operator.get(url(LIST), {"isolate__exact": "monitor"}).text


@pytest.mark.parametrize(
    ("before", "after", "codes"),
    [
        ("off", "monitor", []),
        ("monitor", "off", []),
        ("off", "enforce", ["isolation_on", "isolation_unwatched"]),
        ("monitor", "enforce", ["isolation_on"]),
        ("enforce", "monitor", ["isolation_off"]),
        ("enforce", "off", ["isolation_off"]),
    ],
)
def test_isolating_asks_where_somebody_may_be_stopped(
    operator: Client, public: ApiGroup, before: str, after: str, codes: list[str]
) -> None:
    ApiGroup.objects.update(isolate=before)
    page = post(operator, url(CHANGE, public.pk), filled_in(isolate=after, **existing(ApiRoute.objects.get())))
    assert (asked(page) if codes else []) == codes
    if not codes:
        assert ApiGroup.objects.get().isolate == after


def test_how_many_would_be_stopped_is_shown_before_it_enforces(operator: Client, public: ApiGroup) -> None:
    now = timezone.now()
    RejectionTallyFactory.create(hour=now, api_group="public", reason="cross_site", count=1234)
    RejectionTallyFactory.create(hour=now, api_group="public", reason="unknown_origin", count=7)
    RejectionTallyFactory.create(hour=now, api_group="billing", reason="cross_site", count=9)
    RejectionTallyFactory.create(hour=now - timedelta(days=8), api_group="public", reason="cross_site", count=5)
    ApiGroup.objects.update(isolate="monitor")
    page = operator.get(url(CHANGE, public.pk))
    log = f"{url('rejection_changelist')}?api_group=public&amp;reason=cross_site"
    assert f'<p id="isolation-recorded"><a href="{log}">In the last 7 days 1234 requests' in page.text
    data = filled_in(isolate="enforce", **existing(ApiRoute.objects.get()))
    assert "1234 such requests were recorded" in question(post(operator, url(CHANGE, public.pk), data))


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        pytest.param({"isolate": "perhaps"}, "isolate", "Select a valid choice", id="unknown isolation"),
        pytest.param(
            {"cross_origin_resource_policy": "all"},
            "cross_origin_resource_policy",
            "Select a valid choice",
            id="unknown resource policy",
        ),
        pytest.param({"isolate": "monitor", "any_origin": "on"}, "__all__", "Switch one of them off", id="any origin"),
    ],
)
def test_isolation_that_makes_no_sense_is_refused(
    operator: Client, values: dict[str, str], field: str, says: str
) -> None:
    page = post(operator, url(ADD), filled_in(slug="shop", **values))
    assert says in " ".join(errors(page)[field])
    assert not ApiGroup.objects.exists()
