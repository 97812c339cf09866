"""What a browser makes of an answer, case by case as the Fetch standard has it."""

import pytest

from django_cors_guard.core.browser import read_answer
from django_cors_guard.core.decision import PlainFacts

PAGE = "https://app.example.com"
ORIGIN, CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"
METHODS, HEADERS = "access-control-allow-methods", "access-control-allow-headers"
EXPOSED = "access-control-expose-headers"


def passes(facts: PlainFacts, answer: dict[str, str]) -> tuple[bool, bool]:
    """Whether the page gets through without credentials, and with them."""
    without, with_them = (read_answer(facts, answer, credentials=credentials) for credentials in (False, True))
    return without.passes, with_them.passes


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({}, (False, False), id="no header"),
        pytest.param({ORIGIN: PAGE}, (True, False), id="echo"),
        pytest.param({ORIGIN: f" {PAGE}\t"}, (True, False), id="white space around it"),
        pytest.param({ORIGIN: PAGE, CREDENTIALS: "true"}, (True, True), id="echo with credentials"),
        pytest.param({ORIGIN: PAGE, CREDENTIALS: "True"}, (True, False), id="true is lower case"),
        pytest.param({ORIGIN: PAGE, CREDENTIALS: "false"}, (True, False), id="false"),
        pytest.param({ORIGIN: "*"}, (True, False), id="star"),
        pytest.param({ORIGIN: "*", CREDENTIALS: "true"}, (True, False), id="star with credentials"),
        pytest.param({ORIGIN: PAGE.upper()}, (False, False), id="other case"),
        pytest.param({ORIGIN: f"{PAGE}/"}, (False, False), id="trailing slash"),
        pytest.param({ORIGIN: f"{PAGE}, {PAGE}"}, (False, False), id="two values"),
        pytest.param({ORIGIN: "https://other.example.com"}, (False, False), id="another origin"),
        pytest.param({ORIGIN: PAGE, ":status": "500"}, (True, False), id="status of an answer that is no preflight's"),
    ],
)
def test_answer_is_readable(answer: dict[str, str], expected: tuple[bool, bool]) -> None:
    assert passes(PlainFacts(origin=PAGE), answer) == expected


def test_null_page_reads_what_names_null() -> None:
    assert passes(PlainFacts(origin="null"), {ORIGIN: "null", CREDENTIALS: "true"}) == (True, True)


@pytest.mark.parametrize(
    ("method", "requested", "answer", "expected"),
    [
        pytest.param("GET", None, {}, (True, True), id="safelisted method needs no list"),
        pytest.param("get", None, {}, (False, False), id="methods have a case"),
        pytest.param("PUT", None, {}, (False, False), id="method without a list"),
        pytest.param("PUT", None, {METHODS: "GET, PUT"}, (True, True), id="listed method"),
        pytest.param("PUT", None, {METHODS: "put"}, (False, False), id="listed in another case"),
        pytest.param("PUT", None, {METHODS: "*"}, (True, False), id="any method, without credentials"),
        pytest.param("PUT", None, {METHODS: "PUT, a b"}, (False, False), id="list that cannot be read"),
        pytest.param("PUT", None, {METHODS: ",,PUT ,"}, (True, True), id="empty elements"),
        pytest.param("TRACE", None, {METHODS: "TRACE"}, (False, False), id="method that no browser sends"),
        pytest.param("", None, {METHODS: "*"}, (False, False), id="no method"),
        pytest.param("GET", "x-token", {HEADERS: "X-Token"}, (True, True), id="header in another case"),
        pytest.param("GET", "x-token", {}, (False, False), id="header without a list"),
        pytest.param("GET", "x-token,x-b", {HEADERS: "x-token"}, (False, False), id="one header of two"),
        pytest.param("GET", "x-token", {HEADERS: "*"}, (True, False), id="any header, without credentials"),
        pytest.param("GET", "authorization", {HEADERS: "*"}, (False, False), id="authorization is never meant by it"),
        pytest.param("GET", "authorization", {HEADERS: "*, Authorization"}, (True, True), id="authorization beside it"),
        pytest.param("GET", "a b", {HEADERS: "*"}, (False, False), id="header that no browser sends"),
        pytest.param("GET", "", {HEADERS: "x y"}, (False, False), id="list of headers that cannot be read"),
        pytest.param("GET", None, {":status": "405"}, (False, False), id="preflight without a 2xx"),
    ],
)
def test_preflight_passes(
    method: str, requested: str | None, answer: dict[str, str], expected: tuple[bool, bool]
) -> None:
    facts = PlainFacts(method="OPTIONS", origin=PAGE, requested_method=method, requested_headers=requested)
    assert passes(facts, {ORIGIN: PAGE, CREDENTIALS: "true", **answer}) == expected


@pytest.mark.parametrize(
    ("value", "without", "with_them"),
    [
        pytest.param("X-Total, x-next", {"x-total", "x-next"}, {"x-total", "x-next"}, id="names in any case"),
        pytest.param("Content-Type, x-total", {"x-total"}, {"x-total"}, id="what every page reads anyway"),
        pytest.param("Set-Cookie", set(), set(), id="what no page reads"),
        pytest.param("*", {"*"}, set(), id="all"),
        pytest.param("*, x-total", {"*"}, {"x-total"}, id="all, and a name"),
        pytest.param("x total", set(), set(), id="list that cannot be read"),
    ],
)
def test_page_reads_exposed_headers(value: str, without: set[str], with_them: set[str]) -> None:
    answer = {ORIGIN: PAGE, CREDENTIALS: "true", EXPOSED: value}
    facts = PlainFacts(origin=PAGE)
    assert read_answer(facts, answer, credentials=False).exposed == without
    assert read_answer(facts, answer, credentials=True).exposed == with_them


def test_page_that_is_refused_reads_no_header() -> None:
    assert read_answer(PlainFacts(origin=PAGE), {EXPOSED: "x-total"}, credentials=False).exposed == frozenset()
