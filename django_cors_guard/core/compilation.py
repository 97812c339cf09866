"""From rows to a policy: all of them at once, or those that were written since the policy at hand.

Rows are re-checked here, since some ways of writing them skip validation. What fails is left out, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from django_cors_guard.core.answers import GroupRules
from django_cors_guard.core.books import Amendment, NewBook, Pen, open_recount
from django_cors_guard.core.decision import Isolation, Mode, Reason, ResourcePolicy
from django_cors_guard.core.group_checks import check_group
from django_cors_guard.core.origins import OriginRules, Problem, check_rules, is_plain_https, parse_canonical
from django_cors_guard.core.policy import (
    CLOCK_SLACK,
    DAY,
    FOREVER,
    OWN_GROUP,
    REVOKED,
    SWITCHED_OFF,
    GroupPolicy,
    Policy,
    RouteTarget,
    build_group,
    cap_mode,
    normalise_host,
)
from django_cors_guard.core.rows import EnvironmentRow, GrantRow, GroupRow, LeftOut, PolicySource, RouteRow

MAX_LEFT_OUT: Final = 100

_NOT_CANONICAL: Final = "not_canonical"


def compile_policy(
    source: PolicySource, *, max_mode: Mode = Mode.BLOCK, now: float, known: Policy | None = None
) -> Policy:
    """Compile ``source``; nothing in it can make this raise. ``now`` (epoch seconds) judges ``max_trust_days`` only.

    ``max_mode`` is the brake: no group is stricter than it. The first hundred rows that were left out come along. Large
    books that say nearly the same as those of the policy ``known`` share its memory; what is decided is the same. Only
    then may this raise, ``UncertainBook``.
    """
    books = known.groups if known is not None else {}

    def open_pens(slug: str) -> tuple[Pen, Pen]:
        book = books.get(slug)
        return (open_recount(book.grants), open_recount(book.patterns)) if book else (NewBook(), NewBook())

    sheets = _open_sheets(source, max_mode, open_pens)
    left_out = [LeftOut(slug, "", sheet.faults) for slug, sheet in sheets.items() if sheet.faults]
    count = len(left_out)
    for found in _enter_all(source, sheets, now):
        count += 1
        if len(left_out) < MAX_LEFT_OUT:
            left_out.append(found)
    return _bind(source, sheets, max_mode, left_out, count)


def catch_up(policy: Policy, source: PolicySource, *, max_mode: Mode = Mode.BLOCK, now: float) -> Policy | None:
    """Return what compiling all rows would make of them; None where only that can tell.

    ``source`` has the small tables whole, and of the grants those that were written since ``policy`` was compiled, none
    of which has been deleted or moved. It takes all rows where a grant that is not among them may be worth something
    else by now: the environment's rules have changed, or a group's name or credentials.
    """
    if not _are_same_rules(policy.basis, source):
        return None

    def open_pens(slug: str) -> tuple[Pen, Pen]:
        book = policy.groups.get(slug)
        return (Amendment(book.grants), Amendment(book.patterns)) if book else (NewBook(), NewBook())

    sheets = _open_sheets(source, max_mode, open_pens)
    rows = list(source.grants)
    if not all(map(_is_canonical, rows)):
        return None  # such a row is in no book, so nobody knows whether it is counted already
    grants = {(row.group, row.origin): row for row in policy.left_out if row.origin}
    count = policy.left_out_count - (len(policy.left_out) - len(grants))
    for group, origin, _, _ in rows:
        if _ends_of(policy, group, origin) == SWITCHED_OFF:
            count -= 1
            grants.pop((group, origin), None)
    for found in _enter_all(replace(source, grants=rows), sheets, now):
        count += 1
        grants[found.group, found.origin] = found
    groups = [LeftOut(slug, "", sheet.faults) for slug, sheet in sheets.items() if sheet.faults]
    left_out = [*groups, *grants.values()][: max(MAX_LEFT_OUT, len(groups))]
    return _bind(source, sheets, max_mode, left_out, count + len(groups))


def is_revoked(policy: Policy, row: GrantRow) -> bool:
    """Whether ``policy`` knows already that the grant of ``row`` is revoked, or could not make anything of it."""
    is_legible = row[0] in policy.groups and _is_canonical(row)
    return not is_legible or _ends_of(policy, row[0], row[1]) == REVOKED


def _is_canonical(row: GrantRow) -> bool:
    return parse_canonical(row[1]) is not None


def _ends_of(policy: Policy, group: str, origin: str) -> float | None:
    book = policy.groups.get(group)
    if book is None:
        return None
    ends = book.grants.get(origin)
    return ends if ends is not None else book.patterns.get(origin)


def _are_same_rules(before: PolicySource, after: PolicySource) -> bool:
    """Whether a grant that was not written since is worth what it was."""
    if _strip(before.environment) != _strip(after.environment):
        return False
    rules = {row.number: (row.slug, _read_rules(row)[0].credentials) for row in after.groups}
    return all(rules.get(row.number) == (row.slug, _read_rules(row)[0].credentials) for row in before.groups)


def _strip(environment: EnvironmentRow | None) -> EnvironmentRow | None:
    return replace(environment, mode="") if environment is not None else None


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One group while its grants are entered."""

    rules: GroupRules
    faults: tuple[Problem, ...]
    mode: Mode
    closed: Reason | None
    origin_rules: OriginRules
    grants: Pen
    patterns: Pen

    def enter(self, text: str, ends: float | None, revoked: bool, latest: float | None) -> tuple[Problem, ...]:
        """Enter one grant, and return why it is left out; one that is not canonical is not even entered."""
        if is_plain_https(text) and (revoked or latest is None):
            # Nearly all of a million rows: no safety switch has a say in them.
            self.grants.enter(text, REVOKED if revoked else FOREVER if ends is None else max(ends, 0.0))
            return ()
        origin = parse_canonical(text)
        if origin is None:
            return (Problem(_NOT_CANONICAL, text[:255]),)
        pen = self.patterns if origin.is_pattern else self.grants
        if revoked:
            # A refusal needs no safety rule: it stands even where the origin could not be trusted today.
            pen.enter(text, REVOKED)
            return ()
        faults = check_rules(origin, self.origin_rules)
        if latest is not None and (ends is None or ends > latest + CLOCK_SLACK):
            faults = (*faults, Problem("trusted_too_long", text, "max_trust_days"))
        pen.enter(text, SWITCHED_OFF if faults else FOREVER if ends is None else max(ends, 0.0))
        return faults


def _open_sheets(
    source: PolicySource, max_mode: Mode, open_pens: Callable[[str], tuple[Pen, Pen]]
) -> dict[str, _Sheet]:
    environment = source.environment
    base_mode = _base_mode(environment)
    sheets: dict[str, _Sheet] = {}
    for row in source.groups:
        rules, faults = _read_rules(row)
        closed = Reason.NO_POLICY if environment is None else Reason.SWITCHED_OFF if faults else None
        mode = cap_mode(_read_mode(row.mode) if row.mode else base_mode, max_mode)
        grants, patterns = open_pens(row.slug)
        sheets[row.slug] = _Sheet(rules, faults, mode, closed, _origin_rules(environment, rules), grants, patterns)
    return sheets


def _enter_all(source: PolicySource, sheets: Mapping[str, _Sheet], now: float) -> Iterator[LeftOut]:
    """Enter the grants of ``source``, and yield those that are left out."""
    environment = source.environment
    if environment is None:
        return
    latest = now + environment.max_trust_days * DAY if environment.max_trust_days else None
    for group, origin, ends, revoked in source.grants:
        sheet = sheets.get(group)
        if sheet is None:
            continue
        faults = sheet.enter(origin, ends, revoked, latest)
        if faults:
            yield LeftOut(group, origin, faults)


def _bind(
    source: PolicySource, sheets: Mapping[str, _Sheet], max_mode: Mode, left_out: Iterable[LeftOut], count: int
) -> Policy:
    groups = {
        slug: build_group(sheet.rules, sheet.mode, sheet.grants.close(), sheet.patterns.close(), sheet.closed)
        for slug, sheet in sheets.items()
    }
    routes = _compile_routes(source.routes, groups)
    own_mode = cap_mode(_base_mode(source.environment), max_mode)
    return Policy(
        environment=source.slug,
        revision=source.revision,
        token=source.token,
        known=source.environment is not None,
        groups=groups,
        own=build_group(GroupRules(OWN_GROUP), own_mode, {}, {}, Reason.OWN_PATHS),
        routes=routes,
        prefix_lengths=tuple(sorted({len(prefix) for prefix in routes}, reverse=True)),
        basis=replace(source, grants=()),
        left_out=tuple(left_out),
        left_out_count=count,
    )


def _base_mode(environment: EnvironmentRow | None) -> Mode:
    return _read_mode(environment.mode) if environment else Mode.ENFORCE


def _read_mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        return Mode.ENFORCE


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


def _read_rules(row: GroupRow) -> tuple[GroupRules, tuple[Problem, ...]]:
    faults = check_group(row)
    if faults:
        # Nothing of a malformed group may reach a header; with no lists left there is nothing that could. What keeps
        # other sites out stays, as far as it can be read.
        return (
            GroupRules(row.slug, isolate=_read_isolation(row.isolate), resource_policy=_read_policy_of_resources(row)),
            faults,
        )
    return (
        GroupRules(
            slug=row.slug,
            any_origin=row.any_origin,
            credentials=row.allow_credentials,
            shown_methods=tuple(row.allow_methods),
            shown_headers=tuple(name.lower() for name in row.allow_headers),
            exposed=tuple(row.expose_headers),
            max_age=row.max_age,
            trusted_for_csrf=row.trusted_for_csrf,
            isolate=_read_isolation(row.isolate),
            timing=row.timing_allow_origin,
            resource_policy=_read_policy_of_resources(row),
        ),
        (),
    )


def _read_isolation(text: str) -> Isolation:
    try:
        return Isolation(text)
    except ValueError:
        return Isolation.ENFORCE


def _read_policy_of_resources(row: GroupRow) -> str:
    try:
        return ResourcePolicy(row.cross_origin_resource_policy)
    except ValueError:
        return ""


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
