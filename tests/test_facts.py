from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from django_cors_guard.facts import RequestFacts
from django_cors_guard.testing import override_cors_guard


def facts(path: str = "/x", **meta: Any) -> RequestFacts:
    return RequestFacts(RequestFactory().get(path, **{"HTTP_HOST": "api.example.com", **meta}))


@pytest.mark.parametrize(
    ("meta", "same"),
    [
        pytest.param({"HTTP_ORIGIN": "http://api.example.com"}, True, id="origin is the host"),
        pytest.param({"HTTP_ORIGIN": "https://api.example.com"}, False, id="another scheme"),
        pytest.param({"HTTP_ORIGIN": "http://api.example.com:8000"}, False, id="another port"),
        pytest.param({"HTTP_ORIGIN": "http://example.com"}, False, id="parent domain"),
        pytest.param({"HTTP_ORIGIN": "http://api.example.com.evil.net"}, False, id="host as a prefix"),
        pytest.param({"HTTP_ORIGIN": "http://evil-api.example.com"}, False, id="host as a suffix"),
        pytest.param({"HTTP_ORIGIN": "null"}, False, id="null"),
        pytest.param({"HTTP_ORIGIN": ""}, False, id="empty"),
        pytest.param({"HTTP_HOST": "API.Example.com", "HTTP_ORIGIN": "http://api.example.com"}, True, id="host's case"),
        pytest.param(
            {"HTTP_HOST": "api.example.com:80", "HTTP_ORIGIN": "http://api.example.com"},
            True,
            id="default port dropped",
        ),
        pytest.param(
            {"HTTP_HOST": "api.example.com:8000", "HTTP_ORIGIN": "http://api.example.com:8000"}, True, id="port"
        ),
        pytest.param(
            {"wsgi.url_scheme": "https", "HTTP_HOST": "api.example.com:443", "HTTP_ORIGIN": "https://api.example.com"},
            True,
            id="https",
        ),
        pytest.param({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://a.b"}, True, id="same-origin"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "none"}, True, id="none"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "same-site"}, False, id="same-site is not the same origin"),
        pytest.param(
            {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "http://api.example.com"},
            False,
            id="Sec-Fetch-Site has the last word",
        ),
        pytest.param({"HTTP_SEC_FETCH_SITE": "Same-Origin"}, False, id="a value that browsers do not send"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_HOST": "evil.net"}, False, id="host not allowed"),
        pytest.param({"HTTP_ORIGIN": "http://evil.net", "HTTP_HOST": "evil.net"}, False, id="own host not allowed"),
    ],
)
def test_same_origin(meta: dict[str, str], same: bool) -> None:
    assert facts(**meta).same_origin is same


def test_same_origin_follows_the_proxy_settings_of_the_project() -> None:
    meta = {
        "HTTP_X_FORWARDED_HOST": "api.example.com",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_ORIGIN": "https://api.example.com",
    }
    assert not facts(**meta).same_origin
    with override_settings(USE_X_FORWARDED_HOST=True, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert facts(**meta).same_origin


@pytest.mark.parametrize(
    ("host", "expected"),
    [("API.example.com:8000", "api.example.com"), ("evil.net", "evil.net"), ("a b", "a b"), ("", "")],
)
def test_host_is_found_even_where_django_refuses_it(host: str, expected: str) -> None:
    assert facts(HTTP_HOST=host).host == expected


@pytest.mark.parametrize(
    ("dotted", "client"),
    [
        (None, "203.0.113.7"),
        ("tests.test_facts.from_header", "198.51.100.9"),
        ("tests.test_facts.broken", ""),
        ("tests.test_facts.returns_nothing", ""),
        ("tests.no_such_module.f", "203.0.113.7"),
    ],
)
def test_client_is_what_the_setting_says_and_never_an_error(dotted: str | None, client: str) -> None:
    with override_cors_guard(CLIENT_IP=dotted):
        assert facts(REMOTE_ADDR="203.0.113.7", HTTP_X_REAL_IP="198.51.100.9").client() == client


def from_header(request: HttpRequest) -> str:
    return str(request.META["HTTP_X_REAL_IP"])


def broken(request: HttpRequest) -> str:
    raise ZeroDivisionError


def returns_nothing(request: HttpRequest) -> None:
    return None
