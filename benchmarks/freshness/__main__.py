"""How soon every worker of a real server decides by what has been committed: ``python -m benchmarks.freshness``.

Each trial commits a change in another process while clients ask every worker all the time. A worker that answers by
what was before, REFRESH_SECONDS + 0.5 s after the commit returned, is a failure; so is one that was right and is not
any more. FRESHNESS_MARGIN_SECONDS sets another margin than half a second.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from statistics import median
from typing import Final

from benchmarks.freshness.board import Board
from benchmarks.freshness.databases import DATABASES, environ_for, migrate, scratch_database
from benchmarks.freshness.runs import MARGIN_SECONDS, run
from benchmarks.freshness.servers import SERVERS

REFRESH_SECONDS: Final = 1.0
MOST_SHOWN: Final = 20


def main() -> None:
    """Run the servers that are named, or all, on the databases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of {', '.join(map(repr, SERVERS))}")
    parser.add_argument("--database", action="append", choices=DATABASES, help="may be given several times")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--refresh", type=float, default=REFRESH_SECONDS, help="REFRESH_SECONDS of the servers")
    parser.add_argument("--push", metavar="URL", help="CORS_GUARD['PUSH'] of the servers and of who writes")
    given = parser.parse_args()
    # Whoever is told to end takes along what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unknown = set(given.servers) - set(SERVERS)
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    failures = 0
    for vendor in given.database or DATABASES:
        with scratch_database(vendor) as url:
            environ = environ_for(url, refresh_seconds=given.refresh, push=given.push)
            migrate(environ)
            for server in given.servers or SERVERS:
                started = time.monotonic()
                board = run(server, environ, given.trials, given.workers, given.refresh + MARGIN_SECONDS)
                failures += len(board.failures)
                report(f"{server} on {vendor}", board, time.monotonic() - started)
    sys.exit(bool(failures))


def report(title: str, board: Board, seconds: float) -> None:
    """Print what each worker needed, and what went wrong."""
    print(f"{title}: {len(board.trials)} trials, {board.asked} requests, {seconds:.0f} s", flush=True)
    for worker in board.workers:
        found = board.latencies(worker)
        p99 = found[min(len(found) - 1, int(len(found) * 0.99))]
        print(f"  worker {worker:<8} median {median(found):.3f} s   p99 {p99:.3f} s   worst {found[-1]:.3f} s")
    print(f"  failures: {len(board.failures)}")
    for failure in board.failures[:MOST_SHOWN]:
        print(f"    {failure}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
