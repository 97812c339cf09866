"""The protocol as requests get it, each through Django's WSGI and its ASGI handler."""

import gc
import json
import sys
from io import BytesIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory
from django.urls import resolve

from django_cors_guard import services
from django_cors_guard.core.decision import PlainFacts, Reason
from django_cors_guard.core.protocol import decide
from django_cors_guard.middleware import CorsGuardMiddleware
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, OriginUsage, RejectedOrigin, Rejection
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, override_cors_guard
from tests.factories import TrustedOriginFactory
from tests.sending import Send

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
HELLO = "/api/billing/hello"


def cors(response: HttpResponseBase) -> dict[str, str]:
    return {name.lower(): value for name, value in response.items() if name.lower().startswith("access-control-")}


@pytest.fixture
def policy(production: Environment, public: ApiGroup, billing: ApiGroup) -> ApiGroup:
    """One trusted origin for billing (credentials, PUT, X-Total exposed) and an open group on /elsewhere."""
    billing.allow_methods = ["GET", "PUT"]
    billing.expose_headers = ["x-total"]
    billing.save()
    services.trust(TRUSTED, environment="production", api_group="billing")
    return billing


READABLE = {
    "access-control-allow-origin": TRUSTED,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "x-total",
}


def preflight(send: Send, origin: str, path: str = HELLO, method: str = "PUT", **headers: str) -> HttpResponseBase:
    return send("OPTIONS", path, Origin=origin, Access_Control_Request_Method=method, **headers)


# --- the table of mode enforce ----------------------------------------------------------------------------------------


def test_row_1_unguarded_is_untouched(send: Send, policy: ApiGroup) -> None:
    response = send("GET", "/elsewhere/own-headers", Origin=STRANGER)
    assert response["Access-Control-Allow-Origin"] == STRANGER
    assert response["Vary"] == "Cookie"
    flush_rejections()
    assert not Rejection.objects.exists()


def test_row_2_no_origin_varies_and_loses_what_the_view_set(send: Send, policy: ApiGroup) -> None:
    response = send("GET", "/api/billing/own-headers")
    assert (response.status_code, cors(response), response["Vary"]) == (200, {}, "Cookie, Origin")
    assert response["X-Other"] == "kept"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec_Fetch_Site": "same-origin"}, id="by Sec-Fetch-Site"),
        pytest.param({"Sec_Fetch_Site": "none"}, id="typed into the address bar"),
        pytest.param({"Origin": "http://testserver"}, id="by Origin"),
    ],
)
def test_row_3_same_origin_is_not_recorded(send: Send, policy: ApiGroup, headers: dict[str, str]) -> None:
    response = send("GET", HELLO, **{"Origin": STRANGER, **headers})
    assert (response.status_code, cors(response), response["Vary"]) == (200, {}, "Origin")
    flush_rejections()
    assert not Rejection.objects.exists()


def test_row_3_preflight_of_own_origin_reaches_the_view(send: Send, policy: ApiGroup) -> None:
    response = preflight(send, "http://testserver")
    assert (response.status_code, response.content) == (200, b"hello")  # type: ignore[attr-defined]  # not streamed


def test_row_4_trusted_reads(send: Send, policy: ApiGroup) -> None:
    response = send("GET", HELLO, Origin=TRUSTED)
    assert (response.status_code, cors(response), response["Vary"]) == (200, READABLE, "Origin")


def test_row_5_refused_runs_the_view_and_is_recorded(send: Send, policy: ApiGroup) -> None:
    response = send("GET", "/api/billing/own-headers", Origin=STRANGER)
    assert (response.status_code, cors(response), response["Vary"]) == (200, {}, "Cookie, Origin")
    flush_rejections()
    row = Rejection.objects.get()
    assert (row.environment, row.api_group, row.mode) == ("production", "billing", "enforce")
    assert (row.origin, row.reason, row.kind) == (STRANGER, "unknown_origin", "actual")
    assert (row.method, row.path, row.count) == ("GET", "/api/billing/own-headers", 1)


def test_row_5r_revoked_is_blocked(send: Send, policy: ApiGroup) -> None:
    services.revoke_origin(TRUSTED, reason="key leaked")
    response = send("GET", "/api/billing/broken", Origin=TRUSTED)
    assert (response.status_code, cors(response)) == (403, {})
    flush_rejections()
    assert Rejection.objects.get().reason == "revoked"


def test_row_6_preflight_is_answered_in_full(send: Send, policy: ApiGroup) -> None:
    response = preflight(send, TRUSTED, path="/api/billing/broken", Access_Control_Request_Headers="Content-Type")
    assert (response.status_code, response.content) == (204, b"")  # type: ignore[attr-defined]  # not streamed
    assert cors(response) == {
        "access-control-allow-origin": TRUSTED,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    }
    assert response["Vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        pytest.param("DELETE", "content-type", "method_not_allowed", id="method"),
        pytest.param("PUT", "x-evil", "header_not_allowed", id="header"),
    ],
)
def test_row_7_preflight_names_the_truth_and_is_recorded(
    send: Send, policy: ApiGroup, method: str, headers: str, reason: str
) -> None:
    response = preflight(send, TRUSTED, method=method, Access_Control_Request_Headers=headers)
    assert response.status_code == 204
    assert response["Access-Control-Allow-Methods"] == "GET, PUT"
    assert response["Access-Control-Allow-Headers"] == "authorization, content-type"
    flush_rejections()
    row = Rejection.objects.get()
    assert (row.reason, row.kind, row.method) == (reason, "preflight", "OPTIONS")


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://a, https://b", "nonsense"])
def test_row_8_refused_preflight_is_403_and_the_view_does_not_run(send: Send, policy: ApiGroup, origin: str) -> None:
    response = preflight(send, origin, path="/api/billing/broken")
    assert (response.status_code, cors(response)) == (403, {})
    assert response["Vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert origin not in str(response.content)  # type: ignore[attr-defined]  # not streamed


@pytest.mark.parametrize("headers", [{}, {"Origin": STRANGER}, {"Origin": "null"}, {"Origin": "a, b"}])
def test_row_9_any_origin_is_a_star(send: Send, policy: ApiGroup, public: ApiGroup, headers: dict[str, str]) -> None:
    public.any_origin = True
    public.save()
    response = send("GET", "/api/public/own-headers", **headers)
    assert cors(response) == {"access-control-allow-origin": "*"}
    assert response["Vary"] == "Cookie"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("missing", 404),
        ("broken", 500),
        ("redirect", 302),
        ("stream", 200),
        ("async-stream", 200),
        ("file", 200),
        ("no-such-view", 404),
    ],
)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_row_10_every_response_carries_the_headers(send: Send, policy: ApiGroup, name: str, status: int) -> None:
    response = send("GET", f"/api/billing/{name}", Origin=TRUSTED)
    assert (response.status_code, cors(response)) == (status, READABLE)
    refused = send("GET", f"/api/billing/{name}", Origin=STRANGER)
    assert (refused.status_code, cors(refused)) == (status, {})


def test_vary_of_a_star_stays(send: Send, policy: ApiGroup) -> None:
    assert send("GET", "/api/billing/varies-on-all", Origin=TRUSTED)["Vary"] == "*"


# --- mode block -------------------------------------------------------------------------------------------------------


@pytest.fixture
def blocking(policy: ApiGroup, production: Environment) -> ApiGroup:
    production.mode = "block"
    production.save()
    return policy


def test_block_answers_a_problem_that_tells_no_more_than_it_must(send: Send, blocking: ApiGroup) -> None:
    response = send("POST", "/api/billing/broken", Origin=STRANGER)
    assert (response.status_code, cors(response)) == (403, {})
    assert response["Content-Type"] == "application/problem+json"
    assert (response["Cache-Control"], response["Vary"]) == ("no-store", "Origin, Sec-Fetch-Site")
    problem = json.loads(response.content)  # type: ignore[attr-defined]  # not streamed
    assert set(problem) == {"type", "title", "status", "detail", "reason"}
    assert (problem["status"], problem["reason"]) == (403, "origin_not_allowed")


def test_block_trusted_with_unlisted_method_may_read_why(send: Send, blocking: ApiGroup) -> None:
    response = send("DELETE", "/api/billing/broken", Origin=TRUSTED)
    assert (response.status_code, cors(response)) == (403, READABLE)
    assert json.loads(response.content)["reason"] == "method_not_allowed"  # type: ignore[attr-defined]  # as above


def test_block_lets_curl_and_the_site_itself_through(send: Send, blocking: ApiGroup) -> None:
    assert send("DELETE", HELLO).status_code == 200
    assert send("DELETE", HELLO, Origin="http://testserver").status_code == 200


# --- mode monitor -----------------------------------------------------------------------------------------------------


def test_monitor_leaves_the_response_alone_and_records(send: Send, policy: ApiGroup, production: Environment) -> None:
    production.mode = "monitor"
    production.save()
    response = send("GET", "/api/billing/own-headers", Origin=STRANGER)
    assert response["Access-Control-Allow-Origin"] == STRANGER
    assert response["Vary"] == "Cookie"
    assert preflight(send, STRANGER).status_code == 200, "the preflight goes on to the view"
    flush_rejections()
    assert {row.mode for row in Rejection.objects.all()} == {"monitor"}


# --- own paths --------------------------------------------------------------------------------------------------------


@pytest.fixture
def everywhere(policy: ApiGroup) -> ApiGroup:
    ApiRoute.objects.create(api_group=policy, path_prefix="/")
    return policy


@pytest.mark.parametrize("path", ["/admin/login/", "/admin", "/admin/no-such-page/", "/cors-guard/rejections/"])
def test_own_paths_are_closed_whatever_the_routes_say(send: Send, everywhere: ApiGroup, path: str) -> None:
    assert cors(send("GET", path, Origin=TRUSTED)) == {}
    assert preflight(send, TRUSTED, path=path).status_code == 403
    flush_rejections()
    assert {row.reason for row in Rejection.objects.all()} == {"own_paths"}
    assert not RejectedOrigin.objects.exists(), "there is nobody to trust here"


def test_own_api_opens_by_setting_and_the_admin_never(send: Send, everywhere: ApiGroup) -> None:
    with override_cors_guard(OPEN_OWN_API=True):
        assert cors(send("GET", "/cors-guard/rejections/", Origin=TRUSTED)) == READABLE
        assert cors(send("GET", "/admin/login/", Origin=TRUSTED)) == {}


# --- no usable policy -------------------------------------------------------------------------------------------------


def test_environment_without_a_row_trusts_nobody(send: Send, policy: ApiGroup) -> None:
    with override_cors_guard(ENVIRONMENT="staging"):
        response = send("GET", "/api/billing/own-headers", Origin=TRUSTED)
        assert (response.status_code, cors(response)) == (200, {})
        assert preflight(send, TRUSTED).status_code == 403


def test_cold_start_without_a_database_opens_and_breaks_nothing(
    send: Send, policy: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_database(using: str) -> None:
        raise RuntimeError("no database")

    store.forget()
    monkeypatch.setattr("django_cors_guard.models.PolicyState.read", no_database)
    response = send("GET", "/elsewhere/own-headers", Origin=STRANGER)
    assert (response.status_code, cors(response)) == (200, {})
    asked = preflight(send, TRUSTED)
    assert (asked.status_code, cors(asked)) == (503, {})
    assert int(asked["Retry-After"]) > 0


def test_a_bug_of_the_guard_is_no_500(
    send: Send, policy: ApiGroup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django_cors_guard.middleware.decide", explode)
    response = send("GET", "/api/billing/own-headers", Origin=TRUSTED)
    assert (response.status_code, cors(response)) == (200, {})
    assert preflight(send, TRUSTED).status_code == 503
    assert "The guard failed on a request" in caplog.text


def test_trouble_of_the_audit_changes_no_decision(
    send: Send, blocking: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django_cors_guard.middleware.recorder.refuse", explode)
    assert send("GET", "/api/billing/broken", Origin=STRANGER).status_code == 403


def test_client_that_cannot_be_read_changes_no_decision(send: Send, blocking: ApiGroup) -> None:
    with override_cors_guard(CLIENT_IP="tests.test_middleware.odd_client"):
        assert send("GET", "/api/billing/broken", Origin=STRANGER).status_code == 403
    flush_rejections()
    assert Rejection.objects.get().client_ip == ""


class _Odd:
    def __str__(self) -> str:
        raise ZeroDivisionError


def odd_client(request: Any) -> _Odd:
    return _Odd()


# --- a hostile sender -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["", "a b", "evil.example.net", "[::1", "\x00", "testserver" * 500])
@pytest.mark.parametrize("site", ["same-origin", "cross-site", None])
def test_a_host_that_django_refuses_is_never_same_origin_and_no_500(
    policy: ApiGroup, host: str, site: str | None
) -> None:
    seen: list[int] = []

    def view(request: Any) -> HttpResponse:
        seen.append(1)
        return HttpResponse()

    meta = {"HTTP_HOST": host, "HTTP_ORIGIN": STRANGER} | ({"HTTP_SEC_FETCH_SITE": site} if site else {})
    response = CorsGuardMiddleware(view)(RequestFactory().get(HELLO, **meta))  # type: ignore[arg-type]  # META keys
    assert isinstance(response, HttpResponse)
    assert (response.status_code, seen) == (200, [1])
    flush_rejections()
    assert Rejection.objects.get().reason == "unknown_origin"


@pytest.mark.parametrize(
    "origin",
    ["\x00", "\r\nSet-Cookie: a=b", "é", "\ud800", "💥" * 300, "https://" + "a" * 1_000_000, "<script>", "%00", " "],
)
@pytest.mark.parametrize("asked", [False, True], ids=["actual", "preflight"])
def test_hostile_origin_is_refused_stored_printable_and_never_echoed(
    policy: ApiGroup, origin: str, asked: bool
) -> None:
    meta = {"HTTP_ORIGIN": origin, "HTTP_USER_AGENT": origin, "REMOTE_ADDR": origin}
    if asked:
        meta |= {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": origin, "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": origin}
    request = RequestFactory().generic("OPTIONS" if asked else "GET", HELLO, **meta)  # type: ignore[arg-type]  # META
    response = CorsGuardMiddleware(lambda _: HttpResponse())(request)
    assert isinstance(response, HttpResponse)
    assert cors(response) == {}
    assert origin.strip() not in str(response.items()) or not origin.strip()
    flush_rejections()
    row = Rejection.objects.get()
    assert row.reason == "malformed_origin"
    for text in (row.origin, row.user_agent, row.client_ip, row.path):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= 255


# --- cost -------------------------------------------------------------------------------------------------------------


def test_view_of_the_admin_opens_to_nobody_however_its_path_came_about(policy: ApiGroup) -> None:
    """The last word is the URL resolver's: a middleware further in may have changed the path."""

    def view(request: HttpRequest) -> HttpResponse:
        request.resolver_match = resolve("/admin/")
        return HttpResponse()

    request = RequestFactory().get(HELLO, headers={"Origin": TRUSTED})
    response: Any = CorsGuardMiddleware(view)(request)
    assert (cors(response), response["Vary"]) == ({}, "Origin")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("becomes", [None, "https://evil.example\r\nX-Injected: 1"], ids=["taken away", "rewritten"])
def test_what_a_view_makes_of_the_origin_is_not_echoed(policy: ApiGroup, is_async: bool, becomes: str | None) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        # A known recipe against the origin check of CSRF protection behind proxies.
        del request.META["HTTP_ORIGIN"]
        if becomes is not None:
            request.META["HTTP_ORIGIN"] = becomes
        return HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    request = RequestFactory().get(HELLO, headers={"Origin": TRUSTED})
    guard: Any = CorsGuardMiddleware(aview if is_async else view)
    response = async_to_sync(guard)(request) if is_async else guard(request)
    assert response["Access-Control-Allow-Origin"] == TRUSTED


@pytest.mark.parametrize("origin", [None, TRUSTED, STRANGER])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_steady_state_asks_neither_database_nor_cache(
    policy: ApiGroup,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
    origin: str | None,
    method: str,
) -> None:
    headers = {"HTTP_ORIGIN": origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"} if origin else {}
    request = RequestFactory().generic(method, HELLO, **headers)  # type: ignore[arg-type]  # META keys
    middleware = CorsGuardMiddleware(lambda _: HttpResponse())
    with override_cors_guard(REFRESH_SECONDS=3600, CACHE="default"):
        middleware(request)
        monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.get", _forbidden)
        monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.set", _forbidden)
        with django_assert_num_queries(0):
            for _ in range(50):
                middleware(request)


def _forbidden(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("the steady state calls no cache")


def test_async_steady_state_hops_no_thread(policy: ApiGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    async def view(request: Any) -> HttpResponse:
        return HttpResponse()

    async def steady() -> HttpResponseBase:
        request = ASGIRequest(
            {"type": "http", "method": "GET", "path": HELLO, "headers": [(b"origin", b"x://y")]}, BytesIO()
        )
        response = CorsGuardMiddleware(view)(request)
        assert not isinstance(response, HttpResponseBase)
        return await response

    with override_cors_guard(REFRESH_SECONDS=3600):
        store.current()
        monkeypatch.setattr("django_cors_guard.store.keeper.sync_to_async", _forbidden)
        monkeypatch.setattr("django_cors_guard.middleware.sync_to_async", _forbidden)
        assert async_to_sync(steady)().status_code == 200


def test_million_unknown_origins_leave_memory_flat(policy: ApiGroup) -> None:
    """Nothing is remembered of an origin that nobody trusts: no memo, no negative cache."""
    compiled = store.current()

    def refuse(first: int, last: int) -> None:
        for number in range(first, last):
            origin = f"https://{number * 2654435761 % 2**32:08x}.example.net"
            assert decide(PlainFacts(path=HELLO, origin=origin), compiled, 0.0).rejected is Reason.UNKNOWN_ORIGIN

    refuse(0, 1000)
    gc.collect()
    before = sys.getallocatedblocks()
    refuse(1000, 1_001_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000


def test_usage_is_counted_per_grant_origin_and_method(send: Send, policy: ApiGroup) -> None:
    policy_origin = services.trust(TRUSTED, environment="production", api_group="billing")
    for _ in range(3):
        send("GET", HELLO, Origin=TRUSTED)
    preflight(send, TRUSTED)
    flush_rejections()
    row = OriginUsage.objects.get()
    assert (row.trusted_origin_id, row.origin, row.method, row.count) == (policy_origin.pk, TRUSTED, "GET", 3)


def test_usage_of_a_pattern_is_kept_by_concrete_origin(send: Send, policy: ApiGroup, production: Environment) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    pattern = TrustedOriginFactory.create(environment=production, api_group=policy, origin="https://*.apps.example.org")
    send("GET", HELLO, Origin="https://a.apps.example.org")
    flush_rejections()
    row = OriginUsage.objects.get()
    assert (row.trusted_origin_id, row.origin) == (pattern.pk, "https://a.apps.example.org")


def test_audit_at_once_writes_on_the_requests_own_connection(send: Send, policy: ApiGroup) -> None:
    with override_cors_guard(AUDIT_FLUSH_SECONDS=0):
        send("GET", HELLO, Origin=STRANGER)
        assert Rejection.objects.get().origin == STRANGER
