"""Look-alikes: what a few hosts are taken for among many is what comparing each with each finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core import likeness
from django_cors_guard.core.likeness import MAX_LOOK_ALIKES, find_look_alikes, host_of, is_look_alike
from django_cors_guard.core.origins import parse_origin

BASES = [
    "example.com", "app.example.com", "shop.example.co.uk", "foobar.github.io", "intranet", "vworks.com", "bücher.de",
    "example.com.evil.net", "a.b.example.org", "my-shop.example.com", "東京タワー.jp", "10.0.0.1", "localhost",
]  # fmt: skip
LETTERS = "aeilo015mnrvw-.ü\u0430\u043e東"


def mutate(drawn: tuple[str, str, int, str]) -> str:
    host, how, where, letter = drawn
    at = where % (len(host) + 1)
    return {
        "as it is": host,
        "insert": host[:at] + letter + host[at:],
        "replace": host[:at] + letter + host[at + 1 :],
        "omit": host[:at] + host[at + 1 :],
        "swap": host[:at] + host[at : at + 2][::-1] + host[at + 2 :],
        "confuse": host.replace("m", "rn").replace("o", "0"),
        "below": f"x{at}.{host}",
        "in front": f"{host}.evil.net",
        "squeeze": host.replace(".", "-", 1),
    }[how]


HOWS = ["as it is", "insert", "replace", "omit", "swap", "confuse", "below", "in front", "squeeze"]
HOSTS = (
    st.tuples(st.sampled_from(BASES), st.sampled_from(HOWS), st.integers(0, 30), st.sampled_from(LETTERS))
    .map(mutate)
    .map(lambda host: parse_origin(f"https://{host}").origin)
    .map(lambda origin: origin.host if origin is not None else "")
)


@pytest.mark.parametrize("many", [pytest.param(100, id="few hosts"), pytest.param(0, id="many hosts")])
@settings(max_examples=400, deadline=None)
@given(hosts=st.lists(HOSTS, max_size=6), others=st.lists(HOSTS, max_size=12))
def test_find_look_alikes_finds_what_comparing_each_with_each_finds(
    many: int, hosts: list[str], others: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_MANY", many)
        found = find_look_alikes(hosts, [f"https://{other}" for other in others])

    each = {host: [other for other in dict.fromkeys(others) if is_look_alike(host, other)] for host in hosts}
    assert found == {
        host: tuple(f"https://{other}" for other in alike[:MAX_LOOK_ALIKES]) for host, alike in each.items() if alike
    }


@pytest.mark.parametrize(
    ("host", "other"),
    [
        pytest.param("intranet", "intranat", id="single label"),
        pytest.param("examp1e.com", "app.example.com", id="below"),
        pytest.param("app.example.com.evil.net", "example.com", id="in front of it"),
        pytest.param("example.com", "a.example.com.evil.net", id="it in front"),
        pytest.param("app-example.com", "app.example.com", id="hyphen for a dot"),
        pytest.param("xn--80ak6aa92e.com", "apple.com", id="Cyrillic"),
    ],
)
@pytest.mark.parametrize("many", [100, 0])
def test_find_look_alikes_finds_it_either_way(
    monkeypatch: pytest.MonkeyPatch, host: str, other: str, many: int
) -> None:
    monkeypatch.setattr(likeness, "_MANY", many)
    assert find_look_alikes([host], [f"https://{other}"]) == {host: (f"https://{other}",)}
    assert find_look_alikes([other], [f"https://{host}"]) == {other: (f"https://{host}",)}


def test_find_look_alikes_lists_the_first_texts_of_a_host_once() -> None:
    texts = [f"https://example.com:{port}" for port in range(1000, 1010)]

    assert find_look_alikes(["examp1e.com"], [texts[0], *texts]) == {"examp1e.com": tuple(texts[:MAX_LOOK_ALIKES])}


def test_find_look_alikes_stored_nonsense_breaks_nothing() -> None:
    nonsense = [
        "",
        "not an origin",
        "https://",
        "https://exa\nmple.com",
        "https://[::1",
        "app://example.com",
        "https://..",
    ]

    assert find_look_alikes(["examp1e.com"], [*nonsense, "https://example.com"]) == {
        "examp1e.com": ("https://example.com",)
    }


def test_find_look_alikes_nothing_to_compare_is_nothing() -> None:
    assert find_look_alikes([], ["https://example.com"]) == {}
    assert find_look_alikes(["example.com"], []) == {}
    assert find_look_alikes(["10.0.0.1", "localhost", "[::1]"], ["https://10.0.0.2"]) == {}


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://app.example.com:8443", "app.example.com"),
        ("https://*.example.com", "example.com"),
        ("http://[::1]:3000", "[::1]"),
        ("http://localhost:*", "localhost"),
        ("capacitor://localhost", ""),
        ("nonsense", ""),
    ],
)
def test_host_of_is_the_bare_host(text: str, host: str) -> None:
    assert host_of(text) == host
