"""A million trusted origins in one process: compiling, memory, forks, catching up, and what requests notice of it.

``python -m benchmarks.million`` needs PostgreSQL (POSTGRESQL_URL) and Linux's /proc. It makes a database of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time, sleep, thread_time, time
from typing import Final

from benchmarks.scratch import MEGABYTE, forget_peak, memory, migrate, peak_memory, scratch_database, set_up

DATABASE: Final = "cors_guard_million"
ORIGINS: Final = 1_000_000
REVOCATIONS: Final = 20
ANSWERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, and the most that it may be; None where there is no aim."""

    name: str
    figure: float
    unit: str
    aim: float | None = None

    @property
    def is_met(self) -> bool:
        return self.aim is None or self.figure <= self.aim

    def __str__(self) -> str:
        aim = "" if self.aim is None else f"  (aim: {self.aim:g}: {'met' if self.is_met else 'MISSED'})"
        return f"{self.name:<58}{self.figure:>10.1f} {self.unit}{aim}"


def require(condition: bool, what: str) -> None:
    """Stop where a figure would be worth nothing."""
    if not condition:
        raise RuntimeError(f"Not so: {what}.")


def origin_of(number: int) -> str:
    """Return one of the trusted origins, of the length that customers' origins have."""
    return f"https://shop{number:07d}.example.com"


def in_child(work: Callable[[], None]) -> None:
    """Run ``work`` in a process of its own, so that its memory is not counted."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    require(os.waitpid(pid, 0)[1] == 0, "the tables are filled")


def fill(url: str, count: int) -> None:
    """Create the tables of a new database and fill them."""
    set_up(url)
    migrate()
    seed(count)


def seed(count: int) -> None:
    """Fill the tables: COPY where the database has it. One grant in ten expires some day."""
    from django.db import connection  # noqa: PLC0415 - settings come from the command line
    from django.utils import timezone  # noqa: PLC0415 - as above

    from django_cors_guard.models import PolicyState, TrustedOrigin, policy_write  # noqa: PLC0415 - as above
    from django_cors_guard.testing.factories import (  # noqa: PLC0415 - as above
        ApiGroupFactory,
        ApiRouteFactory,
        EnvironmentFactory,
    )

    environment, group = EnvironmentFactory.create(), ApiGroupFactory.create()
    ApiRouteFactory.create(api_group=group)
    columns = "environment_id, api_group_id, origin, note, created_at, expires_at, revoke_reason, managed_by, revision"
    now, someday = timezone.now(), timezone.now().replace(year=timezone.now().year + 1, month=1, day=1)
    with policy_write(rebuild=True):
        revision = PolicyState.read("default").revision
        with connection.cursor() as cursor:
            statement = f"COPY {TrustedOrigin._meta.db_table} ({columns}) FROM STDIN"
            with cursor.copy(statement) as copy:
                for number in range(count):
                    ends = None if number % 10 else someday
                    copy.write_row((environment.pk, group.pk, origin_of(number), "", now, ends, "", "", revision))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TrustedOrigin._meta.db_table}")


# --- compiling and memory ---------------------------------------------------------------------------------------------


def measure_load(count: int) -> list[Line]:
    """Load the policy into an empty process, as ``preload`` does."""
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    before = memory()
    forget_peak()
    begun, worked = perf_counter(), process_time()
    store.preload()
    took, worked = perf_counter() - begun, process_time() - worked
    require(trusts(count - 1), "every origin is trusted")
    return [
        Line("load and compile", took, "s", 8 * max(count / ORIGINS, 0.1)),
        Line("  of it work of this process", worked, "s"),
        Line("memory of the process", memory() / MEGABYTE, "MB", 200),
        Line("  at the peak of the load", peak_memory() / MEGABYTE, "MB", 200),
        Line("  of it the policy", (memory() - before) / MEGABYTE, "MB"),
    ]


def trusts(number: int) -> bool:
    """Decide about one origin by the policy at hand."""
    from django_cors_guard.core.decision import Reason  # noqa: PLC0415 - as above
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    policy = store.at_hand()
    return policy is not None and policy.groups["public"].judge_origin(origin_of(number), time()) is Reason.TRUSTED


# --- forks ------------------------------------------------------------------------------------------------------------


def measure_fork(count: int) -> list[Line]:
    """Let a child answer requests, catch up, and read everything anew; say what of its memory is not shared."""
    from django_cors_guard import services  # noqa: PLC0415 - as above

    gc.collect()
    victim = next(filter(trusts, range(count // 2, count)))
    report, told = os.pipe()
    go, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(report)
        os.write(told, repr(_live(count, victim, lambda: os.read(go, 1))).encode())
        os._exit(0)
    os.close(told)
    services.revoke_origin(origin_of(victim), reason="benchmark")
    os.write(ready, b"x")
    with os.fdopen(report) as answer:
        answered, caught_up, reloaded = map(float, answer.read().strip("()").split(","))
    os.waitpid(pid, 0)
    return [
        Line(f"a forked child's own memory after {ANSWERED:,} requests", answered, "MB", 20),
        Line("  and after it caught up with a revocation", caught_up, "MB", 20),
        Line("  and after it read all rows anew", reloaded, "MB", 40),
    ]


def _live(count: int, victim: int, wait: Callable[[], object]) -> tuple[float, float, float]:
    """What a child does, and its memory after each part of it."""
    from django_cors_guard.store import store  # noqa: PLC0415 - as above
    from django_cors_guard.store.loading import load  # noqa: PLC0415 - as above

    for number in range(ANSWERED):
        trusts(number * 7919 % count)
    answered = _private_memory()
    # A collection touches all that it looks at, whenever it comes: here, and not as the doing of what follows.
    gc.collect()
    touched = _private_memory() - answered
    wait()
    store.nudge()
    store.current()
    require(not trusts(victim), "it has caught up")
    caught_up = _private_memory() - touched
    policy = load("production", cached=False, known=store.at_hand())
    reread = _private_memory() - touched
    # Not before: to compare the books touches every entry.
    require(policy == store.at_hand(), "all rows say the same")
    return answered, caught_up, reread


def _private_memory() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) * 1024 / MEGABYTE


# --- catching up ------------------------------------------------------------------------------------------------------


def measure_following(count: int) -> list[Line]:
    """Revoke one origin after the other, and look."""
    from django.db import connection  # noqa: PLC0415 - as above
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415 - as above

    from django_cors_guard import services  # noqa: PLC0415 - as above
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    connection.ensure_connection()
    works: list[float] = []
    queries: list[int] = []
    for number in islice(filter(trusts, range(count)), REVOCATIONS):
        services.revoke_origin(origin_of(number), reason="benchmark")
        with CaptureQueriesContext(connection) as seen:
            begun = thread_time()
            store.look()
            works.append((thread_time() - begun) * 1000)
        queries.append(len(seen))
        require(not trusts(number), "it is revoked here")
    connection.close()
    return [
        Line("catching up with one revocation: work, median", statistics.median(works), "ms", 20),
        Line("  at most", max(works), "ms"),
        Line("  queries, with the look", max(queries), "", 5),
    ]


# --- requests meanwhile -----------------------------------------------------------------------------------------------


def measure_meanwhile(count: int) -> list[Line]:
    """Decide all the time, at first by itself and then beside a full load, as one thread of a server does."""
    from django_cors_guard.models import policy_write  # noqa: PLC0415 - as above
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    quiet = _time_requests(count, threading.Event(), 1.0)
    done = threading.Event()
    with policy_write(rebuild=True):
        pass
    before = store.at_hand()
    store.nudge()
    begun = perf_counter()
    watcher = threading.Thread(target=_watch, args=(before, done))
    watcher.start()
    beside = _time_requests(count, done, 120.0)
    took = perf_counter() - begun
    watcher.join()
    require(store.at_hand() is not before, "everything was read anew")
    return [
        Line("a full load beside requests", took, "s"),
        Line("a request without it: p99", _percentile(quiet, 99), "ms"),
        Line("a request beside it: p50", _percentile(beside, 50), "ms"),
        Line("  p99", _percentile(beside, 99), "ms", 10),
        Line("  at most (the one that looks waits for a small load)", max(beside), "ms", 500),
    ]


def _watch(before: object, done: threading.Event) -> None:
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    while store.at_hand() is before:
        sleep(0.02)
    done.set()


def _time_requests(count: int, done: threading.Event, seconds: float) -> list[float]:
    """Take a policy and judge an origin by it, a thousand times a second; return what each took in milliseconds."""
    from django_cors_guard.store import store  # noqa: PLC0415 - as above

    took: list[float] = []
    end = perf_counter() + seconds
    while not done.is_set() and perf_counter() < end:
        begun = perf_counter()
        store.current()
        trusts(len(took) * 7919 % count)
        took.append((perf_counter() - begun) * 1000)
        sleep(0.001)
    return took


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


# --- the command ------------------------------------------------------------------------------------------------------

PARTS: Final[dict[str, Callable[[int], list[Line]]]] = {
    "load": measure_load,
    "fork": measure_fork,
    "following": measure_following,
    "meanwhile": measure_meanwhile,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 if an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--origins", type=int, default=ORIGINS)
    parser.add_argument("--database", default=DATABASE)
    parser.add_argument("--keep", action="store_true", help="keep the database, and use one that was kept")
    given = parser.parse_args(arguments)
    with scratch_database(given.database, keep=given.keep) as (url, is_new):
        if is_new:
            in_child(lambda: fill(url, given.origins))
        set_up(url)
        print(f"{given.origins:,} trusted origins, Python {sys.version.split()[0]}")
        lines = [line for part in PARTS.values() for line in _run(part, given.origins)]
    return 0 if all(line.is_met for line in lines) else 1


def _run(part: Callable[[int], list[Line]], count: int) -> list[Line]:
    lines = part(count)
    print("\n".join(map(str, lines)), flush=True)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
