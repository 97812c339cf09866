"""The facts of a WebSocket's scope are those of a GET request to the same address."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import override_settings

from django_cors_guard.core.decision import PlainFacts
from django_cors_guard.facts import ScopeFacts
from django_cors_guard.testing import override_cors_guard

HOST = (b"host", b"api.example.com")


def facts(*headers: tuple[bytes, bytes], **scope: Any) -> ScopeFacts:
    return ScopeFacts({"type": "websocket", "path": "/x", "scheme": "ws", **scope, "headers": [*headers, HOST]})


def origin(text: str) -> tuple[bytes, bytes]:
    return b"origin", text.encode()


@pytest.mark.parametrize(
    ("headers", "scope", "same"),
    [
        pytest.param([origin("http://api.example.com")], {}, True, id="ws, http"),
        pytest.param([origin("https://api.example.com")], {}, False, id="ws, https"),
        pytest.param([origin("https://api.example.com")], {"scheme": "wss"}, True, id="wss, https"),
        pytest.param([origin("http://api.example.com")], {"scheme": "wss"}, False, id="wss, http"),
        pytest.param([origin("ws://api.example.com")], {}, False, id="the socket's scheme is no page's"),
        pytest.param([origin("http://api.example.com")], {"scheme": None}, True, id="no scheme (daphne)"),
        pytest.param([origin("https://api.example.com")], {"scheme": None}, False, id="no scheme, https"),
        pytest.param(
            [origin("https://api.example.com")],
            {"scheme": None, "server": ["10.0.0.1", 443]},
            True,
            id="no scheme, 443",
        ),
        pytest.param([origin("http://api.example.com")], {"scheme": None, "server": None}, True, id="no server"),
        pytest.param([origin("http://api.example.com:8000")], {}, False, id="another port"),
        pytest.param([origin("http://stranger.example.net")], {}, False, id="another host"),
        pytest.param([origin("null")], {}, False, id="null"),
        pytest.param([origin("http://api.example.com")] * 2, {}, False, id="twice"),
        pytest.param([origin("http://api.example.com"), (b"host", b"evil.net")], {}, False, id="two hosts"),
        pytest.param([(b"Origin", b"http://api.example.com")], {}, True, id="spelt as over HTTP/1.1"),
        pytest.param([(b"sec-fetch-site", b"same-origin"), origin("https://api.example.com")], {}, True, id="browser"),
        pytest.param(
            [(b"sec-fetch-site", b"cross-site"), origin("http://api.example.com")], {}, False, id="browser, other site"
        ),
        pytest.param(
            [(b"sec-fetch-site", b"none"), origin("chrome-extension://abc")], {}, False, id="an extension of a browser"
        ),
        pytest.param([(b"sec-fetch-site", b"none"), origin("http://api.example.com")], {}, True, id="own, said none"),
    ],
)
def test_own_origin(headers: list[tuple[bytes, bytes]], scope: dict[str, Any], same: bool) -> None:
    assert facts(*headers, **scope).same_origin is same


@override_settings(USE_X_FORWARDED_HOST=True, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_own_origin_follows_the_proxy_settings_of_the_project() -> None:
    proxy = [(b"x-forwarded-host", b"api.example.com"), (b"x-forwarded-proto", b"https")]
    page = origin("https://api.example.com")
    inside = ScopeFacts({"type": "websocket", "path": "/", "headers": [*proxy, page, (b"host", b"10.0.0.1:8000")]})
    assert inside.same_origin
    with override_settings(SECURE_PROXY_SSL_HEADER=None):
        assert not ScopeFacts({"type": "websocket", "path": "/", "headers": [*proxy, page]}).same_origin


@override_settings(ALLOWED_HOSTS=["other.example.com"])
def test_host_that_django_does_not_accept_is_nobodys_own() -> None:
    assert not facts(origin("http://api.example.com")).same_origin
    assert not facts(origin("http://api.example.com"), (b"sec-fetch-site", b"same-origin")).same_origin
    assert facts().host == "api.example.com", "and finds its route all the same"


@pytest.mark.parametrize(
    ("scope", "script", "path"),
    [
        pytest.param({"path": "/api/x"}, None, "/api/x", id="plain"),
        pytest.param({"path": "/site/api/x", "root_path": "/site"}, None, "/api/x", id="root_path"),
        pytest.param({"path": "/api/x", "root_path": ""}, None, "/api/x", id="blank root_path"),
        pytest.param({"path": "/api/x", "root_path": "/site"}, None, "/api/x", id="root_path that a proxy dropped"),
        pytest.param({"path": "/site/api/x"}, "/site", "/api/x", id="FORCE_SCRIPT_NAME"),
    ],
)
def test_path_is_djangos_path_info(scope: dict[str, Any], script: str | None, path: str) -> None:
    with override_settings(FORCE_SCRIPT_NAME=script):
        assert facts(**scope).path == path


def test_what_is_kept_of_an_open_socket() -> None:
    headers = [origin("https://app.example.com"), (b"sec-fetch-site", b"cross-site"), (b"cookie", b"a=b")]
    kept = facts(*headers, path="/admin/ws", query_string=b"token=secret\xff").freeze()
    assert kept == PlainFacts(
        path="/admin/ws",
        origin="https://app.example.com",
        host="api.example.com",
        own_path=True,
        fetch_site="cross-site",
    )


def find_client(request: HttpRequest) -> str:
    return f"{request.headers['X-Real-IP']} {request.method} {request.path_info} {request.get_host()}"


def test_client_is_the_servers_or_the_projects_to_tell() -> None:
    assert facts(client=["192.0.2.7", 5000]).client() == "192.0.2.7"
    assert facts(client=None).client() == ""
    with override_cors_guard(CLIENT_IP="tests.test_facts_scope.find_client"):
        assert facts((b"x-real-ip", b"198.51.100.9")).client() == "198.51.100.9 GET /x api.example.com"
        assert facts(client=["192.0.2.7", 5000]).client() == ""
