"""Planning: what a document would do, from a few queries and without a lock. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser

from django_cors_guard.core.files import FileProblem, problem
from django_cors_guard.core.likeness import find_look_alikes, host_of
from django_cors_guard.core.origins import Mend, Origin, OriginKind, parse_canonical, parse_origin
from django_cors_guard.core.policy_file import FileGrant, PolicyFile
from django_cors_guard.core.policy_files.problems import Finding, PolicyProblem, finding
from django_cors_guard.exceptions import ProtectedEnvironment
from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin
from django_cors_guard.models.issuer import ISSUER_PREFIX
from django_cors_guard.services.places import alias, check_protected
from django_cors_guard.services.policy.grants import Case, Names, judge_grant
from django_cors_guard.services.policy.here import Here
from django_cors_guard.services.policy.narrowing import narrow
from django_cors_guard.services.policy.plans import (
    Addition,
    Change,
    Conflict,
    Key,
    Kind,
    Options,
    PolicyPlan,
    Reinstatement,
    Removal,
    Revocation,
)
from django_cors_guard.services.policy.settings import (
    final_settings,
    judge_environments,
    judge_front_ends,
    judge_groups,
)
from django_cors_guard.services.previews import MAX_COMPARED
from django_cors_guard.services.transfer.grants import label_revokers

#: New origins that are compared for look-alikes. Many against many takes time that grows with the product of both, and
#: whoever brings in more than that moves a policy, and does not type it.
MAX_NEW_COMPARED: Final = 2000
#: What all environments share, so that it is as protected as the most protected of them.
SHARED: Final = frozenset({Kind.API_GROUP, Kind.ROUTE, Kind.GROUP_MODE})


def plan_policy(
    document: PolicyFile,
    *,
    actor: AbstractBaseUser | None = None,
    as_environment: str = "",
    environment: str = "",
    prune: bool = False,
    reinstate: Iterable[str] = (),
    allow_protected: bool = False,
) -> PolicyPlan:
    """Return what applying ``document`` would do now. Nothing is written, and nothing raises.

    What the document lists is declared whole: what an entry leaves out has its default, and the routes of an API
    group and the modes of an environment are exactly those listed. What it does not list stays, unless ``prune``:
    that revokes the grants that the document manages and lists no more, where it speaks of their environment.
    ``environment`` takes one of its environments only, ``as_environment`` takes it under another slug; where that
    is here already its own settings stay, and its modes, grants, API groups, routes and front ends are carried.
    ``reinstate`` names origins whose revocation may be undone. ``allow_protected`` lets the system, ``actor=None``,
    change protected environments; with an actor the permission decides.
    """
    options = Options(as_environment, environment, prune, tuple(reinstate), allow_protected)
    return make_plan(document, options, actor)


def make_plan(document: PolicyFile, options: Options, actor: AbstractBaseUser | None) -> PolicyPlan:
    """As ``plan_policy``."""
    # Before the rest: whatever is committed while it is read shows as another version.
    version = PolicyState.read(alias())
    wanted, problems = narrow(document, options)
    if problems:
        return PolicyPlan(version, document, options, problems=tuple(problems))
    here = Here.read()
    target = options.as_environment or options.environment
    kept = options.as_environment if options.as_environment in here.environments else ""
    found = _Found(problems=_check_name(document, options))
    found.take(judge_groups(wanted.api_groups, here))
    groups = final_settings(wanted.api_groups, here.groups, ApiGroup)
    found.take(judge_environments(wanted.environments, groups, here, kept=kept))
    found.take(judge_front_ends(wanted.front_ends, here))
    names = Names(
        final_settings(wanted.environments, here.environments, Environment, kept=kept),
        groups,
        frozenset({*here.front_ends, *(item.slug for item in wanted.front_ends)}),
    )
    there = _judge_grants(found, wanted, options, here, names)
    managed = here.find_managed(document.name, environment=target) if document.name else {}
    # Where the document lists nothing it does not speak of, and so says nothing against any grant.
    listed = {item.slug for item in wanted.environments} | {item.environment for item in wanted.trusted_origins}
    managed = {key: grant for key, grant in managed.items() if key[0] in listed}
    if options.prune and document.name:
        found.revocations += [Revocation(key, pruned=True) for key in sorted(managed.keys() - there)]
    protected = _find_protected(found, here)
    found.problems += _check_protected(protected, options, actor)
    return PolicyPlan(
        version=version,
        document=document,
        options=options,
        additions=tuple(found.additions),
        changes=tuple(found.changes),
        removals=tuple(found.removals),
        revocations=tuple(found.revocations),
        reinstatements=tuple(found.reinstatements),
        conflicts=tuple(found.conflicts),
        problems=tuple(found.problems),
        warnings=tuple(found.warnings),
        open_groups=_find_open_groups(found.additions, names),
        unchanged=found.unchanged,
        compared_all=found.compared_all,
        managed_in=tuple(sorted(Counter(key[0] for key in managed).items())),
        protected=tuple(row.slug for row in protected),
        kept=kept,
    )


@dataclass(slots=True)
class _Found:
    """What a plan collects."""

    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    additions: list[Addition] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    reinstatements: list[Reinstatement] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    unchanged: int = 0
    compared_all: bool = True

    def take(self, verdicts: Iterable[Any]) -> None:
        """Put each verdict where it belongs; None is what is here already."""
        lists: dict[type[Any], list[Any]] = {
            Addition: self.additions,
            Change: self.changes,
            Removal: self.removals,
            Revocation: self.revocations,
            Reinstatement: self.reinstatements,
            Conflict: self.conflicts,
            Finding: self.problems,
        }
        for verdict in verdicts:
            if verdict is None:
                self.unchanged += 1
            else:
                lists[type(verdict)].append(verdict)

    def list_touched(self) -> list[tuple[Kind, Key]]:
        """Return what would be written."""
        steps: list[Addition | Change | Removal] = [*self.additions, *self.changes, *self.removals]
        grants: list[Revocation | Reinstatement] = [*self.revocations, *self.reinstatements]
        return [*((step.kind, step.key) for step in steps), *((Kind.GRANT, step.key) for step in grants)]


@dataclass(frozen=True, slots=True)
class _Read:
    """A grant of the document whose origin is one."""

    wanted: FileGrant
    origin: Origin
    mended: tuple[Mend, ...]

    @property
    def key(self) -> Key:
        return (self.wanted.environment, self.wanted.api_group, self.origin.text)


def _judge_grants(found: _Found, wanted: PolicyFile, options: Options, here: Here, names: Names) -> set[Key]:
    """Judge the grants, and return the keys of those that the document lists."""
    rows = _read_grants(found, wanted.trusted_origins, names)
    grants = here.find_grants(row.origin.text for row in rows)
    met = {row.key: grant for row in rows if (grant := grants.get(row.key)) is not None}
    revokers = label_revokers(met.values())
    named = _read_reinstated(found, options.reinstate, rows)
    fresh = [row for row in rows if row.key not in met and row.wanted.revoked_at is None]
    found.compared_all = len(fresh) <= MAX_NEW_COMPARED
    alike = _find_likeness(fresh) if found.compared_all else {}
    for row in rows:
        grant = met.get(row.key)
        case = Case(
            wanted=row.wanted,
            origin=row.origin,
            environment=names.environments[row.wanted.environment],
            api_group=names.groups[row.wanted.api_group],
            manager=wanted.name,
            grant=grant,
            revoked_by=revokers.get(grant.pk, "") if grant is not None else "",
            mended=row.mended,
            reinstates=row.origin.text in named,
            alike=alike.get(host_of(row.origin.text), ()),
        )
        outcome = judge_grant(case)
        found.take([outcome.verdict])
        found.problems += outcome.problems
        found.warnings += outcome.warnings
    return {row.key for row in rows}


def _read_grants(found: _Found, listed: Iterable[FileGrant], names: Names) -> list[_Read]:
    """Return the grants that make sense by themselves, and note what is wrong with the others."""
    rows = dict[Key, _Read]()
    for wanted in listed:
        origin, mended = parse_canonical(wanted.origin), tuple[Mend, ...]()
        faults = names.find_unknown(wanted)
        if origin is None:
            parsed = parse_origin(wanted.origin)
            origin, mended, faults = parsed.origin, parsed.mended, [*parsed.problems, *faults]
        place = f"trusted_origins[{wanted.environment}/{wanted.api_group}/{wanted.origin[:300]}]"
        if faults or origin is None:
            found.problems += [Finding(place, fault) for fault in faults]
            continue
        row = _Read(wanted, origin, mended)
        if rows.setdefault(row.key, row) is not row:
            found.problems.append(finding(place, PolicyProblem.REPEATED_GRANT, rows[row.key].wanted.origin))
    return list(rows.values())


def _read_reinstated(found: _Found, texts: Iterable[str], rows: Iterable[_Read]) -> frozenset[str]:
    """Return the origins whose revocation may be undone: the document has to trust them."""
    trusted = {row.origin.text for row in rows if row.wanted.revoked_at is None}
    named = set[str]()
    for text in texts:
        parsed = parse_origin(text)
        found.problems += [Finding("", fault) for fault in parsed.problems]
        if parsed.origin is not None and parsed.origin.text not in trusted:
            found.problems.append(finding("", PolicyProblem.ORIGIN_NOT_LISTED, text))
        elif parsed.origin is not None:
            named.add(parsed.origin.text)
    return frozenset(named)


def _find_likeness(rows: Sequence[_Read]) -> dict[str, tuple[str, ...]]:
    """Return for each host of new grants which trusted origins, or other new ones, it is easily taken for."""
    hosts = {row.origin.host for row in rows if row.origin.kind is not OriginKind.CUSTOM_SCHEME}
    if not hosts:
        return {}
    trusted = TrustedOrigin.objects.using(alias()).filter(revoked_at=None).order_by("-pk")
    texts = chain(trusted.values_list("origin", flat=True)[:MAX_COMPARED], (row.origin.text for row in rows))
    return find_look_alikes(sorted(hosts), dict.fromkeys(texts))


def _check_name(document: PolicyFile, options: Options) -> list[Finding]:
    if options.prune and not document.name:
        return [finding("name", PolicyProblem.NAME_NEEDED)]
    if document.name.casefold().startswith(ISSUER_PREFIX):
        return [finding("name", PolicyProblem.RESERVED_NAME, document.name)]
    return []


def _find_protected(found: _Found, here: Here) -> list[Environment]:
    """Return the protected environments that the plan would change."""
    touched = found.list_touched()
    slugs = {key[0] for kind, key in touched if kind in {Kind.ENVIRONMENT, Kind.GROUP_MODE, Kind.GRANT}}
    shares = any(kind in SHARED for kind, _key in touched)
    return [row for row in here.protected if shares or row.slug in slugs]


def _check_protected(protected: list[Environment], options: Options, actor: AbstractBaseUser | None) -> list[Finding]:
    if actor is None:
        barred = [] if options.allow_protected else [row.slug for row in protected]
        return [finding(f"environments.{slug}", PolicyProblem.NEEDS_ALLOW_PROTECTED, slug) for slug in barred]
    try:
        check_protected(actor, protected)
    except ProtectedEnvironment as error:
        return [Finding(f"environments.{slug}", problem(FileProblem.PROTECTED, slug)) for slug in error.slugs]
    return []


def _find_open_groups(additions: Iterable[Addition], names: Names) -> tuple[str, ...]:
    slugs = {step.key[1] for step in additions if step.kind is Kind.GRANT}
    return tuple(slug for slug in sorted(slugs) if names.groups[slug].any_origin)
