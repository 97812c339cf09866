"""The database goes away and comes back: the last good policy serves, then nothing is trusted, then all is well."""

import time

import pytest
from django.db import connection

from django_cors_guard.store.keeper import WAIT_SECONDS
from tests.faults.checking import assert_right, await_recovery, permit_outage, settle
from tests.faults.load import Rule, loading
from tests.faults.outcomes import Fault, summarise, waited
from tests.faults.stage import ATTEMPT, SLACK, Stage, serving

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs({"mysql": "mariadb"}.get(connection.vendor, "postgresql")),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connection that could break"),
]

#: Where the constants are that say how long an attempt may take.
ABANDONING = "django_cors_guard.store.keeper"

both_servers = pytest.mark.parametrize(
    "server",
    [
        "gunicorn",
        pytest.param(
            "uvicorn", marks=pytest.mark.skipif(connection.vendor != "postgresql", reason="runs once, on PostgreSQL")
        ),
    ],
)


def test_database_that_is_down(row_stage: Stage) -> None:
    with serving(row_stage) as served, loading(served.port) as load:
        time.sleep(0.5)
        row_stage.way.refuse()
        lapsed = permit_outage(load)
        time.sleep(lapsed - time.monotonic() + 1.5)
        row_stage.way.come_back()
        recovery = await_recovery(load, load.permit(Rule.FRESH, Rule.LAPSED))
        time.sleep(0.5)
        counted = settle(row_stage, load, served)
        outcome = summarise(
            Fault.DATABASE_DOWN, row_stage.on("gunicorn"), load, served, counted=counted, recovery=recovery
        )
    assert_right(load, served)
    assert outcome.waited == 0, [answer for answer in load.answers if answer.seconds > 1]
    assert outcome.lost == 0
    assert [shape for shape, _seconds in outcome.fared] == ["readable", "hidden", "readable"]


@both_servers
def test_database_that_hangs_with_time_outs(row_stage: Stage, server: str) -> None:
    with serving(row_stage, server) as served, loading(served.port) as load:
        time.sleep(0.5)
        row_stage.way.fall_silent()
        lapsed = permit_outage(load, attempt=ATTEMPT)
        time.sleep(lapsed - time.monotonic() + 1.5)
        row_stage.way.come_back()
        recovery = await_recovery(load, load.permit(Rule.FRESH, Rule.LAPSED))
        time.sleep(0.5)
        counted = settle(row_stage, load, served)
        outcome = summarise(
            Fault.DATABASE_HANGS, row_stage.on(server), load, served, counted=counted, recovery=recovery
        )
    assert_right(load, served)
    # An answer that was under way when the silence began has no time-out on PostgreSQL: then the guard's own applies.
    assert outcome.longest <= max(ATTEMPT, WAIT_SECONDS) + SLACK
    assert max(waited(load.answers).values(), default=0) <= 1
    assert outcome.lost == 0


def test_database_that_hangs_without_time_outs_keeps_the_one_request_that_asks(row_stage: Stage) -> None:
    """Attempts are given up after a while, here a second, so that the outage sees many of them begin."""
    patches = {f"{ABANDONING}.ABANDONED_SECONDS": 1.0, f"{ABANDONING}.WAIT_SECONDS": 1.0}
    with (
        serving(row_stage, DATABASE_OPTIONS={}, PATCHES=patches) as served,
        loading(served.port) as load,
    ):
        time.sleep(0.5)
        row_stage.way.fall_silent()
        lapsed = permit_outage(load)
        time.sleep(lapsed - time.monotonic() + 2.5)
        row_stage.way.come_back()
        recovery = await_recovery(load, load.permit(Rule.FRESH, Rule.LAPSED))
        time.sleep(0.5)
        counted = settle(row_stage, load, served)
        outcome = summarise(
            Fault.DATABASE_HANGS_UNBOUNDED, row_stage.on("gunicorn"), load, served, counted=counted, recovery=recovery
        )
    # Whoever was kept was answered when the database was back, by what it said then.
    assert_right(load, served)
    assert max(waited(load.answers).values(), default=0) <= 1
    assert outcome.lost == 0


def test_server_that_starts_while_the_database_hangs_opens_nothing_and_finds_it(row_stage: Stage) -> None:
    row_stage.way.fall_silent()
    with serving(row_stage, wakes=False) as served, loading(served.port) as load:
        load.permit.moments.clear()
        load.permit(Rule.COLD)
        time.sleep(WAIT_SECONDS + 2)
        settled = time.monotonic()
        time.sleep(2)
        load.permit(Rule.COLD, Rule.FRESH)
        row_stage.way.come_back()
        recovery = await_recovery(load, time.monotonic())
        time.sleep(0.5)
        counted = settle(row_stage, load, served)
        outcome = summarise(
            Fault.STARTS_WITHOUT, row_stage.on("gunicorn"), load, served, counted=counted, recovery=recovery
        )
    assert_right(load, served)
    # As where a process wakes from idle: who comes first has nothing to go on with. After that, nobody waits.
    assert outcome.longest <= max(ATTEMPT, WAIT_SECONDS) + SLACK
    assert not waited([answer for answer in load.answers if answer.sent > settled])
    assert outcome.lost == 0
