"""The table of handshakes, row by row, on the pure decision; ``tests/test_channels.py`` runs them as sockets."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Mode, PlainFacts, Reason
from django_cors_guard.core.handshakes import (
    COLD,
    NO_ORIGIN,
    OWN_ORIGIN,
    Handshake,
    decide_handshake,
    ends_socket,
    find_group,
    holds_until,
)
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow

NOW = 1_800_000_000.0
TRUSTED = "https://app.example.com"
REVOKED = "https://revoked.example.com"
EXPIRED = "https://expired.example.com"
SOON_OVER = "https://soon.example.com"
STRANGER = "https://stranger.example.net"
PATTERN = "https://*.apps.example.org"
PREVIEW = "https://a.apps.example.org"
SWITCHED_OFF = "http://plain.example.com"

GROUPS = (
    GroupRow("billing", allow_credentials=True),
    GroupRow("public"),
    GroupRow("open", any_origin=True),
    GroupRow("watched", allow_credentials=False),
)
GRANTS = tuple(
    (group, *grant)
    for group in ("billing", "public", "watched")
    for grant in (
        (TRUSTED, None, False),
        (REVOKED, None, True),
        (EXPIRED, NOW - 1, False),
        (SOON_OVER, NOW + 60, False),
        (PATTERN, None, False),
        (SWITCHED_OFF, None, False),
    )
)


def policy_with(
    mode: Mode = Mode.ENFORCE, *, max_mode: Mode = Mode.BLOCK, known: bool = True, grants: Any = GRANTS
) -> Policy:
    environment = EnvironmentRow("production", mode=mode, allow_subdomain_patterns=True)
    groups = tuple(replace(group, mode="monitor") if group.slug == "watched" else group for group in GROUPS)
    routes = tuple(RouteRow(group.slug, f"/{group.slug}") for group in GROUPS)
    source = PolicySource("production", environment if known else None, groups, routes, grants, 7, "t")
    return compile_policy(source, max_mode=max_mode, now=NOW)


POLICY = policy_with()


def shake(origin: str | None, path: str = "/billing/ws", *, policy: Policy | None = POLICY, **facts: Any) -> Handshake:
    return decide_handshake(replace(PlainFacts(path=path, origin=origin), **facts), policy, NOW)


def admitted(group: str, reason: Reason, *, anonymous: bool, used: bool = True, mode: Mode = Mode.ENFORCE) -> Handshake:
    return Handshake(reason, group, mode, anonymous=anonymous, used=used)


def refused(reason: Reason, group: str = "billing", mode: Mode = Mode.ENFORCE) -> Handshake:
    return Handshake(reason, group, mode, status=403, rejected=reason)


@pytest.mark.parametrize(
    ("origin", "facts", "expected"),
    [
        pytest.param(None, {}, NO_ORIGIN, id="row 1, no Origin: not a browser"),
        pytest.param(None, {"fetch_site": "same-origin"}, NO_ORIGIN, id="row 1, no Origin, the site's own page"),
        pytest.param(None, {"fetch_site": ""}, NO_ORIGIN, id="row 1, no Origin, blank Sec-Fetch-Site"),
        pytest.param(None, {"path": "/nowhere"}, NO_ORIGIN, id="row 1, no Origin, no group"),
        pytest.param(None, {"policy": None}, NO_ORIGIN, id="row 1, no Origin, no policy"),
        pytest.param(
            None, {"fetch_site": "cross-site"}, refused(Reason.MALFORMED_ORIGIN), id="row 2, Origin lost, other site"
        ),
        pytest.param(
            None, {"fetch_site": "same-site"}, refused(Reason.MALFORMED_ORIGIN), id="row 2, Origin lost, same site"
        ),
        pytest.param(STRANGER, {"same_origin": True}, OWN_ORIGIN, id="row 3, own origin"),
        pytest.param(REVOKED, {"same_origin": True}, OWN_ORIGIN, id="row 3, own origin, revoked"),
        pytest.param(TRUSTED, {"same_origin": True, "path": "/nowhere"}, OWN_ORIGIN, id="row 3, own origin, no group"),
        pytest.param(TRUSTED, {"same_origin": True, "policy": None}, OWN_ORIGIN, id="row 3, own origin, no policy"),
        pytest.param(TRUSTED, {"same_origin": True, "own_path": True}, OWN_ORIGIN, id="row 3, own origin, own paths"),
        pytest.param(TRUSTED, {}, admitted("billing", Reason.TRUSTED, anonymous=False), id="row 4, with credentials"),
        pytest.param(
            PREVIEW, {}, admitted("billing", Reason.TRUSTED_PATTERN, anonymous=False), id="row 4, through a pattern"
        ),
        pytest.param(
            TRUSTED, {"path": "/public"}, admitted("public", Reason.TRUSTED, anonymous=True), id="row 5, anonymous"
        ),
        *(
            pytest.param(
                origin,
                {"path": "/open/ws"},
                admitted("open", Reason.ANY_ORIGIN, anonymous=True, used=False),
                id=f"row 6, any origin, {origin or 'blank'}",
            )
            for origin in (STRANGER, "null", "", "a, b")
        ),
        pytest.param(
            None,
            {"path": "/open/ws", "fetch_site": "cross-site"},
            admitted("open", Reason.ANY_ORIGIN, anonymous=True, used=False),
            id="row 6, any origin, Origin lost",
        ),
        pytest.param(STRANGER, {}, refused(Reason.UNKNOWN_ORIGIN), id="row 7, unknown"),
        pytest.param(EXPIRED, {}, refused(Reason.EXPIRED), id="row 7, expired"),
        pytest.param(SWITCHED_OFF, {}, refused(Reason.SWITCHED_OFF), id="row 7, switched off"),
        pytest.param(REVOKED, {}, refused(Reason.REVOKED), id="row 7, revoked"),
        pytest.param("null", {}, refused(Reason.NULL_ORIGIN), id="row 8, null"),
        pytest.param("", {}, refused(Reason.MALFORMED_ORIGIN), id="row 8, blank"),
        pytest.param(f"{TRUSTED},{TRUSTED}", {}, refused(Reason.MALFORMED_ORIGIN), id="row 8, several headers"),
        pytest.param("app.example.com", {}, refused(Reason.MALFORMED_ORIGIN), id="row 8, no scheme"),
        pytest.param("wss://app.example.com", {}, refused(Reason.UNKNOWN_ORIGIN), id="row 7, the socket's scheme"),
        pytest.param(TRUSTED, {"path": "/nowhere"}, refused(Reason.NO_GROUP, ""), id="row 9, no group"),
        pytest.param(TRUSTED, {"path": "//public"}, refused(Reason.NO_GROUP, ""), id="row 9, two slashes"),
        pytest.param(TRUSTED, {"path": "/public//x"}, refused(Reason.NO_GROUP, ""), id="row 9, two slashes inside"),
        pytest.param(TRUSTED, {"path": "public"}, refused(Reason.NO_GROUP, ""), id="row 9, no slash"),
        pytest.param(TRUSTED, {"path": ""}, refused(Reason.NO_GROUP, ""), id="row 9, no path"),
        pytest.param(TRUSTED, {"own_path": True}, refused(Reason.OWN_PATHS, "own.paths"), id="row 10, own paths"),
        pytest.param(TRUSTED, {"policy": None}, COLD, id="row 11, cold start"),
        pytest.param(None, {"policy": None, "fetch_site": "cross-site"}, COLD, id="row 11, cold start, Origin lost"),
        pytest.param(TRUSTED, {"policy": POLICY.lapsed}, refused(Reason.NO_POLICY), id="row 11, lapsed"),
        pytest.param(
            TRUSTED, {"policy": POLICY.lapsed, "path": "/open"}, refused(Reason.NO_POLICY, "open"), id="row 11, any"
        ),
        pytest.param(
            TRUSTED, {"policy": policy_with(known=False)}, refused(Reason.NO_POLICY), id="row 11, unknown environment"
        ),
    ],
)
def test_handshake_in_enforce(origin: str | None, facts: dict[str, Any], expected: Handshake) -> None:
    assert shake(origin, **facts) == expected


def test_row_7_is_the_same_in_block() -> None:
    policy = policy_with(Mode.BLOCK)
    assert shake(STRANGER, policy=policy) == refused(Reason.UNKNOWN_ORIGIN, mode=Mode.BLOCK)
    assert shake(TRUSTED, policy=policy) == admitted("billing", Reason.TRUSTED, anonymous=False, mode=Mode.BLOCK)
    assert shake(STRANGER, "/x", policy=policy) == refused(Reason.NO_GROUP, "", mode=Mode.BLOCK)


@pytest.mark.parametrize(
    ("origin", "path", "facts", "rejected"),
    [
        pytest.param(STRANGER, "/billing/ws", {}, Reason.UNKNOWN_ORIGIN, id="unknown"),
        pytest.param(REVOKED, "/billing/ws", {}, Reason.REVOKED, id="revoked"),
        pytest.param("null", "/public/ws", {}, Reason.NULL_ORIGIN, id="null"),
        pytest.param(STRANGER, "/nowhere", {}, Reason.NO_GROUP, id="no group"),
        pytest.param(STRANGER, "/admin/", {"own_path": True}, Reason.OWN_PATHS, id="own paths"),
        pytest.param(TRUSTED, "/public/ws", {}, None, id="trusted keeps its cookies"),
    ],
)
def test_row_12_monitor_only_records(origin: str, path: str, facts: dict[str, Any], rejected: Reason | None) -> None:
    for policy in (policy_with(Mode.MONITOR), policy_with(Mode.BLOCK, max_mode=Mode.MONITOR)):
        found = shake(origin, path, policy=policy, **facts)
        assert (found.opens, found.anonymous, found.rejected) == (True, False, rejected)
        assert found.mode is Mode.MONITOR


def test_group_that_monitors_in_an_environment_that_enforces() -> None:
    found = shake(STRANGER, "/watched/ws")
    assert (found.opens, found.anonymous, found.rejected) == (True, False, Reason.UNKNOWN_ORIGIN)


@pytest.mark.parametrize("path", ["//billing/ws", "/public//billing/ws", "publicbilling/ws"])
def test_ambiguous_path_is_refused_where_any_group_refuses(path: str) -> None:
    """Though the environment itself only monitors, as while groups move in one by one."""
    monitoring = replace(POLICY, own=replace(POLICY.own, mode=Mode.MONITOR))
    assert not shake(STRANGER, path, policy=monitoring).opens
    assert shake(STRANGER, "/nowhere", policy=monitoring).opens
    watched = {slug: replace(group, mode=Mode.MONITOR) for slug, group in POLICY.groups.items()}
    assert shake(STRANGER, path, policy=replace(monitoring, groups=watched)).opens


def test_known_group_is_not_looked_for() -> None:
    facts = PlainFacts(path="/billing/ws", origin=TRUSTED)
    group = find_group(replace(facts, path="/public/ws"), POLICY)
    assert decide_handshake(facts, POLICY, NOW, group).group == "public"


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        pytest.param(shake(TRUSTED), shake(TRUSTED), False, id="still trusted"),
        pytest.param(shake(TRUSTED), shake(REVOKED), True, id="revoked"),
        pytest.param(shake(TRUSTED), shake(TRUSTED, policy=POLICY.lapsed), True, id="lapsed"),
        pytest.param(shake(TRUSTED), shake(TRUSTED, "/nowhere"), True, id="no group any more"),
        pytest.param(shake(TRUSTED), shake(TRUSTED, "/public/ws"), True, id="no credentials any more"),
        pytest.param(shake(TRUSTED, "/public/ws"), shake(TRUSTED), False, id="credentials by now"),
        pytest.param(shake(TRUSTED, "/public/ws"), shake(STRANGER, "/open"), False, id="any origin by now"),
        pytest.param(shake(STRANGER, "/watched"), shake(REVOKED, "/watched"), False, id="only watched"),
        pytest.param(shake(STRANGER, "/watched"), shake(STRANGER, "/public/ws"), True, id="watched, now enforced"),
        pytest.param(shake(TRUSTED, "/watched"), shake(TRUSTED, "/public/ws"), True, id="watched with its cookies"),
    ],
)
def test_what_ends_an_open_socket(before: Handshake, after: Handshake, ends: bool) -> None:
    assert ends_socket(before, after) is ends


def test_grant_expires_while_the_socket_is_open() -> None:
    facts = PlainFacts(path="/billing/ws", origin=SOON_OVER)
    before, after = (decide_handshake(facts, POLICY, now) for now in (NOW + 59, NOW + 61))
    assert (before.reason, after.reason) == (Reason.TRUSTED, Reason.EXPIRED)
    assert ends_socket(before, after)


@pytest.mark.parametrize(
    ("origin", "path", "until"),
    [
        pytest.param(TRUSTED, "/billing", inf, id="until revoked"),
        pytest.param(SOON_OVER, "/billing", NOW + 60, id="until it expires"),
        pytest.param(PREVIEW, "/billing", NOW + 120, id="until the pattern expires"),
        pytest.param(STRANGER, "/watched", inf, id="never trusted"),
        pytest.param(STRANGER, "/open", inf, id="any origin"),
        pytest.param(TRUSTED, "/nowhere", inf, id="no group"),
        pytest.param(None, "/billing", inf, id="no Origin"),
    ],
)
def test_how_long_a_decision_holds(origin: str | None, path: str, until: float) -> None:
    grants = tuple(
        (group, text, NOW + 120, revoked) if text == PATTERN else (group, text, ends, revoked)
        for group, text, ends, revoked in GRANTS
    )
    policy = policy_with(grants=grants)
    facts = PlainFacts(path=path, origin=origin)
    found = decide_handshake(facts, policy, NOW)
    assert holds_until(facts, policy, found) == until
    if until < inf:
        assert decide_handshake(facts, policy, until - 1) == found
        assert decide_handshake(facts, policy, until).reason is Reason.EXPIRED
    assert holds_until(facts, None, COLD) == inf


@example(origin=TRUSTED, path="/billing", fetch_site=None)
@example(origin=PREVIEW, path="/billing/x", fetch_site="cross-site")
@given(
    origin=st.one_of(st.text(max_size=600), st.sampled_from([TRUSTED, STRANGER, "null"])),
    path=st.one_of(st.text(max_size=50), st.sampled_from(["/billing", "/public/x", "/", "//billing"])),
    fetch_site=st.one_of(st.none(), st.text(max_size=20)),
)
def test_nobody_but_the_trusted_gets_in_with_credentials(origin: str, path: str, fetch_site: str | None) -> None:
    found = shake(origin, path, fetch_site=fetch_site)
    if found.opens and not found.anonymous:
        assert (found.group, path.startswith("/billing")) == ("billing", True)
        assert origin in {TRUSTED, SOON_OVER} or origin.endswith(".apps.example.org")
