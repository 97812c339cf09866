"""The policy of one environment: compiled once from rows, immutable, shared by every request of a process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.answers import Answers, GroupRules, prepare_answers
from django_cors_guard.core.decision import Facts, Mode, Reason
from django_cors_guard.core.group_checks import (
    MAX_AGE_LIMIT,
    check_exposed_headers,
    check_group,
    check_methods,
    check_request_headers,
)
from django_cors_guard.core.origins import parse_canonical, pattern_candidates
from django_cors_guard.core.rows import EnvironmentRow, GrantRow, GroupRow, LeftOut, PolicySource, RouteRow

__all__ = [
    "CLOCK_SLACK",
    "DAY",
    "FOREVER",
    "MAX_AGE_LIMIT",
    "OWN_GROUP",
    "REVOKED",
    "SWITCHED_OFF",
    "EnvironmentRow",
    "GrantRow",
    "GroupPolicy",
    "GroupRow",
    "LeftOut",
    "Policy",
    "PolicySource",
    "RouteRow",
    "RouteTarget",
    "build_group",
    "cap_mode",
    "check_exposed_headers",
    "check_group",
    "check_methods",
    "check_request_headers",
    "normalise_host",
]

FOREVER: Final = inf
# A grant is one number, so that a million of them stay small: the time it ends, or one of these.
REVOKED: Final = -1.0
SWITCHED_OFF: Final = -2.0

DAY: Final = 86_400.0
# Hosts' clocks differ a little; a grant written to the full limit on another one must not be cut for it.
CLOCK_SLACK: Final = 300.0

# Plain names: before Python 3.12, asking an enumeration for a member takes a call.
_ANY_ORIGIN: Final = Reason.ANY_ORIGIN
_TRUSTED: Final = Reason.TRUSTED

_ENDS_OF_SEGMENT: Final = ("", "/")

#: What rejections on the admin and on this app's API are filed under; no slug can be that, for it has a dot.
OWN_GROUP: Final = "own.paths"


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """The compiled policy of one API group. ``closed`` names the reason under which everything is refused."""

    rules: GroupRules
    mode: Mode
    grants: Mapping[str, float]
    patterns: Mapping[str, float]
    answers: Answers
    checks_methods: bool
    answers_by_name: bool
    allowed_headers: frozenset[str]
    closed: Reason | None = None

    def judge_origin(self, origin: str, now: float) -> Reason:
        """Return whether ``origin`` is trusted, or why not; an exact row decides alone, and before any pattern."""
        if self.rules.any_origin:
            return _ANY_ORIGIN
        # Shortest test first: what is longer than any origin is not even hashed.
        ends = self.grants.get(origin) if len(origin) <= headers.MAX_ORIGIN_LENGTH else None
        if ends is not None:
            return _TRUSTED if ends > now and self.closed is None else self._judge_grant(ends, now, _TRUSTED)
        if origin == headers.NULL_ORIGIN:
            return Reason.NULL_ORIGIN
        if not headers.is_origin_shaped(origin):
            return Reason.MALFORMED_ORIGIN
        # An international name that is none could be let in by a pattern and never be revoked by name.
        if self.patterns and ("xn--" not in origin or parse_canonical(origin) is not None):
            for pattern in pattern_candidates(origin):
                ends = self.patterns.get(pattern)
                if ends is not None:
                    return self._judge_grant(ends, now, Reason.TRUSTED_PATTERN)
        return self.closed or Reason.UNKNOWN_ORIGIN

    def _judge_grant(self, ends: float, now: float, admission: Reason) -> Reason:
        if ends == REVOKED:
            return Reason.REVOKED
        if self.closed is not None:
            return self.closed
        if ends > now:
            return admission
        return Reason.SWITCHED_OFF if ends == SWITCHED_OFF else Reason.EXPIRED

    def allows_headers(self, names: Iterable[str]) -> bool:
        """Whether a trusted page may send the request headers ``names`` (lower case)."""
        allowed = self.allowed_headers
        if headers.ANY not in allowed:
            return all(name in allowed for name in names)
        # Without credentials browsers do not count Authorization into ``*``; with them every name is answered.
        return all(
            headers.is_token(name) and (self.rules.credentials or name != "authorization" or name in allowed)
            for name in names
        )


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """The groups that one path prefix leads to."""

    any_host: GroupPolicy | None
    by_host: Mapping[str, GroupPolicy]


@dataclass(frozen=True)
class Policy:
    """The compiled policy of one environment at one (``revision``, ``token``).

    ``basis`` is what it was compiled from, without the grants. ``left_out`` holds at most a hundred of the rows that
    compiling refused, ``left_out_count`` counts them all.
    """

    environment: str
    revision: int
    token: str
    known: bool
    groups: Mapping[str, GroupPolicy]
    own: GroupPolicy
    routes: Mapping[str, RouteTarget]
    prefix_lengths: tuple[int, ...]
    basis: PolicySource = field(compare=False)
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0

    @property
    def version(self) -> tuple[int, str]:
        """The pair that is compared, for inequality, with the database's."""
        return self.revision, self.token

    @cached_property
    def asks_for_host(self) -> bool:
        """Whether any route names a host, so that a path alone may not tell its group."""
        return any(target.by_host for target in self.routes.values())

    def find_group(self, facts: Facts) -> GroupPolicy | None:
        """Return the group the request's path belongs to, or None."""
        found = self.find_route(facts)
        return found[1] if found is not None else None

    def find_route(self, facts: Facts) -> tuple[str, GroupPolicy, str] | None:
        """Return (prefix, group, host of the route) of the longest prefix that covers the path on whole segments.

        The guard's own paths come before any route, and have no prefix.
        """
        if facts.own_path:
            return "", self.own, ""
        path = facts.path
        for size in self.prefix_lengths:
            # What follows a longer prefix than the path is nothing, as what follows the path itself.
            if size and path[size : size + 1] not in _ENDS_OF_SEGMENT:
                continue
            prefix = path[:size]
            target = self.routes.get(prefix)
            if target is None:
                continue
            if target.by_host:
                host = facts.host
                group = target.by_host.get(host)
                if group is not None:
                    return prefix, group, host
            if target.any_host is not None:
                return prefix, target.any_host, ""
        return None

    @cached_property
    def lapsed(self) -> Policy:
        """The same routes and modes with every grant gone: for a process whose database has been away too long."""
        closed = {slug: _close(group, Reason.NO_POLICY) for slug, group in self.groups.items()}
        return self._with_groups(closed, _close(self.own, Reason.OWN_PATHS))

    @cached_property
    def enforced(self) -> Policy:
        """The same policy as if every group that only watches enforced: what would be answered once it does."""
        groups = {slug: _enforce(group) for slug, group in self.groups.items()}
        return self._with_groups(groups, _enforce(self.own))

    def _with_groups(self, groups: Mapping[str, GroupPolicy], own: GroupPolicy) -> Policy:
        """Return the same routes to other groups of the same names."""
        routes = {
            prefix: RouteTarget(
                groups[target.any_host.rules.slug] if target.any_host else None,
                {host: groups[group.rules.slug] for host, group in target.by_host.items()},
            )
            for prefix, target in self.routes.items()
        }
        return replace(self, groups=groups, own=own, routes=routes)


def build_group(
    rules: GroupRules,
    mode: Mode,
    grants: Mapping[str, float],
    patterns: Mapping[str, float],
    closed: Reason | None,
) -> GroupPolicy:
    """Return the group ready to decide; one that is closed is open to no origin at all."""
    if closed is not None:
        rules = replace(rules, any_origin=False)
    return GroupPolicy(
        rules=rules,
        mode=mode,
        grants=grants,
        patterns=patterns,
        answers=prepare_answers(rules, mode),
        checks_methods=mode is Mode.BLOCK,
        answers_by_name=headers.ANY in rules.shown_methods or headers.ANY in rules.shown_headers,
        allowed_headers=frozenset(name.lower() for name in rules.shown_headers),
        closed=closed,
    )


def _close(group: GroupPolicy, reason: Reason) -> GroupPolicy:
    mode = cap_mode(group.mode, Mode.ENFORCE)
    return build_group(group.rules, mode, group.grants, group.patterns, reason)


def _enforce(group: GroupPolicy) -> GroupPolicy:
    if group.mode is not Mode.MONITOR:
        return group
    return replace(group, mode=Mode.ENFORCE, answers=prepare_answers(group.rules, Mode.ENFORCE))


def cap_mode(mode: Mode, limit: Mode) -> Mode:
    """Return ``mode``, or ``limit`` where that is less strict."""
    return mode if mode.strictness <= limit.strictness else limit


def normalise_host(host: str) -> str:
    """Return ``host`` as routes compare it: lower case, without port and one trailing dot."""
    lowered = host.strip().lower()
    if lowered.startswith("["):
        return lowered.partition("]")[0] + "]"
    return lowered.partition(":")[0].removesuffix(".")
