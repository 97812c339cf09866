"""How strict the guard is in each API group of an environment, and what becoming stricter does to a refusal."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django_cors_guard import conf
from django_cors_guard.core.decision import Isolation, Kind, Mode, Reason
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services.places import alias


class Effect(StrEnum):
    """What a stricter mode does to a request that was recorded as refused."""

    BLOCKED = "blocked"  # 403 before any view runs
    NOT_SENT = "not_sent"  # its preflight is refused, so that the browser does not send the request itself
    UNREADABLE = "unreadable"  # the view runs, and the page cannot read the answer


@dataclass(frozen=True, slots=True)
class Step:
    """One API group (by slug) whose mode in force changes; ``isolates``: it refuses what isolation is about."""

    api_group: str
    before: Mode
    after: Mode
    isolates: bool = False

    @property
    def is_stricter(self) -> bool:
        """Whether more is refused afterwards."""
        return self.after.strictness > self.before.strictness


def list_modes(environment: Environment, own: Mapping[str, str], groups: Iterable[str]) -> dict[str, Mode]:
    """Return the mode in force of each API group and of the guard's own paths, none stricter than MAX_MODE."""
    modes = {slug: cap(own.get(slug) or environment.mode) for slug in groups}
    return modes | {OWN_GROUP: cap(environment.mode)}


def cap(mode: str) -> Mode:
    """Return ``mode``, or MAX_MODE where that is milder; what is none counts as *enforce*, as the compiler has it."""
    known = Mode(mode) if mode in list(Mode) else Mode.ENFORCE
    return min(known, conf.current().max_mode, key=lambda item: item.strictness)


def find_steps(
    before: Mapping[str, Mode], after: Mapping[str, Mode], isolating: Container[str] = ()
) -> tuple[Step, ...]:
    """Return the API groups whose mode changes; ``isolating`` are the slugs of those that isolate."""
    return tuple(
        Step(slug, before[slug], mode, slug in isolating)
        for slug, mode in sorted(after.items())
        if before.get(slug, mode) != mode
    )


def list_isolating(groups: Iterable[ApiGroup]) -> set[str]:
    """Return the slugs of those of ``groups`` that refuse what isolation is about; the compiler takes odd values so."""
    return {group.slug for group in groups if group.isolate not in (Isolation.OFF, Isolation.MONITOR)}


def effect_of(step: Step, kind: str, reason: str) -> Effect | None:
    """Return what ``step`` does to a refusal that was recorded before it; None: nothing."""
    if reason == Reason.NO_POLICY or not step.is_stricter:
        return None
    if reason == Reason.CROSS_SITE:
        # Of its own, isolation is no stricter in one mode than in another; only a group that monitors holds it back.
        return Effect.BLOCKED if step.isolates and step.before is Mode.MONITOR else None
    if step.before is Mode.ENFORCE:
        was_stopped = kind == Kind.PREFLIGHT or reason == Reason.REVOKED
        return None if was_stopped else Effect.BLOCKED
    if kind == Kind.PREFLIGHT:
        return Effect.NOT_SENT
    if step.after is Mode.BLOCK or reason == Reason.REVOKED:
        return Effect.BLOCKED
    return Effect.UNREADABLE if kind == Kind.ACTUAL else None


def read_own_modes(environment: Environment) -> dict[str, str]:
    """Return the modes that API groups have of their own in ``environment``, by slug."""
    rows = environment.group_modes.using(alias()) if environment.pk else None
    return dict(rows.values_list("api_group__slug", "mode")) if rows is not None else {}
