"""The cache that may hold compiled policies: away, hanging, flushed, or full of what somebody else has put there."""

import threading
import time

import pytest
from django.db import connection

from tests.faults.checking import assert_right, permit_turned, settle, turn
from tests.faults.load import TURNED, Rule, loading
from tests.faults.outcomes import Fault, summarise, waited
from tests.faults.stage import REFRESH, SLACK, Redis, Stage, serving, staging

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql", "redis"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]

#: Time-out of the cache's sockets, as the docs advise.
CACHE_SECONDS = 0.5
CACHE = "django_cors_guard.store.entries"
#: As where the policy is large: its rows are read in a thread, which asks the cache. Few are read without it.
LARGE = {"django_cors_guard.store.looks.INLINE_SECONDS": -1.0}


def test_cache_that_is_down_delays_nothing(stage: Stage, redis: Redis) -> None:
    with (
        serving(stage, CACHE=redis.url, CACHE_SECONDS=CACHE_SECONDS, PATCHES=LARGE) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        redis.stop()
        turn(stage, load, trusted=False, in_full=True)
        redis.start()
        turn(stage, load, trusted=True, in_full=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CACHE_DOWN, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0
    assert outcome.waited == 0


def test_cache_that_hangs_delays_a_change_by_its_time_outs(stage: Stage, redis: Redis) -> None:
    with (
        serving(stage, CACHE=redis.url, CACHE_SECONDS=CACHE_SECONDS, PATCHES=LARGE) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        redis.hang()
        # It is asked for the policy, and told of it.
        turn(stage, load, trusted=False, in_full=True, within=REFRESH + 2 * CACHE_SECONDS + SLACK)
        redis.go_on()
        turn(stage, load, trusted=True, in_full=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CACHE_HANGS, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0
    assert max(waited(load.answers).values(), default=0) <= 1


def test_cache_that_hangs_without_time_outs_is_passed_by_after_a_while(stage: Stage, redis: Redis) -> None:
    """A load that stays away is given up on after a while, here a second; the next reads the database."""
    patches = LARGE | {"django_cors_guard.store.rebuilds.ABANDONED_SECONDS": 1.0}
    patient = {"MAX_STALE_SECONDS": 60}
    with (
        serving(stage, CACHE=redis.url, CORS_GUARD=patient, PATCHES=patches) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        redis.hang()
        turn(stage, load, trusted=False, in_full=True, within=REFRESH + 2 + SLACK)
        redis.go_on()
        turn(stage, load, trusted=True, in_full=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CACHE_HANGS_UNBOUNDED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0
    assert max(waited(load.answers).values(), default=0) <= 1


def test_cache_that_is_flushed_all_the_time_is_no_loss(stage: Stage, redis: Redis) -> None:
    done = threading.Event()

    def flush() -> None:
        while not done.wait(0.02):
            redis.ask("FLUSHALL")

    with (
        serving(stage, CACHE=redis.url, CACHE_SECONDS=CACHE_SECONDS, PATCHES=LARGE) as served,
        loading(served.port) as load,
    ):
        flushing = threading.Thread(target=flush)
        flushing.start()
        try:
            for trusted in (False, True):
                turn(stage, load, trusted=trusted, in_full=True)
        finally:
            done.set()
            flushing.join()
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CACHE_FLUSHED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0


FORGERIES = (
    "garbage",
    "no string",
    "another version",
    "another key",
    "another purpose",
    "older schema",
    "older form",
)


def test_what_somebody_has_put_into_the_cache_is_passed_by(stage: Stage, redis: Redis) -> None:
    """An entry under the very key of the version that comes next, before any process can look for it."""
    with (
        staging(stage.url, stage.directory, CACHE=redis.url) as forging,
        serving(stage, CACHE=redis.url, CACHE_SECONDS=CACHE_SECONDS, PATCHES=LARGE) as served,
        loading(served.port) as load,
    ):
        for how in FORGERIES:
            load.permit(Rule.FRESH, turned=(True, False))
            forging.desk("revoke_and_plant", TURNED, CACHE, how)
            permit_turned(load, trusted=False)
            assert any("was not used" in line.message for line in served.said()), how
            turn(stage, load, trusted=True, in_full=True)
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CACHE_FORGED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0


def test_two_versions_of_the_app_share_one_cache(stage: Stage, redis: Redis) -> None:
    newer = LARGE | {f"{CACHE}.CACHE_SCHEMA": 999}
    with (
        serving(stage, CACHE=redis.url, name="older", PATCHES=LARGE) as older,
        serving(stage, CACHE=redis.url, name="newer", PATCHES=newer) as served,
        loading(older.port) as load,
        loading(served.port) as load_of_newer,
    ):
        for trusted in (False, True):
            load_of_newer.permit(Rule.FRESH, turned=(True, False))
            turn(stage, load, trusted=trusted, in_full=True)
            load_of_newer.permit.moments[-1:] = load.permit.moments[-2:]
        load_of_newer.stop()
        counted = settle(stage, load, older, served)
        outcome = summarise(Fault.TWO_VERSIONS, stage.on("gunicorn"), load, older, counted=None)
    assert_right(load, older)
    assert_right(load_of_newer, served)
    assert load.refusals() + load_of_newer.refusals() == counted
    assert not outcome.lines, "each has entries of its own"
