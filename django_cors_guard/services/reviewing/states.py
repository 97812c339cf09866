"""What grants were at a moment, made out of their rows and of the story; what cannot be made out is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django_cors_guard.models import TrustedOrigin
from django_cors_guard.services.history.snapshots import Side
from django_cors_guard.services.reviewing.grants import Unsure
from django_cors_guard.services.reviewing.trails import PREFIX, Cut, Sweeps, Texts, Trail, find_removed

#: What a write of the policy moves, and what may be rewritten without an entry.
_DECISIVE: Final = ("expires_at", "revoked_at")
_DESCRIPTIVE: Final = {"note": Unsure.NOTE, "front_end": Unsure.FRONT_END, "managed_by": Unsure.MANAGED_BY}
#: What is said of a grant of which that is not known.
_UNKNOWN: Final[Mapping[str, Any]] = {
    **dict.fromkeys((*_DECISIVE, "revoked_by", "reviewed_at", "reviewed_by")),
    "revoke_reason": "",
}

_BLANK: Final[Mapping[str, Any]] = {"note": "", "front_end": None, "managed_by": ""}
_SIDES: Final[tuple[Side, ...]] = ("before", "after")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """The row's own fields by name, foreign keys as keys, and which of them cannot be relied on."""

    values: Values
    unsure: tuple[Unsure, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether it is known what the grant was worth."""
        return Unsure.STATE not in self.unsure

    def doubted(self) -> State:
        """Return it without what decides about requests."""
        return State({**self.values, **_UNKNOWN}, tuple(dict.fromkeys((*self.unsure, Unsure.STATE))))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is on a block of grants: their trails, the sides of the entries that tell, and the bulk writes."""

    cut: Cut
    trails: Mapping[str, Trail]
    texts: Texts
    sweeps: Sweeps
    removed: Mapping[str, list[int]]

    @classmethod
    def collect(cls, trails: Mapping[str, Trail], cut: Cut, sweeps: Sweeps) -> Evidence:
        """Read what the trails point at."""
        texts = Texts(pk for trail in trails.values() for pk in trail.list_told())
        # Made anew although nobody is named as having deleted it: that was a bulk deletion, before or after.
        doubtful = [
            target
            for target, trail in trails.items()
            if trail.after is not None and trail.after.adds and trail.before is not None and not trail.before.removes
        ]
        return cls(cut, trails, texts, sweeps, find_removed(doubtful))

    def find_state(self, target: str, row: TrustedOrigin | None, gone: int | None = None) -> State | None:
        """Return what the grant ``target`` was at the moment; None if it was not there.

        ``row`` is what it is now, ``gone`` the number of the entry by which it went.
        """
        found = self._find_state(target, row)
        if self.cut.doubtful is None:
            return found
        trail = self.trails[target]
        stamp = row.revision if row is not None else None
        touching = self.sweeps.list_touching(target, stamp, self.cut.doubtful, self.cut.pk)
        went = [pk for pk in (gone, *self.removed.get(target, ())) if pk is not None and self.cut.is_doubtful(pk)]
        is_absent = bool(went) or trail.may_have_been_absent or any(sweep.adds for sweep in touching)
        if not (is_absent or touching or trail.doubtful or any(map(self.cut.is_doubtful, trail.loaded))):
            return found
        if found is None and not is_absent:
            return None
        values = found.values if found is not None else self._read_any(trail, row)
        if values is None:
            return None
        unsure = (*(found.unsure if found is not None else ()), *((Unsure.EXISTENCE,) if is_absent else ()))
        return State({**values, **_BLANK}, (*unsure, *_DESCRIPTIVE.values())).doubted()

    def _read_any(self, trail: Trail, row: TrustedOrigin | None) -> Values | None:
        """Return the grant at any time near the moment."""
        for mark in (trail.before, trail.after):
            for side in _SIDES:
                if values := self.texts.read(mark, side):
                    return values
        return _values_of(row)

    def _find_state(self, target: str, row: TrustedOrigin | None) -> State | None:
        trail = self.trails[target]
        left = self.texts.read(trail.before, "after")
        right = self.texts.read(trail.after, "before") if trail.after is not None else _values_of(row)
        if trail.after is not None and trail.after.adds:
            return self._find_earlier(target, trail, left)
        existence = self._existed(target, trail, right, row)
        if existence is None:
            return None
        return self._weigh(target, trail, left, right, row, existence)

    def _find_earlier(self, target: str, trail: Trail, left: Values | None) -> State | None:
        """Return what another row was, that went before the one was made which came later."""
        if trail.before is None or trail.before.removes:
            return None
        went = [pk for pk in self.removed.get(target, ()) if pk > trail.before.pk]
        if any(not self.cut.is_later(pk) for pk in went):
            return None
        unsure = () if went else (Unsure.EXISTENCE,)
        return self._weigh(target, trail, left, None, None, unsure)

    def _existed(
        self, target: str, trail: Trail, right: Values | None, row: TrustedOrigin | None
    ) -> tuple[Unsure, ...] | None:
        """Return what is unsure about its having been there, or None if it was not."""
        if trail.before is not None and not trail.before.removes:
            return ()
        made = (right or {}).get("created_at")
        if made is None:
            return (Unsure.EXISTENCE,) if row is None and trail.before is None else None
        at = self.cut.at
        is_there = at is None or made <= at
        stamp = row.revision if row is not None else None
        additions = [self.cut.is_later(pk) for pk in self.sweeps.list_additions(target, stamp)]
        if additions and is_there in additions and (not is_there) not in additions:
            # The host that made it in bulk had a clock that was wrong.
            return (Unsure.EXISTENCE,)
        return () if is_there else None

    def _weigh(
        self,
        target: str,
        trail: Trail,
        left: Values | None,
        right: Values | None,
        row: TrustedOrigin | None,
        unsure: tuple[Unsure, ...],
    ) -> State:
        """Take the side that nothing unrecorded lies before; where both can be read they have to agree."""
        right_counts = None if self._is_soiled_after(target, trail, row) or self._is_too_late(right) else right
        left_counts = self._follow(target, trail, row, left)
        left_counts = None if self._is_too_late(left_counts) else left_counts
        decisive = right_counts if right_counts is not None else left_counts
        agree = right_counts is None or left_counts is None or _agree(right_counts, left_counts, _DECISIVE)
        found = dict(decisive or left or right or {})
        if decisive is None or not agree:
            unsure = (*unsure, Unsure.STATE)
            found |= _UNKNOWN
        for name, code in _DESCRIPTIVE.items():
            if left is None or right is None or left.get(name) != right.get(name):
                unsure = (*unsure, code)
                found[name] = _BLANK[name]
        return State(found, unsure)

    def _is_too_late(self, values: Values | None) -> bool:
        """Whether a side says itself that it was written after the moment, whatever the story says."""
        at = self.cut.at
        dates = [(values or {}).get(name) for name in ("created_at", "revoked_at", "reviewed_at")]
        return at is not None and any(date is not None and date > at for date in dates)

    def _is_soiled_after(self, target: str, trail: Trail, row: TrustedOrigin | None) -> bool:
        """Whether something may have changed the grant after the moment, before the side that lies there."""
        if self.cut.pk is None:
            return False
        last = trail.after.pk if trail.after is not None else None
        if any(self.cut.is_later(pk) and (last is None or pk < last) for pk in trail.loaded):
            return True
        stamp = row.revision if row is not None else None
        return bool(self.sweeps.list_touching(target, stamp, self.cut.pk, last))

    def _follow(self, target: str, trail: Trail, row: TrustedOrigin | None, left: Values | None) -> Values | None:
        """Follow the grant from the side before the moment up to it; None where the story does not say enough."""
        if trail.before is None or left is None:
            return None
        first = trail.before.pk + 1
        if any(not self.cut.is_later(pk) and pk >= first for pk in trail.loaded):
            return None
        stamp = row.revision if row is not None else None
        found: Values | None = left
        for sweep in self.sweeps.list_touching(target, stamp, first, self.cut.pk):
            is_told = sweep.names is not None and sweep.values is not None
            found = {**found, **(sweep.values or {})} if is_told and found is not None else None
        return found


def _values_of(row: TrustedOrigin | None) -> Values | None:
    if row is None:
        return None
    return {item.name: getattr(row, item.attname) for item in row._meta.concrete_fields}


def _agree(one: Values, other: Values, names: tuple[str, ...]) -> bool:
    return all(one.get(name) == other.get(name) for name in names)


def state_now(row: TrustedOrigin) -> State:
    """Return what a grant is now: the row says it all."""
    return State(_values_of(row) or {})


def name_target(environment: str, api_group: str, origin: str) -> str:
    """Return what the story calls a grant."""
    return f"{PREFIX}{environment}/{api_group}/{origin}"[:512]
