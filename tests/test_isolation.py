"""Isolation and the two headers of a group as requests get them, each through Django's WSGI and its ASGI handler."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from django_cors_guard import services
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.rows import EnvironmentRow, GroupRow, PolicySource, RouteRow
from django_cors_guard.middleware import CorsGuardMiddleware, judge, places
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, Rejection, RejectionTally
from django_cors_guard.services.consequences.counts import count_cross_site
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, override_cors_guard, trusted
from tests.factories import ApiRouteFactory
from tests.sending import Send

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
HELLO = "/api/billing/hello"
ISOLATED_VARY = "Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"
IMAGE = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
LINK = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
OWN = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}


@pytest.fixture
def isolated(production: Environment, billing: ApiGroup) -> ApiGroup:
    services.trust(TRUSTED, environment="production", api_group="billing")
    billing.isolate = "enforce"
    billing.save()
    return billing


def body(response: Any) -> Any:
    return json.loads(response.content)


# --- isolation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("GET", {}, 200, id="no browser"),
        pytest.param("POST", {}, 200, id="no browser, POST"),
        pytest.param("GET", OWN, 200, id="own page"),
        pytest.param("GET", {**OWN, "Sec_Fetch_Site": "same-site"}, 200, id="same site"),
        pytest.param("GET", {**LINK, "Sec_Fetch_Site": "none"}, 200, id="typed"),
        pytest.param("GET", LINK, 200, id="link"),
        pytest.param("GET", {**LINK, "Sec_Fetch_Dest": "iframe"}, 200, id="frame"),
        pytest.param("GET", {**LINK, "Sec_Fetch_Dest": "object"}, 403, id="object"),
        pytest.param("POST", LINK, 403, id="form"),
        pytest.param("GET", IMAGE, 403, id="image"),
        pytest.param("HEAD", IMAGE, 403, id="HEAD"),
        pytest.param("OPTIONS", IMAGE, 403, id="OPTIONS"),
        pytest.param("GET", {**IMAGE, "Origin": ""}, 403, id="an Origin that a proxy has blanked"),
        pytest.param("GET", {**IMAGE, "Origin": TRUSTED}, 200, id="trusted origin"),
        pytest.param("GET", {**IMAGE, "Origin": STRANGER}, 200, id="refused by CORS, in mode enforce"),
    ],
)
def test_isolation_refuses_what_other_sites_load(
    send: Send, isolated: ApiGroup, method: str, headers: dict[str, str], status: int
) -> None:
    response = send(method, HELLO, **headers)
    assert (response.status_code, response["Vary"]) == (status, ISOLATED_VARY)


def test_refusal_is_a_problem_that_no_cache_keeps_and_the_view_does_not_run(send: Send, isolated: ApiGroup) -> None:
    response = send("GET", "/api/billing/broken", **IMAGE)
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert response["Cache-Control"] == "no-store"
    assert body(response) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Pages of other sites may link to this address, but not load it.",
        "reason": "cross_site",
    }


def test_refusal_is_recorded_without_an_origin_and_makes_no_card(send: Send, isolated: ApiGroup) -> None:
    send("GET", HELLO, **IMAGE)
    flush_rejections()
    row = Rejection.objects.get()
    assert (row.environment, row.api_group, row.mode) == ("production", "billing", "enforce")
    assert (row.origin, row.reason, row.kind) == ("", "cross_site", "no_cors")
    assert (row.method, row.path, row.count, row.overflow) == ("GET", HELLO, 1, False)
    assert not RejectedOrigin.objects.exists()
    assert RejectionTally.objects.get().reason == "cross_site"
    assert count_cross_site("billing") == 1
    assert count_cross_site("public") == 0


@pytest.mark.parametrize("headers", [{}, OWN, LINK])
def test_what_passes_is_not_recorded(send: Send, isolated: ApiGroup, headers: dict[str, str]) -> None:
    send("GET", HELLO, **headers)
    flush_rejections()
    assert not Rejection.objects.exists()


def test_monitored_isolation_is_recorded_as_monitored_and_the_view_runs(send: Send, isolated: ApiGroup) -> None:
    ApiGroup.objects.update(isolate="monitor")
    response = send("GET", "/api/billing/own-headers", **IMAGE)
    assert (response.status_code, response["Vary"]) == (200, "Cookie, Origin")
    assert "Access-Control-Allow-Origin" not in response, "the group itself enforces"
    flush_rejections()
    row = Rejection.objects.get()
    assert (row.reason, row.mode, row.origin) == ("cross_site", "monitor", "")


@pytest.mark.parametrize("brake", ["mode", "MAX_MODE"])
def test_group_that_monitors_only_records(send: Send, isolated: ApiGroup, brake: str) -> None:
    if brake == "mode":
        Environment.objects.update(mode="monitor")
    with override_cors_guard(**({"MAX_MODE": "monitor"} if brake == "MAX_MODE" else {})):
        response = send("GET", "/api/billing/own-headers", **IMAGE)
        assert (response.status_code, response["Vary"]) == (200, "Cookie")
        assert "Access-Control-Allow-Origin" in response
        flush_rejections()
    assert Rejection.objects.get().mode == "monitor"


def test_without_isolation_nothing_is_asked(send: Send, billing: ApiGroup, production: Environment) -> None:
    response = send("GET", HELLO, **IMAGE)
    assert (response.status_code, response["Vary"]) == (200, "Origin")
    flush_rejections()
    assert not Rejection.objects.exists()


def test_switching_isolation_on_counts_from_the_next_request(
    send: Send, billing: ApiGroup, production: Environment
) -> None:
    assert send("GET", HELLO, **IMAGE).status_code == 200
    billing.isolate = "enforce"
    billing.save()
    assert send("GET", HELLO, **IMAGE).status_code == 403
    ApiGroup.objects.update(isolate="off")
    assert send("GET", HELLO, **IMAGE).status_code == 200


def test_isolation_is_of_one_group_alone(send: Send, isolated: ApiGroup, public: ApiGroup) -> None:
    assert send("GET", "/api/public/hello", **IMAGE).status_code == 200


def test_host_decides_about_isolation_where_routes_tell_hosts_apart(send: Send, isolated: ApiGroup) -> None:
    open_group = ApiGroup.objects.create(slug="open", name="Open")
    ApiRouteFactory.create(api_group=open_group, host="testserver", path_prefix="/api/billing")
    assert send("GET", HELLO, **IMAGE).status_code == 200
    ApiRouteFactory.create(api_group=isolated, host="testserver", path_prefix="/api/billing/hello")
    assert send("GET", HELLO, **IMAGE).status_code == 403


def test_the_admin_and_the_own_api_are_not_isolated(send: Send, isolated: ApiGroup) -> None:
    ApiRouteFactory.create(api_group=isolated, path_prefix="/")
    assert send("GET", "/cors-guard/status/", **IMAGE).status_code in {401, 403}
    flush_rejections()
    assert not Rejection.objects.exists()


# --- the way there costs nothing where nothing is isolated ------------------------------------------------------------


def compile_site(isolate: str) -> Any:
    groups = (GroupRow("api", isolate=isolate),)
    source = PolicySource("production", EnvironmentRow("production"), groups, (RouteRow("api", "/api"),), (), 1, "t")
    return compile_policy(source, now=0.0)


def test_place_has_its_decision_ready_unless_the_group_is_isolated() -> None:
    for isolate, is_ready in (("off", True), ("monitor", False), ("enforce", False)):
        policy = compile_site(isolate)
        decision = judge(RequestFactory().get("/api/x"), policy)
        assert decision is policy.groups["api"].answers.no_origin
        assert (places.latest.known["/api/x"].quiet is decision) is is_ready


@pytest.mark.django_db
def test_a_remembered_place_still_looks_at_each_request() -> None:
    policy = compile_site("enforce")
    for headers, status in ((IMAGE, 403), (LINK, 0), (IMAGE, 403), ({}, 0)):
        meta: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        assert judge(RequestFactory().get("/api/x", **meta), policy).status == status


# --- headers of the group ---------------------------------------------------------------------------------------------


def view(**headers: str) -> Callable[..., HttpResponse]:
    return lambda request: HttpResponse(headers={name.replace("_", "-"): value for name, value in headers.items()})


def ask(get_response: Callable[..., HttpResponse], **meta: Any) -> Any:
    return CorsGuardMiddleware(get_response)(RequestFactory().get("/api/x", **meta))


@pytest.mark.parametrize(
    ("name", "status"),
    [("hello", 200), ("missing", 404), ("broken", 500), ("redirect", 302), ("stream", 200), ("no-such-view", 404)],
)
@pytest.mark.parametrize("headers", [{}, {"Origin": TRUSTED}, {"Origin": STRANGER}, OWN])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_resource_policy_is_on_every_response(
    send: Send, isolated: ApiGroup, name: str, status: int, headers: dict[str, str]
) -> None:
    ApiGroup.objects.update(cross_origin_resource_policy="same-site")
    response = send("GET", f"/api/billing/{name}", **headers)
    assert (response.status_code, response["Cross-Origin-Resource-Policy"]) == (status, "same-site")


def test_resource_policy_is_on_the_guards_own_answers(send: Send, isolated: ApiGroup) -> None:
    ApiGroup.objects.update(cross_origin_resource_policy="same-origin")
    services.revoke_origin(TRUSTED, reason="key leaked")
    for headers in (IMAGE, {"Origin": TRUSTED}):
        response = send("GET", HELLO, **headers)
        assert (response.status_code, response["Cross-Origin-Resource-Policy"]) == (403, "same-origin")


@pytest.mark.parametrize(
    ("said", "sent"), [(None, "cross-origin"), ("same-origin", "same-origin"), ("same-site", "same-site")]
)
def test_resource_policy_of_a_view_stays_until_the_group_says_one(said: str | None, sent: str) -> None:
    with trusted(TRUSTED, resource_policy=said):
        response = ask(view(Cross_Origin_Resource_Policy="cross-origin"))
        assert response["Cross-Origin-Resource-Policy"] == sent


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        pytest.param(TRUSTED, TRUSTED, id="trusted"),
        pytest.param(STRANGER, None, id="refused"),
        pytest.param("null", None, id="null"),
        pytest.param("http://testserver", None, id="own page"),
        pytest.param(None, None, id="no origin"),
    ],
)
def test_timing_is_the_guards_once_the_group_says_so(origin: str | None, sent: str | None) -> None:
    meta = {"HTTP_ORIGIN": origin} if origin is not None else {}
    with trusted(TRUSTED, timing=True):
        for get_response in (view(), view(Timing_Allow_Origin="*"), view(TIMING_ALLOW_ORIGIN=STRANGER)):
            assert ask(get_response, **meta).get("Timing-Allow-Origin") == sent
    with trusted(TRUSTED):
        assert ask(view(), **meta).get("Timing-Allow-Origin") is None
        assert ask(view(Timing_Allow_Origin="*"), **meta)["Timing-Allow-Origin"] == "*"


def test_timing_of_any_origin_is_a_star() -> None:
    with trusted(any_origin=True, timing=True):
        for meta in ({}, {"HTTP_ORIGIN": STRANGER}):
            assert ask(view(Timing_Allow_Origin=STRANGER), **meta)["Timing-Allow-Origin"] == "*"


def test_group_that_monitors_adds_and_removes_nothing() -> None:
    with trusted(TRUSTED, timing=True, resource_policy="same-origin", mode="monitor"):
        response = ask(view(Timing_Allow_Origin="*"), HTTP_ORIGIN=TRUSTED)
        assert (response["Timing-Allow-Origin"], "Cross-Origin-Resource-Policy" in response) == ("*", False)


def test_a_view_of_the_admin_is_given_nothing(admin_client: Any, production: Environment) -> None:
    group = ApiGroup.objects.create(slug="all", name="All", cross_origin_resource_policy="cross-origin")
    ApiRouteFactory.create(api_group=group, path_prefix="/")
    assert "Cross-Origin-Resource-Policy" not in admin_client.get("/admin/")


# --- trusted() --------------------------------------------------------------------------------------------------------


def test_isolation_can_be_tried_without_rows() -> None:
    with trusted(TRUSTED, isolate="enforce"):
        meta = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "no-cors"}
        assert ask(view(), **meta).status_code == 403
        assert store.at_hand() is not None
