"""The decisions of one API group, prepared once so that a request only picks one of them.

The rows named in comments are those of the protocol table in the documentation (mode ``enforce``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Decision, Headers, Isolation, Mode, Reason
from django_cors_guard.core.isolation import VARY_ISOLATED

NO_CONTENT: Final = 204
FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503

VARY_ORIGIN: Final = ("Origin",)
VARY_REQUEST: Final = (headers.REQUEST_METHOD, headers.REQUEST_HEADERS)
VARY_PREFLIGHT: Final = (*VARY_ORIGIN, *VARY_REQUEST)
VARY_BLOCKED: Final = ("Origin", "Sec-Fetch-Site")

ORIGIN_NOT_ALLOWED: Final = "origin_not_allowed"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"
CROSS_SITE: Final = "cross_site"

#: What an origin alone can be refused for.
ORIGIN_REFUSALS: Final = (
    Reason.UNKNOWN_ORIGIN,
    Reason.REVOKED,
    Reason.EXPIRED,
    Reason.SWITCHED_OFF,
    Reason.NULL_ORIGIN,
    Reason.MALFORMED_ORIGIN,
    Reason.OWN_PATHS,
    Reason.NO_POLICY,
)
#: What a trusted origin's preflight can be refused for.
REQUEST_REFUSALS: Final = (Reason.METHOD_NOT_ALLOWED, Reason.HEADER_NOT_ALLOWED)
ORIGIN_ADMISSIONS: Final = (Reason.TRUSTED, Reason.TRUSTED_PATTERN, Reason.ANY_ORIGIN)

UNGUARDED: Final = Decision(Reason.UNGUARDED)

#: Cold start without a database: what is guarded is not known, so nothing is opened and nothing else is broken.
COLD: Final = Decision(Reason.NO_POLICY, vary=VARY_ORIGIN, strip=True)
COLD_REFUSED: Final = Decision(Reason.NO_POLICY, vary=VARY_ORIGIN, strip=True, rejected=Reason.NO_POLICY)
COLD_PREFLIGHT: Final = Decision(
    Reason.NO_POLICY, status=UNAVAILABLE, vary=VARY_PREFLIGHT, strip=True, rejected=Reason.NO_POLICY
)


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What a trusted caller of one API group may do.

    ``methods`` compare case-sensitively, ``headers`` are lower case; both may hold ``*``. The ``shown`` tuples are
    what is sent, in the operator's order.
    """

    slug: str
    any_origin: bool = False
    credentials: bool = False
    shown_methods: tuple[str, ...] = ()
    shown_headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int = 600
    trusted_for_csrf: bool = False
    isolate: Isolation = Isolation.OFF
    timing: bool = False
    resource_policy: str = ""

    def allows_method(self, method: str) -> bool:
        """Whether a trusted page may use ``method`` (in mode ``block``: HEAD counts as GET, OPTIONS is exempt)."""
        allowed = self.shown_methods
        if method in allowed or headers.ANY in allowed or method == "OPTIONS":
            return True
        return method == "HEAD" and "GET" in allowed


@dataclass(frozen=True, slots=True)
class Answers:
    """Every decision of one API group that can be made ahead of the request.

    ``cross_site`` is that of a request without Origin that isolation refuses; None where nothing is isolated.
    """

    no_origin: Decision
    cross_site: Decision | None
    same_origin: dict[Reason, Decision]
    actual: dict[Reason, Decision]
    wrong_method: dict[Reason, Decision]
    preflight: dict[Reason, Decision]
    wrong_request: dict[Reason, Decision]


def prepare_answers(rules: GroupRules, mode: Mode) -> Answers:
    """Return the decisions of a group with ``rules`` under ``mode``."""
    answers = Answers(
        no_origin=_answer_no_origin(rules, mode),
        cross_site=_answer_cross_site(rules, mode),
        same_origin=_answer_same_origin(rules, mode),
        actual=_answer_actual(rules, mode),
        wrong_method={reason: _block_method(rules, mode, reason) for reason in ORIGIN_ADMISSIONS},
        preflight=_answer_preflight(rules, mode),
        wrong_request={reason: _refuse_request(rules, mode, reason) for reason in REQUEST_REFUSALS},
    )
    return _watch_only(answers) if mode is Mode.MONITOR else answers


def _constant_headers(rules: GroupRules) -> Headers:
    """Headers of every response of the group, whoever asks."""
    return ((headers.RESOURCE_POLICY, rules.resource_policy),) if rules.resource_policy else ()


def _response_headers(rules: GroupRules) -> Headers:
    """Headers of every readable response, but for an echoed origin (rows 4 and 9)."""
    return (*_cors_headers(rules), *_open_timing(rules), *_constant_headers(rules))


def _open_timing(rules: GroupRules) -> Headers:
    return ((headers.TIMING_ALLOW_ORIGIN, headers.ANY),) if rules.timing and rules.any_origin else ()


def _cors_headers(rules: GroupRules) -> Headers:
    pairs = []
    if rules.any_origin:
        pairs.append((headers.ALLOW_ORIGIN, headers.ANY))
    elif rules.credentials:
        pairs.append((headers.ALLOW_CREDENTIALS, "true"))
    if rules.exposed:
        pairs.append((headers.EXPOSE_HEADERS, headers.join(rules.exposed)))
    return tuple(pairs)


def _preflight_headers(rules: GroupRules) -> Headers:
    """Constant headers of an answered preflight; with credentials a ``*`` is answered by name, per request (row 6)."""
    pairs = [pair for pair in _cors_headers(rules) if pair[0] != headers.EXPOSE_HEADERS]
    for name, shown in ((headers.ALLOW_METHODS, rules.shown_methods), (headers.ALLOW_HEADERS, rules.shown_headers)):
        literal = shown if not rules.credentials else tuple(token for token in shown if token != headers.ANY)
        if literal:
            pairs.append((name, headers.join(literal)))
    pairs.append((headers.MAX_AGE, str(rules.max_age)))
    return (*pairs, *_constant_headers(rules))


def _vary(rules: GroupRules) -> tuple[str, ...]:
    return () if rules.any_origin else (*VARY_ORIGIN, *_vary_isolated(rules))


def _vary_isolated(rules: GroupRules) -> tuple[str, ...]:
    """Where isolation answers, a cache must not hand out to one site what another was given, or refused."""
    return VARY_ISOLATED if rules.isolate is Isolation.ENFORCE else ()


def _vary_blocked(rules: GroupRules) -> tuple[str, ...]:
    return (*VARY_ORIGIN, *VARY_ISOLATED) if rules.isolate is Isolation.ENFORCE else VARY_BLOCKED


def _owns_timing(rules: GroupRules) -> bool:
    """Whether Timing-Allow-Origin depends on who asks; open to all, it is one of the constant headers."""
    return rules.timing and not rules.any_origin


def _readable(rules: GroupRules, mode: Mode, reason: Reason, *, used: bool) -> Decision:
    return Decision(
        reason,
        group=rules.slug,
        mode=mode,
        echo_origin=not rules.any_origin,
        headers=_response_headers(rules),
        vary=_vary(rules),
        strip=True,
        used=used and reason is not Reason.ANY_ORIGIN,
        owns_timing=_owns_timing(rules),
    )


def _unreadable(rules: GroupRules, mode: Mode, reason: Reason) -> Decision:
    return Decision(
        reason,
        group=rules.slug,
        mode=mode,
        headers=_constant_headers(rules),
        vary=_vary(rules),
        strip=True,
        owns_timing=_owns_timing(rules),
    )


def _answer_no_origin(rules: GroupRules, mode: Mode) -> Decision:
    if rules.any_origin:
        return _readable(rules, mode, Reason.ANY_ORIGIN, used=False)
    return _unreadable(rules, mode, Reason.NO_ORIGIN)


def _answer_cross_site(rules: GroupRules, mode: Mode) -> Decision | None:
    """A request without Origin that isolation refuses, or only records."""
    if rules.isolate is Isolation.OFF or rules.any_origin:
        return None
    passed = replace(_unreadable(rules, mode, Reason.CROSS_SITE), rejected=Reason.CROSS_SITE)
    if rules.isolate is Isolation.MONITOR:
        return replace(passed, mode=Mode.MONITOR)
    return replace(passed, status=FORBIDDEN, problem=CROSS_SITE, vary=_vary_blocked(rules))


def _answer_same_origin(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Row 3: the view runs and nothing is recorded, but the CORS headers depend on the origin alone."""
    plain = _unreadable(rules, mode, Reason.SAME_ORIGIN)
    answers = dict.fromkeys(ORIGIN_REFUSALS, plain)
    return answers | {reason: _readable(rules, mode, reason, used=False) for reason in ORIGIN_ADMISSIONS}


def _answer_actual(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Rows 4, 5, 5r and 9."""
    answers = {reason: _readable(rules, mode, reason, used=True) for reason in ORIGIN_ADMISSIONS}
    for reason in ORIGIN_REFUSALS:
        blocked = mode is Mode.BLOCK or reason is Reason.REVOKED
        answers[reason] = replace(
            _unreadable(rules, mode, reason),
            status=FORBIDDEN if blocked else 0,
            vary=_vary_blocked(rules) if blocked else (*VARY_ORIGIN, *_vary_isolated(rules)),
            rejected=reason,
            problem=ORIGIN_NOT_ALLOWED if blocked else "",
        )
    return answers


def _block_method(rules: GroupRules, mode: Mode, reason: Reason) -> Decision:
    """Mode ``block``: a trusted origin may read why its method was refused."""
    return Decision(
        Reason.METHOD_NOT_ALLOWED,
        group=rules.slug,
        mode=mode,
        status=FORBIDDEN,
        echo_origin=reason is not Reason.ANY_ORIGIN,
        headers=_response_headers(rules),
        vary=_vary_blocked(rules),
        strip=True,
        rejected=Reason.METHOD_NOT_ALLOWED,
        problem=METHOD_NOT_ALLOWED,
        owns_timing=_owns_timing(rules),
    )


def _admit(rules: GroupRules, mode: Mode, reason: Reason) -> Decision:
    return Decision(
        reason,
        group=rules.slug,
        mode=mode,
        status=NO_CONTENT,
        echo_origin=not rules.any_origin,
        headers=_preflight_headers(rules),
        vary=VARY_REQUEST if rules.any_origin else VARY_PREFLIGHT,
        strip=True,
    )


def _refuse_request(rules: GroupRules, mode: Mode, reason: Reason) -> Decision:
    """Row 7: the headers of row 6, so that the browser's console names what is missing."""
    return replace(_admit(rules, mode, reason), rejected=reason)


def _answer_preflight(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Rows 6, 8 and 9."""
    answers = {reason: _admit(rules, mode, reason) for reason in ORIGIN_ADMISSIONS}
    for reason in ORIGIN_REFUSALS:
        answers[reason] = Decision(
            reason,
            group=rules.slug,
            mode=mode,
            status=FORBIDDEN,
            headers=_constant_headers(rules),
            vary=VARY_PREFLIGHT,
            strip=True,
            rejected=reason,
            problem=ORIGIN_NOT_ALLOWED,
        )
    return answers


def _watch_only(answers: Answers) -> Answers:
    """Mode ``monitor``: the same reasons are recorded, and nothing is added, removed or answered."""
    return Answers(
        no_origin=_watched(answers.no_origin),
        cross_site=_watched(answers.cross_site) if answers.cross_site is not None else None,
        same_origin=_watch_all(answers.same_origin),
        actual=_watch_all(answers.actual),
        wrong_method=_watch_all(answers.wrong_method),
        preflight=_watch_all(answers.preflight),
        wrong_request=_watch_all(answers.wrong_request),
    )


def _watch_all(decisions: dict[Reason, Decision]) -> dict[Reason, Decision]:
    return {reason: _watched(decision) for reason, decision in decisions.items()}


def _watched(decision: Decision) -> Decision:
    return Decision(
        decision.reason, group=decision.group, mode=decision.mode, rejected=decision.rejected, used=decision.used
    )
