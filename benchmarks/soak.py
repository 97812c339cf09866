"""Everything at once, for long: ``python -m benchmarks.soak`` (PostgreSQL, Linux; 10 minutes).

Four workers; a writer that trusts ten origins and revokes ten others each second; and a load that checks every answer
against what was committed more than REFRESH_SECONDS + 0.5 s before. Fails on a wrong answer, a 5xx or a broken
connection, on memory that grows, and on an audit whose sum is not the number of refusals.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from benchmarks import scratch
from benchmarks.checker import ORIGINS, Checker, Tally, origin_of
from benchmarks.footprint import Growth, Scales, measure_growth
from benchmarks.histories import Histories
from tests.faults.desk import Desk, attending
from tests.faults.stage import SERVERS, Served, Stage, furnish, serving, settings_environ
from tests.servers import ROOT

DATABASE: Final = "cors_guard_benchmark_soak"
REFRESH_SECONDS: Final = 1.0
#: How long after a commit an answer may still be by what it replaced.
GRACE: Final = REFRESH_SECONDS + 0.5
#: As a project has them that sets none.
SETTINGS: Final = {
    "REFRESH_SECONDS": REFRESH_SECONDS,
    "MAX_STALE_SECONDS": 900,
    "AUDIT_FLUSH_SECONDS": 2,
    "AUDIT_ROLLUP_SECONDS": 60,
}
#: Most MB that a worker may gain over the second half.
FLAT_MEGABYTES: Final = 1.0


class Writer:
    """Trusts (or revokes, if not ``trusts``) so many origins a second, from a process of its own, until it is stopped.

    ``books`` holds the origins in either state, the one that has been in it longest first.
    """

    def __init__(
        self, desk: Desk, histories: Histories, books: dict[bool, deque[str]], *, trusts: bool, a_second: float
    ) -> None:
        self.commits: list[float] = []
        self._desk = desk
        self._histories = histories
        self._books = books
        self._trusts = trusts
        self._pause = 1 / a_second
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        due = monotonic()
        while not self._stopped.wait(max(due - monotonic(), 0)):
            due += self._pause
            if self._books[not self._trusts]:
                self._turn(self._books[not self._trusts].popleft())

    def _turn(self, origin: str) -> None:
        spell = self._histories.begin(origin, trusted=self._trusts)
        self._desk("trust" if self._trusts else "revoke", origin)
        spell.committed = monotonic()
        self.commits.append(spell.committed - spell.began)
        self._books[self._trusts].append(origin)


def fill(desk: Desk, histories: Histories) -> dict[bool, deque[str]]:
    """Trust half of the origins, revoke the others, and return which are which."""
    books = {True: deque[str](), False: deque[str]()}
    for number in range(ORIGINS):
        origin, trusted = origin_of(number), number % 2 == 0
        desk("trust", origin)
        if not trusted:
            desk("revoke", origin)
        histories.begin(origin, trusted=trusted).committed = monotonic()
        books[trusted].append(origin)
    return books


@dataclass(frozen=True)
class Findings:
    """What a soak has come to."""

    seconds: float
    commits: Sequence[float]
    tally: Tally
    growth: Sequence[Growth]
    counted: int
    log: str

    def failures(self, *, flat: float = FLAT_MEGABYTES) -> list[str]:
        """Return in words what was not as it should be; ``flat``: most MB that a worker may gain in the second half."""
        tally = self.tally
        found = [f"{len(tally.wrong)} wrong answers, such as {tally.wrong[0]}"] if tally.wrong else []
        if tally.server_errors or tally.broken:
            found.append(f"{tally.server_errors} answers were 5xx, {tally.broken} connections broke")
        if self.counted != tally.refusals:
            found.append(f"the audit counts {self.counted} refusals, and {tally.refusals} were sent")
        grown = [f"{growth.process} by {growth.gained:.2f} MB" for growth in self.growth if growth.gained > flat]
        if grown or not self.growth:
            found.append(f"memory is not flat: {', '.join(grown) or 'it was not measured'}")
        if not (tally.decisive and self.commits):
            found.append("nothing was checked")
        return found


@contextmanager
def soaking(url: str, server: str, workers: int, directory: Path) -> Iterator[tuple[tuple[Desk, Desk], Served]]:
    """Serve the example project, on a furnished database, with two desks beside it."""
    environ = settings_environ(url, CORS_GUARD=SETTINGS)
    with attending(environ, str(ROOT)) as desk, attending(environ, str(ROOT)) as other:
        furnish(desk)
        stage = Stage(url, url, None, desk, directory)
        with serving(stage, server, workers=workers, CORS_GUARD=SETTINGS) as served:
            yield (desk, other), served


def soak(
    url: str, *, seconds: float, server: str, workers: int, rate: float, changes: float, directory: Path
) -> Findings:
    """Soak for so long, and return what was found once the server has stopped."""
    histories = Histories(GRACE)
    with soaking(url, server, workers, directory) as (desks, served):
        books = fill(desks[0], histories)
        sleep(GRACE)
        writers = [
            Writer(desk, histories, books, trusts=trusts, a_second=changes)
            for desk, trusts in zip(desks, (True, False), strict=True)
        ]
        checker = Checker(served.port, histories, rate=rate)
        scales = Scales(served.workers_now, seconds=max(seconds / 120, 0.5))
        parts: list[Scales | Checker | Writer] = [scales, checker, *writers]
        for part in parts:
            part.start()
        sleep(seconds)
        for part in reversed(parts):
            part.stop()
        served.stop()
        commits = [seconds for writer in writers for seconds in writer.commits]
        counted = desks[0]("counted")
        return Findings(seconds, commits, checker.tally, measure_growth(scales.samples), counted, served.text())


def report(findings: Findings) -> str:
    """Return the findings as text."""
    tally, commits = findings.tally, sorted(findings.commits)
    shared = ", ".join(f"{count:,}" for count in tally.processes.values())
    p50, p99 = (1000 * commits[int(len(commits) * part)] for part in (0.5, 0.99))
    changes, answers = (number / findings.seconds for number in (len(commits), tally.answers))
    lines = [
        f"changes      {len(commits):,}, {changes:.1f} a second; a commit took {p50:.0f} ms (p50), {p99:.0f} ms (p99)",
        f"answers      {tally.answers:,}, {answers:.0f} a second; the longest took {tally.longest:.2f} s",
        f"workers      answered {shared}",
        f"checked      {tally.decisive:,} of the answers could be right in one way only",
        f"wrong        {len(tally.wrong)}; 5xx {tally.server_errors}; broken connections {tally.broken}",
        f"lag          {tally.lag:.2f} s from a commit to the last answer by what it replaced; permitted {GRACE:.1f}",
        f"refusals     {tally.refusals:,} sent, {findings.counted:,} in the audit",
        "memory       worker        RSS in MB, start/middle/end     PSS                  gained in the second half",
    ]
    for growth in findings.growth:
        rss, pss = ("/".join(f"{size:.1f}" for size in sizes) for sizes in (growth.rss, growth.pss))
        lines.append(
            f"             {growth.process:<13} {rss:<31} {pss:<20} {growth.gained:+.2f} MB"
            f" ({growth.slope_a_minute:+.3f} MB a minute)"
        )
    return "\n".join(lines)


def main() -> int:
    """Soak, print the report, and return 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--server", choices=sorted(SERVERS), default="gunicorn")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=150, help="requests a second (default: %(default)s)")
    parser.add_argument("--changes", type=float, default=10, help="origins trusted, and revoked, a second")
    given = parser.parse_args()
    with scratch.scratch_database(DATABASE, keep=False) as (url, _is_new), tempfile.TemporaryDirectory() as directory:
        findings = soak(
            url,
            seconds=given.minutes * 60,
            server=given.server,
            workers=given.workers,
            rate=given.rate,
            changes=given.changes,
            directory=Path(directory),
        )
    print(f"{given.minutes:g} minutes, {given.server} with {given.workers} workers")
    print(report(findings))
    failures = findings.failures()
    print(*(f"FAILED: {failure}" for failure in failures), sep="\n")
    if failures:
        print(findings.log[-3000:])
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
