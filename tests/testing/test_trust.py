import asyncio
import threading
import unittest
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.db import connection
from django.test import AsyncClient, Client, SimpleTestCase, TestCase, override_settings
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin
from django_cors_guard.models import ApiGroup, Rejection
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, override_cors_guard, pending_rejections, trusted
from tests.factories import TrustedOriginFactory

APP = "https://app.example"
OTHER = "https://other.example"
PATH = "/api/billing/hello"


def allowed_origin(origin: str = APP, path: str = PATH, host: str = "testserver") -> str | None:
    """What a page of ``origin`` is told when it calls ``path``; without any row, and any database."""
    response = Client().get(path, headers={"origin": origin, "host": host})
    return response.headers.get("Access-Control-Allow-Origin")


def preflight(origin: str = APP, method: str = "PUT", asked: str = "x-token") -> Any:
    names = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": asked,
    }
    return Client().options(PATH, headers=names)


def run_class(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


# --- the block, without a database ----------------------------------------------------------------------------------


def test_trusted_origin_is_allowed_within_the_block_and_nobody_else() -> None:
    with trusted(APP, group="billing"):
        assert allowed_origin(APP) == APP
        assert allowed_origin(OTHER) is None
    assert not store.is_pinned


def test_trusted_without_origins_guards_and_trusts_nobody() -> None:
    with trusted():
        assert allowed_origin(APP) is None
        assert [refused.reason for refused in pending_rejections()] == ["unknown_origin"]


def test_trusted_refuses_what_an_operator_revoked() -> None:
    with trusted(APP, revoked=[OTHER]):
        response = Client().get(PATH, headers={"origin": OTHER})
    assert response.status_code == 403
    assert [refused.reason for refused in pending_rejections()] == ["revoked"]


def test_trusted_settings_reach_the_headers() -> None:
    with trusted(APP, credentials=True, methods=["GET", "PUT"], headers=["x-token"], expose=["x-total"], max_age=5):
        asked = preflight().headers
        got = Client().get(PATH, headers={"origin": APP}).headers
    assert asked["Access-Control-Allow-Credentials"] == "true"
    assert asked["Access-Control-Allow-Methods"] == "GET, PUT"
    assert asked["Access-Control-Allow-Headers"] == "x-token"
    assert asked["Access-Control-Max-Age"] == "5"
    assert got["Access-Control-Expose-Headers"] == "x-total"


def test_trusted_defaults_are_those_of_a_new_api_group() -> None:
    fresh = ApiGroup()
    with trusted(APP):
        headers = preflight(method="POST", asked="content-type").headers
    assert headers["Access-Control-Allow-Methods"].split(", ") == fresh.allow_methods
    assert headers["Access-Control-Allow-Headers"].split(", ") == fresh.allow_headers
    assert headers["Access-Control-Max-Age"] == str(fresh.max_age)
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(
    ("mode", "status"),
    [pytest.param("monitor", 200, id="monitor"), pytest.param("enforce", 200, id="enforce"), ("block", 403)],
)
def test_trusted_mode_decides_what_becomes_of_a_refused_request(mode: str, status: int) -> None:
    with trusted(APP, mode=mode):
        assert Client().get(PATH, headers={"origin": OTHER}).status_code == status
    assert pending_rejections()[0].mode == mode


def test_trusted_any_origin_lets_every_page_in() -> None:
    with trusted(any_origin=True):
        assert allowed_origin(OTHER) == "*"


@override_settings(
    MIDDLEWARE=[
        "django_cors_guard.middleware.CorsGuardMiddleware",
        "django_cors_guard.csrf.CsrfViewMiddleware",
    ]
)
@pytest.mark.parametrize(("trusted_for_csrf", "status"), [(True, 200), (False, 403)])
def test_trusted_for_csrf_lets_a_form_of_another_site_in(trusted_for_csrf: bool, status: int) -> None:
    client, token = Client(enforce_csrf_checks=True), "t" * 32
    client.cookies["csrftoken"] = token
    with trusted(APP, credentials=True, trusted_for_csrf=trusted_for_csrf):
        response = client.post(PATH, headers={"origin": APP, "x-csrftoken": token})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("place", "path", "host", "found"),
    [
        pytest.param({"path": "/api/billing"}, PATH, "testserver", True, id="below the path"),
        pytest.param({"path": "/api/billing/"}, PATH, "testserver", True, id="path with a slash at its end"),
        pytest.param({"path": "/api/bill"}, PATH, "testserver", False, id="whole segments only"),
        pytest.param({"path": "/api/billing"}, "/elsewhere/hello", "testserver", False, id="elsewhere"),
        pytest.param({"host": "api.example.com"}, PATH, "api.example.com", True, id="host"),
        pytest.param({"host": "API.example.com:8000"}, PATH, "api.example.com", True, id="host as it is typed"),
        pytest.param({"host": "api.example.com"}, PATH, "testserver", False, id="another host"),
    ],
)
def test_trusted_place_is_the_groups_route(place: dict[str, str], path: str, host: str, found: bool) -> None:
    with trusted(APP, **place):  # type: ignore[arg-type]  # only these two keys
        assert (allowed_origin(path=path, host=host) == APP) is found


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        pytest.param("HTTPS://App.Example/", APP, id="mended"),
        pytest.param("http://localhost:3000", "http://localhost:3000", id="loopback"),
        pytest.param("http://localhost:*", "http://localhost:5173", id="loopback ports"),
        pytest.param("http://intranet.example", "http://intranet.example", id="http"),
        pytest.param("https://*.app.example", "https://pr-1.app.example", id="pattern"),
        pytest.param("capacitor://localhost", "capacitor://localhost", id="custom scheme"),
    ],
)
@pytest.mark.parametrize("credentials", [False, True])
def test_trusted_throws_the_switches_that_an_origin_needs(written: str, sent: str, credentials: bool) -> None:
    with trusted(written, credentials=credentials):
        assert allowed_origin(sent) == sent


def test_trusted_never_opens_the_admin() -> None:
    with trusted(APP):
        assert allowed_origin(path="/admin/login/x") is None
    assert pending_rejections()[0].reason == "own_paths"


# --- what makes no sense --------------------------------------------------------------------------------------------


def test_trusted_refuses_what_is_no_origin_and_says_what_to_type() -> None:
    with pytest.raises(RefusedOrigin, match=r"https://app\.example"):
        trusted("https://app.example/login")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        pytest.param({"any_origin": True, "credentials": True}, "credentials", id="any origin with credentials"),
        pytest.param({"trusted_for_csrf": True}, "credentials", id="CSRF without credentials"),
        pytest.param({"methods": ["TRACE"]}, "TRACE", id="method that no page may use"),
        pytest.param({"headers": ["cookie"]}, "cookie", id="header that no page may send"),
        pytest.param({"max_age": -1}, "86400", id="preflight lifetime"),
        pytest.param({"isolate": "perhaps"}, "off, monitor, enforce", id="unknown isolation"),
        pytest.param({"any_origin": True, "isolate": "enforce"}, "Any origin", id="any origin isolated"),
        pytest.param({"resource_policy": "all"}, "same-origin, same-site", id="unknown resource policy"),
        pytest.param({"path": "api"}, "/api", id="path"),
        pytest.param({"host": "https://api.example.com"}, "host", id="host"),
        pytest.param({"group": "My API"}, "slug", id="group"),
        pytest.param({"mode": "strict"}, "monitor, enforce, block", id="mode"),
        pytest.param({"revoked": [APP]}, "revoked", id="trusted and revoked"),
        pytest.param({"any_origin": True, "revoked": [OTHER]}, "any origin", id="revoked where any may call"),
    ],
)
def test_trusted_refuses_nonsense_in_words_and_leaves_no_trace(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words), trusted(APP, **wish):
        pytest.fail("the block must not run")
    assert not store.is_pinned


def test_trusted_refuses_a_list_in_the_place_of_origins() -> None:
    with pytest.raises(TypeError, match=r"trusted\(\*origins\)"):
        trusted([APP])  # type: ignore[arg-type]  # the mistake itself


def test_trusted_bare_strings_are_one_entry() -> None:
    with trusted(APP, methods="PUT", headers="x-token", revoked=OTHER):
        assert preflight().headers["Access-Control-Allow-Methods"] == "PUT"
        assert Client().get(PATH, headers={"origin": OTHER}).status_code == 403


# --- blocks within blocks -------------------------------------------------------------------------------------------


def test_trusted_blocks_of_one_group_add_up() -> None:
    with trusted(APP, group="billing"):
        with trusted(OTHER, group="billing"):
            assert allowed_origin(APP) == APP
            assert allowed_origin(OTHER) == OTHER
        assert allowed_origin(APP) == APP
        assert allowed_origin(OTHER) is None


def test_trusted_inner_block_takes_what_it_leaves_out_from_the_outer() -> None:
    with trusted(APP, group="billing", path="/api/billing", credentials=True, methods=["PUT"]):
        with trusted(OTHER, group="billing", max_age=5):
            headers = preflight(OTHER).headers
            assert allowed_origin(OTHER, path="/elsewhere/hello") is None
        assert preflight(APP).headers["Access-Control-Max-Age"] == "600"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Access-Control-Allow-Methods"] == "PUT"
    assert headers["Access-Control-Max-Age"] == "5"


def test_trusted_inner_block_may_add_a_path_to_the_group() -> None:
    with trusted(APP, path="/api/billing"), trusted(path="/api/public"):
        assert allowed_origin(path=PATH) == APP
        assert allowed_origin(path="/api/public/hello") == APP
        assert allowed_origin(path="/elsewhere/hello") is None


def test_trusted_inner_group_takes_the_path_of_an_outer_one_for_a_while() -> None:
    with trusted(APP, group="billing"):
        with trusted(OTHER, group="shop"):
            assert allowed_origin(APP) is None
            assert allowed_origin(OTHER) == OTHER
            with trusted(group="billing"):
                assert allowed_origin(APP) == APP
        assert allowed_origin(APP) == APP
        assert allowed_origin(OTHER) is None


def test_trusted_inner_block_has_the_last_word_on_an_origin() -> None:
    with trusted(APP):
        with trusted(revoked=[APP]):
            assert Client().get(PATH, headers={"origin": APP}).status_code == 403
            with trusted(APP):
                assert allowed_origin(APP) == APP
        assert allowed_origin(APP) == APP


def test_trusted_blocks_that_end_out_of_order_each_take_their_own_away() -> None:
    first, second = trusted(APP), trusted(OTHER)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    try:
        assert allowed_origin(APP) is None
        assert allowed_origin(OTHER) == OTHER
    finally:
        second.__exit__(None, None, None)
    assert not store.is_pinned


def test_trusted_ends_when_the_block_raises() -> None:
    with pytest.raises(ZeroDivisionError), trusted(APP):
        1 / 0  # noqa: B018 - it is there to raise
    assert not store.is_pinned


# --- decorators -----------------------------------------------------------------------------------------------------


@trusted(APP, group="billing")
def test_trusted_decorates_a_function_and_leaves_its_fixtures(rf: Any) -> None:
    assert rf is not None
    assert allowed_origin(APP) == APP


def test_trusted_decorates_a_coroutine_function_for_as_long_as_it_runs() -> None:
    @trusted(APP)
    async def ask() -> str | None:
        await asyncio.sleep(0)
        response = await AsyncClient().get(PATH, headers={"origin": APP})
        return response.headers.get("Access-Control-Allow-Origin")

    waiting = ask()
    assert not store.is_pinned
    assert asyncio.run(waiting) == APP
    assert not store.is_pinned


def test_trusted_decorates_methods_and_classes_of_unittest_without_a_database() -> None:
    @trusted(APP, group="billing")
    class Case(SimpleTestCase):
        def setUp(self) -> None:
            assert allowed_origin(APP) == APP

        def test_class(self) -> None:
            assert allowed_origin(OTHER) is None

        @trusted(OTHER, group="billing")
        def test_method(self) -> None:
            assert allowed_origin(APP) == APP
            assert allowed_origin(OTHER) == OTHER

        @trusted(OTHER, group="billing")
        async def test_coroutine(self) -> None:
            response = await self.async_client.get(PATH, headers={"origin": OTHER})
            assert response.headers["Access-Control-Allow-Origin"] == OTHER

    class Heir(Case):
        def test_heir(self) -> None:
            assert allowed_origin(APP) == APP

    for case, count in ((Case, 3), (Heir, 4)):
        result = run_class(case)
        assert (result.testsRun, result.failures, result.errors) == (count, [], [])
        assert not store.is_pinned


def test_trusted_on_a_class_that_is_no_test_case_says_so() -> None:
    class Plain: ...

    with pytest.raises(TypeError, match=r"unittest\.TestCase"):
        trusted(APP)(Plain)


# --- clients, threads, servers --------------------------------------------------------------------------------------


def _ask_async(origin: str) -> Any:
    return asyncio.run(AsyncClient().get(PATH, headers={"origin": origin}))


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda origin: Client().get(PATH, headers={"origin": origin}), id="client"),
        pytest.param(lambda origin: APIClient().get(PATH, headers={"origin": origin}), id="REST framework"),
        pytest.param(_ask_async, id="async client"),
    ],
)
def test_trusted_is_seen_by_every_client(ask: Callable[[str], Any]) -> None:
    with trusted(APP):
        assert ask(APP).headers["Access-Control-Allow-Origin"] == APP
        assert "Access-Control-Allow-Origin" not in ask(OTHER).headers


def test_trusted_is_seen_by_another_thread() -> None:
    found: list[str | None] = []
    with trusted(APP):
        thread = threading.Thread(target=lambda: found.append(allowed_origin(APP)))
        thread.start()
        thread.join()
    assert found == [APP]


def test_trusted_is_seen_by_a_live_server(live_server: LiveServer) -> None:
    request = Request(f"{live_server.url}{PATH}", headers={"Origin": APP})
    with trusted(APP), urlopen(request, timeout=10) as response:
        assert response.headers["Access-Control-Allow-Origin"] == APP
    with urlopen(request, timeout=10) as response:
        assert response.headers["Access-Control-Allow-Origin"] is None


# --- beside a database ----------------------------------------------------------------------------------------------


def test_trusted_asks_the_database_nothing(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), trusted(APP):
        assert allowed_origin(APP) == APP
        assert allowed_origin(OTHER) is None


def test_trusted_hides_the_rows_until_it_ends(production: object, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(api_group=billing, origin=OTHER)
    assert allowed_origin(OTHER) == OTHER
    with trusted(APP, group="billing"):
        assert allowed_origin(OTHER) is None
        assert allowed_origin(APP) == APP
        TrustedOriginFactory.create(api_group=billing, origin="https://written.example")
        assert allowed_origin("https://written.example") is None
    assert allowed_origin(APP) is None
    assert allowed_origin(OTHER) == OTHER
    assert allowed_origin("https://written.example") == "https://written.example"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"MAX_MODE": "monitor"}, id="another mode"),
        pytest.param({"ENVIRONMENT": "staging"}, id="another environment"),
        pytest.param({"REFRESH_SECONDS": 0}, id="asking at every request"),
    ],
)
def test_trusted_outlives_other_settings_within_the_block(keys: dict[str, Any]) -> None:
    with trusted(APP):
        with override_cors_guard(**keys):
            assert allowed_origin(APP) == APP
            with trusted(OTHER):
                assert allowed_origin(OTHER) == OTHER
        assert allowed_origin(APP) == APP


def test_trusted_within_other_settings_ends_with_them_still_there(production: object, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(api_group=billing, origin=OTHER)
    with override_settings(CORS_GUARD={"ENVIRONMENT": "staging"}):
        with trusted(APP):
            assert allowed_origin(APP) == APP
        assert allowed_origin(OTHER) is None
    assert allowed_origin(OTHER) == OTHER


def test_trusted_counts_refusals_in_the_active_environment() -> None:
    with override_cors_guard(ENVIRONMENT="staging"), trusted(group="billing"):
        allowed_origin(OTHER)
    assert [(row.environment, row.api_group) for row in pending_rejections()] == [("staging", "billing")]


def test_trusted_writes_nothing_by_itself_whatever_the_flush_setting(caplog: pytest.LogCaptureFixture) -> None:
    with override_cors_guard(AUDIT_FLUSH_SECONDS=0), trusted(APP):
        assert allowed_origin(OTHER) is None
        assert "Access-Control-Allow-Origin" not in _ask_async(OTHER).headers
    assert [refused.count for refused in pending_rejections()] == [2]
    assert not caplog.records


def test_trusted_refusals_are_written_when_they_are_flushed(db: None) -> None:
    with trusted(APP, group="billing"):
        allowed_origin(OTHER)
        assert not Rejection.objects.exists()
        flush_rejections()
    row = Rejection.objects.get()
    assert (row.api_group, row.origin, row.reason, row.count) == ("billing", OTHER, "unknown_origin", 1)


def test_trusted_works_in_a_test_case_with_a_database() -> None:
    @trusted(APP)
    class Case(TestCase):
        def test_it(self) -> None:
            with self.assertNumQueries(0):
                assert allowed_origin(APP) == APP

    assert connection.alias == "default"
    assert Case.databases == {"default"}
