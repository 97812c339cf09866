"""How soon eight processes decide by a change, with push over Redis and without: ``python -m benchmarks.push``.

PostgreSQL; a redis-server of its own, or the Redis that ``--redis`` names. Each process asks its store for the policy
as requests would, a hundred times a second, and says when it has another one. A ninth commits one change after the
other, at moments that have nothing to do with the clock of the others.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import IO, Final, cast

from benchmarks.freshness.databases import ROOT, environ_for, migrate, scratch_database
from benchmarks.freshness.writer import Writer, writing

PROCESSES: Final = 8
COMMITS: Final = 200
#: A request every so often, in each process.
REQUEST_SECONDS: Final = 0.01
#: Longest to wait for the last process, beyond REFRESH_SECONDS.
PATIENCE_SECONDS: Final = 5.0
HOST: Final = "127.0.0.1"
AIM_SECONDS: Final = 0.050


def main() -> None:
    """Measure both, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=COMMITS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--refresh", type=float, default=1.0, help="REFRESH_SECONDS")
    parser.add_argument("--redis", metavar="URL", help="instead of a redis-server of its own")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    # Whoever is told to end takes along what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if given.inside:
        decide()
        return
    with ExitStack() as stack:
        url = given.redis or stack.enter_context(own_redis())
        database = stack.enter_context(scratch_database("postgresql"))
        migrate(environ_for(database))
        print(f"{given.processes} processes, {given.commits} commits, REFRESH_SECONDS = {given.refresh:g}", flush=True)
        # Without push there is little to find out, and each commit takes a REFRESH_SECONDS.
        for title, push, commits in (("with push", url, given.commits), ("without push", None, given.commits // 4)):
            environ = environ_for(database, refresh_seconds=given.refresh, push=push)
            report(title, measure(environ, given.processes, commits, given.refresh + PATIENCE_SECONDS))


@contextmanager
def own_redis() -> Iterator[str]:
    """Run a redis-server for the block and yield its URL."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed: name a Redis with --redis")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "--port", f"{port}", "--bind", HOST, "--save", "", "--dir", directory]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                with suppress(OSError):
                    socket.create_connection((HOST, port), timeout=1).close()
                    break
            yield f"redis://{HOST}:{port}/0"
        finally:
            process.terminate()
            process.wait()


@dataclass
class Deciders:
    """When each process decided by which revision first, by the monotonic clock."""

    count: int
    heard: list[dict[int, float]] = field(default_factory=list)
    turn: threading.Condition = field(default_factory=threading.Condition)

    def listen(self, number: int, answers: IO[str]) -> None:
        """Take note of what one process says, until it ends."""
        for line in answers:
            revision, at = line.split()
            with self.turn:
                self.heard[number][int(revision)] = float(at)
                self.turn.notify_all()

    def wait_for(self, revision: int, seconds: float) -> float:
        """Return when the last one decided by ``revision`` or a later one; infinity if one did not in time."""
        with self.turn:
            self.turn.wait_for(lambda: max(self._first(revision)) < inf, seconds)
            return max(self._first(revision))

    def _first(self, revision: int) -> list[float]:
        return [min((at for own, at in heard.items() if own >= revision), default=inf) for heard in self.heard]


@contextmanager
def deciding(environ: Mapping[str, str], count: int) -> Iterator[Deciders]:
    """Run so many processes that decide."""
    deciders = Deciders(count, [{} for _ in range(count)])
    command = [sys.executable, "-m", "benchmarks.push", "--inside"]
    processes, threads = [], []
    try:
        for number in range(count):
            process = subprocess.Popen(
                command, cwd=ROOT, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            processes.append(process)
            answers = cast("IO[str]", process.stdout)
            threads.append(threading.Thread(target=deciders.listen, args=(number, answers)))
            threads[-1].start()
        yield deciders
    finally:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
        for thread in threads:
            thread.join()
        for process in processes:
            process.wait()


def measure(environ: Mapping[str, str], processes: int, commits: int, patience: float) -> list[float]:
    """Return for each commit after how many seconds the last process decided by it."""
    chance = random.Random(6)
    with writing(environ) as writer, deciding(environ, processes) as deciders:
        deciders.wait_for(_commit(writer)[1], 60)
        time.sleep(1)
        found = []
        for _ in range(commits):
            time.sleep(chance.uniform(0.05, 0.25))
            at, revision = _commit(writer)
            found.append(max(0.0, deciders.wait_for(revision, patience) - at))
        return sorted(found)


def _commit(writer: Writer) -> tuple[float, int]:
    at, revision = writer.do("bump")
    return at, int(revision)


def report(title: str, found: list[float]) -> None:
    """Print how long the last process took."""
    p99 = found[min(len(found) - 1, int(len(found) * 0.99))]
    shown = [f"{name} {1000 * value:6.1f} ms" for name, value in (("p50", median(found)), ("p99", p99))]
    verdict = "" if title == "without push" else f"   (aim: p99 <= {1000 * AIM_SECONDS:g} ms)"
    print(f"  {title:<14}{'   '.join(shown)}   worst {1000 * found[-1]:6.1f} ms{verdict}", flush=True)


def decide() -> None:
    """Ask for the policy as requests would, and say when it is another one; end with the input."""
    import django  # noqa: PLC0415 - only the processes that decide need it

    django.setup()
    from django_cors_guard.signals import policy_looked  # noqa: PLC0415 - nothing can be imported before
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    seen = [-1]

    def tell(version: tuple[int, str] | None, **_: object) -> None:
        if version is not None and version[0] > seen[0]:
            seen[0] = version[0]
            print(version[0], time.monotonic(), flush=True)

    policy_looked.connect(tell)
    end = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(end,), daemon=True).start()
    while not end.wait(REQUEST_SECONDS):
        store.current()


def _wait_for_the_end(end: threading.Event) -> None:
    sys.stdin.read()
    end.set()


if __name__ == "__main__":
    main()
