"""What changing cells of the access matrix comes to: changes that are wanted, the steps they take, the plan of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django_cors_guard.core.origins import Problem, parse_origin
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.services.grants import list_expiry_problems


class Kind(StrEnum):
    """What a change of a cell comes to."""

    TRUST = "trust"
    REVOKE = "revoke"
    REINSTATE = "reinstate"
    RENEW = "renew"  # the grant is there, and has expired or lives too long
    KEEP = "keep"  # it is so already


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that somebody wants to be trusted, or not to be.

    ``seen`` is the state (``state_of``) they saw it in; None: they did not look. A new grant is ``front_end``'s (a
    slug, or blank).
    """

    origin: str
    api_group: str
    trusted: bool
    seen: str | None = None
    front_end: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """What a grant was used for lately: requests, which prove nothing, and the last of them."""

    count: int = 0
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a change comes to as things stand. ``problems`` keep all of the plan from being applied.

    ``needs_end``: the grant gets the end that is chosen for all. ``revoked_by`` names who shut it out.
    """

    change: Change
    kind: Kind
    origin: str
    api_group: ApiGroup
    state: str
    grant: TrustedOrigin | None = field(default=None, compare=False)
    front_end: FrontEnd | None = None
    problems: tuple[Problem, ...] = ()
    risks: tuple[Problem, ...] = ()
    needs_end: bool = False
    revoked_by: str = ""
    use: Use = Use()

    @property
    def has_moved(self) -> bool:
        """Whether the cell is no longer as it was seen."""
        return self.change.seen is not None and self.change.seen != self.state

    def as_change(self) -> Change:
        """Return the change for somebody who has seen the plan."""
        front_end = self.front_end.slug if self.front_end is not None else ""
        return Change(self.origin, self.api_group.slug, self.change.trusted, self.state, front_end)


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """What changes of access in one environment come to. ``rules`` is a digest of the safety rules they rest on."""

    environment: Environment
    steps: tuple[Step, ...]
    rules: str

    @property
    def changing(self) -> tuple[Step, ...]:
        """Return all but what is so already."""
        return tuple(step for step in self.steps if step.kind is not Kind.KEEP)

    @property
    def additions(self) -> tuple[Step, ...]:
        """Return what would be trusted."""
        return self.of_kind(Kind.TRUST)

    @property
    def revocations(self) -> tuple[Step, ...]:
        """Return what would be shut out."""
        return self.of_kind(Kind.REVOKE)

    @property
    def reinstatements(self) -> tuple[Step, ...]:
        """Return the revocations that would be undone."""
        return self.of_kind(Kind.REINSTATE)

    @property
    def renewals(self) -> tuple[Step, ...]:
        """Return the grants that would get another end."""
        return self.of_kind(Kind.RENEW)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return everything that stands against the plan, each thing once."""
        return tuple(dict.fromkeys(problem for step in self.steps for problem in step.problems))

    @property
    def needs_reason(self) -> bool:
        """Whether it can be applied for a reason only."""
        return bool(self.revocations or self.reinstatements)

    @property
    def needs_end(self) -> bool:
        """Whether grants that had an end get another one: whoever applies the plan has to choose it."""
        return any(step.needs_end for step in self.steps if step.kind is not Kind.TRUST)

    @property
    def takes_end(self) -> bool:
        """Whether the end that is chosen makes a difference."""
        return any(step.needs_end for step in self.steps)

    @property
    def has_moved(self) -> bool:
        """Whether a cell is no longer as somebody saw it."""
        return any(step.has_moved for step in self.steps)

    def of_kind(self, kind: Kind) -> tuple[Step, ...]:
        """Return the steps of one kind."""
        return tuple(step for step in self.steps if step.kind is kind)

    def find_end_problems(self, expires_at: datetime | None) -> tuple[Problem, ...]:
        """Return what stands against ``expires_at`` (None: until revoked) as the end of what needs one."""
        step = next((step for step in self.steps if step.needs_end), None)
        parsed = parse_origin(step.origin).origin if step is not None else None
        if step is None or parsed is None:
            return ()
        found = list_expiry_problems(parsed, self.environment, step.api_group, expires_at, renewed=True, is_there=False)
        return tuple(found)
