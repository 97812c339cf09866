"""Judging the grants of a document: pure judgement about what was read before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from django.utils import timezone

from django_cors_guard.core.files import FileProblem, problem, suggest
from django_cors_guard.core.origins import Mend, Origin, OriginRules, Problem, check_rules
from django_cors_guard.core.policy import CLOCK_SLACK
from django_cors_guard.core.policy_file import FileGrant
from django_cors_guard.core.policy_files.problems import Finding
from django_cors_guard.core.risks import find_risks
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.issuer import ISSUER_PREFIX
from django_cors_guard.models.trusted_origin import rules_for
from django_cors_guard.services.places import tidy
from django_cors_guard.services.policy.plans import (
    Addition,
    Change,
    Conflict,
    ConflictCode,
    Difference,
    Key,
    Kind,
    Reinstatement,
    Revocation,
)
from django_cors_guard.services.transfer.planning import as_stored

#: None: it is here already.
Verdict: TypeAlias = Addition | Change | Revocation | Reinstatement | Conflict | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one grant of the document, with what is wrong with it, or worth knowing."""

    verdict: Verdict
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """What grants may name, as it will be once the document is applied."""

    environments: Mapping[str, Environment]
    groups: Mapping[str, ApiGroup]
    front_ends: frozenset[str]

    def find_unknown(self, grant: FileGrant) -> list[Problem]:
        """Return a problem for each name that nothing has."""
        asked = (
            (FileProblem.UNKNOWN_ENVIRONMENT, grant.environment, self.environments),
            (FileProblem.UNKNOWN_API_GROUP, grant.api_group, self.groups),
            (FileProblem.UNKNOWN_FRONT_END, grant.front_end, self.front_ends),
        )
        return [
            problem(code, slug, suggest(slug, sorted(known)))
            for code, slug, known in asked
            if slug not in known and (slug or code is not FileProblem.UNKNOWN_FRONT_END)
        ]


@dataclass(frozen=True, slots=True)
class Case:
    """One grant of the document in canonical form, and the one that is here.

    ``environment`` and ``api_group`` are as they will be. ``manager`` is the document's name.
    """

    wanted: FileGrant
    origin: Origin
    environment: Environment
    api_group: ApiGroup
    manager: str
    grant: TrustedOrigin | None
    revoked_by: str = ""
    mended: tuple[Mend, ...] = ()
    reinstates: bool = False
    alike: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.wanted.environment, self.wanted.api_group, self.origin.text)

    @property
    def place(self) -> str:
        return f"trusted_origins[{'/'.join(self.key)}]"

    @property
    def rules(self) -> OriginRules:
        return rules_for(self.environment, self.api_group)

    def find_faults(self) -> tuple[Problem, ...]:
        """Return the rules that will hold and that the grant would break while it lets anybody in."""
        ends, now = as_stored(self.wanted.expires_at), timezone.now()
        if self.wanted.revoked_at is not None or (ends is not None and ends <= now):
            return ()
        faults = check_rules(self.origin, self.rules)
        days = self.environment.max_trust_days
        latest = now + timedelta(days=days or 0, seconds=CLOCK_SLACK)
        if days and (ends is None or ends > latest):
            faults = (*faults, Problem("trusted_too_long", self.origin.text, str(days)))
        return faults


def judge_grant(case: Case) -> Outcome:
    """Return what would become of the grant."""
    verdict = _judge(case)
    if isinstance(verdict, Conflict):
        return Outcome(verdict)
    found = tuple(Finding(case.place, fault) for fault in case.find_faults())
    if found and verdict is None and _is_off(case):
        # It lets nobody in, and goes on not doing so: the policy is as the document wants it.
        return Outcome(verdict, warnings=found)
    return Outcome(verdict, problems=found)


def _is_off(case: Case) -> bool:
    """Whether the grant that is here breaks today's rules already."""
    return case.grant is not None and bool(case.grant.find_faults())


def _judge(case: Case) -> Verdict:
    if case.grant is None:
        risks = () if case.wanted.revoked_at is not None else _find_risks(case)
        return Addition(Kind.GRANT, case.key, _normalise(case), case.mended, risks)
    differences = _list_differences(case, case.grant)
    turns = (case.wanted.revoked_at is None) != (case.grant.revoked_at is None)
    if not (differences or turns):
        return None
    # An issuer could end what it is said to manage: a grant that nobody manages is not handed to one.
    is_handed_over = case.wanted.managed_by.startswith(ISSUER_PREFIX) and not case.grant.managed_by
    if is_handed_over or case.grant.managed_by not in {"", case.manager}:
        return _conflict(case, case.grant, ConflictCode.MANAGED_ELSEWHERE)
    return _turn(case, case.grant, differences) if turns else Change(Kind.GRANT, case.key, differences)


def _turn(case: Case, grant: TrustedOrigin, differences: tuple[Difference, ...]) -> Verdict:
    """Judge a grant that is revoked in one of the two, and not in the other."""
    if case.wanted.revoked_at is not None:
        wanted = case.wanted
        at = as_stored(wanted.revoked_at)
        return Revocation(case.key, at, wanted.revoked_by, tidy(wanted.revoke_reason), differences=differences)
    if not case.reinstates:
        return _conflict(case, grant, ConflictCode.REVOKED_HERE)
    return Reinstatement(
        case.key, case.revoked_by, grant.revoked_at, grant.revoke_reason, differences, _find_risks(case)
    )


def _normalise(case: Case) -> FileGrant:
    """Return the grant as it will be stored, managed by the document unless it says by whom else."""
    wanted = case.wanted
    return FileGrant(
        environment=wanted.environment,
        api_group=wanted.api_group,
        origin=case.origin.text,
        front_end=wanted.front_end,
        note=tidy(wanted.note),
        expires_at=as_stored(wanted.expires_at),
        revoked_at=as_stored(wanted.revoked_at),
        revoked_by=wanted.revoked_by,
        revoke_reason=tidy(wanted.revoke_reason),
        managed_by=wanted.managed_by or case.manager,
    )


def _conflict(case: Case, grant: TrustedOrigin, why: ConflictCode) -> Conflict:
    by, at, reason = case.revoked_by, grant.revoked_at, grant.revoke_reason
    manager = grant.managed_by or case.wanted.managed_by
    return Conflict(Kind.GRANT, case.key, why, manager, by if at is not None else "", at, reason)


def _find_risks(case: Case) -> tuple[Problem, ...]:
    return find_risks(case.origin, rules=case.rules, trusted=case.alike)


def _list_differences(case: Case, grant: TrustedOrigin) -> tuple[Difference, ...]:
    """Return what the document says that is not so; who manages a grant of somebody else it need not say."""
    wanted = case.wanted
    front_end = grant.front_end.slug if grant.front_end is not None else ""
    manager = wanted.managed_by or ("" if grant.managed_by else case.manager) or grant.managed_by
    told: tuple[tuple[str, Any, Any], ...] = (
        ("expires_at", grant.expires_at, as_stored(wanted.expires_at)),
        ("front_end", front_end, wanted.front_end),
        ("note", grant.note, tidy(wanted.note)),
        ("managed_by", grant.managed_by, manager),
    )
    return tuple(Difference(name, before, after) for name, before, after in told if before != after)
