"""A plan: what a document would do to the policy as it stands, object by object, and what stands against it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from django_cors_guard.core.origins import Mend, Problem
from django_cors_guard.core.policy_file import (
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)
from django_cors_guard.core.policy_files.problems import Finding
from django_cors_guard.models.revision import Version

#: What tells an object from others of its kind: a slug; API group, host and path prefix of a route; environment and API
#: group of a mode; environment, API group and origin of a grant.
Key: TypeAlias = tuple[str, ...]


class Kind(StrEnum):
    """What a step of a plan is about."""

    ENVIRONMENT = "environment"
    API_GROUP = "api_group"
    ROUTE = "route"
    GROUP_MODE = "group_mode"
    FRONT_END = "front_end"
    GRANT = "trusted_origin"


class ConflictCode(StrEnum):
    """Why the document and the policy cannot both be right, so that somebody has to decide."""

    REVOKED_HERE = "revoked_here"  # the document trusts what was revoked here, and nobody has named it
    MANAGED_ELSEWHERE = "managed_elsewhere"  # another file or an issuer looks after the grant
    ROUTE_TAKEN = "route_taken"  # an API group that the document does not list has the route


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that would change, in plain values; moments are as the database has them."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Addition:
    """An object that would be new: ``after`` is what the document says of it; of a mode, the mode."""

    kind: Kind
    key: Key
    after: FileEnvironment | FileGroup | FileRoute | FileFrontEnd | FileGrant | str
    mended: tuple[Mend, ...] = ()
    risks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """An object that would change."""

    kind: Kind
    key: Key
    differences: tuple[Difference, ...]
    risks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A route of a listed API group, or a mode of a listed environment, that the document does not have."""

    kind: Kind
    key: Key


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant that would be revoked. ``pruned``: the document manages it and has it no longer.

    ``at``, ``by`` and ``reason`` are the document's; blank ones become those of the import.
    """

    key: Key
    at: datetime | None = None
    by: str = ""
    reason: str = ""
    pruned: bool = False
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Reinstatement:
    """A revocation that would be undone; ``by``, ``at`` and ``reason`` tell of it."""

    key: Key
    by: str
    at: datetime | None
    reason: str
    differences: tuple[Difference, ...] = ()
    risks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that is left as it is here, for somebody to decide about; ``detail`` names who has it.

    ``by``, ``at`` and ``reason`` tell of a revocation.
    """

    kind: Kind
    key: Key
    why: ConflictCode
    detail: str = ""
    by: str = ""
    at: datetime | None = None
    reason: str = ""


#: What writes something.
Step: TypeAlias = Addition | Change | Removal | Revocation | Reinstatement


@dataclass(frozen=True, slots=True)
class Options:
    """How a document is to be taken; see ``plan_policy``."""

    as_environment: str = ""
    environment: str = ""
    prune: bool = False
    reinstate: tuple[str, ...] = ()
    allow_protected: bool = False


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """What ``document`` would do, made from the policy at ``version``. With ``problems`` nothing of it can be applied.

    ``unchanged`` counts the objects that are here already; ``managed_in`` the grants in force or expired that the
    document manages in each environment that it speaks of, before it is applied. ``protected`` are the protected
    environments that it would change, ``kept`` is an environment whose own settings ``as_environment`` leaves
    alone. ``warnings`` are what is worth knowing about grants that are here. ``open_groups`` are API groups of new
    grants that are open to any origin, so that a grant makes no difference there. Without ``compared_all`` there
    were too many new origins to look for look-alikes.
    """

    version: Version
    document: PolicyFile
    options: Options
    additions: tuple[Addition, ...] = ()
    changes: tuple[Change, ...] = ()
    removals: tuple[Removal, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    reinstatements: tuple[Reinstatement, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    open_groups: tuple[str, ...] = ()
    unchanged: int = 0
    managed_in: tuple[tuple[str, int], ...] = ()
    protected: tuple[str, ...] = ()
    kept: str = ""
    compared_all: bool = True

    @property
    def managed(self) -> int:
        """Return how many grants ``managed_in`` counts in all."""
        return sum(count for _slug, count in self.managed_in)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all that would be written."""
        return (*self.additions, *self.changes, *self.removals, *self.revocations, *self.reinstatements)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.steps

    @property
    def pruned(self) -> tuple[Revocation, ...]:
        """Return the revocations of what the document has no longer."""
        return tuple(step for step in self.revocations if step.pruned)

    @property
    def digest(self) -> str:
        """What tells plans apart: that of another state of the policy is the same if it would do and say the same."""
        seen = (
            *(self.steps, self.conflicts, self.problems, self.warnings),
            *(self.open_groups, self.unchanged, self.managed_in, self.protected, self.kept),
        )
        return hashlib.sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()
