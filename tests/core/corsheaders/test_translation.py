"""Settings of django-cors-headers become a policy document, line by line."""

import re
import time
from collections import UserList
from typing import Any

import pytest
from corsheaders import conf as theirs
from corsheaders import defaults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_guard.core.corsheaders import Line, Translation, Verdict, translate
from django_cors_guard.core.corsheaders import values as names
from django_cors_guard.core.policy import GroupRow, check_group
from tests.core.corsheaders.oracle import (
    answers_there,
    compile_document,
    find_trusted_there,
    guards_here,
    trusts_here,
    trusts_there,
)

EXAMPLE = "https://app.example.com"


def take(**given_settings: Any) -> Translation:
    return translate(given_settings, environment="production", group="api")


def lines_of(translation: Translation, setting: str) -> list[tuple[str, str, str, str]]:
    """The lines of one setting: value, verdict, code, detail."""
    return [
        (line.value, line.verdict.value, line.code, line.detail)
        for line in translation.lines
        if line.setting == setting
    ]


def only_line(translation: Translation, setting: str) -> Line:
    (line,) = [line for line in translation.lines if line.setting == setting]
    return line


def origins_of(translation: Translation) -> list[str]:
    return [grant.origin for grant in translation.document.trusted_origins]


def routes_of(translation: Translation) -> list[str]:
    return [route.path_prefix for route in translation.document.api_groups[0].routes]


def test_nothing_set_becomes_the_defaults_that_are_in_force_there() -> None:
    translation = take()

    (place,), (group,) = translation.document.environments, translation.document.api_groups
    assert (place.slug, place.mode, translation.is_whole) == ("production", "monitor", True)
    assert origins_of(translation) == []
    assert (group.allow_credentials, group.any_origin, group.trusted_for_csrf) == (False, False, False)
    assert group.allow_methods == defaults.default_methods
    assert group.allow_headers == defaults.default_headers
    assert (group.expose_headers, group.max_age) == ((), 86_400)
    assert routes_of(translation) == ["/"]
    assert all("default" in line.notes for line in translation.lines)


def test_defaults_are_those_of_the_installed_package() -> None:
    for name in names.NAMES:
        assert names.DEFAULTS[name] == getattr(theirs.Settings(), name), name


# --- origins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "verdict", "code", "stored"),
    [
        pytest.param(EXAMPLE, "took", "exact", EXAMPLE, id="as browsers send it"),
        pytest.param("https://app.example.com:8443", "took", "exact", "https://app.example.com:8443", id="port"),
        pytest.param("HTTPS://App.Example.com", "mended", "exact", EXAMPLE, id="case"),
        pytest.param("https://app.example.com/", "mended", "exact", EXAMPLE, id="slash"),
        pytest.param("https://app.example.com:443", "mended", "exact", EXAMPLE, id="default port"),
        pytest.param("https://bücher.example", "mended", "exact", "https://xn--bcher-kva.example", id="international"),
        pytest.param("https://app.example.com/login", "refused", "path", None, id="path"),
        pytest.param("app.example.com", "refused", "missing_scheme", None, id="no scheme"),
        pytest.param("null", "refused", "null_origin", None, id="null"),
        pytest.param("file://", "refused", "file_scheme", None, id="file"),
        pytest.param("*", "refused", "any_origin", None, id="star"),
        pytest.param("https://*.example.com", "refused", "pattern_in_list", None, id="a pattern never matched there"),
        pytest.param("http://app.example.com", "refused", "needs_insecure_http", None, id="http"),
        pytest.param("http://localhost:3000", "took", "exact", "http://localhost:3000", id="loopback"),
        pytest.param("capacitor://localhost", "took", "exact", "capacitor://localhost", id="custom scheme"),
        pytest.param(b"https://app.example.com", "refused", "wrong_type", None, id="bytes"),
        pytest.param(None, "refused", "wrong_type", None, id="None"),
    ],
)
def test_listed_origin_is_taken_mended_or_refused(origin: Any, verdict: str, code: str, stored: str | None) -> None:
    translation = take(CORS_ALLOWED_ORIGINS=[origin])

    line = only_line(translation, "CORS_ALLOWED_ORIGINS")
    assert (line.verdict.value, line.code) == (verdict, code)
    assert origins_of(translation) == ([stored] if stored else [])
    if stored:
        assert line.detail == stored
        assert trusts_here(compile_document(translation.document), stored)


@pytest.mark.parametrize(
    ("origin", "credentials", "asked", "on"),
    [
        pytest.param("http://localhost:3000", True, [], ["allow_loopback"], id="loopback"),
        pytest.param("capacitor://localhost", False, [], ["allow_custom_schemes"], id="app"),
        pytest.param("http://a.example.com", False, ["allow_insecure_http"], ["allow_insecure_http"], id="http"),
        pytest.param("http://a.example.com", True, ["allow_insecure_http"], None, id="http with credentials"),
        pytest.param(
            "http://a.example.com",
            True,
            ["allow_insecure_http", "allow_insecure_credentials"],
            ["allow_insecure_http", "allow_insecure_credentials"],
            id="http with credentials, asked for",
        ),
        pytest.param(EXAMPLE, True, ["allow_insecure_http"], [], id="asked for and not needed"),
    ],
)
def test_switches_are_on_where_an_origin_needs_them_and_dangerous_ones_only_if_asked_for(
    origin: str, credentials: bool, asked: list[str], on: list[str] | None
) -> None:
    translation = translate(
        {"CORS_ALLOWED_ORIGINS": [origin], "CORS_ALLOW_CREDENTIALS": credentials},
        environment="production",
        group="api",
        switches=asked,
    )

    place = translation.document.environments[0]
    switched = {name for name in place.__slots__ if name.startswith("allow_") and getattr(place, name)}
    assert switched == set(on or ())
    assert (origins_of(translation) == [origin]) is (on is not None)
    assert {line.value for line in translation.lines if line.code == "switch"} == switched


@pytest.mark.parametrize(
    "older",
    [
        pytest.param({"CORS_ORIGIN_WHITELIST": [EXAMPLE]}, id="origins"),
        pytest.param({"CORS_ORIGIN_REGEX_WHITELIST": [r"^https://app\.example\.com$"]}, id="regexes"),
    ],
)
def test_older_names_are_read(older: dict[str, Any]) -> None:
    translation = take(**older)
    assert origins_of(translation) == [EXAMPLE]
    assert only_line(translation, next(iter(older))).verdict is Verdict.TOOK


def test_newer_name_hides_the_older_one_as_it_does_there() -> None:
    settings_ = {"CORS_ALLOWED_ORIGINS": [EXAMPLE], "CORS_ORIGIN_WHITELIST": ["https://old.example.com"]}
    translation = take(**settings_)

    assert origins_of(translation) == [EXAMPLE]
    assert not trusts_there(settings_, "https://old.example.com")
    assert only_line(translation, "CORS_ORIGIN_WHITELIST").code == "hidden_by"


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, UserList])
def test_lists_of_any_kind_are_read(kind: Any) -> None:
    assert origins_of(take(CORS_ALLOWED_ORIGINS=kind([EXAMPLE]))) == [EXAMPLE]


# --- regular expressions ----------------------------------------------------------------------------------------------

SUBDOMAINS = "https://*.example.com"
LOCALHOST = "http://localhost:*"


@pytest.mark.parametrize(
    ("regex", "origins", "notes"),
    [
        pytest.param(r"^https://app\.example\.com$", [EXAMPLE], [], id="literal"),
        pytest.param(r"\Ahttps://app\.example\.com\Z", [EXAMPLE], [], id="other anchors"),
        pytest.param(r"https://app\.example\.com$", [EXAMPLE], [], id="match begins at the start anyway"),
        pytest.param(r"^https://app[.]example[.]com$", [EXAMPLE], [], id="dots in brackets"),
        pytest.param(re.compile(r"^HTTPS://APP\.example\.com$", re.IGNORECASE), [EXAMPLE], [], id="ignoring case"),
        pytest.param(r"(?i)^https://APP\.example\.com$", [EXAMPLE], [], id="ignoring case by a flag in it"),
        pytest.param(
            re.compile(r"^ https:// app \. example \. com $  # ours", re.VERBOSE), [EXAMPLE], [], id="verbose"
        ),
        pytest.param(r"^https://App\.example\.com$", [EXAMPLE], ["spelling"], id="capital that matched nothing"),
        pytest.param(r"^https://app.example.com$", [EXAMPLE], ["dot_open"], id="dots without backslash"),
        pytest.param(r"^https://app\.example\.com", [EXAMPLE], ["end_open"], id="no end"),
        pytest.param(r"^https://app\.example\.com.*$", [EXAMPLE], ["end_open"], id="anything behind"),
        pytest.param(r"^https://app\.example\.com/?$", [EXAMPLE], [], id="slash that no browser sends"),
        pytest.param(r"^https://(app|www)\.example\.com$", [EXAMPLE, "https://www.example.com"], [], id="alternatives"),
        pytest.param(
            r"^(?:https://app\.example\.com|https://b\.example\.com)$",
            [EXAMPLE, "https://b.example.com"],
            [],
            id="whole alternatives",
        ),
        pytest.param(
            r"^https://app[12]\.example\.com$",
            ["https://app1.example.com", "https://app2.example.com"],
            [],
            id="few characters are alternatives",
        ),
        pytest.param(
            r"^https://app\.example\.com(:8443)?$", [EXAMPLE, f"{EXAMPLE}:8443"], [], id="with and without a port"
        ),
        pytest.param(r"^https://.*\.example\.com$", [SUBDOMAINS], [], id="subdomains"),
        pytest.param(r"^https://.+\.example\.com$", [SUBDOMAINS], [], id="one or more"),
        pytest.param(r"^https://[\w.-]+\.example\.com$", [SUBDOMAINS], [], id="all that names are made of"),
        pytest.param(r"^https://([a-z0-9_-]+\.)+example\.com$", [SUBDOMAINS], [], id="labels with their dots"),
        pytest.param(
            r"^https://(.*\.)?example\.com$", [SUBDOMAINS, "https://example.com"], [], id="and the domain itself"
        ),
        pytest.param(
            r"^https://([a-z0-9_-]+\.)*example\.com$", [SUBDOMAINS, "https://example.com"], [], id="none or more labels"
        ),
        pytest.param(r"^https://.*\.example\.com:8443$", [f"{SUBDOMAINS}:8443"], [], id="subdomains with a port"),
        pytest.param(r"^https://[^.]+\.example\.com$", [SUBDOMAINS], ["one_label"], id="one label"),
        pytest.param(r"^https://\w+\.example\.com$", [SUBDOMAINS], ["alphabet", "one_label"], id="word characters"),
        pytest.param(
            r"^https://[a-z0-9-]+\.example\.com$", [SUBDOMAINS], ["alphabet", "one_label"], id="no underscore"
        ),
        pytest.param(r"^https://.*\.example.com", [SUBDOMAINS], ["dot_open", "end_open"], id="careless subdomains"),
        pytest.param(
            r"^https://.*example\.com$", [SUBDOMAINS, "https://example.com"], ["dot_missing"], id="dot missing"
        ),
        pytest.param(r"^http://localhost(:\d+)?$", [LOCALHOST], [], id="any port of this machine"),
        pytest.param(r"^http://localhost:\d+$", [LOCALHOST], ["bare_host"], id="any port, but one"),
        pytest.param(r"^http://localhost(:\d{4})?$", [LOCALHOST], ["port_counted"], id="ports of four digits"),
        pytest.param(r"^http://localhost", [LOCALHOST], ["end_open"], id="whatever begins with localhost"),
        pytest.param(
            r"^http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?$",
            ["http://127.0.0.1:*", "http://[::1]:*", LOCALHOST],
            [],
            id="three names of this machine",
        ),
    ],
)
def test_regex_that_means_origins_becomes_them(regex: Any, origins: list[str], notes: list[str]) -> None:
    translation = take(CORS_ALLOWED_ORIGIN_REGEXES=[regex])

    lines = [line for line in translation.lines if line.setting == "CORS_ALLOWED_ORIGIN_REGEXES"]
    assert origins_of(translation) == origins
    assert sorted(line.detail for line in lines) == origins
    assert sorted({note for line in lines for note in line.notes}) == notes
    assert {line.verdict.value for line in lines} == ({"mended"} if notes else {"took"})
    place = translation.document.environments[0]
    assert place.allow_subdomain_patterns == any("*." in origin for origin in origins)
    assert place.allow_loopback == any(origin.endswith(":*") for origin in origins)


@pytest.mark.parametrize(
    ("regex", "code"),
    [
        pytest.param(r".*", "regex_any_origin", id="anything"),
        pytest.param(r"", "regex_any_origin", id="empty matches anything"),
        pytest.param(r"^https://.*$", "regex_any_origin", id="any https"),
        pytest.param(r"^https://", "regex_any_origin", id="any https by no end"),
        pytest.param(r"^https", "regex_prefix", id="ends within the scheme"),
        pytest.param(r"^https://app", "regex_prefix", id="ends within the host"),
        pytest.param(r".*\.example\.com$", "regex_no_scheme", id="any scheme"),
        pytest.param(r"^https://.*\.com$", "pattern_base_short", id="half the internet"),
        pytest.param(r"^https://.*\.co\.uk$", "public_suffix", id="public suffix"),
        pytest.param(r"^https://.*\.github\.io$", "public_suffix", id="shared hosting"),
        pytest.param(r"^https://preview-\w+\.example\.com$", "regex_partial_label", id="part of a label"),
        pytest.param(r"^https://\w+example\.com$", "regex_partial_label", id="part of the domain"),
        pytest.param(r"^https://\d+\.example\.com$", "regex_class", id="digits alone"),
        pytest.param(r"^https://\w{3}\.example\.com$", "regex_counted", id="counted letters"),
        pytest.param(r"^https://.{1,63}\.example\.com$", "regex_counted", id="counted names"),
        pytest.param(r"^https://app\.example\.com:.*$", "regex_ports", id="any port but none"),
        pytest.param(r"(?i)^https://(?-i:APP)\.example\.com$", "regex_syntax", id="capitals alone"),
        pytest.param(r"(?i)^https://\u0130pp\.example\.com$", "regex_syntax", id="letter that folds in two ways"),
        pytest.param(r"^https://\w+\.\w+\.example\.com$", "regex_shape", id="two labels"),
        pytest.param(r"^https://app\.example\.com:\d+$", "regex_ports", id="any port of a real host"),
        pytest.param(r"^https://.*\.example\.com:\d+$", "regex_ports", id="any port of subdomains"),
        pytest.param(r"^http://127\.0\.0\.1:8\d{3}$", "regex_port_part", id="part of a port"),
        pytest.param(r"^chrome-extension://.*$", "regex_any_origin", id="any extension"),
        pytest.param(r"^https://(?!evil).*\.example\.com$", "regex_look_around", id="looks ahead"),
        pytest.param(r"^https://(\w+)-\1\.example\.com$", "regex_back_reference", id="refers back"),
        pytest.param(r"^https://\bapp\.example\.com$", "regex_syntax", id="word boundary"),
        pytest.param(r"^https://app$\.example\.com", "regex_anchor_inside", id="anchor inside"),
        pytest.param(r"^https://[a-j][a-j]\.example\.com$", "regex_too_many", id="a hundred alternatives"),
        pytest.param(r"^http://app\.example\.com$", "needs_insecure_http", id="http"),
        pytest.param(r"^(a+)+$", "regex_repeat", id="catastrophic: repeats in repeats"),
        pytest.param(r"^https://(a|aa)+\.example\.com$", "regex_repeat", id="catastrophic: overlapping choice"),
        pytest.param(r"^https://([a-z]+)*\.example\.com$", "regex_repeat", id="catastrophic: groups of runs"),
        pytest.param(r"^(.*a){40}$", "regex_repeat", id="catastrophic: counted"),
        pytest.param("(?:a?){64}" * 8, "regex_repeat", id="catastrophic: optional ones"),
        pytest.param("(" * 240 + ")" * 240, "regex_any_origin", id="deep"),
        pytest.param("a" * 501, "regex_too_long", id="long"),
        pytest.param("(", "regex_invalid", id="unbalanced"),
        pytest.param("a{99999999999999999999}", "regex_invalid", id="absurd count"),
        pytest.param(re.compile(b"^https://app"), "wrong_type", id="compiled of bytes"),
        pytest.param(None, "wrong_type", id="None"),
    ],
)
def test_regex_that_is_no_origin_is_refused_with_the_reason(regex: Any, code: str) -> None:
    started = time.monotonic()
    translation = take(CORS_ALLOWED_ORIGIN_REGEXES=[regex])

    assert only_line(translation, "CORS_ALLOWED_ORIGIN_REGEXES").code == code
    assert only_line(translation, "CORS_ALLOWED_ORIGIN_REGEXES").verdict is Verdict.REFUSED
    assert origins_of(translation) == []
    assert not translation.is_whole
    assert time.monotonic() - started < 2


def test_regex_that_matches_no_origin_is_only_noted() -> None:
    translation = take(CORS_ALLOWED_ORIGIN_REGEXES=[r"^app\.example\.com$"])
    assert only_line(translation, "CORS_ALLOWED_ORIGIN_REGEXES").verdict is Verdict.NOTED
    assert translation.is_whole


def test_regex_is_taken_in_part_where_only_some_alternatives_can_be() -> None:
    translation = take(CORS_ALLOWED_ORIGIN_REGEXES=[r"^https?://app\.example\.com$"])

    assert origins_of(translation) == [EXAMPLE]
    assert {(verdict, detail) for _, verdict, _, detail in lines_of(translation, "CORS_ALLOWED_ORIGIN_REGEXES")} == {
        ("took", EXAMPLE),
        ("refused", "http://app.example.com"),
    }


BEGINNINGS = ["^", "", r"\A"]
SCHEMES = ["https://", "https?://", "(https://)?", "[hH]ttps://", "http://"]
NAMES = [
    *["", r"app\.", r"\w+\.", r"[a-z0-9-]+\.", r".*\.", r".+\.", ".*", r"(\w+\.)?", r"(app|www)\.", r"([a-z-]+\.)+"],
    *[
        r"[^.]+\.",
        r"pre-\w+\.",
        r"a?pp\.",
        r"[A-Z]+\.",
        r"[\w.-]*",
        r"\S+\.",
        r"app.",
        r"([a-z0-9_-]+\.)*",
        r"a{1,3}\.",
    ],
]
DOMAINS = [r"example\.com", "example.com", r"Example\.com", r"example\.(com|net)", "localhost", r"127\.0\.0\.1"]
PORTS = ["", "", "", r":\d+", r"(:\d+)?", r":8\d{3}", "(:8443)?", "(:443)?", ":[0-9]{1,4}", ":?"]
ENDS = ["$", "$", r"\Z", "", ".*$", "/?$", "(/.*)?$", "$|x"]

SENT = [
    f"{scheme}{name}{domain}{port}"
    for scheme in ("https://", "http://")
    for name in ("", "app.", "www.", "a.b.", "x-1.", "x_1.", "pp.", "pre-x.", "evil", "q" * 63 + ".", "xapp.", "ä.")
    for domain in ("example.com", "example.net", "exampleXcom", "localhost", "127.0.0.1", "example.com.evil.net")
    for port in ("", ":8443", ":80", ":81", ":65535", ":3000")
]


@st.composite
def regexes(draw: st.DrawFn) -> Any:
    parts = (BEGINNINGS, SCHEMES, NAMES, DOMAINS, PORTS, ENDS)
    text = "".join(draw(st.sampled_from(part)) for part in parts)
    return re.compile(text, draw(st.sampled_from([0, 0, re.IGNORECASE])))


@given(regexes(), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_trusted_was_matched_there_unless_the_line_says_that_it_widens(
    regex: re.Pattern[str], credentials: bool
) -> None:
    theirs_ = {"CORS_ALLOWED_ORIGIN_REGEXES": [regex], "CORS_ALLOWED_ORIGINS": ["https://Fixed.example.com:8443"]}
    translation = translate(
        {**theirs_, "CORS_ALLOW_CREDENTIALS": credentials},
        environment="production",
        group="api",
        switches=["allow_insecure_http", "allow_insecure_credentials"],
    )
    widened = {line.detail for line in translation.lines if line.widens}
    policy = compile_document(translation.document)
    assert not policy.left_out
    narrow = compile_document(_without(translation, widened))
    assert {origin for origin in SENT if trusts_here(narrow, origin)} <= find_trusted_there(theirs_, SENT)
    assert all(_is_meant(origin) for origin in SENT if trusts_here(policy, origin))


def _without(translation: Translation, origins: set[str]) -> Any:
    document = translation.document
    kept = tuple(grant for grant in document.trusted_origins if grant.origin not in origins)
    return document.__class__(environments=document.environments, api_groups=document.api_groups, trusted_origins=kept)


def _is_meant(origin: str) -> bool:
    host = origin.partition("://")[2].partition(":")[0]
    apexes = ("example.com", "example.net", "localhost", "127.0.0.1")
    return any(host == apex or host.endswith(f".{apex}") for apex in apexes)


@given(st.text("^$.*+?()[]{}|\\w/:ab1-hts,<=!", max_size=30) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_regex_whatever_raises_or_becomes_a_grant_that_does_not_compile(text: str) -> None:
    translation = take(CORS_ALLOWED_ORIGIN_REGEXES=[text], CORS_URLS_REGEX=text)
    assert not compile_document(translation.document).left_out
    assert any(line.setting == "CORS_ALLOWED_ORIGIN_REGEXES" for line in translation.lines)


# --- what trusted pages may do ----------------------------------------------------------------------------------------


def test_any_origin_becomes_an_open_group_and_makes_the_lists_needless() -> None:
    translation = take(CORS_ALLOW_ALL_ORIGINS=True, CORS_ALLOWED_ORIGINS=[EXAMPLE])

    assert translation.document.api_groups[0].any_origin
    assert origins_of(translation) == []
    assert only_line(translation, "CORS_ALLOWED_ORIGINS").code == "needless"
    assert trusts_here(compile_document(translation.document), "https://stranger.example")


def test_any_origin_with_credentials_is_refused_and_the_list_still_taken() -> None:
    translation = take(CORS_ORIGIN_ALLOW_ALL=True, CORS_ALLOW_CREDENTIALS=True, CORS_ALLOWED_ORIGINS=[EXAMPLE])

    line = only_line(translation, "CORS_ORIGIN_ALLOW_ALL")
    assert (line.verdict, line.code) == (Verdict.REFUSED, "any_origin_with_credentials")
    group = translation.document.api_groups[0]
    assert (group.any_origin, group.allow_credentials, origins_of(translation)) == (False, True, [EXAMPLE])


@pytest.mark.parametrize(
    ("given_settings", "field", "expected", "verdict", "notes"),
    [
        pytest.param(
            {"CORS_ALLOW_METHODS": ["GET", "patch"]}, "allow_methods", ("GET", "PATCH"), "took", (), id="case"
        ),
        pytest.param(
            {"CORS_ALLOW_METHODS": ["GET", "TRACE"]}, "allow_methods", ("GET",), "mended", ("dropped",), id="forbidden"
        ),
        pytest.param({"CORS_ALLOW_METHODS": ["*"]}, "allow_methods", ("*",), "took", (), id="any method"),
        pytest.param(
            {"CORS_ALLOW_METHODS": ["*", "GET"], "CORS_ALLOW_CREDENTIALS": True},
            "allow_methods",
            ("GET",),
            "mended",
            ("star_with_credentials",),
            id="any method with credentials",
        ),
        pytest.param(
            {"CORS_ALLOW_HEADERS": ("X-Token", "x-token", "Accept")},
            "allow_headers",
            ("x-token", "accept"),
            "took",
            (),
            id="headers in lower case",
        ),
        pytest.param(
            {"CORS_ALLOW_HEADERS": ["cookie", "accept"]},
            "allow_headers",
            ("accept",),
            "mended",
            ("dropped",),
            id="header that browsers set",
        ),
        pytest.param(
            {"CORS_ALLOW_HEADERS": ["*"], "CORS_ALLOW_CREDENTIALS": True},
            "allow_headers",
            (),
            "mended",
            ("star_with_credentials",),
            id="any header with credentials",
        ),
        pytest.param({"CORS_EXPOSE_HEADERS": ["X-Page"]}, "expose_headers", ("X-Page",), "took", (), id="exposed"),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": 600}, "max_age", 600, "took", (), id="lifetime"),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": 0}, "max_age", 5, "took", ("max_age_unsaid",), id="no header sent"),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": None}, "max_age", 5, "took", ("max_age_unsaid",), id="None"),
        pytest.param(
            {"CORS_PREFLIGHT_MAX_AGE": 604_800},
            "max_age",
            86_400,
            "mended",
            ("cut_to_a_day", "max_age_long"),
            id="a week",
        ),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": -1}, "max_age", 600, "refused", (), id="negative lifetime"),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": "600"}, "max_age", 600, "refused", (), id="lifetime as text"),
        pytest.param({"CORS_PREFLIGHT_MAX_AGE": True}, "max_age", 600, "refused", (), id="lifetime as a switch"),
        pytest.param({"CORS_ALLOW_CREDENTIALS": True}, "allow_credentials", True, "took", (), id="credentials"),
        pytest.param({"CORS_ALLOW_CREDENTIALS": "False"}, "allow_credentials", False, "refused", (), id="a text"),
        pytest.param({"CORS_ALLOW_ALL_ORIGINS": 1}, "any_origin", False, "refused", (), id="a number"),
        pytest.param({"CORS_ALLOW_METHODS": "GET"}, "allow_methods", (), "refused", (), id="text for a list"),
        pytest.param({"CORS_ALLOW_HEADERS": None}, "allow_headers", (), "refused", (), id="None for a list"),
        pytest.param({"CORS_EXPOSE_HEADERS": {"a": 1}}, "expose_headers", (), "refused", (), id="dict for a list"),
        pytest.param({"CORS_EXPOSE_HEADERS": ["a b"]}, "expose_headers", (), "refused", (), id="no name"),
    ],
)
def test_rules_become_those_of_the_group(
    given_settings: dict[str, Any], field: str, expected: Any, verdict: str, notes: tuple[str, ...]
) -> None:
    translation = take(**given_settings)

    line = only_line(translation, next(iter(given_settings)))
    assert getattr(translation.document.api_groups[0], field) == expected
    assert (line.verdict.value, line.notes) == (verdict, notes)
    assert not compile_document(translation.document).left_out


def test_what_has_no_counterpart_is_said() -> None:
    translation = translate(
        {"CORS_ALLOW_PRIVATE_NETWORK": True, "CORS_MODEL": "x.Y", "CORS_ALOW_HEADERS": ["a"]},
        environment="production",
        group="api",
        receivers=["shop.cors.allow_partners"],
    )

    told = {(line.setting, line.verdict.value, line.code) for line in translation.lines if "default" not in line.notes}
    assert told == {
        ("CORS_ALLOW_PRIVATE_NETWORK", "refused", "private_network"),
        ("CORS_MODEL", "noted", "not_read"),
        ("CORS_ALOW_HEADERS", "noted", "not_read"),
        ("check_request_enabled", "refused", "receiver"),
    }


SETTING_NAMES = st.sampled_from(sorted({*names.NAMES, *names.OLDER_NAMES.values(), names.CSRF, "CORS_MODEL"}))
ANYTHING = st.recursive(
    st.one_of(
        *[st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=10)],
        st.sampled_from([EXAMPLE, "*", "null", "GET", "x-token", r"^https://.*\.example\.com$", "^/api/"]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(SETTING_NAMES, ANYTHING, max_size=6))
@settings(max_examples=300, deadline=None)
def test_settings_of_any_type_never_raise_and_give_a_document_that_compiles(given_settings: dict[str, Any]) -> None:
    translation = take(**given_settings)

    assert not compile_document(translation.document).left_out
    group = translation.document.api_groups[0]
    row = GroupRow("api", group.any_origin, group.allow_credentials, group.allow_methods, group.allow_headers)
    assert check_group(row) == ()
    assert all(line.value.isprintable() and len(line.value) <= 255 for line in translation.lines)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("name", sorted(names.NAMES | {names.CSRF, "CORS_MODEL"}))
def test_objects_that_cannot_be_shown_are_named_by_their_type(name: str) -> None:
    for value in (Hostile(), [Hostile()], {Hostile()}):
        told = [line for line in take(**{name: value}).lines if line.setting == name and "default" not in line.notes]
        assert told
        assert all("<Hostile>" in line.value or "<list>" in line.value or "<set>" in line.value for line in told)


# --- paths ------------------------------------------------------------------------------------------------------------

PATHS = [
    *["/", "/api", "/api/", "/api/x", "/apix", "/api/v1/x", "/api/v2/x", "/API/x", "/v2", "/v2/x", "/v2x"],
    *["/graphql", "/graphql/", "/graphql/x", "/graphqlx", "/admin/", "/api/v1.0/", "/api/v1X0/"],
]


@pytest.mark.parametrize(
    ("regex", "routes", "notes"),
    [
        pytest.param(r"^.*$", ["/"], [], id="all"),
        pytest.param(r"^/.*$", ["/"], [], id="all below the root"),
        pytest.param(r"", ["/"], [], id="empty"),
        pytest.param(r"^/api/.*$", ["/api"], ["path_itself"], id="usual"),
        pytest.param(r"^/api/", ["/api"], ["path_itself"], id="no end"),
        pytest.param(r"/api/.+", ["/api"], ["path_itself"], id="no beginning"),
        pytest.param(r"^/(api|v2)/.*$", ["/api", "/v2"], ["path_itself"], id="two"),
        pytest.param(r"^/api(/.*)?$", ["/api"], [], id="just our segments"),
        pytest.param(r"^/api", ["/api"], ["segment"], id="no slash"),
        pytest.param(r"^/api.*$", ["/api"], ["segment"], id="no slash, anything behind"),
        pytest.param(r"^/graphql/?$", ["/graphql"], ["paths_below"], id="one path"),
        pytest.param(r"^/api/v[12]/", ["/api/v1", "/api/v2"], ["path_itself"], id="few characters"),
        pytest.param(r"^/api/v1.0/", ["/api/v1.0"], ["dot_open", "path_itself"], id="dot"),
        pytest.param(re.compile("^/api/", re.IGNORECASE), ["/api"], ["path_case", "path_itself"], id="no case"),
        pytest.param(r"^/(?!admin).*$", [], None, id="looks ahead"),
        pytest.param(r"^/api/v\d+/.*$", [], None, id="runs inside"),
        pytest.param(r"^.*/api/.*$", [], None, id="anything before"),
        pytest.param(r"^/(api/.*|v\d+/.*)$", [], None, id="half of it"),
        pytest.param(r"^api/", [], None, id="never matches a path"),
        pytest.param(r"^$", [], None, id="never matches"),
        pytest.param(r"^/a%20b/", [], None, id="no plain path"),
        pytest.param(r"(", [], None, id="invalid"),
        pytest.param(None, [], None, id="None"),
    ],
)
def test_urls_regex_becomes_routes_where_it_is_a_prefix(regex: Any, routes: list[str], notes: list[str] | None) -> None:
    translation = take(CORS_URLS_REGEX=regex)

    lines = [line for line in translation.lines if line.setting == "CORS_URLS_REGEX"]
    assert routes_of(translation) == routes
    if notes is None:
        assert [line.verdict for line in lines] == [Verdict.REFUSED]
        return
    assert sorted(line.detail for line in lines) == routes
    assert sorted({note for line in lines for note in line.notes}) == notes
    policy = compile_document(translation.document)
    told = set(notes)
    for path in PATHS:
        ours, there = guards_here(policy, path), answers_there({"CORS_URLS_REGEX": regex}, path)
        assert ours <= there or told & {"path_itself", "paths_below"}, path
        assert there <= ours or told & {"segment", "dot_open", "path_case"}, path


@given(
    st.sampled_from(["^", ""]),
    st.sampled_from(["", "/", "/api", "/(api|v2)", "/api/v[12]", "/api?", "(/api)?", "/.*", "/[^/]+", "/graphql"]),
    st.sampled_from(["", "/", "/.*", "/.+", ".*", "/?", "(/.*)?", "/v1.0/", "(/|$)"]),
    st.sampled_from(["", "$", r"\Z"]),
    st.sampled_from([0, re.IGNORECASE]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_guarded_was_matched_there_unless_the_line_says_that_it_widens(
    begin: str, path: str, tail: str, end: str, flags: int
) -> None:
    regex = re.compile(begin + path + tail + end, flags)
    translation = take(CORS_URLS_REGEX=regex)
    policy = compile_document(translation.document)
    lines = [line for line in translation.lines if line.setting == "CORS_URLS_REGEX"]
    notes = {note for line in lines for note in line.notes}
    refused = any(line.verdict is Verdict.REFUSED for line in lines)
    assert refused is not bool(routes_of(translation))
    for sent in PATHS:
        ours, there = guards_here(policy, sent), answers_there({"CORS_URLS_REGEX": regex}, sent)
        assert ours <= there or notes & {"path_itself", "paths_below"}, sent
        assert refused or there <= ours or notes & {"segment", "dot_open", "path_case"}, sent


def test_named_paths_take_the_place_of_the_regex() -> None:
    translation = translate(
        {"CORS_URLS_REGEX": r"^/(?!admin).*$"}, environment="production", group="api", paths=["/api", "/v2"]
    )
    assert routes_of(translation) == ["/api", "/v2"]
    assert translation.is_whole


# --- CSRF -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("csrf", "origins", "credentials", "trusted", "told"),
    [
        pytest.param([EXAMPLE], [EXAMPLE], True, True, {"csrf"}, id="the same list"),
        pytest.param([EXAMPLE], [EXAMPLE], False, False, {"csrf_without_credentials"}, id="no credentials"),
        pytest.param(
            [EXAMPLE], [EXAMPLE, "https://b.example.com"], True, False, {"csrf_not_for_all"}, id="one is missing"
        ),
        pytest.param(
            [EXAMPLE, "https://sso.example.net"], [EXAMPLE], True, True, {"csrf", "csrf_stays"}, id="one more"
        ),
        pytest.param(["https://*.example.com"], [EXAMPLE], True, True, {"csrf_stays"}, id="a wildcard covers it"),
        pytest.param(
            ["https://*.example.com:8443"], [EXAMPLE], True, False, {"csrf_not_for_all", "csrf_stays"}, id="other port"
        ),
        pytest.param(["https://sso.example.net"], [], True, False, {"csrf_stays"}, id="no origins"),
        pytest.param([], [EXAMPLE], True, False, set(), id="no CSRF origins"),
        pytest.param([3], [EXAMPLE], True, False, {"csrf_unread"}, id="no text"),
    ],
)
def test_csrf_is_taken_only_where_it_widens_nothing(
    csrf: list[Any], origins: list[str], credentials: bool, trusted: bool, told: set[str]
) -> None:
    translation = take(CSRF_TRUSTED_ORIGINS=csrf, CORS_ALLOWED_ORIGINS=origins, CORS_ALLOW_CREDENTIALS=credentials)

    assert translation.document.api_groups[0].trusted_for_csrf is trusted
    assert origins_of(translation) == sorted(origins)
    assert {line.code for line in translation.lines if line.setting == "CSRF_TRUSTED_ORIGINS"} == told
    assert translation.is_whole
