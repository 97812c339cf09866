"""Isolation and the two headers of a group on the pure decision; ``tests/test_isolation.py`` sends them as requests."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.core.answers import COLD
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Decision, Isolation, Kind, Mode, PlainFacts, Reason
from django_cors_guard.core.group_checks import check_group
from django_cors_guard.core.isolation import FetchMetadata, is_cross_site, split_metadata
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow
from django_cors_guard.core.policy_file import FORMAT
from django_cors_guard.core.policy_files.values import from_plain
from django_cors_guard.core.protocol import decide, kind_of

NOW = 1_800_000_000.0
TRUSTED = "https://app.example.com"
REVOKED = "https://revoked.example.com"
STRANGER = "https://stranger.example.net"
ISOLATED = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
IMAGE: dict[str, Any] = {"fetch_site": "cross-site", "fetch_mode": "no-cors", "fetch_dest": "image"}
LINK = {"fetch_site": "cross-site", "fetch_mode": "navigate", "fetch_dest": "document"}


def compile_with(
    mode: Mode = Mode.ENFORCE, *, max_mode: Mode = Mode.BLOCK, known: bool = True, **fields: Any
) -> Policy:
    group = GroupRow("api", allow_methods=("GET",), **{"isolate": Isolation.ENFORCE, **fields})
    grants = [("api", TRUSTED, None, False), ("api", REVOKED, None, True)]
    environment = EnvironmentRow("production", mode=mode) if known else None
    source = PolicySource("production", environment, (group,), (RouteRow("api", "/api"),), grants, 7, "t")
    return compile_policy(source, max_mode=max_mode, now=NOW)


def ask(policy: Policy, *, origin: str | None = None, **facts: Any) -> Decision:
    return decide(replace(PlainFacts(path="/api/x", origin=origin), **facts), policy, NOW)


# --- which requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "site", "mode", "dest", "refused"),
    [
        pytest.param("GET", None, None, None, False, id="no browser, or an old one"),
        pytest.param("DELETE", None, "no-cors", "image", False, id="no site, whatever else"),
        pytest.param("GET", "", "no-cors", "image", False, id="a site that a proxy has blanked"),
        pytest.param("GET", "same-origin", "no-cors", "image", False, id="own page"),
        pytest.param("POST", "same-origin", "navigate", "document", False, id="own form"),
        pytest.param("GET", "same-site", "no-cors", "script", False, id="same site"),
        pytest.param("GET", "none", "navigate", "document", False, id="typed into the address bar"),
        pytest.param("GET", "cross-site", "navigate", "document", False, id="link"),
        pytest.param("HEAD", "cross-site", "navigate", "document", False, id="HEAD as GET"),
        pytest.param("GET", "cross-site", "navigate", None, False, id="link of a browser that names no destination"),
        pytest.param("GET", "cross-site", "navigate", "", False, id="link, destination blank"),
        pytest.param("GET", "cross-site", "navigate", "iframe", False, id="iframe"),
        pytest.param("GET", "cross-site", "navigate", "frame", False, id="frame"),
        pytest.param("GET", "cross-site", "nested-navigate", "iframe", False, id="iframe of an old Chromium"),
        pytest.param("GET", "cross-site", "navigate", "object", True, id="object"),
        pytest.param("GET", "cross-site", "navigate", "embed", True, id="embed"),
        pytest.param("GET", "cross-site", "navigate", "fencedframe", True, id="a destination that is not known"),
        pytest.param("POST", "cross-site", "navigate", "document", True, id="form that posts"),
        pytest.param("DELETE", "cross-site", "navigate", "document", True, id="navigation that deletes"),
        pytest.param("get", "cross-site", "navigate", "document", True, id="a method that is not GET"),
        pytest.param("GET", "cross-site", "no-cors", "image", True, id="image"),
        pytest.param("GET", "cross-site", "no-cors", "script", True, id="script"),
        pytest.param("GET", "cross-site", "no-cors", "style", True, id="style sheet"),
        pytest.param("GET", "cross-site", "no-cors", "video", True, id="video"),
        pytest.param("GET", "cross-site", "no-cors", "empty", True, id="fetch in mode no-cors"),
        pytest.param("HEAD", "cross-site", "no-cors", "empty", True, id="HEAD in mode no-cors"),
        pytest.param("GET", "cross-site", "cors", "empty", True, id="CORS whose Origin somebody took off"),
        pytest.param("OPTIONS", "cross-site", "no-cors", "empty", True, id="OPTIONS"),
        pytest.param("OPTIONS", None, None, None, False, id="OPTIONS of a tool"),
        pytest.param("GET", "cross-site", None, None, True, id="no mode"),
        pytest.param("GET", "cross-site", "websocket", "websocket", True, id="socket without Origin"),
        pytest.param("GET", "cross-site", "Navigate", "document", True, id="a mode that is not known"),
        pytest.param("GET", "cross-site", "navigate", "Document", True, id="a destination in upper case"),
        pytest.param("GET", "Same-Origin", "no-cors", "image", True, id="a site in upper case"),
        pytest.param("GET", "same-origin, same-origin", "no-cors", "image", True, id="several headers"),
        pytest.param("GET", "elsewhere", "no-cors", "image", True, id="a site that is not known"),
        pytest.param("GET", "elsewhere", "navigate", "document", False, id="link from a site that is not known"),
    ],
)
def test_cross_site_by_the_published_rules(
    method: str, site: str | None, mode: str | None, dest: str | None, refused: bool
) -> None:
    facts = PlainFacts(method=method, fetch_site=site, fetch_mode=mode, fetch_dest=dest)
    assert is_cross_site(facts) is refused
    decision = ask(compile_with(), method=method, fetch_site=site, fetch_mode=mode, fetch_dest=dest)
    assert (decision.rejected is Reason.CROSS_SITE, decision.status) == (refused, 403 if refused else 0)


VALUES = st.sampled_from(
    [None, "", "cross-site", "same-site", "none", "navigate", "no-cors", "document", "object", "é\x00"]
)


@given(method=st.text(max_size=8), site=VALUES, mode=st.text(max_size=20) | VALUES, dest=st.text(max_size=20) | VALUES)
def test_only_what_a_browser_says_of_another_site_is_refused_and_never_a_plain_link(
    method: str, site: str | None, mode: str | None, dest: str | None
) -> None:
    refused = is_cross_site(PlainFacts(method=method, fetch_site=site, fetch_mode=mode, fetch_dest=dest))
    if not site or site in {"same-origin", "same-site", "none"}:
        assert not refused
    elif not refused:
        assert method in {"GET", "HEAD"}
        assert mode in {"navigate", "nested-navigate"}
        assert dest not in {"object", "embed"}


@given(
    site=st.text(max_size=20) | VALUES,
    mode=st.text(max_size=20) | VALUES,
    origin=st.sampled_from([TRUSTED, REVOKED, STRANGER, "null", "nonsense"]),
    preflight=st.booleans(),
)
def test_what_has_an_origin_is_left_to_cors(site: str | None, mode: str | None, origin: str, preflight: bool) -> None:
    facts = {"method": "OPTIONS", "requested_method": "GET"} if preflight else {}
    plain, isolated = compile_with(isolate=Isolation.OFF), compile_with()
    there, here = (
        ask(policy, origin=origin, fetch_site=site, fetch_mode=mode, **facts) for policy in (plain, isolated)
    )
    assert (here.reason, here.status, here.rejected, here.headers) == (
        there.reason,
        there.status,
        there.rejected,
        there.headers,
    )


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(IMAGE, Reason.CROSS_SITE, id="image"),
        pytest.param(LINK, Reason.MALFORMED_ORIGIN, id="link"),
        pytest.param({}, Reason.MALFORMED_ORIGIN, id="no browser"),
        pytest.param({**IMAGE, "method": "OPTIONS", "requested_method": "GET"}, Reason.CROSS_SITE, id="preflight"),
    ],
)
def test_blank_origin_is_no_way_around_isolation(facts: dict[str, Any], reason: Reason) -> None:
    assert ask(compile_with(), origin="", **facts).rejected is reason
    plain = ask(compile_with(isolate=Isolation.OFF), origin="", **facts)
    assert plain.rejected is Reason.MALFORMED_ORIGIN


# --- what they get ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.BLOCK])
def test_enforced_isolation_answers_403_that_no_cache_hands_on(mode: Mode) -> None:
    decision = ask(compile_with(mode), **IMAGE)
    assert (decision.status, decision.problem, decision.mode) == (403, "cross_site", mode)
    assert decision.vary == ("Origin", *ISOLATED)
    assert (decision.echo_origin, decision.headers, decision.used) == (False, (), False)


def test_monitored_isolation_only_records() -> None:
    decision = ask(compile_with(isolate=Isolation.MONITOR), **IMAGE)
    assert (decision.runs_view, decision.rejected, decision.mode) == (True, Reason.CROSS_SITE, Mode.MONITOR)
    assert (decision.vary, decision.strip) == (("Origin",), True), "what the group enforces goes on"


@pytest.mark.parametrize("isolate", [Isolation.MONITOR, Isolation.ENFORCE])
@pytest.mark.parametrize(
    "place",
    [
        pytest.param({"mode": Mode.MONITOR}, id="mode monitor"),
        pytest.param({"mode": Mode.BLOCK, "max_mode": Mode.MONITOR}, id="MAX_MODE monitor"),
    ],
)
def test_group_that_monitors_only_records(place: dict[str, Any], isolate: Isolation) -> None:
    decision = ask(compile_with(isolate=isolate, cross_origin_resource_policy="same-origin", **place), **IMAGE)
    assert (decision.runs_view, decision.rejected, decision.mode) == (True, Reason.CROSS_SITE, Mode.MONITOR)
    assert (decision.vary, decision.strip, decision.headers, decision.dresses) == ((), False, (), False)


def test_without_isolation_nothing_is_asked() -> None:
    policy = compile_with(isolate=Isolation.OFF)
    assert policy.groups["api"].answers.cross_site is None
    assert ask(policy, **IMAGE).reason is Reason.NO_ORIGIN


@pytest.mark.parametrize(
    ("facts", "vary"),
    [
        pytest.param({}, ("Origin", *ISOLATED), id="no browser"),
        pytest.param(LINK, ("Origin", *ISOLATED), id="link"),
        pytest.param({"origin": TRUSTED}, ("Origin", *ISOLATED), id="trusted"),
        pytest.param({"origin": STRANGER}, ("Origin", *ISOLATED), id="refused"),
        pytest.param({"origin": REVOKED}, ("Origin", *ISOLATED), id="revoked"),
        pytest.param({"origin": STRANGER, "same_origin": True}, ("Origin", *ISOLATED), id="own page"),
        pytest.param(
            {"origin": TRUSTED, "method": "OPTIONS", "requested_method": "GET"},
            ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"),
            id="preflight, which no cache keeps",
        ),
    ],
)
def test_where_isolation_answers_responses_vary_on_what_it_asks(facts: dict[str, Any], vary: tuple[str, ...]) -> None:
    assert ask(compile_with(), **facts).vary == vary


def test_blocked_method_varies_too() -> None:
    assert ask(compile_with(Mode.BLOCK), origin=TRUSTED, method="POST").vary == ("Origin", *ISOLATED)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("no-cors", Kind.NO_CORS), ("navigate", Kind.NAVIGATION), ("cors", Kind.ACTUAL), (None, Kind.ACTUAL)],
)
def test_kind_is_that_of_the_fetch_mode(mode: str | None, kind: Kind) -> None:
    assert kind_of(PlainFacts(), mode) is kind


# --- without a usable policy ------------------------------------------------------------------------------------------


def test_isolation_needs_no_grants_so_it_stays_when_they_lapse() -> None:
    lapsed = compile_with().lapsed
    assert ask(lapsed, **IMAGE).status == 403
    assert ask(compile_with(Mode.MONITOR).lapsed, **IMAGE).runs_view


def test_isolation_holds_where_the_environment_has_no_row() -> None:
    assert ask(compile_with(known=False), **IMAGE).status == 403


def test_cold_start_isolates_nothing_since_what_is_guarded_is_not_known() -> None:
    assert decide(PlainFacts(path="/api/x", **IMAGE), None, NOW) is COLD


def test_own_paths_are_not_isolated() -> None:
    assert ask(compile_with(), own_path=True, **IMAGE).reason is Reason.NO_ORIGIN


# --- what a group must not say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"isolate": "perhaps"}, "unknown_isolation", id="unknown isolation"),
        pytest.param({"isolate": ""}, "unknown_isolation", id="blank isolation"),
        pytest.param({"isolate": None}, "unknown_isolation", id="no isolation"),
        pytest.param({"isolate": ["off"]}, "unknown_isolation", id="a list"),
        pytest.param({"isolate": "ENFORCE"}, "unknown_isolation", id="upper case"),
        pytest.param({"cross_origin_resource_policy": "anybody"}, "unknown_resource_policy", id="unknown policy"),
        pytest.param({"cross_origin_resource_policy": None}, "unknown_resource_policy", id="no policy"),
        pytest.param(
            {"cross_origin_resource_policy": "same-site\r\nX: 1"}, "unknown_resource_policy", id="two headers in one"
        ),
        pytest.param({"any_origin": True, "isolate": "enforce"}, "any_origin_isolated", id="any origin, isolated"),
        pytest.param({"any_origin": True, "isolate": "monitor"}, "any_origin_isolated", id="any origin, monitored"),
    ],
)
def test_group_that_says_what_makes_no_sense_refuses(fields: dict[str, Any], code: str) -> None:
    row = GroupRow("api", **fields)
    assert [fault.code for fault in check_group(row)] == [code]
    policy = compile_with(**fields)
    assert [left.problems[0].code for left in policy.left_out] == [code]
    decision = ask(policy, origin=TRUSTED)
    assert (decision.reason, decision.echo_origin, decision.headers) == (Reason.SWITCHED_OFF, False, ())


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"max_age": -1}, 403, id="known isolation stays"),
        pytest.param({"max_age": -1, "isolate": "off"}, 0, id="no isolation stays none"),
        pytest.param({"isolate": "perhaps"}, 403, id="unknown isolation is taken for the stricter"),
    ],
)
def test_malformed_group_goes_on_to_keep_other_sites_out(fields: dict[str, Any], status: int) -> None:
    policy = compile_with(**fields, cross_origin_resource_policy="same-site")
    decision = ask(policy, **IMAGE)
    assert decision.status == status
    assert decision.headers == (("Cross-Origin-Resource-Policy", "same-site"),)


# --- Cross-Origin-Resource-Policy -------------------------------------------------------------------------------------

PREFLIGHT = {"method": "OPTIONS", "requested_method": "GET"}
EVERY_REQUEST = [
    pytest.param({}, id="no origin"),
    pytest.param(IMAGE, id="isolated"),
    pytest.param({"origin": TRUSTED}, id="trusted"),
    pytest.param({"origin": STRANGER}, id="refused"),
    pytest.param({"origin": REVOKED}, id="revoked"),
    pytest.param({"origin": STRANGER, "same_origin": True}, id="own page"),
    pytest.param({"origin": TRUSTED, "same_origin": True}, id="own page, trusted"),
    pytest.param({"origin": TRUSTED, **PREFLIGHT}, id="preflight"),
    pytest.param({"origin": TRUSTED, "method": "OPTIONS", "requested_method": "PUT"}, id="preflight that fails"),
    pytest.param({"origin": STRANGER, **PREFLIGHT}, id="preflight refused"),
    pytest.param({"origin": TRUSTED, "method": "POST"}, id="method refused"),
]


@pytest.mark.parametrize("facts", EVERY_REQUEST)
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.BLOCK])
@pytest.mark.parametrize("value", ["same-origin", "same-site", "cross-origin"])
def test_resource_policy_is_on_every_response_of_the_group(facts: dict[str, Any], mode: Mode, value: str) -> None:
    decision = ask(compile_with(mode, cross_origin_resource_policy=value), **facts)
    assert dict(decision.response_headers(facts.get("origin")))["Cross-Origin-Resource-Policy"] == value


def test_resource_policy_is_also_on_what_any_origin_may_read() -> None:
    policy = compile_with(any_origin=True, isolate="off", cross_origin_resource_policy="cross-origin")
    for facts in ({}, {"origin": STRANGER}, {"origin": STRANGER, **PREFLIGHT}):
        headers = dict(ask(policy, **facts).response_headers(facts.get("origin")))
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert headers["Access-Control-Allow-Origin"] == "*"


# --- Timing-Allow-Origin ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        pytest.param({"origin": TRUSTED}, TRUSTED, id="trusted"),
        pytest.param({"origin": TRUSTED, "same_origin": True}, TRUSTED, id="trusted, own page"),
        pytest.param({"origin": TRUSTED, "method": "POST"}, TRUSTED, id="trusted, method refused"),
        pytest.param({}, None, id="no origin"),
        pytest.param({"origin": STRANGER}, None, id="refused"),
        pytest.param({"origin": REVOKED}, None, id="revoked"),
        pytest.param({"origin": "null"}, None, id="null"),
        pytest.param({"origin": STRANGER, "same_origin": True}, None, id="own page"),
        pytest.param({"origin": TRUSTED, **PREFLIGHT}, None, id="preflight"),
    ],
)
def test_timing_is_for_origins_that_are_trusted(facts: dict[str, Any], value: str | None) -> None:
    policy = compile_with(Mode.BLOCK, timing_allow_origin=True, isolate="off")
    assert dict(ask(policy, **facts).response_headers(facts.get("origin"))).get("Timing-Allow-Origin") == value


def test_timing_of_any_origin_is_a_star_for_everybody() -> None:
    policy = compile_with(timing_allow_origin=True, any_origin=True, isolate="off")
    for origin in (None, STRANGER, "null"):
        decision = ask(policy, origin=origin)
        assert dict(decision.headers)["Timing-Allow-Origin"] == "*"
        assert (decision.vary, decision.owns_timing) == ((), False)


def test_timing_is_not_spoken_of_unless_the_group_says_so() -> None:
    decision = ask(compile_with(isolate="off"), origin=TRUSTED)
    assert (decision.owns_timing, "Timing-Allow-Origin" in dict(decision.response_headers(TRUSTED))) == (False, False)
    assert not ask(compile_with(Mode.MONITOR, timing_allow_origin=True), origin=TRUSTED).owns_timing


# --- headers as they are named ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said", "names"),
    [
        pytest.param([], FetchMetadata(), (), id="nothing"),
        pytest.param(["Content-Type"], FetchMetadata(), ("content-type",), id="a name alone"),
        pytest.param(["X-A: 1", " X-B "], FetchMetadata(), ("x-a", "x-b"), id="values are dropped"),
        pytest.param(
            ["Sec-Fetch-Site: cross-site", "sec-fetch-mode:no-cors", "SEC-FETCH-DEST : image ", "x-a"],
            FetchMetadata("cross-site", "no-cors", "image"),
            ("x-a",),
            id="all three",
        ),
        pytest.param(["sec-fetch-site:"], FetchMetadata(""), (), id="a blank value"),
        pytest.param(["sec-fetch-site"], FetchMetadata(), ("sec-fetch-site",), id="no value"),
        pytest.param(["sec-fetch-site: a", "sec-fetch-site: b"], FetchMetadata("b"), (), id="the last counts"),
        pytest.param(["sec-fetch-site: " + "x" * 99], FetchMetadata("x" * 64), (), id="cut"),
        pytest.param(["sec-fetch-user: ?1", "", " : x"], FetchMetadata(), ("sec-fetch-user",), id="another one"),
    ],
)
def test_split_metadata(given: list[str], said: FetchMetadata, names: tuple[str, ...]) -> None:
    assert split_metadata(given) == (said, names)


# --- in a policy file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "read", "problems"),
    [
        pytest.param("off", "off", [], id="off"),
        pytest.param(False, "off", [], id="false, as YAML of old takes off"),
        pytest.param("enforce", "enforce", [], id="enforce"),
        pytest.param("perhaps", "perhaps", [], id="for the rules of API groups to refuse"),
        pytest.param(True, "off", ["expected_text"], id="true"),
        pytest.param(1, "off", ["expected_text"], id="number"),
    ],
)
def test_isolation_in_a_policy_file(said: Any, read: str, problems: list[str]) -> None:
    reading = from_plain({"format": FORMAT, "api_groups": {"api": {"isolate": said}}})
    assert reading.document.api_groups[0].isolate == read
    assert [found.problem.code for found in reading.findings] == problems
