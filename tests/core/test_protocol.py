"""The tables of the protocol, row by row, on the pure decision; ``tests/test_middleware.py`` runs them as requests."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.core.answers import UNGUARDED
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Decision, Kind, Mode, PlainFacts, Reason
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow
from django_cors_guard.core.protocol import decide, kind_of

NOW = 1_800_000_000.0
TRUSTED = "https://app.example.com"
REVOKED = "https://revoked.example.com"
EXPIRED = "https://expired.example.com"
STRANGER = "https://stranger.example.net"

GRANTS = (
    ("api", TRUSTED, None, False),
    ("api", REVOKED, None, True),
    ("api", EXPIRED, NOW - 1, False),
    ("api", "https://*.apps.example.org", None, False),
    ("api", "https://closed.apps.example.org", None, True),
    ("api", "https://over.apps.example.org", NOW - 1, False),
    ("api", "http://plain.example.com", None, False),
)
API = GroupRow(
    "api",
    allow_credentials=True,
    allow_methods=("GET", "PUT", "PROPFIND"),
    allow_headers=("content-type", "x-token"),
    expose_headers=("x-total",),
    max_age=0,
)
OPEN = GroupRow("open", any_origin=True, allow_methods=("GET",), allow_headers=("*",), expose_headers=("*",))


def policy_with(
    *groups: GroupRow, mode: Mode = Mode.ENFORCE, max_mode: Mode = Mode.BLOCK, known: bool = True
) -> Policy:
    rows = groups or (API, OPEN)
    environment = EnvironmentRow("production", mode=mode, allow_subdomain_patterns=True)
    routes = tuple(RouteRow(group.slug, f"/{group.slug}") for group in rows)
    source = PolicySource("production", environment if known else None, rows, routes, GRANTS, 7, "t")
    return compile_policy(source, max_mode=max_mode, now=NOW)


def ask(origin: str | None, *, policy: Policy | None = None, **facts: Any) -> Decision:
    plain = replace(PlainFacts(path="/api/x", origin=origin), **facts)
    return decide(plain, policy or policy_with(), NOW)


def preflight(origin: str, method: str = "PUT", headers: str | None = None, **facts: Any) -> Decision:
    return ask(origin, method="OPTIONS", requested_method=method, requested_headers=headers, **facts)


# --- who is trusted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        pytest.param(TRUSTED, Reason.TRUSTED, id="exact"),
        pytest.param(STRANGER, Reason.UNKNOWN_ORIGIN, id="unknown"),
        pytest.param(REVOKED, Reason.REVOKED, id="revoked"),
        pytest.param(EXPIRED, Reason.EXPIRED, id="expired"),
        pytest.param("https://a.apps.example.org", Reason.TRUSTED_PATTERN, id="pattern, one label"),
        pytest.param("https://a.b.apps.example.org", Reason.TRUSTED_PATTERN, id="pattern, two labels"),
        pytest.param("https://apps.example.org", Reason.UNKNOWN_ORIGIN, id="pattern's apex"),
        pytest.param("http://a.apps.example.org", Reason.UNKNOWN_ORIGIN, id="pattern, other scheme"),
        pytest.param("https://a.apps.example.org:8443", Reason.UNKNOWN_ORIGIN, id="pattern, other port"),
        pytest.param("https://evilapps.example.org", Reason.UNKNOWN_ORIGIN, id="pattern without the dot"),
        pytest.param("https://closed.apps.example.org", Reason.REVOKED, id="revoked row beats pattern"),
        pytest.param("https://over.apps.example.org", Reason.EXPIRED, id="expired row beats pattern"),
        pytest.param("http://plain.example.com", Reason.SWITCHED_OFF, id="breaks a switch that is off"),
        pytest.param("https://app.example.com.", Reason.UNKNOWN_ORIGIN, id="trailing dot"),
        pytest.param("https://app.example.com:443", Reason.UNKNOWN_ORIGIN, id="explicit default port"),
        pytest.param("https://APP.example.com", Reason.UNKNOWN_ORIGIN, id="upper case"),
        pytest.param("https://app.example.com.evil.com", Reason.UNKNOWN_ORIGIN, id="suffix attack"),
        pytest.param("null", Reason.NULL_ORIGIN, id="null"),
        pytest.param("", Reason.MALFORMED_ORIGIN, id="empty"),
        pytest.param(f"{TRUSTED}, {TRUSTED}", Reason.MALFORMED_ORIGIN, id="several headers"),
        pytest.param(f"{TRUSTED}\x00", Reason.MALFORMED_ORIGIN, id="control character"),
        pytest.param(f"{TRUSTED}\n", Reason.MALFORMED_ORIGIN, id="line feed"),
        pytest.param("https://äpp.example.com", Reason.MALFORMED_ORIGIN, id="not ASCII"),
        pytest.param("https://" + "a" * 600, Reason.MALFORMED_ORIGIN, id="more than 512 bytes"),
        pytest.param("app.example.com", Reason.MALFORMED_ORIGIN, id="no scheme"),
        pytest.param("https://", Reason.MALFORMED_ORIGIN, id="no host"),
    ],
)
def test_judge_origin_gives_reason(origin: str, reason: Reason) -> None:
    assert ask(origin).reason is reason


# --- mode enforce, rows 1 to 9 ----------------------------------------------------------------------------------------

READABLE = {"Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "x-total"}
VARY_PREFLIGHT = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")


def test_row_1_unguarded_path_is_left_alone() -> None:
    assert ask(STRANGER, path="/apix") is UNGUARDED
    assert ask(STRANGER, path="/API/x") is UNGUARDED


def test_row_2_no_origin_runs_view_and_varies() -> None:
    decision = ask(None)
    assert (decision.runs_view, decision.vary, decision.headers, decision.rejected) == (True, ("Origin",), (), None)


def test_row_3_same_origin_runs_view_and_records_nothing() -> None:
    decision = ask(STRANGER, same_origin=True)
    assert (decision.reason, decision.runs_view, decision.rejected) == (Reason.SAME_ORIGIN, True, None)
    assert (decision.vary, decision.echo_origin) == (("Origin",), False)


def test_row_3_preflight_of_own_origin_runs_view() -> None:
    assert preflight(STRANGER, same_origin=True).runs_view


def test_row_3_trusted_own_origin_keeps_its_headers_and_counts_no_use() -> None:
    decision = ask(TRUSTED, same_origin=True)
    assert (decision.echo_origin, dict(decision.headers), decision.used) == (True, READABLE, False)


def test_row_3_revoked_own_origin_is_not_blocked() -> None:
    assert ask(REVOKED, same_origin=True).runs_view


def test_row_4_trusted_gets_readable_response() -> None:
    decision = ask(TRUSTED)
    assert (decision.runs_view, decision.echo_origin, decision.used) == (True, True, True)
    assert dict(decision.headers) == READABLE
    assert decision.vary == ("Origin",)


def test_row_5_refused_runs_view_without_header_and_is_recorded() -> None:
    decision = ask(STRANGER)
    assert (decision.runs_view, decision.echo_origin, decision.headers) == (True, False, ())
    assert (decision.vary, decision.rejected) == (("Origin",), Reason.UNKNOWN_ORIGIN)


def test_row_5r_revoked_is_blocked_even_in_enforce() -> None:
    decision = ask(REVOKED)
    assert (decision.status, decision.problem) == (403, "origin_not_allowed")
    assert decision.vary == ("Origin", "Sec-Fetch-Site")


def test_row_6_preflight_allowed_is_answered_in_full() -> None:
    decision = preflight(TRUSTED, "PUT", "Content-Type, X-Token")
    assert (decision.status, decision.echo_origin, decision.vary) == (204, True, VARY_PREFLIGHT)
    assert dict(decision.headers) == {
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, PUT, PROPFIND",
        "Access-Control-Allow-Headers": "content-type, x-token",
        "Access-Control-Max-Age": "0",
    }
    assert decision.rejected is None


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        pytest.param("GET", None, None, id="listed"),
        pytest.param("POST", None, None, id="safelisted though not listed"),
        pytest.param("HEAD", None, None, id="HEAD though not listed"),
        pytest.param("PROPFIND", None, None, id="WebDAV"),
        pytest.param("DELETE", None, Reason.METHOD_NOT_ALLOWED, id="not listed"),
        pytest.param("put", None, Reason.METHOD_NOT_ALLOWED, id="case matters"),
        pytest.param("", None, Reason.METHOD_NOT_ALLOWED, id="empty method"),
        pytest.param("P" * 65, None, Reason.METHOD_NOT_ALLOWED, id="too long"),
        pytest.param("PUT X", None, Reason.METHOD_NOT_ALLOWED, id="no token"),
        pytest.param("TRACE", None, Reason.METHOD_NOT_ALLOWED, id="TRACE"),
        pytest.param("CONNECT", None, Reason.METHOD_NOT_ALLOWED, id="CONNECT"),
        pytest.param("track", None, Reason.METHOD_NOT_ALLOWED, id="track"),
        pytest.param("PUT", "X-TOKEN", None, id="header in upper case"),
        pytest.param("PUT", " x-token ,\tcontent-type,,x-token", None, id="repeats, white space, empty elements"),
        pytest.param("PUT", "x-token,x-other", Reason.HEADER_NOT_ALLOWED, id="header not listed"),
        pytest.param("PUT", ",".join(["x-token"] * 128), None, id="128 elements"),
        pytest.param("PUT", ",".join(["x-token"] * 129), Reason.HEADER_NOT_ALLOWED, id="129 elements"),
        pytest.param("PUT", "x-token" + " " * 4090, Reason.HEADER_NOT_ALLOWED, id="more than 4096 bytes"),
        pytest.param("DELETE", "x-other", Reason.METHOD_NOT_ALLOWED, id="method is named first"),
    ],
)
def test_rows_6_and_7_preflight_judges_method_and_headers(
    method: str, headers: str | None, reason: Reason | None
) -> None:
    decision = preflight(TRUSTED, method, headers)
    assert decision.rejected is reason
    assert decision.status == 204
    assert dict(decision.headers)["Access-Control-Allow-Methods"] == "GET, PUT, PROPFIND"
    assert dict(decision.headers)["Access-Control-Allow-Headers"] == "content-type, x-token"


@pytest.mark.parametrize("origin", [STRANGER, REVOKED, EXPIRED, "null", "nonsense"])
def test_row_8_preflight_refused_is_403_without_cors_header(origin: str) -> None:
    decision = preflight(origin)
    assert (decision.status, decision.echo_origin, decision.headers) == (403, False, ())
    assert decision.vary == VARY_PREFLIGHT
    assert decision.rejected is not None


@pytest.mark.parametrize("origin", [None, STRANGER, REVOKED, "null", "", "a b"])
def test_row_9_any_origin_is_a_star_for_everybody(origin: str | None) -> None:
    decision = ask(origin, path="/open/x")
    assert (decision.runs_view, decision.echo_origin, decision.vary) == (True, False, ())
    assert dict(decision.headers) == {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
    assert (decision.rejected, decision.used) == (None, False)


def test_row_9_preflight_of_any_origin_varies_on_the_request_headers_alone() -> None:
    decision = preflight(STRANGER, "GET", "x-anything", path="/open/x")
    assert (decision.status, decision.vary) == (204, VARY_PREFLIGHT[1:])
    assert dict(decision.headers)["Access-Control-Allow-Origin"] == "*"
    assert dict(decision.headers)["Access-Control-Allow-Headers"] == "*"


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"method": "OPTIONS", "requested_method": None}, id="OPTIONS without the request method"),
        pytest.param({"method": "GET", "requested_method": "PUT"}, id="GET with the request method"),
    ],
)
def test_class_of_half_a_preflight_is_an_actual_request(facts: dict[str, Any]) -> None:
    assert ask(TRUSTED, **facts).runs_view
    assert ask(TRUSTED, **facts).used


# --- star in lists ----------------------------------------------------------------------------------------------------


def answered(group: GroupRow, method: str, headers: str | None) -> tuple[Reason | None, dict[str, str]]:
    decision = preflight(TRUSTED, method, headers, policy=policy_with(group))
    return decision.rejected, dict(decision.headers)


def test_star_headers_without_credentials_are_a_star_but_for_authorization() -> None:
    group = GroupRow("api", allow_methods=("*",), allow_headers=("*",))
    rejected, headers = answered(group, "DELETE", "x-a,authorization")
    assert rejected is Reason.HEADER_NOT_ALLOWED
    assert headers["Access-Control-Allow-Headers"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "*"


def test_star_headers_without_credentials_list_authorization_beside_the_star() -> None:
    group = GroupRow("api", allow_methods=("*",), allow_headers=("*", "Authorization"))
    rejected, headers = answered(group, "DELETE", "x-a,authorization")
    assert rejected is None
    assert headers["Access-Control-Allow-Headers"] == "*, authorization"


def test_star_lists_with_credentials_name_what_was_asked_for() -> None:
    group = GroupRow("api", allow_credentials=True, allow_methods=("*",), allow_headers=("*",))
    rejected, headers = answered(group, "DELETE", "X-A, authorization")
    assert rejected is None
    assert headers["Access-Control-Allow-Headers"] == "x-a, authorization"
    assert headers["Access-Control-Allow-Methods"] == "DELETE"


def test_star_headers_with_credentials_drop_and_record_what_is_no_token() -> None:
    group = GroupRow("api", allow_credentials=True, allow_methods=("GET",), allow_headers=("*",))
    rejected, headers = answered(group, "GET", "x-a, x b, <script>")
    assert rejected is Reason.HEADER_NOT_ALLOWED
    assert headers["Access-Control-Allow-Headers"] == "x-a"


def test_star_methods_with_credentials_never_echo_a_forbidden_one() -> None:
    group = GroupRow("api", allow_credentials=True, allow_methods=("*",), allow_headers=())
    rejected, headers = answered(group, "TRACE", None)
    assert rejected is Reason.METHOD_NOT_ALLOWED
    assert "TRACE" not in "".join(headers.values())


# --- mode block -------------------------------------------------------------------------------------------------------


def test_block_refused_actual_is_403_before_the_view() -> None:
    decision = ask(STRANGER, policy=policy_with(mode=Mode.BLOCK))
    assert (decision.status, decision.problem, decision.headers) == (403, "origin_not_allowed", ())
    assert decision.vary == ("Origin", "Sec-Fetch-Site")


@pytest.mark.parametrize(
    ("method", "status"),
    [
        pytest.param("GET", 0, id="listed"),
        pytest.param("HEAD", 0, id="HEAD counts as GET"),
        pytest.param("OPTIONS", 0, id="OPTIONS is exempt"),
        pytest.param("DELETE", 403, id="not listed"),
        pytest.param("POST", 403, id="POST not listed"),
    ],
)
def test_block_trusted_origin_is_held_to_the_methods(method: str, status: int) -> None:
    decision = ask(TRUSTED, method=method, policy=policy_with(mode=Mode.BLOCK))
    assert decision.status == status
    assert (decision.echo_origin, dict(decision.headers)) == (True, READABLE)
    assert decision.problem == ("method_not_allowed" if status else "")


def test_block_any_origin_counts_as_trusted_and_is_held_to_the_methods() -> None:
    blocking = policy_with(mode=Mode.BLOCK)
    assert ask(STRANGER, path="/open/x", policy=blocking).runs_view
    refused = ask(STRANGER, path="/open/x", method="DELETE", policy=blocking)
    assert (refused.status, refused.problem) == (403, "method_not_allowed")
    assert dict(refused.headers)["Access-Control-Allow-Origin"] == "*"


def test_block_never_stops_no_origin_or_same_origin() -> None:
    blocking = policy_with(mode=Mode.BLOCK)
    assert ask(None, method="DELETE", policy=blocking).runs_view
    assert ask(STRANGER, method="DELETE", same_origin=True, policy=blocking).runs_view


# --- mode monitor -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [None, TRUSTED, STRANGER, REVOKED, "null", ""])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_monitor_adds_removes_and_answers_nothing(origin: str | None, method: str) -> None:
    for path in ("/api/x", "/open/x"):
        decision = ask(origin, path=path, method=method, requested_method="PUT", policy=policy_with(mode=Mode.MONITOR))
        assert decision.runs_view
        assert (decision.strip, decision.echo_origin, decision.headers, decision.vary) == (False, False, (), ())


def test_monitor_records_what_enforce_would_have_refused() -> None:
    watching = policy_with(mode=Mode.MONITOR)
    assert ask(STRANGER, policy=watching).rejected is Reason.UNKNOWN_ORIGIN
    assert preflight(TRUSTED, "DELETE", policy=watching).rejected is Reason.METHOD_NOT_ALLOWED
    assert ask(TRUSTED, method="DELETE", policy=watching).rejected is None


def test_monitor_preflight_that_names_a_method_stays_passive() -> None:
    group = GroupRow("api", allow_credentials=True, allow_methods=("*",), allow_headers=("*",))
    decision = preflight(TRUSTED, "DELETE", "x-a", policy=policy_with(group, mode=Mode.MONITOR))
    assert decision.headers == ()


def test_max_mode_is_a_brake() -> None:
    braked = policy_with(mode=Mode.BLOCK, max_mode=Mode.MONITOR)
    assert ask(STRANGER, policy=braked).runs_view
    assert ask(REVOKED, policy=braked).runs_view


# --- own paths, no usable policy --------------------------------------------------------------------------------------


def test_own_paths_trust_nobody_whatever_the_routes_say() -> None:
    everywhere = policy_with(GroupRow("api", any_origin=True), GroupRow("open"))
    decision = ask(TRUSTED, policy=everywhere, own_path=True)
    assert (decision.reason, decision.echo_origin, decision.headers) == (Reason.OWN_PATHS, False, ())
    assert preflight(TRUSTED, policy=everywhere, own_path=True).status == 403


def test_unknown_environment_keeps_routes_and_trusts_nobody() -> None:
    lost = policy_with(known=False)
    decision = ask(TRUSTED, policy=lost)
    assert (decision.reason, decision.strip, decision.runs_view) == (Reason.NO_POLICY, True, True)
    assert ask(TRUSTED, path="/open/x", policy=lost).headers == ()
    assert ask(TRUSTED, path="/other", policy=lost) is UNGUARDED


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.BLOCK])
def test_lapsed_policy_keeps_routes_and_lets_every_grant_go(mode: Mode) -> None:
    lapsed = policy_with(mode=mode).lapsed
    decision = ask(TRUSTED, policy=lapsed)
    assert (decision.reason, decision.runs_view, decision.headers) == (Reason.NO_POLICY, True, ())
    assert ask(STRANGER, path="/open/x", policy=lapsed).headers == ()
    assert ask("https://a.apps.example.org", policy=lapsed).reason is Reason.NO_POLICY
    assert preflight(TRUSTED, policy=lapsed).status == 403
    assert ask(REVOKED, policy=lapsed).status == 403, "an operator has said no, and that has not changed"


def test_lapsed_monitor_stays_passive() -> None:
    decision = ask(TRUSTED, policy=policy_with(mode=Mode.MONITOR).lapsed)
    assert (decision.strip, decision.vary) == (False, ())


def test_cold_start_sends_nothing_and_answers_preflights_with_503() -> None:
    def cold(origin: str | None, **facts: Any) -> Decision:
        return decide(replace(PlainFacts(path="/x", origin=origin), **facts), None, NOW)

    assert cold(TRUSTED, method="OPTIONS", requested_method="GET").status == 503
    for origin in (None, TRUSTED, "null"):
        decision = cold(origin)
        assert (decision.runs_view, decision.strip, decision.headers, decision.echo_origin) == (True, True, (), False)
    assert cold(TRUSTED).rejected is Reason.NO_POLICY
    assert cold(None).rejected is None
    assert cold(TRUSTED, same_origin=True).rejected is None


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fetch_mode", "kind"),
    [
        ("navigate", Kind.NAVIGATION),
        ("no-cors", Kind.NO_CORS),
        ("websocket", Kind.WEBSOCKET),
        ("cors", Kind.ACTUAL),
        (None, Kind.ACTUAL),
        ("anything <else>", Kind.ACTUAL),
    ],
)
def test_kind_of_actual_request_is_read_from_fetch_mode(fetch_mode: str | None, kind: Kind) -> None:
    assert kind_of(PlainFacts(origin=STRANGER), fetch_mode) is kind


def test_kind_of_preflight_is_preflight_whatever_fetch_mode_says() -> None:
    asked = PlainFacts(method="OPTIONS", origin=STRANGER, requested_method="GET")
    assert kind_of(asked, "navigate") is Kind.PREFLIGHT


# --- properties -------------------------------------------------------------------------------------------------------

MODES = st.sampled_from(list(Mode))
HOSTILE = st.one_of(
    st.text(max_size=600),
    st.sampled_from([TRUSTED, REVOKED, EXPIRED, STRANGER, "null", ""]),
    st.builds("{}{}".format, st.sampled_from([TRUSTED, "https://a.apps.example.org"]), st.text(max_size=3)),
)


@given(origin=HOSTILE, method=st.text(max_size=70), headers=st.text(max_size=300), mode=MODES, asked=st.booleans())
def test_decision_never_sends_a_refused_origin_or_raises(
    origin: str, method: str, headers: str, mode: Mode, asked: bool
) -> None:
    """A decision echoes nothing but origins that a grant lets in, and no other value of the sender unchecked."""
    policy = policy_with(mode=mode)
    decision = preflight(origin, method, headers, policy=policy) if asked else ask(origin, method=method, policy=policy)
    is_trusted = origin == TRUSTED or policy.groups["api"].judge_origin(origin, NOW) is Reason.TRUSTED_PATTERN
    sent = decision.response_headers(origin)
    if decision.echo_origin:
        assert is_trusted
    else:
        assert "Access-Control-Allow-Credentials" not in dict(sent)
        assert not origin or origin not in [value for name, value in sent if name != "Vary"]
    for _, value in sent:
        assert value.isascii()
        assert value.isprintable()


@given(origin=HOSTILE)
def test_unknown_origins_leave_the_policy_as_it_was(origin: str) -> None:
    policy = policy_with()
    before = dict(policy.groups["api"].grants), dict(policy.groups["api"].patterns)
    ask(origin, policy=policy)
    assert (dict(policy.groups["api"].grants), dict(policy.groups["api"].patterns)) == before
