"""The server side of the CORS protocol: request facts and a policy in, a decision out.

Source: Fetch standard, "HTTP CORS protocol" (https://fetch.spec.whatwg.org/#http-cors-protocol). Requests without
Origin, of which CORS says nothing, are judged by ``core.isolation`` where the group says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.answers import COLD, COLD_PREFLIGHT, COLD_REFUSED, UNGUARDED
from django_cors_guard.core.decision import Decision, Facts, Kind, Mode, Reason
from django_cors_guard.core.isolation import is_cross_site
from django_cors_guard.core.policy import GroupPolicy, Policy

# Plain names: before Python 3.12, asking an enumeration for a member takes a call.
_ENFORCE: Final = Mode.ENFORCE
_METHOD_NOT_ALLOWED: Final = Reason.METHOD_NOT_ALLOWED
_HEADER_NOT_ALLOWED: Final = Reason.HEADER_NOT_ALLOWED

_KIND_OF_FETCH_MODE: Final = {"navigate": Kind.NAVIGATION, "no-cors": Kind.NO_CORS, "websocket": Kind.WEBSOCKET}


def decide(facts: Facts, policy: Policy | None, now: float, group: GroupPolicy | None = None) -> Decision:
    """Return what to do with the request that ``facts`` describe.

    ``policy`` is None before any policy could be loaded. ``now`` is in seconds since the epoch; only expiry reads it.
    ``group`` is what the policy finds for these facts, where that is known already.
    """
    if policy is None:
        return _decide_cold(facts)
    group = group or policy.find_group(facts)
    if group is None:
        return UNGUARDED
    origin = facts.origin
    if not origin:
        # A blank one is what a proxy leaves of an Origin that it means to drop.
        cross_site = group.answers.cross_site
        if cross_site is not None and is_cross_site(facts):
            return cross_site
        if origin is None:
            return group.answers.no_origin
    reason = group.judge_origin(origin, now)
    if facts.method == "OPTIONS" and facts.requested_method is not None:
        return _decide_preflight(facts, group, reason)
    return _decide_actual(facts, group, reason)


def is_preflight(facts: Facts) -> bool:
    """Whether the request asks for leave: OPTIONS with Origin and Access-Control-Request-Method."""
    return facts.method == "OPTIONS" and facts.origin is not None and facts.requested_method is not None


def kind_of(facts: Facts, fetch_mode: str | None) -> Kind:
    """Return the kind a refusal is recorded under; ``fetch_mode`` is the value of Sec-Fetch-Mode."""
    if is_preflight(facts):
        return Kind.PREFLIGHT
    return _KIND_OF_FETCH_MODE.get(fetch_mode or "", Kind.ACTUAL)


def _decide_cold(facts: Facts) -> Decision:
    if is_preflight(facts):
        return COLD_PREFLIGHT
    if facts.origin is None or facts.same_origin:
        return COLD
    return COLD_REFUSED


def _decide_actual(facts: Facts, group: GroupPolicy, reason: Reason) -> Decision:
    decision = group.answers.actual[reason]
    # Being same-origin is costly to find out and decides only about blocking and recording: ask last.
    if group.mode is _ENFORCE and decision.rejected is None and not decision.used:
        return decision
    if facts.same_origin:
        return group.answers.same_origin[reason]
    if group.checks_methods and decision.rejected is None and not group.rules.allows_method(facts.method):
        return group.answers.wrong_method[reason]
    return decision


def _decide_preflight(facts: Facts, group: GroupPolicy, reason: Reason) -> Decision:
    if facts.same_origin:
        return group.answers.same_origin[reason]
    decision = group.answers.preflight[reason]
    if decision.rejected is not None:
        return decision
    return _judge_request(facts, group, decision)


def _judge_request(facts: Facts, group: GroupPolicy, decision: Decision) -> Decision:
    """Rows 6 and 7: the origin is trusted; say whether it may use what it asks for."""
    rules = group.rules
    method = facts.requested_method or ""
    requestable = headers.is_requestable_method(method)
    listed = method in headers.SAFELISTED_METHODS or method in rules.shown_methods
    method_ok = requestable and (listed or headers.ANY in rules.shown_methods)
    names = headers.parse_request_headers(facts.requested_headers or "")
    headers_ok = names is not None and group.allows_headers(names)
    if not method_ok:
        decision = group.answers.wrong_request[_METHOD_NOT_ALLOWED]
    elif not headers_ok:
        decision = group.answers.wrong_request[_HEADER_NOT_ALLOWED]
    return _name_requested(group, decision, method if method_ok else "", names or ())


def _name_requested(group: GroupPolicy, decision: Decision, method: str, names: tuple[str, ...]) -> Decision:
    """With credentials ``*`` is no wildcard to a browser, so what was asked for is named instead."""
    if not (group.rules.credentials and group.answers_by_name) or not decision.headers:
        return decision
    pairs = dict(decision.headers)
    if headers.ANY in group.rules.shown_methods and method:
        _extend(pairs, headers.ALLOW_METHODS, (method,))
    if headers.ANY in group.rules.shown_headers:
        _extend(pairs, headers.ALLOW_HEADERS, tuple(name for name in names if headers.is_token(name)))
    return replace(decision, headers=tuple(pairs.items()))


def _extend(pairs: dict[str, str], name: str, tokens: tuple[str, ...]) -> None:
    present = [token for token in pairs.get(name, "").split(", ") if token]
    merged = dict.fromkeys([*present, *tokens])
    if merged:
        pairs[name] = headers.join(merged)
