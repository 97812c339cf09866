"""Patterns that match a request's origin, against a naive matcher that knows nothing of how they are found."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.origins import parse_canonical, pattern_candidates
from tests.core.strategies import ANY_TEXT, NEARLY_ORIGINS, PLAIN_LABELS, SENT_ORIGINS

LONG_SUBDOMAIN = ".".join(["a" * 60] * 3 + ["b" * 58])  # 241 characters, 253 before ".example.com"


def matches(pattern: str, raw: str) -> bool:
    """Whether the stored ``pattern`` matches ``raw``, word by word as the protocol has it."""
    if pattern.endswith(":*"):
        origin = pattern.removesuffix(":*")
        default = "80" if pattern.startswith("http://") else "443"
        port = raw.removeprefix(origin + ":")
        is_port = re.fullmatch("[1-9][0-9]{0,4}", port) is not None and int(port) < 65536 and port != default
        return raw == origin or (raw.startswith(origin + ":") and is_port)
    scheme, _, base_and_port = pattern.partition("*.")
    ending = "." + base_and_port
    if not raw.startswith(scheme) or not raw.endswith(ending) or len(raw) < len(scheme) + len(ending):
        return False
    labels = raw[len(scheme) : len(raw) - len(ending)]
    host = labels + "." + base_and_port.split(":")[0]
    return re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", labels) is not None and len(host) <= 253


@pytest.mark.parametrize(
    ("raw", "patterns"),
    [
        pytest.param("https://a.example.com", ["https://*.example.com", "https://*.com"], id="one label"),
        pytest.param(
            "https://a.b.example.com:8443",
            ["https://*.b.example.com:8443", "https://*.example.com:8443", "https://*.com:8443"],
            id="two labels and a port",
        ),
        pytest.param("http://a_b-c.example.com", ["http://*.example.com", "http://*.com"], id="all characters"),
        pytest.param("https://example", [], id="single label"),
        pytest.param("http://localhost", ["http://localhost:*"], id="localhost"),
        pytest.param("http://localhost:3000", ["http://localhost:*"], id="localhost with port"),
        pytest.param("http://localhost:443", ["http://localhost:*"], id="the other scheme's port"),
        pytest.param("https://localhost:65535", ["https://localhost:*"], id="highest port"),
        pytest.param("http://127.0.0.1:1", ["http://127.0.0.1:*"], id="127.0.0.1"),
        pytest.param("http://[::1]", ["http://[::1]:*"], id="[::1]"),
        pytest.param("http://[::1]:3000", ["http://[::1]:*"], id="[::1] with port"),
        pytest.param("http://a.localhost:3000", ["http://*.localhost:3000"], id="below localhost"),
        pytest.param(f"https://{'a' * 63}.example.com", ["https://*.example.com", "https://*.com"], id="label of 63"),
        pytest.param(f"https://{'a' * 64}.example.com", [], id="label of 64"),
        pytest.param("http://localhost:80", [], id="explicit default port"),
        pytest.param("https://a.example.com:443", [], id="explicit default port of a name"),
        pytest.param("http://localhost:03000", [], id="leading zero"),
        pytest.param("http://localhost:0", [], id="port 0"),
        pytest.param("http://localhost:65536", [], id="port 65536"),
        pytest.param("http://localhost:", [], id="empty port"),
        pytest.param("http://localhost:*", [], id="a star for a port"),
        pytest.param("http://localhost:٣", [], id="Arabic digit"),
        pytest.param("http://[::1]3000", [], id="no colon behind the bracket"),
        pytest.param("http://127.0.0.2:3000", [], id="another loopback address"),
        pytest.param("http://10.0.0.1", [], id="address"),
        pytest.param("http://[2001:db8::1]", [], id="IPv6"),
        pytest.param("HTTPS://a.example.com", [], id="scheme in upper case"),
        pytest.param("https://A.example.com", [], id="host in upper case"),
        pytest.param("https://a.example.com.", [], id="trailing dot"),
        pytest.param("https://a..example.com", [], id="two dots"),
        pytest.param("https://.example.com", [], id="leading dot"),
        pytest.param("https://*.example.com", [], id="a star for a label"),
        pytest.param("https://a.example.com/", [], id="trailing slash"),
        pytest.param("https://evil.com/.example.com", [], id="path that ends in a host"),
        pytest.param("https://evil.com#.example.com", [], id="fragment that ends in a host"),
        pytest.param("https://evil.com\\.example.com", [], id="backslash"),
        pytest.param("https://me@a.example.com", [], id="user"),
        pytest.param("https://a.example.com:1:2", [], id="two ports"),
        pytest.param("https://a.example.com, https://b.example.com", [], id="two origins"),
        pytest.param("https://a.example.com\n", [], id="line break"),
        pytest.param("https://ä.example.com", [], id="not ASCII"),
        pytest.param("app://a.example.com", [], id="other scheme"),
        pytest.param("https:/a.example.com", [], id="one slash"),
        pytest.param("null", [], id="null"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_pattern_candidates_yields_every_pattern_that_matches(raw: str, patterns: list[str]) -> None:
    assert list(pattern_candidates(raw)) == patterns


def test_pattern_candidates_whole_host_may_have_253_characters() -> None:
    assert "https://*.example.com" in pattern_candidates(f"https://{LONG_SUBDOMAIN}.example.com")
    assert list(pattern_candidates(f"https://x{LONG_SUBDOMAIN}.example.com")) == []


def test_pattern_candidates_longest_host_yields_a_bounded_number() -> None:
    host = "a." * 126 + "b"
    assert len(host) == 253

    assert len(list(pattern_candidates(f"https://{host}:65534"))) == 126


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("https://" + "a." * 500_000 + "com", id="labels"),
        pytest.param("https://localhost:" + "1" * 1_000_000, id="digits"),
        pytest.param("https://" * 200_000, id="schemes"),
    ],
)
def test_pattern_candidates_endless_origin_yields_nothing(raw: str) -> None:
    assert list(pattern_candidates(raw)) == []


_PATTERNS = st.one_of(
    st.sampled_from(["http://localhost:*", "https://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]),
    st.tuples(
        st.sampled_from(["http://*.", "https://*."]),
        st.sampled_from(["example.com", "a.example.com", "com.example.com", "a_b.test", "localhost.example.com"]),
        st.sampled_from(["", "", ":8443", ":1", ":65535"]),
    ).map("".join),
)
_DECORATIONS = st.sampled_from(
    ["", "", "", "", ".", "a.", "a.b.", "A.", "a..", "*.", "@", "a@", "a-_0.", "\n", "evil.com/."]
)


@settings(max_examples=300, deadline=None)
@given(pattern=_PATTERNS, decoration=_DECORATIONS, port=st.sampled_from(["", "", ":8443", ":80", ":443", ":08443"]))
def test_pattern_candidates_variations_of_a_pattern_agree_with_the_naive_matcher(
    pattern: str, decoration: str, port: str
) -> None:
    assert parse_canonical(pattern) is not None
    raw = pattern.replace("*.", decoration).replace(":*", port)

    assert (pattern in pattern_candidates(raw)) == matches(pattern, raw)


@settings(max_examples=300, deadline=None)
@given(raw=st.one_of(SENT_ORIGINS, NEARLY_ORIGINS, ANY_TEXT), drop=st.integers(1, 4), pattern=_PATTERNS)
def test_pattern_candidates_any_origin_agrees_with_the_naive_matcher(raw: str, drop: int, pattern: str) -> None:
    scheme, _, rest = raw.partition("://")
    derived = f"{scheme}://*.{'.'.join(rest.split('.')[drop:])}"

    for stored in (pattern, derived):
        if parse_canonical(stored) is not None:
            assert (stored in pattern_candidates(raw)) == matches(stored, raw)


@settings(deadline=None)
@given(labels=st.lists(PLAIN_LABELS, min_size=2, max_size=6), port=st.sampled_from(["", ":8443"]))
def test_pattern_candidates_most_specific_comes_first_and_the_apex_never(labels: list[str], port: str) -> None:
    raw = f"https://{'.'.join(['x', *labels, 'test'])}{port}"

    candidates = list(pattern_candidates(raw))

    assert len(candidates) == len(labels) + 1
    assert candidates == sorted(candidates, key=len, reverse=True)
    assert raw.replace("://", "://*.") not in candidates
