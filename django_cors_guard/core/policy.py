"""The policy of one environment: compiled once from rows, immutable, shared by every request of a process.

Rows are re-checked here, since some ways of writing them skip validation. What fails is left out, never guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.answers import Answers, GroupRules, prepare_answers
from django_cors_guard.core.decision import Facts, Mode, Reason
from django_cors_guard.core.origins import (
    OriginRules,
    Problem,
    check_rules,
    parse_canonical,
    pattern_candidates,
)

FOREVER: Final = inf
# A grant is one number, so that a million of them stay small: the time it ends, or one of these.
REVOKED: Final = -1.0
SWITCHED_OFF: Final = -2.0

MAX_AGE_LIMIT: Final = 86_400
DAY: Final = 86_400.0
# Hosts' clocks differ a little; a grant written to the full limit on another one must not be cut for it.
CLOCK_SLACK: Final = 300.0


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """The environment a process runs in. ``max_trust_days`` None means no limit."""

    slug: str
    mode: str = Mode.ENFORCE
    allow_insecure_http: bool = False
    allow_insecure_credentials: bool = False
    allow_loopback: bool = False
    allow_subdomain_patterns: bool = False
    allow_custom_schemes: bool = False
    max_trust_days: int | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """An API group; ``mode`` is the group's own one in this environment, or None."""

    slug: str
    any_origin: bool = False
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A path prefix (and a host, blank for any) that belongs to a group."""

    group: str
    path_prefix: str
    host: str = ""


#: (group slug, origin, expires_at in epoch seconds or None, revoked): a bare tuple, for there may be a million.
GrantRow = tuple[str, str, float | None, bool]


@dataclass(frozen=True, slots=True)
class PolicySource:
    """All rows of one environment. ``environment`` is None where the active environment has no row."""

    slug: str
    environment: EnvironmentRow | None
    groups: tuple[GroupRow, ...]
    routes: tuple[RouteRow, ...]
    grants: Iterable[GrantRow]
    revision: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that compiling refused: ``origin`` is blank where the whole group was."""

    group: str
    origin: str
    problems: tuple[Problem, ...]


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
            return Reason.ANY_ORIGIN
        # Shortest test first: what is longer than any origin is not even hashed.
        ends = self.grants.get(origin) if len(origin) <= headers.MAX_ORIGIN_LENGTH else None
        if ends is not None:
            return self._judge_grant(ends, now, Reason.TRUSTED)
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
    """The compiled policy of one environment at one (``revision``, ``token``)."""

    environment: str
    revision: int
    token: str
    known: bool
    groups: Mapping[str, GroupPolicy]
    own: GroupPolicy
    routes: Mapping[str, RouteTarget]
    prefix_lengths: tuple[int, ...]
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0

    @property
    def version(self) -> tuple[int, str]:
        """The pair that is compared, for inequality, with the database's."""
        return self.revision, self.token

    def find_group(self, facts: Facts) -> GroupPolicy | None:
        """Return the group the request's path belongs to, or None; the guard's own paths come before any route."""
        if facts.own_path:
            return self.own
        found = self.find_route(facts)
        return found[1] if found is not None else None

    def find_route(self, facts: Facts) -> tuple[str, GroupPolicy, str] | None:
        """Return (prefix, group, host of the route) of the longest prefix that covers the path on whole segments."""
        path = facts.path
        length = len(path)
        routes = self.routes
        for size in self.prefix_lengths:
            if size > length or (size < length and size and path[size] != "/"):
                continue
            target = routes.get(path[:size])
            if target is None:
                continue
            if target.by_host:
                host = facts.host
                group = target.by_host.get(host)
                if group is not None:
                    return path[:size], group, host
            if target.any_host is not None:
                return path[:size], target.any_host, ""
        return None

    @cached_property
    def lapsed(self) -> Policy:
        """The same routes and modes with every grant gone: for a process whose database has been away too long."""
        closed = {slug: _close(group, Reason.NO_POLICY) for slug, group in self.groups.items()}
        routes = {
            prefix: RouteTarget(
                closed[target.any_host.rules.slug] if target.any_host else None,
                {host: closed[group.rules.slug] for host, group in target.by_host.items()},
            )
            for prefix, target in self.routes.items()
        }
        return replace(self, groups=closed, own=_close(self.own, Reason.OWN_PATHS), routes=routes)


def compile_policy(source: PolicySource, *, max_mode: Mode = Mode.BLOCK, now: float) -> Policy:
    """Compile ``source``; nothing in it can make this raise. ``now`` (epoch seconds) judges ``max_trust_days`` only.

    ``max_mode`` is the brake: no group is stricter than it. The first hundred rows that were left out come along.
    """
    environment = source.environment
    base_mode = _read_mode(environment.mode) if environment else Mode.ENFORCE
    problems: list[LeftOut] = []
    count = 0
    groups: dict[str, GroupPolicy] = {}
    books: dict[str, _Book] = {}
    for row in source.groups:
        rules, faults = _check_group(row)
        if faults:
            problems.append(LeftOut(row.slug, "", faults))
        closed = Reason.NO_POLICY if environment is None else Reason.SWITCHED_OFF if faults else None
        mode = _cap(_read_mode(row.mode) if row.mode else base_mode, max_mode)
        book = _Book({}, {}, _origin_rules(environment, rules))
        books[row.slug] = book
        groups[row.slug] = _build_group(rules, mode, book.grants, book.patterns, closed)
    latest = now + environment.max_trust_days * DAY if environment and environment.max_trust_days else None
    if environment is not None:
        for group, origin, ends, revoked in source.grants:
            known_book = books.get(group)
            if known_book is None:
                continue
            faults = known_book.add(origin, ends, revoked, latest)
            if faults:
                count += 1
                if len(problems) < MAX_LEFT_OUT:
                    problems.append(LeftOut(group, origin, faults))
    routes = _compile_routes(source.routes, groups)
    return Policy(
        environment=source.slug,
        revision=source.revision,
        token=source.token,
        known=environment is not None,
        groups=groups,
        own=_build_group(GroupRules(OWN_GROUP), _cap(base_mode, max_mode), {}, {}, Reason.OWN_PATHS),
        routes=routes,
        prefix_lengths=tuple(sorted({len(prefix) for prefix in routes}, reverse=True)),
        left_out=tuple(problems),
        left_out_count=count + sum(1 for problem in problems if not problem.origin),
    )


MAX_LEFT_OUT: Final = 100

#: What rejections on the admin and on this app's API are filed under; no slug can be that, for it has a dot.
OWN_GROUP: Final = "own.paths"


@dataclass(frozen=True, slots=True)
class _Book:
    """The grants of one group while they are entered."""

    grants: dict[str, float]
    patterns: dict[str, float]
    rules: OriginRules

    def add(self, text: str, ends: float | None, revoked: bool, latest: float | None) -> tuple[Problem, ...]:
        origin = parse_canonical(text)
        if origin is None:
            return (Problem("not_canonical", text[:255]),)
        book = self.patterns if origin.is_pattern else self.grants
        if revoked:
            # A refusal needs no safety rule: it stands even where the origin could not be trusted today.
            book[text] = REVOKED
            return ()
        faults = check_rules(origin, self.rules)
        if latest is not None and (ends is None or ends > latest + CLOCK_SLACK):
            faults = (*faults, Problem("trusted_too_long", text, "max_trust_days"))
        book[text] = SWITCHED_OFF if faults else FOREVER if ends is None else max(ends, 0.0)
        return faults


def _build_group(
    rules: GroupRules,
    mode: Mode,
    grants: Mapping[str, float],
    patterns: Mapping[str, float],
    closed: Reason | None,
) -> GroupPolicy:
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
    mode = _cap(group.mode, Mode.ENFORCE)
    return _build_group(group.rules, mode, group.grants, group.patterns, reason)


def _read_mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        return Mode.ENFORCE


def _cap(mode: Mode, limit: Mode) -> Mode:
    return mode if mode.strictness <= limit.strictness else limit


def _origin_rules(environment: EnvironmentRow | None, rules: GroupRules) -> OriginRules:
    if environment is None:
        return OriginRules(credentials=rules.credentials)
    return OriginRules(
        allow_insecure_http=environment.allow_insecure_http,
        allow_insecure_credentials=environment.allow_insecure_credentials,
        allow_loopback=environment.allow_loopback,
        allow_subdomain_patterns=environment.allow_subdomain_patterns,
        allow_custom_schemes=environment.allow_custom_schemes,
        credentials=rules.credentials,
    )


def _check_group(row: GroupRow) -> tuple[GroupRules, tuple[Problem, ...]]:
    faults = check_group(row)
    if faults:
        # Nothing of a malformed group may reach a header; with no lists left there is nothing that could.
        return GroupRules(row.slug), faults
    return (
        GroupRules(
            slug=row.slug,
            any_origin=row.any_origin,
            credentials=row.allow_credentials,
            shown_methods=tuple(row.allow_methods),
            shown_headers=tuple(name.lower() for name in row.allow_headers),
            exposed=tuple(row.expose_headers),
            max_age=row.max_age,
        ),
        (),
    )


def check_group(row: GroupRow) -> tuple[Problem, ...]:
    """Return everything that is wrong with a group's own fields; used when it is written and when it is compiled."""
    faults: list[Problem] = []
    if row.any_origin and row.allow_credentials:
        faults.append(Problem("any_origin_with_credentials", row.slug))
    if type(row.max_age) is not int or not 0 <= row.max_age <= MAX_AGE_LIMIT:
        faults.append(Problem("max_age_out_of_range", str(row.max_age), str(MAX_AGE_LIMIT)))
    faults += check_methods(row.allow_methods)
    faults += check_request_headers(row.allow_headers)
    faults += check_exposed_headers(row.expose_headers, credentials=row.allow_credentials)
    return tuple(faults)


def check_methods(methods: object) -> list[Problem]:
    """Problems of an ``allow_methods`` list: tokens only (``*`` is one), none that Fetch forbids."""
    return _check_tokens(methods) + [
        Problem("forbidden_method", method) for method in _texts_of(methods) if headers.is_forbidden_method(method)
    ]


def check_request_headers(names: object) -> list[Problem]:
    """Problems of an ``allow_headers`` list: tokens only, none that no script may set."""
    return _check_tokens(names) + [
        Problem("forbidden_header", name) for name in _texts_of(names) if headers.is_forbidden_request_header(name)
    ]


def check_exposed_headers(names: object, *, credentials: bool) -> list[Problem]:
    """Problems of an ``expose_headers`` list; ``*`` means nothing to a browser that sent credentials."""
    faults = _check_tokens(names)
    for name in _texts_of(names):
        if name == headers.ANY and credentials:
            faults.append(Problem("expose_any_with_credentials", headers.ANY))
        elif name.lower() in headers.FORBIDDEN_RESPONSE_HEADERS:
            faults.append(Problem("forbidden_header", name))
    return faults


def _texts_of(tokens: object) -> list[str]:
    """The strings of a stored list; a database column of JSON may hold anything."""
    return [token for token in tokens if isinstance(token, str)] if isinstance(tokens, list | tuple) else []


def _check_tokens(tokens: object) -> list[Problem]:
    if not isinstance(tokens, list | tuple):
        return [Problem("not_a_list", repr(tokens)[:255])]
    return [
        Problem("not_a_token", repr(token)[:255])
        for token in tokens
        if not (isinstance(token, str) and headers.is_token(token))
    ]


def _compile_routes(rows: Iterable[RouteRow], groups: Mapping[str, GroupPolicy]) -> dict[str, RouteTarget]:
    targets: dict[str, tuple[list[GroupPolicy], dict[str, GroupPolicy]]] = {}
    for row in rows:
        group = groups.get(row.group)
        if group is None:
            continue
        anywhere, by_host = targets.setdefault(row.path_prefix.rstrip("/"), ([], {}))
        if row.host:
            by_host[normalise_host(row.host)] = group
        else:
            anywhere.append(group)
    return {
        prefix: RouteTarget(anywhere[0] if anywhere else None, by_host)
        for prefix, (anywhere, by_host) in targets.items()
    }


def normalise_host(host: str) -> str:
    """Return ``host`` as routes compare it: lower case, without port and one trailing dot."""
    lowered = host.strip().lower()
    if lowered.startswith("["):
        return lowered.partition("]")[0] + "]"
    return lowered.partition(":")[0].removesuffix(".")
