"""What was committed when, and so what a process may still answer."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic


@dataclass(slots=True)
class Spell:
    """One state of an origin. It may have been committed at any moment from ``began`` to ``committed``."""

    trusted: bool
    began: float
    committed: float = math.inf


class Histories:
    """The states of many origins. Times are of the monotonic clock; ``grace`` is how long an outdated one may serve."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._lock = threading.Lock()
        self._spells: dict[str, list[Spell]] = {}

    def begin(self, origin: str, *, trusted: bool) -> Spell:
        """Note that from now on ``origin`` may be in this state; set ``committed`` of what is returned when it is."""
        spell = Spell(trusted, monotonic())
        with self._lock:
            self._spells.setdefault(origin, []).append(spell)
        return spell

    def permitted(self, origin: str, sent: float, received: float) -> set[bool]:
        """Return what a request between the two may have been decided by: True where as trusted."""
        return {spell.trusted for spell, ended in self._ended(origin) if self._overlaps(spell, ended, sent, received)}

    def lag(self, origin: str, sent: float, *, trusted: bool) -> float:
        """Return how long before ``sent`` the state had been replaced that the answer told of; 0 if it had not."""
        ends = [ended for spell, ended in self._ended(origin) if spell.trusted is trusted and spell.began <= sent]
        return max(0.0, sent - max(ends, default=sent))

    def _ended(self, origin: str) -> Iterator[tuple[Spell, float]]:
        with self._lock:
            spells = list(self._spells[origin])
        ends = [spell.committed for spell in spells[1:]]
        yield from zip(spells, [*ends, math.inf], strict=True)

    def _overlaps(self, spell: Spell, ended: float, sent: float, received: float) -> bool:
        return spell.began <= received and ended >= sent - self.grace
