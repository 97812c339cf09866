"""A load that judges each answer at once, by what was committed when."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from benchmarks.histories import Histories
from tests.faults.load import STRANGER, Answer, Kind, Shape, send

ORIGINS: Final = 200
THREADS: Final = 16
#: How often each kind of request is sent, of ten.
MIXTURE: Final = (*[Kind.TURNED] * 6, Kind.PREFLIGHT, Kind.PREFLIGHT, Kind.REFUSED, Kind.NO_ORIGIN)
SERVER_ERROR: Final = 500


def origin_of(number: int) -> str:
    """Return the origin of this number."""
    return f"https://app-{number}.soak.example.com"


@dataclass
class Tally:
    """What the load has met."""

    answers: int = 0
    #: Answers of which only one would have been right.
    decisive: int = 0
    refusals: int = 0
    server_errors: int = 0
    broken: int = 0
    longest: float = 0.0
    #: The longest that a state was served after the commit that replaced it.
    lag: float = 0.0
    wrong: list[Answer] = field(default_factory=list)
    processes: Counter[str] = field(default_factory=Counter)


class Checker:
    """Sends requests from several threads and judges each answer at once."""

    def __init__(self, port: int, histories: Histories, *, rate: float) -> None:
        self.tally = Tally()
        self._port = port
        self._histories = histories
        self._pause = THREADS / rate
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stopped.wait(chance.uniform(0, 2 * self._pause)):
            kind = chance.choice(MIXTURE)
            origin = {Kind.REFUSED: STRANGER, Kind.NO_ORIGIN: None}.get(kind, origin_of(chance.randrange(ORIGINS)))
            self.judge(send(self._port, kind, origin))

    def judge(self, answer: Answer) -> None:
        """Count ``answer``, and keep it if it is wrong."""
        right = self._right_shapes(answer)
        with self._lock:
            tally = self.tally
            tally.answers += 1
            tally.decisive += len(right) == 1
            tally.refusals += answer.is_refusal
            tally.server_errors += answer.status >= SERVER_ERROR
            tally.broken += answer.shape is Shape.BROKEN
            tally.longest = max(tally.longest, answer.seconds)
            tally.lag = max(tally.lag, self._lag(answer))
            tally.processes[answer.process] += 1
            if answer.shape not in right:
                tally.wrong.append(answer)

    def _right_shapes(self, answer: Answer) -> set[Shape]:
        if answer.kind in {Kind.REFUSED, Kind.NO_ORIGIN}:
            return {Shape.HIDDEN}
        assert answer.origin is not None  # noqa: S101 - narrows the type
        opened = Shape.LEAVE if answer.kind is Kind.PREFLIGHT else Shape.READABLE
        states = self._histories.permitted(answer.origin, answer.sent, answer.received)
        return {opened if trusted else Shape.FORBIDDEN for trusted in states}

    def _lag(self, answer: Answer) -> float:
        if answer.kind in {Kind.REFUSED, Kind.NO_ORIGIN} or answer.origin is None or answer.shape is Shape.BROKEN:
            return 0.0
        return self._histories.lag(answer.origin, answer.sent, trusted=answer.shape is not Shape.FORBIDDEN)
