"""Which trials are under way, what each worker has answered, and which answers were wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Final

#: How often a worker is asked until it answers by the change.
ASK_SECONDS: Final = 0.05
#: How long after its deadline a trial waits for a worker that has not been heard of.
HEARING_SECONDS: Final = 15.0


@dataclass(slots=True)
class Heard:
    """What one worker has answered in one trial. Times are of the monotonic clock."""

    asked: float = -inf
    #: When its first right answer was in.
    right: float = inf
    #: Whether it has answered rightly what it was asked after the deadline.
    confirmed: bool = False


@dataclass(slots=True, eq=False)
class Trial:
    """One change that is committed, and what has to come of it: ``opens`` says whether the origin may read then."""

    name: str
    origin: str
    path: str
    opens: bool
    committed: float = inf
    heard: dict[int, Heard] = field(default_factory=dict)


class Board:
    """Hands out what is to be asked next, and judges the answers. For many threads."""

    def __init__(self, workers: Iterable[int], bound: float) -> None:
        self.workers: Final = sorted(workers)
        self.bound: Final = bound
        self.failures: list[str] = []
        self.asked = 0
        self._trials: list[Trial] = []
        self._active: list[Trial] = []
        self._rechecked = 0.0
        self._mutex = threading.Lock()

    @property
    def trials(self) -> list[Trial]:
        """All that have been committed."""
        return list(self._trials)

    @property
    def under_way(self) -> int:
        """How many trials some worker has still to answer in."""
        with self._mutex:
            self._settle()
            return len(self._active)

    def commit(self, trial: Trial, at: float) -> None:
        """Put a trial on the board whose change was committed by ``at``."""
        with self._mutex:
            trial.committed = at
            trial.heard = {worker: Heard() for worker in self.workers}
            self._trials.append(trial)
            self._active.append(trial)

    def recheck(self) -> None:
        """Ask every worker once more in every trial: nothing that was committed may be lost later."""
        with self._mutex:
            for trial in self._trials:
                for heard in trial.heard.values():
                    heard.confirmed = False
            self._active = list(self._trials)
            self._rechecked = monotonic()

    def pick(self, worker: int | None) -> Trial | None:
        """Return the trial in which to ask ``worker`` next (None: whichever answers); None if nothing is due."""
        now = monotonic()
        with self._mutex:
            workers = self.workers if worker is None else [worker]
            due = [pair for pair in self._list_open(workers) if self._is_due(*pair, now)]
            if not due:
                return None
            trial, heard = min(due, key=lambda pair: pair[1].asked)
            heard.asked = now
            return trial

    def note(self, trial: Trial, worker: int, sent: float, received: float, *, is_open: bool) -> None:
        """Judge one answer."""
        late = sent - trial.committed
        with self._mutex:
            self.asked += 1
            heard = trial.heard.get(worker)
            if heard is None:
                self.failures.append(f"{trial.name} {trial.origin}: answered by {worker}, which is none of the workers")
                return
            heard.asked = max(heard.asked, sent)
            if is_open is trial.opens:
                heard.right = min(heard.right, received)
                heard.confirmed = heard.confirmed or late >= self.bound
            elif late >= self.bound or heard.right <= sent:
                why = "after it had answered rightly" if heard.right <= sent else "past the bound"
                self.failures.append(
                    f"{trial.name} {trial.origin}: worker {worker} {'let it in' if is_open else 'kept it out'} "
                    f"{late:.3f} s after the commit, {why}"
                )

    def fail(self, what: str) -> None:
        """Note that something went wrong which is no trial's."""
        with self._mutex:
            self.failures.append(what)

    def latencies(self, worker: int) -> list[float]:
        """Return after how many seconds ``worker`` decided by each change, in order of length.

        Known from its first right answer in that trial or in one whose change was committed later: whoever decides by
        a later state of the policy has left the earlier ones behind. It may have been so before it was asked.
        """
        found, known = [], inf
        for trial in sorted(self._trials, key=lambda trial: trial.committed, reverse=True):
            known = min(known, trial.heard[worker].right)
            if known < inf:
                found.append(max(0.0, known - trial.committed))
        return sorted(found)

    def _list_open(self, workers: list[int]) -> Iterator[tuple[Trial, Heard]]:
        for trial in self._active:
            for worker in workers:
                heard = trial.heard.get(worker)
                if heard is not None and not heard.confirmed:
                    yield trial, heard

    def _is_due(self, trial: Trial, heard: Heard, now: float) -> bool:
        if heard.right < inf and now < trial.committed + self.bound:
            return False  # it has answered rightly, and will be asked once more after the deadline
        return now - heard.asked >= ASK_SECONDS

    def _settle(self) -> None:
        """Take down what every worker has answered in, and what has been waited for in vain."""
        now = monotonic()
        for trial in list(self._active):
            missing = [worker for worker, heard in trial.heard.items() if not heard.confirmed]
            waited_since = max(trial.committed + self.bound, self._rechecked)
            if missing and now < waited_since + HEARING_SECONDS:
                continue
            self._active.remove(trial)
            self.failures += [f"{trial.name} {trial.origin}: worker {worker} was not heard of" for worker in missing]
