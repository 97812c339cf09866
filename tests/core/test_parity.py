"""The comparison of two answers: each code, each thing that is no difference, and a model that knows neither."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Mode, PlainFacts, Reason
from django_cors_guard.core.parity import Disparity, compare, is_watched
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow

NOW = 1_800_000_000.0
APP, STRANGER, REVOKED = "https://app.example.com", "https://stranger.example.net", "https://gone.example.com"
GRANTS = (
    ("plain", APP, None, False),
    ("cookies", APP, None, False),
    ("wide", APP, None, False),
    ("plain", REVOKED, None, True),
)
GROUPS = (
    GroupRow("plain", allow_methods=("GET", "PUT"), allow_headers=("x-token",), expose_headers=("x-total",)),
    GroupRow("cookies", allow_credentials=True, allow_methods=("GET", "PUT"), allow_headers=("x-token",)),
    GroupRow("wide", allow_credentials=True, allow_methods=("*",), allow_headers=("*",)),
    GroupRow("open", any_origin=True, allow_methods=("GET", "PUT"), allow_headers=("*",), expose_headers=("*",)),
)


def policy_with(mode: Mode = Mode.MONITOR, *, groups: tuple[GroupRow, ...] = GROUPS, known: bool = True) -> Policy:
    environment = EnvironmentRow("production", mode=mode) if known else None
    routes = tuple(RouteRow(group.slug, f"/{group.slug}") for group in groups)
    source = PolicySource("production", environment, groups, routes, GRANTS, 7, "t")
    return compile_policy(source, max_mode=Mode.BLOCK, now=NOW)


POLICY = policy_with()


def theirs(
    origin: str = "",
    *,
    credentials: bool = False,
    methods: str = "",
    names: str = "",
    exposed: str = "",
    status: str = "",
) -> dict[str, str]:
    given_values = {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true" if credentials else "",
        "access-control-allow-methods": methods,
        "access-control-allow-headers": names,
        "access-control-expose-headers": exposed,
        ":status": status,
    }
    return {name: value for name, value in given_values.items() if value}


def judge(group: str, answer: dict[str, str], origin: str | None = APP, **facts: Any) -> tuple[str, bool] | None:
    asked = PlainFacts(path=f"/{group}/x", origin=origin, **facts)
    found = compare(asked, POLICY, answer, NOW)
    return (str(found.disparity), found.widens) if found is not None else None


def ask(method: str = "PUT", names: str | None = None) -> dict[str, Any]:
    return {"method": "OPTIONS", "requested_method": method, "requested_headers": names}


SAME = theirs(APP, exposed="x-total")
FULL: dict[str, Any] = {"methods": "DELETE, GET, PUT", "names": "x-token, x-other"}


@pytest.mark.parametrize(
    ("group", "answer", "facts", "expected"),
    [
        pytest.param("plain", SAME, {}, None, id="same"),
        pytest.param("plain", theirs("*", exposed="X-Total"), {}, None, id="star or echo, without credentials"),
        pytest.param("open", theirs(APP, exposed="*"), {}, None, id="echo or star, in an open group"),
        pytest.param("plain", theirs(APP, exposed="x-total, content-type"), {}, None, id="exposed what is so anyway"),
        pytest.param("plain", {}, {"origin": STRANGER}, None, id="both refuse"),
        pytest.param("plain", {}, {"origin": REVOKED}, None, id="both refuse, one of them with a 403"),
        pytest.param("plain", theirs("*"), {"origin": None}, None, id="no origin"),
        pytest.param("plain", theirs("*"), {"origin": ""}, None, id="empty origin"),
        pytest.param("plain", theirs(STRANGER), {"origin": STRANGER, "same_origin": True}, None, id="the site's own"),
        pytest.param("elsewhere", {}, {}, None, id="unguarded, and not let in"),
        pytest.param("elsewhere", theirs(APP), {}, ("unguarded", False), id="unguarded, and let in"),
        pytest.param(
            "elsewhere", theirs(APP, methods="PUT"), ask(), ("unguarded", False), id="unguarded preflight that passes"
        ),
        pytest.param("elsewhere", theirs(APP, methods="GET"), ask(), None, id="unguarded preflight that fails"),
        pytest.param("plain", theirs(STRANGER), {"origin": STRANGER}, ("guard_refuses", False), id="guard refuses"),
        pytest.param("plain", theirs(REVOKED), {"origin": REVOKED}, ("guard_refuses", False), id="guard has revoked"),
        pytest.param("plain", theirs("null"), {"origin": "null"}, ("guard_refuses", False), id="null"),
        pytest.param("plain", {}, {}, ("guard_admits", True), id="guard admits"),
        pytest.param("plain", theirs(f"{APP}/"), {}, ("guard_admits", True), id="their echo is not the origin"),
        pytest.param(
            "plain", theirs(APP, credentials=True, exposed="x-total"), {}, ("credentials", False), id="cookies"
        ),
        pytest.param("cookies", theirs(APP), {}, ("credentials", True), id="cookies, by the guard alone"),
        pytest.param("cookies", theirs("*", credentials=True), {}, ("credentials", True), id="star has no cookies"),
        pytest.param("plain", theirs(APP), {}, ("exposed", True), id="guard exposes more"),
        pytest.param("plain", theirs(APP, exposed="x-total, x-b"), {}, ("exposed", False), id="guard exposes less"),
        pytest.param("plain", theirs(APP, exposed="x-b"), {}, ("exposed", False), id="guard exposes others"),
        pytest.param("plain", theirs(APP, exposed="*"), {}, ("exposed", False), id="they expose all"),
        pytest.param("open", theirs("*", exposed="x-b"), {}, ("exposed", True), id="guard exposes all"),
        pytest.param("plain", theirs(APP, **FULL), ask("PUT", "x-token"), None, id="preflight passes"),
        pytest.param(
            "plain", theirs(APP, **FULL), ask("DELETE"), ("method", False), id="method that the guard refuses"
        ),
        pytest.param("plain", theirs(APP, methods="GET"), ask(), ("method", True), id="method that they refuse"),
        pytest.param("plain", theirs(APP, methods="GET"), ask("DELETE"), None, id="method that both refuse"),
        pytest.param("plain", theirs(APP), ask("GET"), None, id="safelisted method that is not listed"),
        pytest.param("plain", theirs(APP, **FULL), ask("PUT", "x-other"), ("header", False), id="header, the guard"),
        pytest.param("plain", theirs(APP, methods="PUT"), ask("PUT", "x-token"), ("header", True), id="header, they"),
        pytest.param("plain", theirs(APP, methods="PUT"), ask("PUT", "x-z"), None, id="header that both refuse"),
        pytest.param(
            "plain", theirs(APP, methods="PUT"), ask("DELETE", "x-token"), None, id="one fails by method, one by header"
        ),
        pytest.param("plain", theirs(APP, status="405", **FULL), ask(), ("guard_admits", True), id="theirs is a 405"),
        pytest.param(
            "plain", theirs(STRANGER), {"origin": STRANGER, **ask("PATCH")}, None, id="refused for origin or for method"
        ),
        pytest.param(
            "wide",
            theirs(APP, credentials=True, methods="*", names="*"),
            ask("PATCH", "x-any"),
            ("method", True),
            id="star means nothing with cookies",
        ),
        pytest.param(
            "wide",
            theirs(APP, credentials=True, methods="PATCH", names="X-ANY"),
            ask("PATCH", "x-any"),
            None,
            id="named",
        ),
        pytest.param("open", theirs("*", methods="PUT", names="*"), ask("PUT", "x-any"), None, id="open preflight"),
        pytest.param(
            "open", theirs("*", methods="PUT", names="*"), ask("PUT", "authorization"), None, id="never by a star"
        ),
    ],
)
def test_answers_are_compared_by_what_they_mean(
    group: str, answer: dict[str, str], facts: dict[str, Any], expected: tuple[str, bool] | None
) -> None:
    assert judge(group, answer, **facts) == expected


def test_own_paths_are_refused_whatever_the_other_says() -> None:
    found = compare(PlainFacts(path="/plain/x", origin=APP, own_path=True), POLICY, theirs(APP), NOW)
    assert found is not None
    assert (found.disparity, found.reason) == (Disparity.GUARD_REFUSES, Reason.OWN_PATHS)


def test_difference_tells_what_both_answers_say() -> None:
    answer = {**theirs(APP, credentials=True), "access-control-max-age": "1", "vary": "Cookie"}
    found = compare(PlainFacts(path="/plain", origin=APP), POLICY, answer, NOW)
    assert found is not None
    assert (found.group, found.reason) == ("plain", Reason.TRUSTED)
    assert found.theirs == {"access-control-allow-origin": APP, "access-control-allow-credentials": "true"}
    assert found.ours == {"access-control-allow-origin": APP, "access-control-expose-headers": "x-total"}


@pytest.mark.parametrize(
    ("policy", "path", "expected"),
    [
        pytest.param(POLICY, "/plain", True, id="monitor"),
        pytest.param(POLICY, "/elsewhere", True, id="unguarded"),
        pytest.param(policy_with(Mode.ENFORCE), "/plain", False, id="enforce"),
        pytest.param(policy_with(Mode.BLOCK), "/plain", False, id="block"),
        pytest.param(policy_with(Mode.BLOCK), "/elsewhere", True, id="unguarded beside block"),
        pytest.param(policy_with(known=False), "/plain", False, id="environment without a row"),
        pytest.param(POLICY.lapsed, "/plain", False, id="database away too long"),
    ],
)
def test_only_what_the_guard_would_take_over_is_watched(policy: Policy, path: str, expected: bool) -> None:
    assert is_watched(PlainFacts(path=path, origin=APP), policy) is expected


def test_policy_that_enforces_is_built_once_and_leaves_the_stricter_ones() -> None:
    mixed = policy_with(groups=(GROUPS[0], GroupRow("strict", mode="block")))
    assert mixed.enforced is mixed.enforced
    assert {slug: group.mode for slug, group in mixed.enforced.groups.items()} == {
        "plain": Mode.ENFORCE,
        "strict": Mode.BLOCK,
    }
    assert mixed.enforced.own.mode is Mode.ENFORCE
    assert mixed.groups["plain"].mode is Mode.MONITOR
    assert mixed.enforced.groups["plain"].grants is mixed.groups["plain"].grants


# --- a model that knows neither the guard nor the comparison ----------------------------------------------------------

ORIGINS = (APP, STRANGER, "https://third.example.org")
METHODS = ("GET", "PUT", "DELETE")
NAMES = ("authorization", "x-a", "x-b")
some = st.sets


@st.composite
def sides(draw: st.DrawFn) -> dict[str, Any]:
    """What one of the two allows: a plain description, from which settings and rows are made."""
    is_open = draw(st.booleans())
    return {
        "origins": set(ORIGINS) if is_open else draw(some(st.sampled_from(ORIGINS))),
        "open": is_open,
        "credentials": draw(st.booleans()) and not is_open,
        "methods": draw(some(st.sampled_from(METHODS))),
        "names": draw(some(st.sampled_from(NAMES))),
        "exposed": draw(some(st.sampled_from(("x-total", "x-next")))),
    }


def answer_of(side: dict[str, Any], origin: str, *, asks: bool) -> dict[str, str]:
    """Answer as django-cors-headers would with such settings."""
    if origin not in side["origins"]:
        return {}
    answer = theirs("*" if side["open"] else origin, credentials=side["credentials"])
    answer |= theirs(exposed=", ".join(sorted(side["exposed"])))
    if asks:
        answer |= theirs(methods=", ".join(sorted(side["methods"])), names=", ".join(sorted(side["names"])))
    return answer


def policy_of(side: dict[str, Any]) -> Policy:
    group = GroupRow(
        "api",
        any_origin=side["open"],
        allow_credentials=side["credentials"],
        allow_methods=tuple(side["methods"]),
        allow_headers=tuple(side["names"]),
        expose_headers=tuple(side["exposed"]),
    )
    grants = tuple(("api", origin, None, False) for origin in side["origins"])
    source = PolicySource(
        "p", EnvironmentRow("p", mode=Mode.MONITOR), (group,), (RouteRow("api", "/api"),), grants, 1, "t"
    )
    return compile_policy(source, max_mode=Mode.BLOCK, now=NOW)


def outcome(side: dict[str, Any], origin: str, asks: tuple[str, list[str]] | None) -> tuple[Any, ...]:
    """What the page gets: in without cookies, in with them, and the headers it reads."""
    enters = origin in side["origins"]
    if asks is not None:
        method, names = asks
        enters = enters and (method in side["methods"] or method == "GET") and set(names) <= side["names"]
    exposed = side["exposed"] if enters and asks is None else set()
    return enters, enters and side["credentials"], exposed


@given(
    sides(),
    sides(),
    st.sampled_from(ORIGINS),
    st.none() | st.tuples(st.sampled_from(METHODS), st.lists(st.sampled_from(NAMES), max_size=3)),
)
@example(
    {"origins": {APP}, "open": False, "credentials": True, "methods": {"PUT"}, "names": set(), "exposed": set()},
    {"origins": {APP}, "open": False, "credentials": False, "methods": {"PUT"}, "names": set(), "exposed": set()},
    APP,
    ("PUT", []),
)
def test_difference_is_told_exactly_where_the_page_fares_differently(
    other: dict[str, Any], guard: dict[str, Any], origin: str, asks: tuple[str, list[str]] | None
) -> None:
    facts = PlainFacts(path="/api/x", origin=origin)
    if asks is not None:
        facts = PlainFacts("OPTIONS", "/api/x", origin, asks[0], ",".join(asks[1]) or None)
    found = compare(facts, policy_of(guard), answer_of(other, origin, asks=asks is not None), NOW)
    before, after = outcome(other, origin, asks), outcome(guard, origin, asks)
    assert (found is not None) == (before != after)
    if found is None:
        return
    # Nothing is lost exactly where all that the page had, it still has.
    assert found.widens == (before[0] <= after[0] and before[1] <= after[1] and before[2] <= after[2])
    assert (found.disparity is Disparity.CREDENTIALS) == (before[0] == after[0] and before[1] != after[1])
    assert (found.disparity is Disparity.EXPOSED) == (before[:2] == after[:2])
