"""Explanations: the nearest trusted thing, how it differs, and what to look up to find it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.explain import (
    NULL_SOURCES,
    Candidate,
    Difference,
    Nearest,
    NullSource,
    find_nearest,
    hosts_to_search,
)
from django_cors_guard.core.origins import parse_canonical
from tests.core.strategies import ANY_TEXT, NEARLY_ORIGINS

APP = "https://app.example.com"


def candidate(origin: str, **fields: Any) -> Candidate:
    return Candidate(origin, **{"environment": "production", "api_group": "public", **fields})


def nearest_to(raw: str, *candidates: Candidate) -> Nearest | None:
    return find_nearest(raw, environment="production", api_group="public", candidates=candidates)


DIFFERENCES = [
    pytest.param(APP, candidate(APP, status="revoked"), "revoked", id="revoked"),
    pytest.param(APP, candidate(APP, status="expired"), "expired", id="expired"),
    pytest.param(APP, candidate(APP, status="switched_off"), "switched_off", id="switched off"),
    pytest.param(APP, candidate("https://*.example.com", status="expired"), "expired", id="expired pattern"),
    pytest.param(
        "http://localhost:3000", candidate("http://localhost:*", status="revoked"), "revoked", id="revoked ports"
    ),
    pytest.param(APP, candidate(APP, api_group="billing"), "other_group", id="another group"),
    pytest.param(
        APP, candidate("https://*.example.com", api_group="billing"), "other_group", id="another group's pattern"
    ),
    pytest.param(APP, candidate(APP, environment="staging"), "other_environment", id="another environment"),
    pytest.param(
        APP, candidate(APP, environment="staging", api_group="billing"), "other_environment", id="neither of both"
    ),
    pytest.param(f"{APP}.", candidate(APP), "trailing_dot", id="trailing dot"),
    pytest.param(f"{APP}.:8443", candidate(f"{APP}:8443"), "trailing_dot", id="trailing dot and port"),
    pytest.param("https://App.Example.com", candidate(APP), "spelling", id="upper case"),
    pytest.param(f"{APP}:443", candidate(APP), "spelling", id="default port"),
    pytest.param(f"{APP}/", candidate(APP), "spelling", id="slash"),
    pytest.param(f"{APP}/login", candidate(APP), "spelling", id="path"),
    pytest.param("app.example.com", candidate("https://*.example.com"), "spelling", id="no scheme, pattern"),
    pytest.param("http://127.1:81", candidate("http://127.0.0.1:81"), "spelling", id="respelt address"),
    pytest.param("http://app.example.com", candidate(APP), "scheme", id="scheme"),
    pytest.param("http://app.example.com", candidate("https://*.example.com"), "scheme", id="scheme of a pattern"),
    pytest.param("http://app.example.com:8080", candidate(f"{APP}:8443"), "scheme", id="scheme and port"),
    pytest.param("https://localhost:3000", candidate("http://localhost:*"), "scheme", id="scheme of ports"),
    pytest.param("ionic://localhost", candidate("capacitor://localhost"), "scheme", id="custom scheme"),
    pytest.param(f"{APP}:8443", candidate(APP), "port", id="port"),
    pytest.param(APP, candidate("https://*.example.com:8443"), "port", id="port of a pattern"),
    pytest.param("https://www.example.com", candidate("https://example.com"), "www", id="with www"),
    pytest.param("https://example.com", candidate("https://www.example.com"), "www", id="without www"),
    pytest.param("http://www.example.com:81", candidate("https://example.com"), "www", id="www, scheme, port"),
    pytest.param("http://127.0.0.1:3000", candidate("http://localhost:3000"), "loopback_name", id="loopback name"),
    pytest.param("http://localhost:3000", candidate("http://[::1]:*"), "loopback_name", id="loopback name of ports"),
    pytest.param(APP, candidate("https://example.com"), "subdomain", id="below it"),
    pytest.param("https://example.com", candidate(APP), "subdomain", id="above it"),
    pytest.param("https://example.com", candidate("https://*.example.com"), "subdomain", id="apex of a pattern"),
    pytest.param(APP, candidate("https://api.example.com"), "subdomain", id="beside it"),
    pytest.param("https://examp1e.com", candidate("https://example.com"), "look_alike", id="look-alike"),
    pytest.param("https://app.example.com.evil.net", candidate(APP), "look_alike", id="trusted host in front"),
]


@pytest.mark.parametrize(("raw", "grant", "difference"), DIFFERENCES)
def test_find_nearest_single_candidate_differs_as_told(raw: str, grant: Candidate, difference: str) -> None:
    assert nearest_to(raw, grant) == Nearest(grant, Difference(difference))


def test_find_nearest_shows_every_difference_in_the_table() -> None:
    assert {row.values[2] for row in DIFFERENCES} == set(Difference)


@pytest.mark.parametrize(
    ("raw", "grant"),
    [
        pytest.param(APP, candidate("https://unrelated.test"), id="unrelated"),
        pytest.param(APP, candidate(APP), id="trusted here"),
        pytest.param(APP, candidate("https://*.example.com"), id="trusted here by a pattern"),
        pytest.param("https://foo.github.io", candidate("https://bar.github.io"), id="customers of one host"),
        pytest.param("https://notexample.com", candidate("https://example.com"), id="ending without a dot"),
        pytest.param("http://10.0.0.1", candidate("http://10.0.0.2"), id="addresses"),
        pytest.param("app://example.com", candidate("capacitor://www.example.com"), id="custom schemes"),
        pytest.param("null", candidate(APP), id="null"),
        pytest.param("", candidate(APP), id="nothing"),
        pytest.param("https://a b", candidate(APP), id="no origin"),
        pytest.param(f"{APP}, {APP}", candidate(APP), id="two origins"),
        pytest.param(APP + "a" * 600, candidate(APP), id="too long"),
        pytest.param(APP, candidate("not an origin"), id="candidate that is no origin"),
    ],
)
def test_find_nearest_unrelated_candidate_is_passed_over(raw: str, grant: Candidate) -> None:
    assert nearest_to(raw, grant) is None


def test_find_nearest_no_candidates_gives_none() -> None:
    assert nearest_to(APP) is None


def test_find_nearest_several_candidates_come_in_order_of_closeness() -> None:
    ordered = [
        candidate(APP, status="revoked", by="eve", at=datetime(2026, 1, 2, tzinfo=UTC)),
        candidate("https://*.example.com", status="expired"),
        candidate(APP, api_group="billing"),
        candidate(APP, environment="staging"),
        candidate("http://app.example.com"),
        candidate("http://app.example.com", environment="staging"),
        candidate(f"{APP}:8443"),
        candidate("https://www.app.example.com"),
        candidate("http://www.app.example.com"),
        candidate("https://example.com"),
        candidate("https://api.example.com"),
        candidate("https://app.examp1e.com"),
        # What was trusted elsewhere once comes behind all that is trusted now.
        candidate(APP, api_group="billing", status="revoked"),
        candidate("http://app.example.com", status="expired"),
    ]

    found = []
    left = ordered[::-1]
    while (nearest := nearest_to(APP, *left)) is not None:
        found.append(nearest.candidate)
        left.remove(nearest.candidate)

    assert found == ordered


def test_find_nearest_equally_near_candidates_are_told_apart_by_name() -> None:
    grants = [candidate(f"https://{name}.example.com") for name in ("zeta", "beta", "eta")]

    assert nearest_to(APP, *grants) == Nearest(grants[1], Difference.SUBDOMAIN)
    assert nearest_to(APP, *reversed(grants)) == Nearest(grants[1], Difference.SUBDOMAIN)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        pytest.param(APP, APP, id="itself"),
        pytest.param("http://app.example.com", APP, id="scheme"),
        pytest.param(f"{APP}:8443", APP, id="without port"),
        pytest.param("http://app.example.com:8443", f"{APP}:8443", id="scheme, same port"),
        pytest.param(APP, "https://www.app.example.com", id="with www"),
        pytest.param("https://www.example.com", "https://example.com", id="without www"),
        pytest.param(APP, "https://example.com", id="parent"),
        pytest.param("https://a.b.c.d.e.f.g.example.co.uk", "https://example.co.uk", id="the owner's domain, far up"),
        pytest.param("https://example.com", "https://*.example.com", id="pattern at the apex"),
        pytest.param(f"{APP}:8443", "https://*.example.com:8443", id="pattern with port"),
        pytest.param("http://app.example.com", "https://*.example.com", id="pattern of the other scheme"),
        pytest.param("https://www.example.com", "https://*.example.com", id="pattern above www"),
        pytest.param(f"{APP}.", APP, id="without trailing dot"),
        pytest.param("https://APP.example.com", APP, id="case"),
        pytest.param("http://localhost:3000", "http://localhost:*", id="ports"),
        pytest.param("http://127.0.0.1:3000", "http://localhost:3000", id="loopback name"),
        pytest.param("https://examp1e.com", "https://example.com", id="misread letter"),
        pytest.param("https://xn--80ak6aa92e.com", "https://apple.com", id="Cyrillic"),
        pytest.param("http://10.0.0.1:81", "https://10.0.0.1", id="address"),
        pytest.param("capacitor://localhost/", "capacitor://localhost", id="custom scheme"),
    ],
)
def test_hosts_to_search_contains_what_may_have_been_meant(raw: str, wanted: str) -> None:
    assert wanted in hosts_to_search(raw)


@pytest.mark.parametrize("raw", ["null", "", "https://", "https://a b", "x" * 600])
def test_hosts_to_search_no_origin_gives_nothing(raw: str) -> None:
    assert hosts_to_search(raw) == ()


def test_hosts_to_search_never_leaves_the_owner() -> None:
    assert not {"https://github.io", "https://*.github.io", "https://*.io"} & set(
        hosts_to_search("https://me.github.io")
    )


@settings(max_examples=300, deadline=None)
@given(st.one_of(NEARLY_ORIGINS, ANY_TEXT, st.integers(1, 126).map(lambda count: f"http://{'a.' * count}bc.uk:8081")))
def test_hosts_to_search_any_text_gives_a_handful_of_different_texts(raw: str) -> None:
    texts = hosts_to_search(raw)

    assert len(texts) <= 64
    assert len(set(texts)) == len(texts)
    assert not texts or parse_canonical(texts[0]) is not None


@settings(max_examples=300, deadline=None)
@given(raw=st.one_of(NEARLY_ORIGINS, ANY_TEXT), other=NEARLY_ORIGINS)
def test_find_nearest_any_text_and_candidate_gives_a_difference_or_none(raw: str, other: str) -> None:
    grants = [candidate(other), candidate(raw, status="revoked"), candidate("https://app.example.com")]

    nearest = nearest_to(raw, *grants)

    assert nearest is None or nearest.candidate in grants


def test_null_sources_name_each_source_once() -> None:
    assert set(NULL_SOURCES) == set(NullSource)
    assert len(NULL_SOURCES) == len(set(NULL_SOURCES)) == 6
