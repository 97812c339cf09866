"""The decisions of one API group, prepared once so that a request only picks one of them.

The rows named in comments are those of the protocol table in the documentation (mode ``enforce``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Decision, Headers, Mode, Reason

NO_CONTENT: Final = 204
FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503

VARY_ORIGIN: Final = ("Origin",)
VARY_REQUEST: Final = (headers.REQUEST_METHOD, headers.REQUEST_HEADERS)
VARY_PREFLIGHT: Final = (*VARY_ORIGIN, *VARY_REQUEST)
VARY_BLOCKED: Final = ("Origin", "Sec-Fetch-Site")

ORIGIN_NOT_ALLOWED: Final = "origin_not_allowed"
METHOD_NOT_ALLOWED: Final = "method_not_allowed"

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

    def allows_method(self, method: str) -> bool:
        """Whether a trusted page may use ``method`` (in mode ``block``: HEAD counts as GET, OPTIONS is exempt)."""
        allowed = self.shown_methods
        if method in allowed or headers.ANY in allowed or method == "OPTIONS":
            return True
        return method == "HEAD" and "GET" in allowed


@dataclass(frozen=True, slots=True)
class Answers:
    """Every decision of one API group that can be made ahead of the request."""

    no_origin: Decision
    same_origin: dict[Reason, Decision]
    actual: dict[Reason, Decision]
    wrong_method: dict[Reason, Decision]
    preflight: dict[Reason, Decision]


def prepare_answers(rules: GroupRules, mode: Mode) -> Answers:
    """Return the decisions of a group with ``rules`` under ``mode``."""
    answers = Answers(
        no_origin=_answer_no_origin(rules, mode),
        same_origin=_answer_same_origin(rules, mode),
        actual=_answer_actual(rules, mode),
        wrong_method={reason: _block_method(rules, mode, reason) for reason in ORIGIN_ADMISSIONS},
        preflight=_answer_preflight(rules, mode),
    )
    return _watch_only(answers) if mode is Mode.MONITOR else answers


def _response_headers(rules: GroupRules) -> Headers:
    """Headers of every readable response, but for an echoed origin (rows 4 and 9)."""
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
    pairs = [pair for pair in _response_headers(rules) if pair[0] != headers.EXPOSE_HEADERS]
    for name, shown in ((headers.ALLOW_METHODS, rules.shown_methods), (headers.ALLOW_HEADERS, rules.shown_headers)):
        literal = shown if not rules.credentials else tuple(token for token in shown if token != headers.ANY)
        if literal:
            pairs.append((name, headers.join(literal)))
    pairs.append((headers.MAX_AGE, str(rules.max_age)))
    return tuple(pairs)


def _vary(rules: GroupRules) -> tuple[str, ...]:
    return () if rules.any_origin else VARY_ORIGIN


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
    )


def _answer_no_origin(rules: GroupRules, mode: Mode) -> Decision:
    if rules.any_origin:
        return _readable(rules, mode, Reason.ANY_ORIGIN, used=False)
    return Decision(Reason.NO_ORIGIN, group=rules.slug, mode=mode, vary=VARY_ORIGIN, strip=True)


def _answer_same_origin(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Row 3: the view runs and nothing is recorded, but the CORS headers depend on the origin alone."""
    plain = Decision(Reason.SAME_ORIGIN, group=rules.slug, mode=mode, vary=_vary(rules), strip=True)
    answers = dict.fromkeys(ORIGIN_REFUSALS, plain)
    return answers | {reason: _readable(rules, mode, reason, used=False) for reason in ORIGIN_ADMISSIONS}


def _answer_actual(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Rows 4, 5, 5r and 9."""
    answers = {reason: _readable(rules, mode, reason, used=True) for reason in ORIGIN_ADMISSIONS}
    for reason in ORIGIN_REFUSALS:
        blocked = mode is Mode.BLOCK or reason is Reason.REVOKED
        answers[reason] = Decision(
            reason,
            group=rules.slug,
            mode=mode,
            status=FORBIDDEN if blocked else 0,
            vary=VARY_BLOCKED if blocked else VARY_ORIGIN,
            strip=True,
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
        vary=VARY_BLOCKED,
        strip=True,
        rejected=Reason.METHOD_NOT_ALLOWED,
        problem=METHOD_NOT_ALLOWED,
    )


def _answer_preflight(rules: GroupRules, mode: Mode) -> dict[Reason, Decision]:
    """Rows 6, 8 and 9; row 7 is row 6 under another reason, which is known only with the request."""
    answers = {
        reason: Decision(
            reason,
            group=rules.slug,
            mode=mode,
            status=NO_CONTENT,
            echo_origin=not rules.any_origin,
            headers=_preflight_headers(rules),
            vary=VARY_REQUEST if rules.any_origin else VARY_PREFLIGHT,
            strip=True,
        )
        for reason in ORIGIN_ADMISSIONS
    }
    for reason in ORIGIN_REFUSALS:
        answers[reason] = Decision(
            reason,
            group=rules.slug,
            mode=mode,
            status=FORBIDDEN,
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
        same_origin=_watch_all(answers.same_origin),
        actual=_watch_all(answers.actual),
        wrong_method=_watch_all(answers.wrong_method),
        preflight=_watch_all(answers.preflight),
    )


def _watch_all(decisions: dict[Reason, Decision]) -> dict[Reason, Decision]:
    return {reason: _watched(decision) for reason, decision in decisions.items()}


def _watched(decision: Decision) -> Decision:
    return Decision(
        decision.reason, group=decision.group, mode=decision.mode, rejected=decision.rejected, used=decision.used
    )
