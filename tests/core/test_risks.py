"""Risks: what an operator is warned of, and what not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from django_cors_guard.core.likeness import MAX_LOOK_ALIKES, is_look_alike
from django_cors_guard.core.origins import OriginRules, Problem, parse_canonical, parse_origin
from django_cors_guard.core.risks import RiskCode, Severity, find_risks, severity_of
from tests.core.strategies import NEARLY_ORIGINS, PLAIN_HOSTS

RULES = OriginRules()


def risks_of(text: str, rules: OriginRules = RULES, trusted: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    origin = parse_canonical(text)
    assert origin is not None
    problems = find_risks(origin, rules=rules, trusted=trusted)
    assert all(problem.value == text for problem in problems)
    return [(problem.code, problem.detail) for problem in problems]


SINGLE_ORIGINS = [
    pytest.param("https://app.example.com", [], id="https"),
    pytest.param("https://intranet", [], id="single label"),
    pytest.param("http://app.example.com", [("insecure_http", "")], id="http"),
    pytest.param("http://localhost:3000", [("loopback", "")], id="localhost"),
    pytest.param("http://127.0.0.1", [("loopback", "")], id="loopback address"),
    pytest.param("https://10.0.0.1", [("ip_address", "")], id="IPv4"),
    pytest.param("http://[2001:db8::1]", [("insecure_http", ""), ("ip_address", "")], id="IPv6 over http"),
    pytest.param("https://foo.github.io", [("shared_hosting", "github.io")], id="hosting company"),
    pytest.param("https://a.foo.github.io", [("shared_hosting", "github.io")], id="below a customer of it"),
    pytest.param("https://github.io", [("shared_hosting", "github.io")], id="the hosting company itself"),
    pytest.param("https://shop.example.co.uk", [], id="registry suffix"),
    pytest.param("https://amazonaws.com", [], id="exact parent of hosting suffixes"),
    pytest.param("https://*.example.com", [("pattern", "subdomains")], id="subdomains"),
    pytest.param("http://localhost:*", [("pattern", "loopback_ports"), ("loopback", "")], id="ports"),
    pytest.param(
        "https://*.me.github.io", [("pattern", "subdomains"), ("shared_hosting", "github.io")], id="subdomains, hosting"
    ),
    pytest.param("capacitor://localhost", [("custom_scheme", "capacitor")], id="custom scheme"),
    pytest.param("app://foo.github.io", [("custom_scheme", "app")], id="custom scheme with a name"),
    pytest.param("https://xn--bcher-kva.de", [("punycode", "https://bücher.de")], id="international name"),
    pytest.param(
        "https://xn--80ak6aa92e.com", [("punycode", "https://\u0430\u0440\u0440\u04cf\u0435.com")], id="all Cyrillic"
    ),
    pytest.param(
        "https://xn--pple-43d.com",
        [("punycode", "https://\u0430pple.com"), ("mixed_script", "https://\u0430pple.com")],
        id="one Cyrillic letter",
    ),
    pytest.param(
        "https://xn--abc-wl4bpjwc621zmo2b.jp", [("punycode", "https://東京abcタワー.jp")], id="Japanese mixes its own"
    ),
]


@pytest.mark.parametrize(("text", "risks"), SINGLE_ORIGINS)
def test_find_risks_origin_has_exactly_its_risks(text: str, risks: list[tuple[str, str]]) -> None:
    assert risks_of(text) == risks


def test_find_risks_pattern_above_hosting_suffixes_names_one_of_them() -> None:
    kind, hosting = risks_of("https://*.amazonaws.com")

    assert kind == ("pattern", "subdomains")
    assert hosting[0] == "shared_hosting"
    assert hosting[1].endswith(".amazonaws.com")


def test_find_risks_credentialed_group_is_a_risk() -> None:
    assert risks_of("https://app.example.com", OriginRules(credentials=True)) == [("credentials", "")]


@pytest.mark.parametrize(
    ("text", "trusted"),
    [
        pytest.param("https://examp1e.com", "https://example.com", id="one for l"),
        pytest.param("https://app.examp1e.com:8443", "https://www.example.com", id="other subdomain and port"),
        pytest.param("https://exarnple.com", "https://example.com", id="rn for m"),
        pytest.param("https://exmaple.com", "https://example.com", id="swapped letters"),
        pytest.param("https://exampl.com", "https://example.com", id="missing letter"),
        pytest.param("https://example.co", "https://example.com", id="missing letter at the end"),
        pytest.param("https://examples.com", "https://example.com", id="one letter more"),
        pytest.param("https://my-example.com", "https://myexample.com", id="hyphen"),
        pytest.param("https://xn--80ak6aa92e.com", "https://apple.com", id="Cyrillic"),
        pytest.param("https://xn--exmple-cua.com", "https://example.com", id="accent"),
        pytest.param("https://example.com.evil.net", "https://example.com", id="trusted domain in front"),
        pytest.param("https://app.example.com.evil.net", "https://app.example.com", id="trusted host in front"),
        pytest.param("https://example.com", "https://example.com.evil.net", id="the other way round"),
        pytest.param("https://app-example.com", "https://app.example.com", id="hyphen for a dot"),
        pytest.param("https://f00bar.github.io", "https://foobar.github.io", id="another customer of one host"),
        pytest.param("https://examp1e.com", "https://*.example.com:8443", id="of a pattern"),
        pytest.param("https://app-example.com", "https://*.app.example.com", id="hyphen for a dot, of a pattern"),
        pytest.param("https://*.examp1e.com", "https://example.com", id="a pattern"),
        pytest.param("http://examp1e.com", "https://example.com", id="other scheme"),
    ],
)
def test_find_risks_look_alike_of_a_trusted_origin_names_it(text: str, trusted: str) -> None:
    risks = risks_of(text, trusted=("https://unrelated.test", trusted))

    assert [detail for code, detail in risks if code == RiskCode.LOOK_ALIKE] == [trusted]


@pytest.mark.parametrize(
    ("text", "trusted"),
    [
        pytest.param("https://example.com", "https://example.com", id="itself"),
        pytest.param("http://example.com:81", "https://example.com", id="other scheme and port"),
        pytest.param("https://app1.example.com", "https://appl.example.com", id="one owner's subdomains"),
        pytest.param("https://example.com", "https://*.example.com", id="one owner's pattern"),
        pytest.param("https://example.com.au", "https://example.com", id="other national ending"),
        pytest.param("https://example.org", "https://example.com", id="other ending"),
        pytest.param("https://abc.com", "https://abd.com", id="short names"),
        pytest.param("https://sample.com", "https://example.com", id="other name"),
        pytest.param("https://10.0.0.1", "https://10.0.0.2", id="addresses"),
        pytest.param("https://localhost", "https://localhosts", id="loopback"),
        pytest.param("https://[2001:db8::1]:81", "https://[2001:db8::2]:81", id="IPv6"),
        pytest.param("app://examp1e.com", "https://example.com", id="custom scheme"),
        pytest.param("https://examp1e.com", "app://example.com", id="of a custom scheme"),
    ],
)
def test_find_risks_unlike_origin_is_no_look_alike(text: str, trusted: str) -> None:
    assert RiskCode.LOOK_ALIKE not in [code for code, _ in risks_of(text, trusted=(trusted,))]


def test_find_risks_many_look_alikes_are_cut() -> None:
    trusted = tuple(f"https://app{number}.example.com" for number in range(100))

    risks = risks_of("https://examp1e.com", trusted=trusted)

    assert risks == [("look_alike", text) for text in trusted[:MAX_LOOK_ALIKES]]


def test_find_risks_shows_every_code_somewhere() -> None:
    shown = {code for row in SINGLE_ORIGINS for code, _ in row.values[1]}  # type: ignore[union-attr]

    # These two have tests of their own, above.
    assert shown | {RiskCode.CREDENTIALS, RiskCode.LOOK_ALIKE} == set(RiskCode)


@pytest.mark.parametrize(
    ("code", "detail", "plain", "with_credentials", "in_protected"),
    [
        pytest.param("insecure_http", "", 3, 3, 3, id="http"),
        pytest.param("look_alike", "https://example.com", 3, 3, 3, id="look-alike"),
        pytest.param("mixed_script", "x", 3, 3, 3, id="mixed script"),
        pytest.param("pattern", "subdomains", 3, 3, 3, id="subdomains"),
        pytest.param("pattern", "loopback_ports", 2, 2, 2, id="ports"),
        pytest.param("loopback", "", 2, 2, 3, id="loopback"),
        pytest.param("custom_scheme", "app", 2, 3, 2, id="custom scheme"),
        pytest.param("ip_address", "", 2, 3, 2, id="address"),
        pytest.param("shared_hosting", "github.io", 2, 3, 2, id="hosting"),
        pytest.param("credentials", "", 1, 1, 1, id="credentials"),
        pytest.param("punycode", "x", 1, 1, 1, id="punycode"),
    ],
)
def test_severity_of_a_risk_hangs_on_the_place(
    code: str, detail: str, plain: int, with_credentials: int, in_protected: int
) -> None:
    risk = Problem(code, "https://app.example.com", detail)

    assert code in set(RiskCode)
    assert severity_of(risk) == plain
    assert severity_of(risk, credentials=True) == with_credentials
    assert severity_of(risk, protected=True) == in_protected


def test_severity_of_the_daily_case_asks_for_no_reading() -> None:
    assert severity_of(Problem("credentials", ""), credentials=True, protected=True) < Severity.SERIOUS


@settings(max_examples=200, deadline=None)
@given(NEARLY_ORIGINS)
def test_find_risks_any_accepted_origin_gives_problems(text: str) -> None:
    origin = parse_origin(text).origin

    if origin is not None:
        risks = find_risks(origin, rules=RULES, trusted=[origin.text, "https://example.com", "not an origin", ""])
        assert all(risk.code in set(RiskCode) for risk in risks)
        assert Problem("look_alike", origin.text, origin.text) not in risks


@settings(max_examples=200, deadline=None)
@given(PLAIN_HOSTS, PLAIN_HOSTS)
def test_is_look_alike_any_two_hosts_is_symmetric(host: str, other: str) -> None:
    assert is_look_alike(host, other) == is_look_alike(other, host)
    assert not is_look_alike(host, host)
