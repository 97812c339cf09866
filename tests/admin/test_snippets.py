"""Snippets: whatever is in them, it means nothing else where it is pasted."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.admin.check.snippets import Asked, write_curl, write_fetch, write_head, write_preflight_curl

ASKED = Asked("https", "api.example.com", "/api/public/hello", "GET", "https://app.example.com")
ANY_LINE = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


CURLS = [
    pytest.param({}, ["-i"], id="get"),
    pytest.param({"method": "HEAD"}, ["-I"], id="head"),
    pytest.param({"method": "DELETE"}, ["-i", "-X", "DELETE"], id="delete"),
    pytest.param({"host": "[::1]:8000"}, ["-i", "--globoff"], id="brackets"),
    pytest.param({"path": "/a/../b"}, ["-i", "--path-as-is"], id="dots"),
]


@pytest.mark.parametrize(("changes", "flags"), CURLS)
def test_curl_has_the_flags_that_the_request_needs(changes: dict[str, str], flags: list[str]) -> None:
    asked = replace(ASKED, **changes)  # type: ignore[arg-type]  # all of them are texts
    assert shlex.split(write_curl(asked)) == ["curl", *flags, "-H", f"Origin: {asked.origin}", asked.url]


def test_curl_gives_each_header_a_value() -> None:
    words = shlex.split(write_curl(replace(ASKED, headers=("content-type", "x-token"))))
    assert words[4:8] == ["-H", "content-type: application/json", "-H", "x-token: value"]


def test_preflight_asks_as_browsers_do() -> None:
    asked = replace(ASKED, method="PUT", headers=("x-b", "x-a", "x-b"))
    words = shlex.split(write_preflight_curl(asked))
    assert words[:4] == ["curl", "-i", "-X", "OPTIONS"]
    assert "Access-Control-Request-Method: PUT" in words
    assert "Access-Control-Request-Headers: x-a,x-b" in words


def test_preflight_without_headers_asks_for_none() -> None:
    assert "Request-Headers" not in write_preflight_curl(replace(ASKED, method="PUT"))


@given(origin=ANY_LINE, path=ANY_LINE, method=ANY_LINE, name=ANY_LINE)
def test_curl_of_anything_is_the_same_words_again(origin: str, path: str, method: str, name: str) -> None:
    asked = Asked("https", "api.example.com", f"/{path}", method, origin, (name,))
    for line in (write_curl(asked), write_preflight_curl(asked)):
        words = shlex.split(line)
        assert f"Origin: {origin}" in words
        assert words[-1] == asked.url
        assert unquote(asked.url).removeprefix("https://api.example.com") == asked.path
        assert urlsplit(asked.url).query == ""


def read_arguments(snippet: str) -> tuple[str, dict[str, object]]:
    """Return the two arguments of ``fetch``; there must be nothing else."""
    start, end = "const response = await fetch(", ");\nconsole.log(response.status, await response.text());"
    assert snippet.startswith(start)
    assert snippet.endswith(end)
    rest = snippet.removeprefix(start).removesuffix(end)
    url, length = json.JSONDecoder().raw_decode(rest)
    options: dict[str, object] = {}
    rest = rest[length:]
    if rest:
        assert rest.startswith(", {\n")
        assert rest.endswith("\n}")
        for line in rest.removeprefix(", {\n").removesuffix("\n}").splitlines():
            key, _colon, value = line.strip().removesuffix(",").partition(": ")
            options[key] = json.loads(value)
    return url, options


def test_fetch_of_a_plain_request_is_plain() -> None:
    assert read_arguments(write_fetch(ASKED)) == (ASKED.url, {})


def test_fetch_names_method_headers_and_credentials() -> None:
    asked = replace(ASKED, method="PATCH", headers=("content-type",), credentials=True)
    assert read_arguments(write_fetch(asked))[1] == {
        "method": "PATCH",
        "headers": {"content-type": "application/json"},
        "credentials": "include",
    }


@given(path=ANY_LINE, method=ANY_LINE, name=ANY_LINE)
def test_fetch_of_anything_is_the_same_values_again(path: str, method: str, name: str) -> None:
    asked = Asked("https", "api.example.com", f"/{path}", method, "https://x.example", (name,))
    snippet = write_fetch(asked)
    assert snippet.isascii()
    url, options = read_arguments(snippet)
    assert url == asked.url
    assert options["headers"] == {name: options["headers"][name]}  # type: ignore[index]  # a dict
    assert options.get("method", "GET") == method


HEADS = [
    pytest.param(0, (), "", id="nothing"),
    pytest.param(0, (("Vary", "Origin"),), "Vary: Origin", id="the view's"),
    pytest.param(204, (("Vary", "Origin"),), "HTTP/1.1 204 No Content\nVary: Origin", id="the guard's"),
    pytest.param(
        403, (), "HTTP/1.1 403 Forbidden\nContent-Type: application/problem+json\nCache-Control: no-store", id="refusal"
    ),
]


@pytest.mark.parametrize(("status", "pairs", "head"), HEADS)
def test_head_shows_status_and_headers(status: int, pairs: tuple[tuple[str, str], ...], head: str) -> None:
    assert write_head(status, pairs) == head
