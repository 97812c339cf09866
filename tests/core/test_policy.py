from typing import Any

import pytest

from django_cors_guard.core.compilation import MAX_LEFT_OUT, compile_policy
from django_cors_guard.core.decision import Mode, PlainFacts, Reason
from django_cors_guard.core.policy import (
    CLOCK_SLACK,
    DAY,
    FOREVER,
    EnvironmentRow,
    GrantRow,
    GroupRow,
    Policy,
    PolicySource,
    RouteRow,
    check_group,
    normalise_host,
)

NOW = 1_800_000_000.0


def compiled(
    *,
    routes: tuple[RouteRow, ...] = (),
    groups: tuple[GroupRow, ...] = (GroupRow("a"), GroupRow("b"), GroupRow("c")),
    grants: tuple[GrantRow, ...] = (),
    **switches: Any,
) -> Policy:
    environment = EnvironmentRow("production", **switches)
    return compile_policy(PolicySource("production", environment, groups, routes, grants), now=NOW)


def group_of(policy: Policy, path: str, host: str = "") -> str:
    group = policy.find_group(PlainFacts(path=path, host=host))
    return group.rules.slug if group is not None else ""


# --- routes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "group"),
    [
        pytest.param("/api", "a", id="the prefix itself"),
        pytest.param("/api/", "a", id="with a slash"),
        pytest.param("/api/x/y", "a", id="below"),
        pytest.param("/apix", "", id="not a whole segment"),
        pytest.param("/API", "", id="case matters"),
        pytest.param("/api/v2", "b", id="longest prefix wins"),
        pytest.param("/api/v2/x", "b", id="below the longest"),
        pytest.param("/api/v22", "a", id="longest only on whole segments"),
        pytest.param("/", "", id="root is not covered"),
        pytest.param("", "", id="empty path"),
        pytest.param("//api", "", id="double slash"),
        pytest.param("/api/v2/" + "x" * 10_000, "b", id="long path"),
    ],
)
def test_find_group_takes_longest_prefix_on_whole_segments(path: str, group: str) -> None:
    policy = compiled(routes=(RouteRow("a", "/api"), RouteRow("b", "/api/v2/")))
    assert group_of(policy, path) == group


def test_find_group_root_route_covers_everything() -> None:
    policy = compiled(routes=(RouteRow("a", "/"), RouteRow("b", "/b")))
    assert [group_of(policy, path) for path in ("/", "/x/y", "/b", "/bb", "x")] == ["a", "a", "b", "a", "a"]


def test_find_group_host_beats_any_host_on_a_tie_alone() -> None:
    policy = compiled(
        routes=(RouteRow("a", "/api"), RouteRow("b", "/api", "api.example.com"), RouteRow("c", "/api/long"))
    )
    assert group_of(policy, "/api", "api.example.com") == "b"
    assert group_of(policy, "/api", "other.example.com") == "a"
    assert group_of(policy, "/api/long", "api.example.com") == "c"


def test_find_group_falls_back_to_shorter_prefix_where_host_differs() -> None:
    policy = compiled(routes=(RouteRow("a", "/api"), RouteRow("b", "/api/v2", "api.example.com")))
    assert group_of(policy, "/api/v2/x", "other.example.com") == "a"


def test_routes_of_unknown_group_are_dropped() -> None:
    assert group_of(compiled(routes=(RouteRow("gone", "/api"),)), "/api") == ""


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("API.Example.com", "api.example.com"),
        ("api.example.com:8000", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com.:443", "api.example.com"),
        ("[::1]:8000", "[::1]"),
        ("", ""),
    ],
)
def test_normalise_host_drops_case_port_and_dot(given: str, host: str) -> None:
    assert normalise_host(given) == host


# --- grants are checked again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "https://App.example.com",
        "https://app.example.com/",
        "https://app.example.com:443",
        "app.example.com",
        "null",
        "*",
        "https://*",
        "https://*.com",
        "https://app.example.com\n",
        "",
        "x" * 400,
    ],
)
def test_compile_leaves_out_what_is_not_canonical(origin: str) -> None:
    policy = compiled(grants=(("a", origin, None, False),), allow_subdomain_patterns=True)
    assert not policy.groups["a"].grants
    assert not policy.groups["a"].patterns
    assert [row.problems[0].code for row in policy.left_out] == ["not_canonical"]


@pytest.mark.parametrize(
    ("origin", "switches"),
    [
        pytest.param("http://app.example.com", {"allow_insecure_http": True}, id="http"),
        pytest.param("http://localhost:3000", {"allow_loopback": True}, id="loopback"),
        pytest.param("capacitor://localhost", {"allow_custom_schemes": True}, id="custom scheme"),
    ],
)
def test_compile_switches_off_what_a_switch_forbids(origin: str, switches: dict[str, Any]) -> None:
    def judged(**given: Any) -> Reason:
        return compiled(grants=(("a", origin, None, False),), **given).groups["a"].judge_origin(origin, NOW)

    assert judged() is Reason.SWITCHED_OFF
    assert judged(**switches) is Reason.TRUSTED


def test_compile_switches_off_http_on_a_credentialed_group_alone() -> None:
    groups = (GroupRow("a"), GroupRow("b", allow_credentials=True))
    grants = tuple((slug, "http://app.example.com", None, False) for slug in "ab")
    policy = compiled(groups=groups, grants=grants, allow_insecure_http=True)
    judged = [policy.groups[slug].judge_origin("http://app.example.com", NOW) for slug in "ab"]
    assert judged == [Reason.TRUSTED, Reason.SWITCHED_OFF]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        pytest.param(None, Reason.SWITCHED_OFF, id="no end"),
        pytest.param(NOW + 31 * DAY, Reason.SWITCHED_OFF, id="too far"),
        pytest.param(NOW + 30 * DAY + CLOCK_SLACK, Reason.TRUSTED, id="to the limit, by another clock"),
        pytest.param(NOW + DAY, Reason.TRUSTED, id="soon"),
        pytest.param(NOW - DAY, Reason.EXPIRED, id="over"),
    ],
)
def test_compile_holds_grants_to_the_longest_trust(ends: float | None, reason: Reason) -> None:
    policy = compiled(grants=(("a", "https://app.example.com", ends, False),), max_trust_days=30)
    assert policy.groups["a"].judge_origin("https://app.example.com", NOW) is reason


def test_revocation_stands_even_where_the_switch_is_off() -> None:
    policy = compiled(grants=(("a", "http://app.example.com", None, True),))
    assert policy.groups["a"].judge_origin("http://app.example.com", NOW) is Reason.REVOKED


def test_grant_ends_at_its_moment() -> None:
    group = compiled(grants=(("a", "https://app.example.com", NOW, False),)).groups["a"]
    assert group.judge_origin("https://app.example.com", NOW - 0.001) is Reason.TRUSTED
    assert group.judge_origin("https://app.example.com", NOW) is Reason.EXPIRED


def test_grants_without_end_share_one_number() -> None:
    grants = compiled(grants=(("a", "https://app.example.com", None, False),)).groups["a"].grants
    assert grants["https://app.example.com"] is FOREVER


def test_left_out_rows_are_bounded_and_counted() -> None:
    policy = compiled(grants=tuple(("a", f"bad{n}", None, False) for n in range(500)))
    assert (len(policy.left_out), policy.left_out_count) == (MAX_LEFT_OUT, 500)


def test_most_specific_pattern_decides_among_patterns() -> None:
    grants = (("a", "https://*.example.com", None, False), ("a", "https://*.beta.example.com", None, True))
    group = compiled(grants=grants, allow_subdomain_patterns=True).groups["a"]
    assert group.judge_origin("https://x.beta.example.com", NOW) is Reason.REVOKED
    assert group.judge_origin("https://x.example.com", NOW) is Reason.TRUSTED_PATTERN


def test_loopback_pattern_matches_any_port_but_the_default() -> None:
    group = compiled(grants=(("a", "http://localhost:*", None, False),), allow_loopback=True).groups["a"]
    origins = ("http://localhost", "http://localhost:3000", "http://localhost:80", "https://localhost:3000")
    unknown, pattern = Reason.UNKNOWN_ORIGIN, Reason.TRUSTED_PATTERN
    assert [group.judge_origin(origin, NOW) for origin in origins] == [pattern, pattern, unknown, unknown]


# --- groups -----------------------------------------------------------------------------------------------------------

MALFORMED: list[Any] = [
    pytest.param({"any_origin": True, "allow_credentials": True}, "any_origin_with_credentials", id="open + cookies"),
    pytest.param({"max_age": -1}, "max_age_out_of_range", id="negative max-age"),
    pytest.param({"max_age": 86_401}, "max_age_out_of_range", id="max-age over a day"),
    pytest.param({"max_age": True}, "max_age_out_of_range", id="max-age no number"),
    pytest.param({"allow_methods": ("TRACE",)}, "forbidden_method", id="TRACE"),
    pytest.param({"allow_methods": ("connect",)}, "forbidden_method", id="connect"),
    pytest.param({"allow_methods": ("GET\r\nX: y",)}, "not_a_token", id="header injection"),
    pytest.param({"allow_methods": "GET"}, "not_a_list", id="text for a list"),
    pytest.param({"allow_methods": None}, "not_a_list", id="null for a list"),
    pytest.param({"allow_methods": (7,)}, "not_a_token", id="number in a list"),
    pytest.param({"allow_headers": ("x y",)}, "not_a_token", id="space in a header"),
    pytest.param({"allow_headers": ("Cookie",)}, "forbidden_header", id="Cookie"),
    pytest.param({"allow_headers": ("Sec-Fetch-Site",)}, "forbidden_header", id="Sec-"),
    pytest.param({"allow_headers": ("proxy-x",)}, "forbidden_header", id="Proxy-"),
    pytest.param({"expose_headers": ("*",), "allow_credentials": True}, "expose_any_with_credentials", id="expose *"),
    pytest.param({"expose_headers": ("Set-Cookie",)}, "forbidden_header", id="Set-Cookie"),
]


@pytest.mark.parametrize(("fields", "code"), MALFORMED)
def test_check_group_names_what_is_wrong(fields: dict[str, Any], code: str) -> None:
    assert code in [problem.code for problem in check_group(GroupRow("a", **fields))]


@pytest.mark.parametrize(("fields", "code"), MALFORMED)
def test_compile_malformed_group_refuses_everything(fields: dict[str, Any], code: str) -> None:
    policy = compiled(
        groups=(GroupRow("a", **fields),),
        routes=(RouteRow("a", "/a"),),
        grants=(("a", "https://app.example.com", None, False),),
    )
    group = policy.groups["a"]
    assert group.judge_origin("https://app.example.com", NOW) is Reason.SWITCHED_OFF
    assert not group.rules.any_origin
    assert group.answers.actual[Reason.SWITCHED_OFF].headers == ()
    assert group.answers.no_origin.headers == ()
    assert policy.left_out_count == 1


@pytest.mark.parametrize("methods", [("PROPFIND", "MKCOL"), ("*",), ("M-SEARCH",), ()])
def test_check_group_accepts_webdav_and_star(methods: tuple[str, ...]) -> None:
    assert check_group(GroupRow("a", allow_methods=methods)) == ()


def test_group_mode_overrides_environment_and_unknown_mode_enforces() -> None:
    groups = (GroupRow("a", mode="monitor"), GroupRow("b"), GroupRow("c", mode="nonsense"))
    policy = compiled(groups=groups, mode="block")
    assert [policy.groups[slug].mode for slug in "abc"] == [Mode.MONITOR, Mode.BLOCK, Mode.ENFORCE]
