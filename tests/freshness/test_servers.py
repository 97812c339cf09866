"""The trials of ``python -m benchmarks.freshness``, each kind once. FRESHNESS_MARGIN_SECONDS is for slow machines."""

from collections.abc import Callable

import pytest

from benchmarks.freshness.board import Board
from benchmarks.freshness.databases import environ_for
from benchmarks.freshness.runs import MARGIN_SECONDS, run
from benchmarks.freshness.trials import KINDS
from tests.faults.stage import Redis
from tests.freshness.conftest import VENDOR
from tests.servers import HOST

pytestmark = pytest.mark.servers

REFRESH = 1.0
WORKERS = 3
#: Each kind of change once.
COUNT = sum(len(kind.opens) for kind in KINDS.values())

#: On the database of the row, and beside PostgreSQL on SQLite, which has no row of servers.
RUNS = [(server, VENDOR) for server in ("gunicorn gthread", "uvicorn", "granian wsgi")]
if VENDOR == "postgresql":
    RUNS += [("gunicorn sync", "sqlite"), ("granian asgi", "sqlite")]


def check(board: Board) -> None:
    assert board.failures == []
    assert len(board.workers) == WORKERS
    assert {trial.name for trial in board.trials} == set(KINDS)
    assert all(heard.confirmed for trial in board.trials for heard in trial.heard.values())


@pytest.mark.parametrize(("server", "vendor"), RUNS)
def test_every_worker_decides_by_each_change_in_time(
    server: str, vendor: str, database_of: Callable[[str], str]
) -> None:
    # Where nothing listens at all: a push that does not work takes nothing away.
    environ = environ_for(database_of(vendor), refresh_seconds=REFRESH, push=f"redis://{HOST}:1/0")
    check(run(server, environ, COUNT, WORKERS, REFRESH + MARGIN_SECONDS))


@pytest.mark.needs("redis")
def test_push_makes_every_worker_look_long_before_it_would(database: str, redis: Redis) -> None:
    environ = environ_for(database, refresh_seconds=30, push=redis.url)
    check(run("uvicorn", environ, COUNT, WORKERS, 5.0))
