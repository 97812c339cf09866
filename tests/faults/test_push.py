"""Hints over Redis: they hasten changes, and without them, or with nonsense in their place, all is as without push."""

import time

import pytest
from django.db import connection

from tests.faults.checking import assert_right, settle, turn
from tests.faults.load import Load, loading
from tests.faults.outcomes import Fault, summarise
from tests.faults.stage import SLACK, WORKERS, Redis, Served, Stage, serving, staging

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql", "redis"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]

#: So long that a change which comes sooner has come by a hint.
REFRESH = 2.0
HINTED = 1.0


def guarded(redis: Redis) -> dict[str, object]:
    return {"PUSH": redis.url, "REFRESH_SECONDS": REFRESH, "MAX_STALE_SECONDS": 60}


def turn_without_hints(stage: Stage, load: Load, *, trusted: bool) -> None:
    turn(stage, load, trusted=trusted, within=REFRESH + SLACK)


def wait_until_it_says(served: Served, text: str, *, seconds: float = 15) -> None:
    """Return once every worker has logged it."""
    deadline = time.monotonic() + seconds
    while len({line.process for line in served.said() if text in line.message}) < WORKERS:
        assert time.monotonic() < deadline, served.text()[-2000:]
        time.sleep(0.05)


def test_push_whose_redis_is_down_is_as_no_push(stage: Stage, redis: Redis) -> None:
    with (
        staging(stage.url, stage.directory, CORS_GUARD=guarded(redis)) as beside,
        serving(stage, CORS_GUARD=guarded(redis)) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        turn(beside, load, trusted=False, within=HINTED)
        redis.stop()
        turn_without_hints(beside, load, trusted=True)
        redis.start()
        came_back = time.monotonic()
        wait_until_it_says(served, "sends hints again")
        recovery = time.monotonic() - came_back
        turn(beside, load, trusted=False, within=HINTED)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.PUSH_DOWN, stage.on("gunicorn"), load, served, counted=counted, recovery=recovery)
    assert_right(load, served)
    assert (outcome.lost, outcome.waited) == (0, 0)


def test_push_whose_redis_hangs_is_as_no_push(stage: Stage, redis: Redis) -> None:
    with (
        staging(stage.url, stage.directory, CORS_GUARD=guarded(redis)) as beside,
        serving(stage, CORS_GUARD=guarded(redis)) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        redis.hang()
        turn_without_hints(beside, load, trusted=False)
        redis.go_on()
        time.sleep(1)
        turn_without_hints(beside, load, trusted=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.PUSH_HANGS, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert (outcome.lost, outcome.waited) == (0, 0)


def test_push_that_is_flooded_changes_no_answer_and_delays_none(stage: Stage, redis: Redis) -> None:
    with (
        staging(stage.url, stage.directory, CORS_GUARD=guarded(redis)) as beside,
        serving(stage, CORS_GUARD=guarded(redis)) as served,
        loading(served.port) as load,
        redis.flooding(),
    ):
        time.sleep(1)
        turn(beside, load, trusted=False, within=HINTED)
        turn(beside, load, trusted=True, within=HINTED)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.PUSH_FLOODED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert (outcome.lost, outcome.waited) == (0, 0)
