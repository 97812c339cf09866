"""Both middlewares at work, through Django's WSGI and its ASGI handler, with the real django-cors-headers."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from corsheaders.middleware import CorsMiddleware
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import Client, RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard import parity, services
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Mode
from django_cors_guard.core.parity import Disparity
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow
from django_cors_guard.middleware import CorsGuardMiddleware
from django_cors_guard.models import ApiGroup, Environment, GroupMode, ParityDifference, Rejection
from django_cors_guard.neighbours import MIDDLEWARE as GUARD
from django_cors_guard.recorder import Recorder
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, override_cors_guard
from tests.sending import Send

TRUSTED = "https://app.example.com"
THEIRS = "https://theirs.example.com"
STRANGER = "https://stranger.example.net"
CORSHEADERS = "corsheaders.middleware.CorsMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
HELLO = "/api/billing/hello"


@pytest.fixture(autouse=True)
def both() -> Iterator[None]:
    """Their settings let two origins in; one of them is trusted here."""
    with override_settings(
        MIDDLEWARE=[GUARD, CORSHEADERS, COMMON],
        CORS_ALLOWED_ORIGINS=[TRUSTED, THEIRS],
        CORS_ALLOW_CREDENTIALS=True,
        CORS_URLS_REGEX=r"^/(api|elsewhere)/.*$",
    ):
        yield


@pytest.fixture
def billing_watched(production: Environment, billing: ApiGroup) -> ApiGroup:
    """Billing monitors, with credentials; one origin is trusted."""
    GroupMode.objects.create(environment=production, api_group=billing, mode="monitor")
    billing.allow_methods, billing.allow_headers = ["GET", "PUT"], ["content-type"]
    billing.save()
    services.trust(TRUSTED, environment="production", api_group="billing")
    return billing


def recorded() -> list[tuple[str, str, str, str, str, int]]:
    flush_rejections()
    columns = ("difference", "api_group", "origin", "kind", "path", "count")
    return list(ParityDifference.objects.order_by("pk").values_list(*columns))


def ask(send: Send, origin: str, method: str = "PUT", path: str = HELLO, **headers: str) -> HttpResponseBase:
    return send("OPTIONS", path, Origin=origin, Access_Control_Request_Method=method, **headers)


def test_requests_that_both_answer_alike_leave_nothing(send: Send, billing_watched: ApiGroup) -> None:
    send("GET", HELLO, Origin=TRUSTED)
    send("GET", HELLO, Origin=STRANGER)
    send("GET", HELLO)
    send("GET", HELLO, Origin="http://testserver")
    ask(send, TRUSTED, Access_Control_Request_Headers="content-type")
    ask(send, STRANGER)
    assert recorded() == []


def test_their_answer_stays_as_it_is(send: Send, billing_watched: ApiGroup) -> None:
    response = send("GET", HELLO, Origin=THEIRS)
    assert (response["Access-Control-Allow-Origin"], response["Vary"]) == (THEIRS, "origin")
    assert ask(send, THEIRS).status_code == 200


@pytest.mark.parametrize(
    ("request_of", "expected"),
    [
        pytest.param(
            lambda send: send("GET", HELLO, Origin=THEIRS), ("guard_refuses", "billing", THEIRS, "actual"), id="refused"
        ),
        pytest.param(lambda send: ask(send, THEIRS), ("guard_refuses", "billing", THEIRS, "preflight"), id="preflight"),
        pytest.param(
            lambda send: ask(send, TRUSTED, "DELETE"), ("method", "billing", TRUSTED, "preflight"), id="method"
        ),
        pytest.param(
            lambda send: ask(send, TRUSTED, Access_Control_Request_Headers="authorization"),
            ("header", "billing", TRUSTED, "preflight"),
            id="header",
        ),
        pytest.param(
            lambda send: send("GET", "/elsewhere/hello", Origin=THEIRS),
            ("unguarded", "", THEIRS, "actual"),
            id="unguarded",
        ),
        pytest.param(
            lambda send: send("GET", "/api/billing/missing", Origin=THEIRS),
            ("guard_refuses", "billing", THEIRS, "actual"),
            id="also a 404",
        ),
    ],
)
def test_difference_is_recorded(
    send: Send, billing_watched: ApiGroup, request_of: Callable[[Send], Any], expected: tuple[str, ...]
) -> None:
    request_of(send)
    request_of(send)
    ((*found, _path, count),) = recorded()
    assert (tuple(found), count) == (expected, 2)


@override_settings(CORS_ALLOWED_ORIGINS=[], CORS_ALLOW_CREDENTIALS=False)
def test_origin_that_only_the_guard_lets_in_is_recorded(send: Send, billing_watched: ApiGroup) -> None:
    send("GET", HELLO, Origin=TRUSTED)
    ask(send, TRUSTED)
    assert [(row[0], row[3]) for row in recorded()] == [("guard_admits", "actual"), ("guard_admits", "preflight")]


@override_settings(CORS_EXPOSE_HEADERS=["x-total"])
def test_headers_that_only_they_expose_are_recorded(send: Send, billing_watched: ApiGroup) -> None:
    send("GET", HELLO, Origin=TRUSTED)
    assert [row[0] for row in recorded()] == ["exposed"]


@override_settings(CORS_ALLOW_CREDENTIALS=False)
def test_credentials_of_one_alone_are_recorded(send: Send, billing_watched: ApiGroup) -> None:
    send("GET", HELLO, Origin=TRUSTED)
    assert [row[0] for row in recorded()] == ["credentials"]


def test_row_keeps_what_it_takes_to_judge_it_again(send: Send, billing_watched: ApiGroup) -> None:
    ask(send, TRUSTED, "DELETE", Access_Control_Request_Headers="content-type")
    recorded()
    row = ParityDifference.objects.get()
    assert (row.environment, row.method, row.host, row.path) == ("production", "OPTIONS", "testserver", HELLO)
    assert (row.requested_method, row.requested_headers) == ("DELETE", "content-type")
    assert row.theirs["access-control-allow-origin"] == TRUSTED
    assert "DELETE" in row.theirs["access-control-allow-methods"]
    assert row.ours["access-control-allow-methods"] == "GET, PUT"


@pytest.mark.parametrize("mode", ["navigate", "no-cors", "websocket"])
def test_requests_that_cors_does_not_concern_are_not_compared(send: Send, billing_watched: ApiGroup, mode: str) -> None:
    send("POST", HELLO, Origin=THEIRS, Sec_Fetch_Mode=mode, Sec_Fetch_Site="cross-site")
    assert recorded() == []


@pytest.mark.parametrize("mode", ["enforce", "block"])
def test_groups_that_do_not_monitor_are_not_compared(send: Send, billing_watched: ApiGroup, mode: str) -> None:
    GroupMode.objects.update(mode=mode)
    send("GET", HELLO, Origin=THEIRS)
    ask(send, THEIRS)
    assert recorded() == []
    assert Rejection.objects.exists()


def test_recording_takes_no_query_in_the_request(
    send: Send, billing_watched: ApiGroup, django_assert_num_queries: Any
) -> None:
    with override_cors_guard(REFRESH_SECONDS=60):
        send("GET", HELLO, Origin=STRANGER)
        with django_assert_num_queries(0):
            send("GET", "/elsewhere/hello", Origin=THEIRS)
    assert len(recorded()) == 1


def test_difference_is_written_at_once_where_the_setting_says_so(send: Send, billing_watched: ApiGroup) -> None:
    with override_cors_guard(AUDIT_FLUSH_SECONDS=0):
        send("GET", "/elsewhere/hello", Origin=THEIRS)
    assert ParityDifference.objects.get().difference == "unguarded"


def test_trouble_with_the_comparison_is_logged_once_and_reaches_no_request(
    send: Send, billing_watched: ApiGroup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(parity, "compare", fail)
    sender = Client() if send.__name__ == "send_sync" else None
    for _ in range(3):
        response = sender.get(HELLO, headers={"Origin": THEIRS}) if sender else send("GET", HELLO, Origin=THEIRS)
        assert response["Access-Control-Allow-Origin"] == THEIRS
    told = [record for record in caplog.records if record.name == "django_cors_guard.parity"]
    assert told[0].levelno == logging.ERROR
    # The asynchronous client builds the middleware anew for each request.
    assert len(told) == (1 if sender else 3)
    assert recorded() == []


def test_every_request_of_a_mixed_crowd_is_counted(send: Send, billing_watched: ApiGroup) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=3, AUDIT_ROWS_PER_HOUR=20):
        for number in range(12):
            send("GET", f"{HELLO}/{number % 6}", Origin=THEIRS)
        flush_rejections()
    assert ParityDifference.objects.aggregate(total=Sum("count"))["total"] == 12
    assert ParityDifference.objects.exclude(origin="").count() == 2
    assert ParityDifference.objects.get(origin="").difference == Disparity.GUARD_REFUSES


# --- whatever the settings and the policy -----------------------------------------------------------------------------

PAGES = (TRUSTED, THEIRS, STRANGER)
NAMED = ("authorization", "x-a", "x-b")


@st.composite
def allowances(draw: st.DrawFn) -> dict[str, Any]:
    """What one of the two allows, in words of neither."""
    return {
        "pages": draw(st.sets(st.sampled_from(PAGES))),
        "everybody": draw(st.booleans()),
        "cookies": draw(st.booleans()),
        "methods": draw(st.sets(st.sampled_from(("GET", "PUT", "DELETE")))),
        "names": draw(st.sets(st.sampled_from(NAMED))),
        "exposed": draw(st.sets(st.sampled_from(("x-total", "x-next")))),
    }


def fate(allowed: dict[str, Any], page: str, asks: tuple[str, list[str]] | None) -> tuple[bool, bool, set[str]]:
    """What the page gets: in without cookies, in with them, and the headers that it reads."""
    enters = allowed["everybody"] or page in allowed["pages"]
    if asks is not None:
        enters = enters and (asks[0] in allowed["methods"] or asks[0] == "GET") and set(asks[1]) <= allowed["names"]
    return enters, enters and allowed["cookies"], allowed["exposed"] if enters and asks is None else set()


def as_settings(allowed: dict[str, Any]) -> dict[str, Any]:
    return {
        "CORS_ALLOWED_ORIGINS": sorted(allowed["pages"]),
        "CORS_ALLOW_ALL_ORIGINS": allowed["everybody"],
        "CORS_ALLOW_CREDENTIALS": allowed["cookies"],
        "CORS_ALLOW_METHODS": sorted(allowed["methods"]),
        "CORS_ALLOW_HEADERS": sorted(allowed["names"]),
        "CORS_EXPOSE_HEADERS": sorted(allowed["exposed"]),
    }


def as_policy(allowed: dict[str, Any]) -> Policy:
    group = GroupRow(
        "billing",
        any_origin=allowed["everybody"],
        allow_credentials=allowed["cookies"],
        allow_methods=tuple(allowed["methods"]),
        allow_headers=tuple(allowed["names"]),
        expose_headers=tuple(allowed["exposed"]),
    )
    grants = tuple(("billing", page, None, False) for page in allowed["pages"])
    environment = EnvironmentRow("production", mode="monitor")
    routes = (RouteRow("billing", "/api/billing"),)
    source = PolicySource("production", environment, (group,), routes, grants, 1, "t")
    return compile_policy(source, max_mode=Mode.BLOCK, now=0.0)


@given(
    allowances(),
    allowances().filter(lambda allowed: not (allowed["everybody"] and allowed["cookies"])),
    st.sampled_from(PAGES),
    st.none() | st.tuples(st.sampled_from(("GET", "PUT", "DELETE")), st.lists(st.sampled_from(NAMED), max_size=3)),
)
def test_difference_is_recorded_exactly_where_the_page_would_fare_differently(
    other: dict[str, Any], guard: dict[str, Any], page: str, asks: tuple[str, list[str]] | None
) -> None:
    """The real middleware answers, by any settings; the guard's answer follows from any policy."""
    headers = {"origin": page}
    if asks is not None:
        headers |= {"access-control-request-method": asks[0], "access-control-request-headers": ",".join(asks[1])}
    request = RequestFactory().generic("OPTIONS" if asks is not None else "GET", HELLO, headers=headers)
    recorder = Recorder()
    with override_settings(**as_settings(other)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "recorder", recorder)
        patch.setattr(store, "at_hand", lambda: as_policy(guard))
        parity.watch(cast(Any, CorsMiddleware(view)))(request)
    ((key, tally),) = recorder._differences.items() or [(None, None)]
    before, after = fate(other, page, asks), fate(guard, page, asks)
    assert (key is not None) == (before != after)
    if key is not None and tally is not None:
        assert (key.origin, key.path, tally.count) == (page, HELLO, 1)
        assert (key.difference is Disparity.GUARD_REFUSES) <= (before[0] > after[0])
        assert (key.difference is Disparity.GUARD_ADMITS) <= (before[0] < after[0])
        assert (key.difference is Disparity.CREDENTIALS) == (before[0] == after[0] and before[1] != after[1])
        assert (key.difference is Disparity.EXPOSED) == (before[:2] == after[:2])


# --- what it costs those who do not move ------------------------------------------------------------------------------


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize("get_response", [view, async_view])
@pytest.mark.parametrize(
    "standing",
    [
        pytest.param([GUARD, COMMON], id="none"),
        pytest.param([CORSHEADERS, GUARD, COMMON], id="in front, where its headers are not seen"),
        pytest.param([COMMON, CORSHEADERS], id="without the guard"),
    ],
)
def test_nothing_is_watched_where_there_is_nothing_to_compare(get_response: Any, standing: list[str]) -> None:
    with override_settings(MIDDLEWARE=standing):
        assert CorsGuardMiddleware(get_response).get_response is get_response


@pytest.mark.parametrize("get_response", [view, async_view])
def test_another_middleware_behind_the_guard_is_watched(get_response: Any) -> None:
    assert CorsGuardMiddleware(get_response).get_response is not get_response
