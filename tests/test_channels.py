"""Handshakes through the whole validator; ``tests/core/test_handshakes.py`` has the table on the pure decision."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest

from django_cors_guard import metrics, services
from django_cors_guard.channels import CLOSE_CODE, TrustedOriginValidator
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, Rejection
from django_cors_guard.recorder import recorder
from django_cors_guard.store import store
from django_cors_guard.testing import flush_rejections, override_cors_guard, pending_rejections, trusted
from tests.sending import sender
from tests.servers import ROOT
from tests.sockets import Echo, Line, Message, scope_of

TRUSTED = "https://app.example.com"
REVOKED = "https://revoked.example.com"
STRANGER = "https://stranger.example.net"
OWN_RESPONSE: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}


@pytest.fixture
def policy(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    """On both groups, one origin is trusted and one revoked."""
    for group in (public, billing):
        services.trust(TRUSTED, environment=production, api_group=group)
        services.revoke(services.trust(REVOKED, environment=production, api_group=group), reason="Taken over.")
    return production


def shake(scope: dict[str, Any], app: Any = None) -> tuple[Message, Echo]:
    """Open a socket, and close it again: what the server is told first, and what the application saw of it."""
    echo = Echo()

    async def run() -> Message:
        line = Line(app or echo, scope)
        answer = await line.hear()
        if answer["type"] == "websocket.accept":
            await line.hang_up()
        else:
            await line.rest()
        return answer

    return async_to_sync(run)(), echo


def names(scope: Any) -> set[bytes]:
    return {name for name, _ in scope["headers"]}


def expect_refused(scope: dict[str, Any]) -> None:
    answer, echo = shake(scope)
    assert (answer["type"], answer["code"], echo.scopes) == ("websocket.close", CLOSE_CODE, [])


# --- rows -------------------------------------------------------------------------------------------------------------


def test_row_1_no_origin_opens_with_what_it_sent(policy: Environment) -> None:
    scope = scope_of()
    answer, echo = shake(scope)
    assert answer["type"] == "websocket.accept"
    assert echo.scopes == [scope]


def test_row_2_origin_lost_on_the_way_is_refused(policy: Environment) -> None:
    expect_refused(scope_of(headers=[(b"sec-fetch-site", b"same-site")]))


def test_row_3_own_origin_opens_with_its_cookies(policy: Environment) -> None:
    scope = scope_of(origin="http://api.example.com")
    answer, echo = shake(scope)
    assert answer["type"] == "websocket.accept"
    assert echo.scopes[0] is scope
    assert not pending_rejections()


def test_row_4_trusted_page_opens_with_its_cookies_and_is_counted(policy: Environment) -> None:
    scope = scope_of(origin=TRUSTED)
    answer, echo = shake(scope)
    assert answer["type"] == "websocket.accept"
    assert (b"Set-Cookie", b"a=b") in answer["headers"]
    assert echo.scopes[0] is scope
    flush_rejections()
    usage = OriginUsage.objects.get()
    assert (usage.origin, usage.method, usage.count) == (TRUSTED, "GET", 1)
    assert not Rejection.objects.exists()


def test_row_5_without_credentials_the_socket_is_anonymous(policy: Environment) -> None:
    secrets: list[tuple[bytes, bytes]] = [
        (b"Cookie", b"more=1"),
        (b"authorization", b"Basic YTpi"),
        (b"Client-Cert", b":MIIB:"),
        (b"x-kept", b"1"),
    ]
    scope = scope_of(
        "/api/public/ws",
        TRUSTED,
        headers=secrets,
        cookies={"sessionid": "secret"},
        session=object(),
        user="admin",
        extensions={"tls": {"client_cert_name": "CN=admin"}, "other": {}},
        state={"kept": True},
    )
    before = {**scope, "headers": list(scope["headers"])}
    answer, echo = shake(scope)
    assert answer["headers"] == [(b"x-kept", b"1")], "an anonymous socket signs nobody in or out"
    seen = echo.scopes[0]
    assert names(seen) == {b"host", b"user-agent", b"origin", b"x-kept"}
    assert not {"cookies", "session", "user"} & set(seen)
    assert seen["extensions"] == {"other": {}}
    assert (seen["path"], seen["query_string"], seen["state"]) == ("/api/public/ws", b"room=1", {"kept": True})
    assert scope == before, "the server's own scope stays as it is"


def test_row_5_validator_that_stands_inside_says_so(policy: Environment, caplog: pytest.LogCaptureFixture) -> None:
    shake(scope_of("/api/public/ws", TRUSTED))
    assert not caplog.records
    shake(scope_of("/api/public/ws", TRUSTED, user="admin"))
    assert "put it outside" in caplog.text


@pytest.mark.parametrize("origin", [STRANGER, "null", "nonsense"])
def test_row_6_any_origin_is_anonymous(policy: Environment, public: ApiGroup, origin: str) -> None:
    public.any_origin = True
    public.save()
    answer, echo = shake(scope_of("/api/public/ws", origin))
    assert answer["type"] == "websocket.accept"
    assert b"cookie" not in names(echo.scopes[0])
    flush_rejections()
    assert not Rejection.objects.exists()
    assert not OriginUsage.objects.exists()


@pytest.mark.parametrize(
    ("origin", "path", "group", "reason"),
    [
        pytest.param(STRANGER, "/api/billing/ws", "billing", "unknown_origin", id="row 7, unknown"),
        pytest.param(REVOKED, "/api/billing/ws", "billing", "revoked", id="row 7, revoked"),
        pytest.param("null", "/api/billing/ws", "billing", "null_origin", id="row 8, null"),
        pytest.param("https://app", "/api/public/ws", "public", "unknown_origin", id="row 7, part of one"),
        pytest.param(TRUSTED, "/ws", "", "no_group", id="row 9, no group"),
        pytest.param(TRUSTED, "//api/public/ws", "", "no_group", id="row 9, two slashes"),
        pytest.param(TRUSTED, "/admin/ws", "own.paths", "own_paths", id="row 10, the admin"),
    ],
)
def test_rows_7_to_10_are_refused_and_recorded(
    policy: Environment, origin: str, path: str, group: str, reason: str
) -> None:
    expect_refused(scope_of(path, origin))
    flush_rejections()
    row = Rejection.objects.get()
    assert (row.environment, row.api_group, row.mode) == ("production", group, "enforce")
    assert (row.origin, row.reason, row.kind) == (origin, reason, "websocket")
    assert (row.method, row.path, row.client_ip, row.user_agent) == ("GET", path, "192.0.2.0/24", "Browser/1")


def test_row_8_several_origin_headers_are_refused(policy: Environment) -> None:
    expect_refused(scope_of(origin=TRUSTED, headers=[(b"origin", TRUSTED.encode())]))


def test_row_11_cold_start_is_told_to_try_again(production: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> None:
        return None

    monkeypatch.setattr(store, "acurrent", nothing)
    answer, echo = shake(scope_of(origin=TRUSTED, **OWN_RESPONSE))
    assert (answer["status"], dict(answer["headers"])[b"retry-after"], echo.scopes) == (503, b"5", [])
    assert [(seen.reason, seen.kind, seen.api_group) for seen in pending_rejections()] == [
        ("no_policy", "websocket", "")
    ]
    assert shake(scope_of(origin="http://api.example.com"))[0]["type"] == "websocket.accept"
    expect_refused(scope_of(origin=TRUSTED))


@pytest.mark.parametrize("path", ["/api/public/ws", "/api/billing/ws", "/ws", "/admin/ws"])
def test_row_12_monitor_records_and_changes_nothing(policy: Environment, path: str) -> None:
    policy.mode = "monitor"
    policy.save()
    scope = scope_of(path, STRANGER, user="admin")
    answer, echo = shake(scope)
    assert (b"Set-Cookie", b"a=b") in answer["headers"]
    assert echo.scopes[0] is scope
    flush_rejections()
    assert [(row.mode, row.kind, row.count) for row in Rejection.objects.all()] == [("monitor", "websocket", 1)]


# --- answers ----------------------------------------------------------------------------------------------------------


def test_refusal_is_the_same_problem_as_over_http(policy: Environment) -> None:
    async def run() -> list[Message]:
        return await Line(Echo(), scope_of(origin=REVOKED, **OWN_RESPONSE)).rest()

    start, body = async_to_sync(run)()
    response = sender(is_async=False)("GET", "/api/billing/hello", Origin=REVOKED)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", response.status_code)
    sent = {name.decode(): value.decode() for name, value in start["headers"]}
    assert sent.pop("content-length") == str(len(body["body"]))
    assert sent == {name.lower(): response[name] for name in ("Content-Type", "Cache-Control")} | {
        "vary": "Origin, Sec-Fetch-Site"
    }
    assert body == {"type": "websocket.http.response.body", "body": response.content}  # type: ignore[attr-defined]  # not streamed
    assert json.loads(body["body"])["reason"] == "origin_not_allowed"


def test_client_that_is_gone_already_is_told_nothing(policy: Environment) -> None:
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        told.append(message)

    async_to_sync(TrustedOriginValidator(Echo()))(scope_of(origin=STRANGER), receive, send)
    assert told == []


def test_client_that_goes_while_it_is_refused_is_no_error(policy: Environment) -> None:
    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        raise ConnectionResetError

    async_to_sync(TrustedOriginValidator(Echo()))(scope_of(origin=STRANGER), receive, send)


# --- what else comes along --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "lifespan", "something.else"])
def test_other_scopes_pass_untouched(kind: str) -> None:
    seen: list[object] = []

    async def app(*given: object) -> None:
        seen.extend(given)

    given = ({"type": kind}, object(), object())
    async_to_sync(TrustedOriginValidator(app))(*given)  # type: ignore[arg-type]  # nothing is asked of them
    assert all(one is other for one, other in zip(seen, given, strict=True))


def test_importing_needs_neither_channels_nor_a_django_that_is_set_up() -> None:
    code = (
        "import sys; sys.modules['channels'] = None\n"
        "from django_cors_guard.channels import TrustedOriginValidator as validator\n"
        "validator(None); print('ready')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ready\n", "")


def test_client_ip_gets_a_request(policy: Environment) -> None:
    with override_cors_guard(CLIENT_IP="tests.test_channels.find_client", AUDIT_CLIENT_IP="full"):
        expect_refused(scope_of(origin=STRANGER, headers=[(b"x-real-ip", b"198.51.100.9")]))
        flush_rejections()
    assert Rejection.objects.get().client_ip == "198.51.100.9"


def find_client(request: HttpRequest) -> str:
    return request.headers["X-Real-IP"]


@override_cors_guard(AUDIT_FLUSH_SECONDS=0)
def test_refusal_is_written_at_once_where_the_setting_says_so(policy: Environment) -> None:
    expect_refused(scope_of(origin=STRANGER))
    assert Rejection.objects.get().kind == "websocket"


def test_each_handshake_counts_once(policy: Environment) -> None:
    with override_cors_guard(METRICS="signal"):
        for origin in (TRUSTED, REVOKED, "http://api.example.com", None):
            shake(scope_of(origin=origin))
        shake(scope_of("/ws", TRUSTED))
        counted = {tuple(count) for count in metrics.list_totals()}
    assert counted == {
        ("billing", "allowed", "trusted", 1),
        ("billing", "blocked", "revoked", 1),
        ("", "same_origin", "same_origin", 1),
        ("", "no_origin", "no_origin", 1),
        ("", "blocked", "no_group", 1),
    }


def test_trusted_block_of_a_test_suite_works_for_sockets(policy: Environment) -> None:
    with trusted("https://other.example.com", group="billing", credentials=True):
        assert shake(scope_of(origin="https://other.example.com"))[0]["type"] == "websocket.accept"
        expect_refused(scope_of(origin=TRUSTED))


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fails", ["gate.decide_handshake", "gate.ScopeFacts", "gate.store"], ids=["decision", "facts", "store"]
)
def test_guard_that_fails_refuses_and_logs(
    policy: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    monkeypatch.setattr(f"django_cors_guard.channels.{fails}", None)
    for origin in (TRUSTED, STRANGER, None):
        expect_refused(scope_of(origin=origin))
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3


def test_audit_that_fails_changes_no_decision(
    policy: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "refuse", None)
    monkeypatch.setattr(recorder, "use", None)
    expect_refused(scope_of(origin=STRANGER))
    assert shake(scope_of(origin=TRUSTED))[0]["type"] == "websocket.accept"
    assert "could not be recorded" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(recorder, "flush", None)
    with override_cors_guard(AUDIT_FLUSH_SECONDS=0):
        expect_refused(scope_of(origin=STRANGER))
    assert "could not be written" in caplog.text


def test_error_of_the_application_is_its_own(policy: Environment) -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("mine")

    for origin in (TRUSTED, None):
        with pytest.raises(RuntimeError, match="mine"):
            shake_broken(broken, origin)


def shake_broken(app: Any, origin: str | None) -> None:
    async def run() -> None:
        await Line(app, scope_of(origin=origin)).rest()

    async_to_sync(run)()


# --- a hostile sender -------------------------------------------------------------------------------------------------

BIG = b"a" * 200_000


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"origin", BIG)], id="huge origin"),
        pytest.param([(b"origin", b"https://" + b"a." * 100_000)], id="huge host"),
        pytest.param([(b"origin", TRUSTED.encode())] * 5000, id="5000 origins"),
        pytest.param([(b"origin", TRUSTED.encode()), (b"Origin", b"")], id="two spellings"),
        pytest.param([(b"origin", b"\xff\xfe\x00\r\n")], id="no text"),
        pytest.param([(b"origin", "https://äpp.example.com".encode())], id="not ASCII"),
        pytest.param([(b"origin", b"https://app.example.com\r\nX: 1")], id="line feeds"),
        pytest.param([(b"origin", b"HTTPS://APP.EXAMPLE.COM")], id="upper case"),
        pytest.param([(b"origin", b" https://app.example.com ")], id="spaces"),
        pytest.param([(b"origin_", TRUSTED.encode()), (b"sec-fetch-site", b"cross-site")], id="underscore"),
        pytest.param([(b"origin", STRANGER.encode()), (b"host", b"stranger.example.net")], id="two hosts"),
        pytest.param([(b"origin", STRANGER.encode()), *[(b"host", BIG)] * 20], id="huge hosts"),
        pytest.param([(b"origin", STRANGER.encode()), (b"x-forwarded-host", b"stranger.example.net")], id="forwarded"),
        pytest.param([(b"origin", STRANGER.encode()), (b"x-forwarded-proto", BIG)], id="huge scheme"),
        pytest.param([(b"origin", STRANGER.encode()), (b"user-agent", b"\xff" * 100_000)], id="huge user agent"),
        pytest.param([(b"origin", STRANGER.encode()), (b"sec-fetch-site", b"same-origin, none")], id="two sites"),
        pytest.param(
            [(b"origin", STRANGER.encode()), *[(b"x-%d" % number, b"1") for number in range(5000)]], id="many"
        ),
        pytest.param([(b"origin", STRANGER.encode()), (b"content-type", b"a; charset=\x00")], id="charset"),
        pytest.param([(b"origin", STRANGER.encode()), (b"content-length", b"-1")], id="length"),
        pytest.param([(b"origin", STRANGER.encode()), (b"", b""), (b"\xff", b"\xff")], id="nameless"),
    ],
)
@pytest.mark.parametrize("path", ["/api/billing/ws", "/api/billing/\udcff\x00/" + "x" * 3000])
def test_hostile_headers_are_refused_without_a_traceback(
    policy: Environment, caplog: pytest.LogCaptureFixture, headers: list[tuple[bytes, bytes]], path: str
) -> None:
    scope = scope_of(path, headers=headers, query_string=b"\xff\xfe%zz")
    answer, echo = shake(scope)
    assert (answer["type"], echo.scopes) == ("websocket.close", [])
    flush_rejections()
    row = Rejection.objects.get()
    stored = (row.origin, row.path, row.user_agent, row.client_ip)
    assert all(text.isascii() and text.isprintable() and len(text) <= 255 for text in stored)
    assert not caplog.records


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"headers": [("origin", STRANGER)]}, id="text for bytes"),
        pytest.param({"headers": [(b"origin",)]}, id="no value"),
        pytest.param({"path": None}, id="no path"),
        pytest.param({"client": 5}, id="client"),
    ],
)
def test_server_that_breaks_the_protocol_gets_a_refusal(
    policy: Environment, caplog: pytest.LogCaptureFixture, broken: dict[str, Any]
) -> None:
    expect_refused({**scope_of(origin=STRANGER), **broken})
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_socket_asks_for_the_version_as_each_request_of_a_test_suite_does(
    policy: Environment, django_assert_num_queries: Any
) -> None:
    shake(scope_of(origin=TRUSTED))
    # At the handshake, and when the application hears of it, and when it accepts.
    with django_assert_num_queries(3):
        shake(scope_of(origin=TRUSTED))
