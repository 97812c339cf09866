"""The tables of the page on the protocol are what the code decides."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from django_cors_guard.core.answers import UNGUARDED
from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import Decision, Mode, PlainFacts
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, PolicySource, RouteRow
from django_cors_guard.core.protocol import decide
from django_cors_guard.core.refusals import FORBIDDEN_BODIES
from tests.docs.sources import DOCS

PAGE: Final = (DOCS / "reference/protocol.md").read_text(encoding="utf-8")
NOW: Final = 1_800_000_000.0
APP: Final = "https://app.example.com"
STRANGER: Final = "https://stranger.example.net"

GRANTS: Final = (
    ("api", APP, None, False),
    ("api", "https://old.example.com", None, True),
    ("api", "https://over.example.com", NOW - 1, False),
    ("api", "http://plain.example.com", None, False),
)
GROUPS: Final = (
    GroupRow(
        "api",
        allow_credentials=True,
        allow_methods=("GET", "PUT"),
        allow_headers=("x-token",),
        expose_headers=("x-total",),
        timing_allow_origin=True,
        cross_origin_resource_policy="same-site",
    ),
    GroupRow("open", any_origin=True, allow_methods=("GET",), timing_allow_origin=True),
    GroupRow("isolated", isolate="enforce"),
    GroupRow("watched", isolate="monitor"),
)


def preflight(origin: str, method: str = "PUT", headers: str | None = None, path: str = "/api/x") -> Mapping[str, Any]:
    return {
        "method": "OPTIONS",
        "origin": origin,
        "requested_method": method,
        "requested_headers": headers,
        "path": path,
    }


IMAGE: Final = {"fetch_site": "cross-site", "fetch_mode": "no-cors", "fetch_dest": "image"}
#: The request that each row of the page speaks of.
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "to a path of no API group": {"origin": STRANGER, "path": "/apix"},
    "without `Origin`": {},
    "of the site's own origin": {"origin": STRANGER, "same_origin": True},
    "of a trusted origin": {"origin": APP},
    "of a trusted origin, by a method that the group does not list": {"origin": APP, "method": "POST"},
    "of an origin that nobody has trusted": {"origin": STRANGER},
    "of an origin whose grant has expired": {"origin": "https://over.example.com"},
    "of an origin whose grant breaks a safety rule": {"origin": "http://plain.example.com"},
    "of a revoked origin": {"origin": "https://old.example.com"},
    "of the origin `null`": {"origin": "null"},
    "of a malformed origin": {"origin": f"{APP}, {APP}"},
    "preflight of a trusted origin": preflight(APP, headers="x-token"),
    "preflight for a method that the group does not list": preflight(APP, "DELETE"),
    "preflight for a header that the group does not list": preflight(APP, headers="x-other"),
    "preflight of an origin that nobody has trusted": preflight(STRANGER),
    "preflight of a revoked origin": preflight("https://old.example.com"),
    "of any origin, in a group with *any origin*": {"origin": STRANGER, "path": "/open/x"},
    "preflight in a group with *any origin*": preflight(STRANGER, "GET", path="/open/x"),
    "of another origin, to the admin or this app's own API": {"origin": APP, "own_path": True, "path": "/api/x"},
    "from another site without `Origin`, in a group that isolates": {"path": "/isolated/x", **IMAGE},
    "the same, in a group whose isolation monitors": {"path": "/watched/x", **IMAGE},
}


def read_table(title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [re.findall(r"(?<=\| )(.*?)(?= \|)", line) for line in section.splitlines() if line.startswith("| ")]
    return rows[1:]


def ask(mode: Mode, facts: Mapping[str, Any]) -> Decision:
    environment = EnvironmentRow("production", mode=mode)
    routes = tuple(RouteRow(group.slug, f"/{group.slug}") for group in GROUPS)
    policy = compile_policy(PolicySource("production", environment, GROUPS, routes, GRANTS, 7, "t"), now=NOW)
    return decide(replace(PlainFacts(path="/api/x"), **facts), policy, NOW)


def word(decision: Decision) -> str:
    """Say of a decision what the page would."""
    if decision is UNGUARDED or not (decision.status or decision.strip or decision.vary or decision.headers):
        return "untouched"
    said = str(decision.status) if decision.status else "the view runs"
    readable = decision.echo_origin or any(name == "Access-Control-Allow-Origin" for name, _ in decision.headers)
    return f"{said}, readable" if readable else said


def test_page_has_a_row_for_every_sort_of_request() -> None:
    assert [row[0] for row in read_table("What it gets")] == list(REQUESTS)


@pytest.mark.parametrize("row", read_table("What it gets"), ids=lambda row: row[0])
def test_row_is_what_the_code_decides(row: list[str]) -> None:
    request, *answers, recorded = row
    decisions = {mode: ask(mode, REQUESTS[request]) for mode in (Mode.ENFORCE, Mode.BLOCK, Mode.MONITOR)}
    assert [word(decision) for decision in decisions.values()] == answers
    reasons = {mode: f"`{found.rejected}`" if found.rejected else "–" for mode, found in decisions.items()}
    if recorded.endswith(", in `block`"):
        assert reasons == dict.fromkeys(reasons, "–") | {Mode.BLOCK: recorded.removesuffix(", in `block`")}
    else:
        assert set(reasons.values()) == {recorded}


def test_headers_of_the_table_are_those_that_are_sent() -> None:
    listed = {name.strip("`"): places for name, places, _value in read_table("Which headers are sent")}
    actual = {name for name, _ in ask(Mode.ENFORCE, {"origin": APP}).response_headers(APP)} - {"Vary"}
    asked = {name for name, _ in ask(Mode.ENFORCE, preflight(APP)).response_headers(APP)} - {"Vary"}
    refused = {name for name, _ in ask(Mode.ENFORCE, {"origin": STRANGER}).response_headers(STRANGER)} - {"Vary"}
    assert actual | asked | refused == set(listed)
    for name, places in listed.items():
        assert (name in actual) == ("preflights that" not in places), name
        assert (name in asked) == ("but for preflights" not in places), name
        assert (name in refused) == (places == "every response of the group"), name


def test_reasons_that_senders_are_told_are_all_listed() -> None:
    assert [row[0].strip("`") for row in read_table("What the guard answers by itself")] == list(FORBIDDEN_BODIES)
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert json.loads(shown) == json.loads(FORBIDDEN_BODIES["origin_not_allowed"])
