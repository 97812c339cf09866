"""A plan: what an import would do to the policy as it stands, row by row, and why it would not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from django_cors_guard.core.files import GrantRow
from django_cors_guard.core.origins import Mend, Problem
from django_cors_guard.models.revision import Version
from django_cors_guard.services.revoking.receipts import Place


@dataclass(frozen=True, slots=True)
class Addition:
    """A grant that would be new. ``given`` is the origin as the file has it; ``front_end`` is a slug or blank.

    ``alike`` are other additions that it is easily taken for.
    """

    number: int
    place: Place
    given: str
    mended: tuple[Mend, ...]
    front_end: str
    note: str
    expires_at: datetime | None
    risks: tuple[Problem, ...]
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a grant that would change. The values are texts, or for ``expires_at`` moments; None is no end."""

    field: str
    before: str | datetime | None
    after: str | datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """A grant that would change. ``revives`` says that it has expired and would be in force again.

    ``managed_by`` names what looks after the grant, and may undo the change.
    """

    number: int
    place: Place
    pk: int
    differences: tuple[Difference, ...]
    revives: bool = False
    managed_by: str = ""
    risks: tuple[Problem, ...] = ()

    def find(self, field: str) -> Difference | None:
        """Return how ``field`` would change, if it would."""
        return next((difference for difference in self.differences if difference.field == field), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be imported, with everything that is wrong with it; ``place`` is as the file has it."""

    number: int
    place: Place
    problems: tuple[Problem, ...]


class Leaving(StrEnum):
    """Why a row is left alone that is not wrong."""

    REVOKED_HERE = "revoked_here"  # only reinstating, with a reason, takes a revocation back
    REVOKED_THERE = "revoked_there"  # revoked in the file, trusted here: an import revokes nothing
    REVOKED_NEW = "revoked_new"  # revoked in the file, unknown here
    EXPIRED_HERE = "expired_here"  # and the file gives no later end
    EXPIRED_THERE = "expired_there"  # expired in the file, going on here: an import ends nothing
    EXPIRED_NEW = "expired_new"  # expired in the file, unknown here
    SWITCHED_OFF_HERE = "switched_off_here"  # a safety rule of the environment keeps it from letting anybody in


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A row that is left as it is here, for somebody to decide about; ``pk`` is that of the grant, if there is one.

    ``by``, ``at`` and ``reason`` tell of a revocation.
    """

    number: int
    place: Place
    why: Leaving
    pk: int | None = None
    by: str = ""
    at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row that says again what the row ``first`` has said."""

    number: int
    place: Place
    first: int


#: What a plan has to tell of one row.
Told: TypeAlias = Addition | Change | Refusal | LeftAlone | Repeat


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What importing ``rows`` would do, made from the policy at ``version``.

    ``unchanged`` counts the rows that are here already. ``open_groups`` are API groups of additions that are open to
    any origin, so that a grant makes no difference there. ``compared_all`` is that of ``Preview``.
    """

    version: Version
    rows: tuple[GrantRow, ...]
    may_change: bool
    additions: tuple[Addition, ...]
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    left_alone: tuple[LeftAlone, ...]
    repeats: tuple[Repeat, ...]
    unchanged: int
    open_groups: tuple[str, ...]
    compared_all: bool

    def list_places(self) -> list[Place]:
        """Return the grants that would be new or change."""
        return [*(addition.place for addition in self.additions), *(change.place for change in self.changes)]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.additions or self.changes)

    def fingerprints(self) -> dict[int, str]:
        """Return what tells the rows apart that the plan says anything about, by their numbers."""
        rows: list[Told] = [*self.additions, *self.changes, *self.refusals, *self.left_alone, *self.repeats]
        return {row.number: _hash(row)[:8] for row in rows}

    @property
    def digest(self) -> str:
        """What tells plans apart: that of another state of the policy is the same if it would do and say the same."""
        seen = (
            *(self.additions, self.changes, self.refusals, self.left_alone, self.repeats),
            *(self.unchanged, self.open_groups),
        )
        return _hash(seen)


def _hash(seen: object) -> str:
    return hashlib.sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()
