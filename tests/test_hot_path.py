"""What a request does not pay for: nothing is built, looked up or worded that the policy has ready."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.test import RequestFactory, override_settings

from django_cors_guard.core.answers import GroupRules, prepare_answers
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Decision, Isolation, Mode, Reason
from django_cors_guard.core.rows import EnvironmentRow, GroupRow, PolicySource, RouteRow
from django_cors_guard.middleware import CorsGuardMiddleware, answering, judge, places
from django_cors_guard.middleware.answering import PublicFields, carry_out
from django_cors_guard.store import store
from django_cors_guard.testing import override_cors_guard

pytestmark = pytest.mark.django_db

TRUSTED = "https://app.example.com"
HOST = "api.example.com"


def compile_site(*routes: RouteRow) -> Any:
    groups = (
        GroupRow("billing", allow_credentials=True, allow_methods=("GET", "PUT"), expose_headers=("x-total",)),
        GroupRow("other"),
    )
    grants = [("billing", TRUSTED, None, False)]
    source = PolicySource("production", EnvironmentRow("production"), groups, routes, grants, 1, "token")
    return compile_policy(source, now=0.0)


@pytest.fixture(autouse=True)
def pinned() -> Iterator[None]:
    store.pin(compile_site(RouteRow("billing", "/api/billing")))
    yield
    store.unpin()


def ask(kind: str) -> HttpRequest:
    """As a WSGI server would: ``RequestFactory`` may have asked a request for its headers."""
    environ = RequestFactory(HTTP_HOST=HOST)._base_environ(PATH_INFO="/api/billing/hello")  # type: ignore[attr-defined]
    if kind != "no origin":
        environ["HTTP_ORIGIN"] = "https://stranger.example.net" if kind == "refused" else TRUSTED
    if kind == "preflight":
        environ |= {"REQUEST_METHOD": "OPTIONS", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PUT"}
    return WSGIRequest(environ)


KINDS = ["no origin", "allowed", "refused", "preflight"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_headers_are_built(kind: str) -> None:
    request = ask(kind)
    CorsGuardMiddleware(lambda _: HttpResponse())(request)
    assert "headers" not in vars(request)


@pytest.mark.parametrize("kind", KINDS)
def test_steady_state_looks_up_no_setting(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    response = HttpResponse()
    middleware = CorsGuardMiddleware(lambda _: response)
    middleware(ask(kind))
    request, asked = ask(kind), []

    def note(self: LazySettings, name: str) -> Any:
        asked.append(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(LazySettings, "__getattribute__", note, raising=False)
    middleware(request)
    monkeypatch.undo()
    assert asked == []


def test_settings_that_are_asked_for_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: a response of Django's own making asks for its character set."""
    asked = []

    def note(self: LazySettings, name: str) -> Any:
        asked.append(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(LazySettings, "__getattribute__", note, raising=False)
    HttpResponse()
    monkeypatch.undo()
    assert "DEFAULT_CHARSET" in asked


def test_what_is_constant_is_worded_once() -> None:
    decision = prepare_answers(GroupRules("g", credentials=True), Mode.ENFORCE).preflight[Reason.TRUSTED]
    assert decision.vary_value == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert decision.vary_value is decision.vary_value
    assert decision.fields == {name.lower(): (name, value) for name, value in decision.headers}


# --- headers put past ResponseHeaders.__setitem__ ---------------------------------------------------------------------


def every_decision() -> list[Decision]:
    answers = [
        prepare_answers(GroupRules("g", any_origin, credentials, ("GET", "PUT"), ("x-a",), ("x-total",)), mode)
        for mode in Mode
        for any_origin, credentials in [(True, False), (False, False), (False, True)]
    ]
    answers += [
        prepare_answers(
            GroupRules("g", any_origin, timing=True, resource_policy="same-site", isolate=Isolation.ENFORCE), mode
        )
        for mode in Mode
        for any_origin in (True, False)
    ]
    books = [
        (*found.same_origin.values(), *found.actual.values(), *found.preflight.values(), *found.wrong_request.values())
        for found in answers
    ]
    cross_site = [found.cross_site for found in answers if found.cross_site is not None]
    return [decision for book in books for decision in book] + [found.no_origin for found in answers] + cross_site


def test_this_django_keeps_headers_as_the_guard_has_them_ready() -> None:
    assert answering._KEEPS_FIELDS


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Vary": "Cookie"}, id="Vary"),
        pytest.param({"vary": "*", "X-Other": "1"}, id="Vary of a star"),
        pytest.param({"Vary": ""}, id="empty Vary"),
        pytest.param({"ACCESS-CONTROL-ALLOW-ORIGIN": "*", "access-control-x": "1"}, id="set further in"),
        pytest.param({"X-Access-Control-Mine": "kept"}, id="a name that only contains the prefix"),
        pytest.param(
            {"timing-allow-origin": "*", "CROSS-ORIGIN-RESOURCE-POLICY": "cross-origin"}, id="the group's own headers"
        ),
    ],
)
def test_both_ways_to_put_headers_come_to_the_same(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for decision in every_decision():
        put = carry_out(decision, TRUSTED, ask("allowed"), HttpResponse(headers=given))
        with monkeypatch.context() as patched:
            patched.setattr(answering, "_KEEPS_FIELDS", False)
            publicly = carry_out(decision, TRUSTED, ask("allowed"), HttpResponse(headers=given))
        assert list(put.items()) == list(publicly.items())
        assert put.serialize_headers() == publicly.serialize_headers()


class OwnHeaders(ResponseHeaders):
    """A project's, which must be asked like any mapping."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.was_set = True


def test_headers_of_a_projects_own_class_are_set_by_its_own_way() -> None:
    response = HttpResponse()
    response.headers = OwnHeaders({})
    CorsGuardMiddleware(lambda _: response)(ask("allowed"))
    assert (response.headers["Vary"], response.headers["Access-Control-Allow-Origin"]) == ("Origin", TRUSTED)
    assert response.headers.was_set


def test_public_fields_are_a_mapping_by_lower_case_names() -> None:
    fields = PublicFields(ResponseHeaders({"X-One": "1"}))
    fields["x-two"] = ("X-Two", "2")
    assert (list(fields), len(fields), fields["x-two"][1]) == (["x-one", "x-two"], 2, "2")
    del fields["x-one"]
    assert (list(fields), fields.get("x-one")) == (["x-two"], None)


@pytest.mark.parametrize("name", ["Access-Control-Allow-Origin", "access-control-allow-origin", "ACCESS-control-X-Y"])
@pytest.mark.parametrize("kind", ["no origin", "allowed", "refused"])
def test_what_a_view_sets_is_taken_off_in_whatever_letters(name: str, kind: str) -> None:
    response = CorsGuardMiddleware(lambda _: HttpResponse(headers={name: "https://evil.net"}))(ask(kind))
    assert isinstance(response, HttpResponse)
    assert "https://evil.net" not in response.headers.values()
    assert ("Access-Control-Allow-Origin" in response) is (kind == "allowed")


# --- places remembered ------------------------------------------------------------------------------------------------


def test_places_that_are_remembered_are_bounded() -> None:
    policy = compile_site(RouteRow("billing", "/api"))
    for number in range(3 * places.MAX_PATHS):
        assert judge(RequestFactory().get(f"/api/{number}"), policy).reason is Reason.NO_ORIGIN
        assert len(places.latest.known) <= places.MAX_PATHS
    before = len(places.latest.known)
    judge(RequestFactory().get("/api/" + "x" * places.MAX_LENGTH), policy)
    assert len(places.latest.known) == before, "a long path is not remembered"


def test_a_place_is_remembered_for_one_policy_alone() -> None:
    first, second = compile_site(RouteRow("billing", "/api")), compile_site(RouteRow("other", "/api"))
    groups = [judge(RequestFactory().get("/api/x"), policy).group for policy in (first, second, first, first)]
    assert groups == ["billing", "other", "billing", "billing"]


def test_a_path_that_a_host_decides_on_is_asked_each_time() -> None:
    policy = compile_site(RouteRow("other", "/api"), RouteRow("billing", "/api", HOST))
    hosts = [HOST, "localhost", HOST]
    groups = [judge(RequestFactory().get("/api/x", HTTP_HOST=host), policy).group for host in hosts]
    assert groups == ["billing", "other", "billing"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: override_settings(ROOT_URLCONF="example_project.urls"), id="another URLconf"),
        pytest.param(lambda: override_cors_guard(OPEN_OWN_API=True), id="own API opened"),
    ],
)
def test_places_are_forgotten_when_settings_change(change: Callable[[], Any]) -> None:
    policy = compile_site(RouteRow("billing", "/"))
    request = RequestFactory().get("/cors-guard/rejections/")
    assert judge(request, policy).group == policy.own.rules.slug
    with change():
        assert places.latest.known == {}
    assert judge(request, policy).group == policy.own.rules.slug


def test_an_unguarded_path_is_remembered_as_such() -> None:
    response = HttpResponse(headers={"Access-Control-Allow-Origin": "*"})
    middleware = CorsGuardMiddleware(lambda _: response)
    for _ in range(2):
        middleware(RequestFactory().get("/elsewhere", HTTP_ORIGIN=TRUSTED))
    assert dict(response.items())["Access-Control-Allow-Origin"] == "*"
    assert places.latest.known["/elsewhere"].group is None
