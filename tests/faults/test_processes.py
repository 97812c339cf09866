"""Processes are suspended, killed, or told another time of day."""

import os
import signal
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from tests.faults.checking import assert_right, await_recovery, permit_outage, settle, turn
from tests.faults.load import TURNED, Kind, Rule, Shape, loading
from tests.faults.outcomes import Fault, summarise
from tests.faults.stage import CORS_GUARD, MAX_STALE, SLACK, WORKERS, Stage, serving
from tests.servers import ROOT

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]

both_servers = pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])


@both_servers
def test_suspended_machine_decides_by_nothing_outdated_when_it_wakes(stage: Stage, server: str) -> None:
    with serving(stage, server) as served, loading(served.port) as load:
        time.sleep(0.5)
        load.permit(Rule.FRESH, turned=(True, False))
        served.signal_all(signal.SIGSTOP)
        # Whatever is sent from here on waits in the queue of the machine, and is decided after it has woken.
        load.permit(Rule.FRESH, turned=(False,), since=time.monotonic() + 0.1)
        stage.desk("revoke", TURNED)
        time.sleep(MAX_STALE + 1)
        woke = time.monotonic()
        served.signal_all(signal.SIGCONT)
        recovery = load.wait_for(Shape.FORBIDDEN, Kind.TURNED, woke, seconds=5, processes=WORKERS) - woke
        time.sleep(0.75)
        counted = settle(stage, load, served)
        assert_right(load, served)
        # How long the machine was away is no wait of the guard's.
        load.answers = [replace(answer, sent=max(answer.sent, min(woke, answer.received))) for answer in load.answers]
        outcome = summarise(Fault.SUSPENDED, stage.on(server), load, served, counted=counted, recovery=recovery)
    assert outcome.lost == 0


def test_suspended_machine_that_wakes_without_a_database_trusts_nobody(stage: Stage) -> None:
    with serving(stage) as served, loading(served.port) as load:
        time.sleep(0.5)
        served.signal_all(signal.SIGSTOP)
        load.permit(Rule.LAPSED, since=time.monotonic() + 0.1)
        stage.way.refuse()
        time.sleep(MAX_STALE + 1)
        woke = time.monotonic()
        served.signal_all(signal.SIGCONT)
        time.sleep(0.5)
        stage.way.come_back()
        recovery = await_recovery(load, load.permit(Rule.FRESH, Rule.LAPSED))
        time.sleep(0.5)
        counted = settle(stage, load, served)
        assert_right(load, served)
        load.answers = [replace(answer, sent=max(answer.sent, min(woke, answer.received))) for answer in load.answers]
        outcome = summarise(
            Fault.SUSPENDED_ALONE, stage.on("gunicorn"), load, served, counted=counted, recovery=recovery
        )
    assert outcome.lost == 0


def test_worker_that_is_killed_loses_what_it_had_not_written(stage: Stage) -> None:
    windows = CORS_GUARD["AUDIT_FLUSH_SECONDS"], CORS_GUARD["AUDIT_ROLLUP_SECONDS"]
    with serving(stage) as served, loading(served.port) as load:
        time.sleep(1.5)
        victim = served.workers_now()[0]
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        recovery = load.wait_for(Shape.READABLE, Kind.ALLOWED, killed, seconds=20, processes=WORKERS) - killed
        time.sleep(0.5)
        counted = settle(stage, load, served)
        outcome = summarise(
            Fault.WORKER_KILLED, stage.on("gunicorn"), load, served, counted=counted, recovery=recovery, broken=True
        )
    assert_right(load, served, broken=True)
    broken = [answer for answer in load.answers if answer.shape is Shape.BROKEN]
    assert all(answer.sent <= killed + 0.5 and answer.received >= killed - 0.1 for answer in broken), broken
    unwritten = killed - sum(map(float, map(str, windows))) - 1.0
    at_stake = [
        answer
        for answer in load.answers
        if answer.is_refusal and answer.process == str(victim) and answer.received > unwritten
    ]
    assert outcome.lost is not None
    assert -len(broken) <= outcome.lost <= len(at_stake)


# --- the clock ------------------------------------------------------------------------------------------------------

#: Gives the process a wall clock that is off by what the file says: eight bytes, a double, seconds.
CLOCK = """
import mmap, os, struct, time

with open(os.environ["CLOCK_FILE"], "r+b") as file:
    _offset = mmap.mmap(file.fileno(), 8)
_true = time.time
time.time = lambda: _true() + struct.unpack("d", _offset)[0]
"""
HOUR = 3600.0


class WallClock:
    """The wall clock of servers started with ``environ``."""

    def __init__(self, directory: Path) -> None:
        (directory / "sitecustomize.py").write_text(CLOCK)
        self._file = directory / "clock"
        self.environ = {"PYTHONPATH": f"{directory}{os.pathsep}{ROOT}", "CLOCK_FILE": str(self._file)}
        self.step_to(0.0)

    def step_to(self, offset: float) -> None:
        """Set it that far off the true time, at once."""
        if not self._file.exists():
            self._file.write_bytes(struct.pack("d", offset))
            return
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", offset))


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


def test_clock_that_is_stepped_trusts_nobody_longer_and_delays_no_change(stage: Stage, wall: WallClock) -> None:
    with serving(stage, environ=wall.environ) as served, loading(served.port) as load:
        time.sleep(0.5)
        was_trusted = True
        for offset, trusted in ((HOUR, False), (-HOUR, True), (0.0, False)):
            # A look that is under way while the clock jumps forward may be an hour old for all the guard knows: what is
            # decided in that moment is refused, and the next look sets it right.
            load.permit(Rule.FRESH, Rule.LAPSED, turned=(was_trusted,))
            wall.step_to(offset)
            load.permit(Rule.FRESH, turned=(was_trusted,), since=time.monotonic() + SLACK)
            time.sleep(SLACK + 0.25)
            turn(stage, load, trusted=trusted)
            was_trusted = trusted
        counted = settle(stage, load, served)
        outcome = summarise(Fault.CLOCK_STEPPED, stage.on("gunicorn"), load, served, counted=counted)
    assert_right(load, served)
    assert outcome.lost == 0


def test_clock_that_is_set_back_in_an_outage_prolongs_no_trust(stage: Stage, wall: WallClock) -> None:
    with serving(stage, environ=wall.environ) as served, loading(served.port) as load:
        time.sleep(0.5)
        stage.way.refuse()
        lapsed = permit_outage(load)
        time.sleep(0.5)
        wall.step_to(-HOUR)
        time.sleep(lapsed - time.monotonic() + 1)
        stage.way.come_back()
        recovery = await_recovery(load, load.permit(Rule.FRESH, Rule.LAPSED))
        counted = settle(stage, load, served)
        place = stage.on("gunicorn")
        outcome = summarise(Fault.CLOCK_SET_BACK_IN_OUTAGE, place, load, served, counted=counted, recovery=recovery)
    assert_right(load, served)
    assert outcome.lost == 0
