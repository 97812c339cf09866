"""What a fault came to, in figures; where FAULT_REPORT names a directory they are kept there, for the table."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.faults.load import Answer, Kind, Load, Rule, Shape
from tests.faults.stage import Line, Served

#: An answer that took longer has waited for something; the views of the example project take milliseconds.
WAITED_SECONDS: Final = 1.0

REPORT_VARIABLE: Final = "FAULT_REPORT"


class Fault(StrEnum):
    """What may go wrong, in the order of the table."""

    DATABASE_DOWN = "Database down"
    DATABASE_HANGS = "Database hangs"
    DATABASE_HANGS_UNBOUNDED = "Database hangs, no time-outs"
    STARTS_WITHOUT = "Server starts while the database hangs"
    CACHE_DOWN = "Cache down"
    CACHE_HANGS = "Cache hangs"
    CACHE_HANGS_UNBOUNDED = "Cache hangs, no time-outs"
    CACHE_FLUSHED = "Cache flushed"
    CACHE_FORGED = "Cache forged"
    PUSH_DOWN = "Push: Redis down"
    PUSH_HANGS = "Push: Redis hangs"
    PUSH_FLOODED = "Push: flooded with garbage"
    TWO_VERSIONS = "Two versions, one cache"
    SUSPENDED = "Machine suspended"
    SUSPENDED_ALONE = "Machine suspended, no database when it wakes"
    WORKER_KILLED = "Worker killed"
    CLOCK_STEPPED = "Clock stepped"
    MIGRATION_MISSING = "Migration not yet applied"
    NEWER_TABLES = "Tables of a newer version"
    REPLICA_LAGS = "Read replica lags"
    BACKUP_RESTORED = "Backup restored"
    COLUMN_MISSING = "Column not yet there"
    CLOCK_SET_BACK_IN_OUTAGE = "Clock set back while the database is down"


@dataclass
class Outcome:
    """One row of the table. Times are in seconds."""

    fault: str
    place: str
    answers: int
    wrong: int
    longest: float
    #: Most requests that waited in one process.
    waited: int
    #: How the trusted origin fared, and for how long.
    fared: list[tuple[str, float]]
    #: How long after the end of the fault, or after a change made during it, the last request met the former state.
    settled: float | None
    refused: int
    counted: int | None
    lines: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int | None:
        return None if self.counted is None else self.refused - self.counted


def summarise(
    fault: Fault,
    place: str,
    load: Load,
    served: Served,
    *,
    counted: int | None,
    recovery: float | None = None,
    broken: bool = False,
) -> Outcome:
    """Return what the load has met, and keep it if a report is wanted.

    ``recovery`` is how long after the end of the fault all was as before; where origins were trusted and revoked
    during it, it is how long that took at most.
    """
    settled = max([recovery, *load.lags] if recovery is not None else load.lags, default=None)
    answers = load.answers
    outcome = Outcome(
        fault=fault,
        place=place,
        answers=len(answers),
        wrong=len(load.wrong(broken=broken)),
        longest=round(max(answer.seconds for answer in answers), 2),
        waited=max(waited(answers).values(), default=0),
        fared=fared([answer for answer in answers if answer.sent >= _began(load)]),
        settled=None if settled is None else round(max(settled, 0.0), 2),
        refused=load.refusals(),
        counted=counted,
        lines=distinct(served.said()),
    )
    keep(outcome)
    return outcome


def _began(load: Load) -> float:
    """Return the moment of the fault: the first at which something else than before was permitted."""
    moments = [(at, rules) for at, rules, _turned in load.permit.moments]
    is_from_the_start = moments[0][1] != {Rule.FRESH} or len(moments) == 1
    return moments[0 if is_from_the_start else 1][0]


def waited(answers: Sequence[Answer]) -> Counter[str]:
    """How many requests have waited, by process."""
    return Counter(answer.process for answer in answers if answer.seconds > WAITED_SECONDS)


def fared(answers: Sequence[Answer], kind: Kind = Kind.ALLOWED) -> list[tuple[str, float]]:
    """Return what requests of ``kind`` got, one after the other, and for how many seconds each.

    Processes change at moments of their own; what one of them still says within a second of the others is no news.
    """
    ordered = sorted((answer for answer in answers if answer.kind is kind), key=lambda answer: answer.sent)
    runs = [(shape, list(run)) for shape, run in groupby(ordered, key=lambda answer: answer.shape)]
    kept: list[tuple[Shape, float, float]] = []
    for number, (shape, run) in enumerate(runs, 1):
        began, ended = run[0].sent, run[-1].sent
        if kept and kept[-1][0] is shape:
            kept[-1] = (shape, kept[-1][1], ended)
        elif ended - began >= 1.0 or number == len(runs):
            kept.append((shape, began, ended))
    return [(shape.value, round(ended - began, 1)) for shape, began, ended in kept]


def distinct(lines: Sequence[Line]) -> list[str]:
    """Return what was logged, each text once however many processes said it."""
    return list(dict.fromkeys(f"{line.level} {line.message}" for line in lines))


def keep(outcome: Outcome) -> None:
    """Write the outcome where the report collects it."""
    directory = os.environ.get(REPORT_VARIABLE)
    if directory:
        name = f"{outcome.fault} {outcome.place}".replace(" ", "-").replace("/", "-")
        Path(directory, f"{name}.json").write_text(json.dumps(asdict(outcome)))
