"""What the list of trusted origins says about CSRF: one row a reason."""

from dataclasses import replace

import pytest

from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.csrf import CsrfVerdict, judge_csrf
from django_cors_guard.core.decision import Mode, PlainFacts
from django_cors_guard.core.policy import (
    EnvironmentRow,
    GrantRow,
    GroupRow,
    Policy,
    PolicySource,
    RouteRow,
)

NOW = 1_000_000.0
APP = "https://app.example.com"

ENVIRONMENT = EnvironmentRow("production", allow_subdomain_patterns=True)
SHOP = GroupRow("shop", allow_credentials=True, trusted_for_csrf=True)
ROUTES = (RouteRow("shop", "/shop"), RouteRow("other", "/other"), RouteRow("open", "/open"))
OTHERS = (GroupRow("other", allow_credentials=True), GroupRow("open", any_origin=True))


def make_policy(
    *grants: GrantRow,
    shop: GroupRow = SHOP,
    environment: EnvironmentRow | None = ENVIRONMENT,
    max_mode: Mode = Mode.BLOCK,
) -> Policy:
    source = PolicySource("production", environment, (shop, *OTHERS), ROUTES, grants or (("shop", APP, None, False),))
    return compile_policy(source, max_mode=max_mode, now=NOW)


def ask(policy: Policy | None, origin: str | None = APP, path: str = "/shop/orders", *, own_path: bool = False) -> str:
    return judge_csrf(PlainFacts(method="POST", path=path, origin=origin, own_path=own_path), policy, NOW)


@pytest.mark.parametrize(
    ("grant", "verdict"),
    [
        pytest.param(("shop", APP, None, False), "accepted", id="trusted"),
        pytest.param(("shop", APP, NOW + 1, False), "accepted", id="trusted for a while yet"),
        pytest.param(("shop", "https://*.example.com", None, False), "accepted", id="by a pattern"),
        pytest.param(("shop", APP, NOW, False), "not_trusted", id="expired"),
        pytest.param(("shop", APP, None, True), "not_trusted", id="revoked"),
        pytest.param(("shop", "https://*.example.com", None, True), "not_trusted", id="revoked pattern"),
        pytest.param(("other", APP, None, False), "not_trusted", id="another group's"),
        pytest.param(("shop", "https://b.example.com", None, False), "not_trusted", id="another origin"),
        pytest.param(("shop", "http://app.example.com", None, False), "not_trusted", id="switched off"),
    ],
)
def test_grant(grant: GrantRow, verdict: str) -> None:
    assert ask(make_policy(grant), grant[1] if grant[1].startswith("http:") else APP) == verdict


def test_revoked_row_wins_over_a_pattern_that_covers_it() -> None:
    assert ask(make_policy(("shop", "https://*.example.com", None, False), ("shop", APP, None, True))) == "not_trusted"


@pytest.mark.parametrize(
    "origin", [pytest.param(origin, id=repr(origin)) for origin in (None, "", "null", f"{APP}, {APP}", f"{APP}/", "x")]
)
def test_origin_that_is_none_is_not_trusted(origin: str | None) -> None:
    assert ask(make_policy(), origin) == "not_trusted"


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        pytest.param("/shop", "accepted", id="of the group"),
        pytest.param("/shopping", "unguarded", id="of no group"),
        pytest.param("/other", "not_offered", id="of a group that does not say so"),
        pytest.param("/open", "not_offered", id="of an open group"),
    ],
)
def test_path(path: str, verdict: str) -> None:
    policy = make_policy(("shop", APP, None, False), ("other", APP, None, False))

    assert ask(policy, path=path) == verdict


@pytest.mark.parametrize("mode", list(Mode))
def test_mode(mode: Mode) -> None:
    verdict = "monitored" if mode is Mode.MONITOR else "accepted"

    assert ask(make_policy(environment=replace(ENVIRONMENT, mode=mode))) == verdict
    assert ask(make_policy(shop=replace(SHOP, mode=mode))) == verdict
    assert ask(make_policy(max_mode=mode)) == verdict


def test_own_paths_are_never_trusted() -> None:
    assert ask(make_policy(), own_path=True) == "own_paths"


def test_group_that_breaks_a_rule_trusts_nobody() -> None:
    assert ask(make_policy(shop=replace(SHOP, allow_credentials=False))) == "not_offered"


def test_any_origin_is_no_grant_even_where_rows_say_so() -> None:
    policy = make_policy()
    shop = policy.groups["shop"]
    opened = replace(shop, rules=replace(shop.rules, any_origin=True))
    target = replace(policy.routes["/shop"], any_host=opened)

    assert ask(replace(policy, routes={"/shop": target})) == "not_trusted"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        pytest.param(None, "no_policy", id="cold start"),
        pytest.param(make_policy().lapsed, "not_trusted", id="lapsed"),
        pytest.param(make_policy(environment=None), "not_trusted", id="environment without a row"),
    ],
)
def test_without_a_usable_policy_nobody_is_trusted(policy: Policy | None, verdict: str) -> None:
    assert ask(policy) == verdict


def test_verdicts_are_stable_codes() -> None:
    assert {str(verdict) for verdict in CsrfVerdict} == {
        "accepted", "unguarded", "own_paths", "not_offered", "monitored", "not_trusted", "no_policy",
        "not_installed",
    }  # fmt: skip
