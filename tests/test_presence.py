"""What a process tells of itself, when, and in which order."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import OperationalError
from django.db.models import DateTimeField, Value
from pytest_django import Settings

from django_cors_guard import background, conf
from django_cors_guard.ledger import Writer
from django_cors_guard.models import GuardProcess
from django_cors_guard.models.revision import Version
from django_cors_guard.presence import Presence, as_moment
from django_cors_guard.presence import row as row_module
from django_cors_guard.presence.process import WAKE_SECONDS
from django_cors_guard.presence.row import INTERVAL_SECONDS, KNOWN_SECONDS
from django_cors_guard.services import describe_processes
from django_cors_guard.store import store
from django_cors_guard.testing import override_cors_guard
from tests.processes import report

pytestmark = pytest.mark.django_db(transaction=True)

#: Its clock is set by the tests.
ROW: Any = row_module
START = datetime(2026, 5, 3, 12, tzinfo=UTC).timestamp()
ONE, TWO = Version(1, "a" * 32), Version(2, "b" * 32)


class Clocks:
    """Both clocks of a process, and the database's; ``sleep`` lets the machine of the process be suspended."""

    def __init__(self) -> None:
        self.mono, self.wall, self.database = 1000.0, START, START

    def pass_by(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds
        self.database += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.database += seconds

    def now(self) -> Value:
        """In the place of ``Now()``."""
        return Value(as_moment(self.database), output_field=DateTimeField())


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks()
    for module in ("identity", "row"):
        monkeypatch.setattr(f"django_cors_guard.presence.{module}.time", lambda: found.wall)
    for module in ("looks", "row"):
        monkeypatch.setattr(f"django_cors_guard.presence.{module}.monotonic", lambda: found.mono)
    monkeypatch.setattr("django_cors_guard.models.process.Now", found.now)
    return found


@pytest.fixture(autouse=True)
def outside_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: False)
    monkeypatch.setattr(background.Threads, "run", True)


class WithThread(Presence):
    """Takes each turn at once, where a thread would take it a moment later."""

    def _start_thread(self) -> bool:
        self._has_thread = True
        return True

    def _ask(self) -> int:
        self._wanted += 1
        self._take_turn()
        return self._wanted

    def tick(self) -> None:
        """What the thread does once a second while the process decides."""
        self._take_turn()


class WithoutThread(Presence):
    """As where none run."""

    def _start_thread(self) -> bool:
        return False


@pytest.fixture
def here() -> Iterator[WithThread]:
    found = WithThread()
    found.serves = True
    yield found
    found.leave()


def look(here: Presence, version: Version | None = ONE) -> None:
    here.looking()
    here.looked(version=version, looked_at=ROW.time())


def row() -> GuardProcess:
    return GuardProcess.objects.get()


def confirmed_at() -> datetime:
    found = row().confirmed_at
    assert found is not None
    return found


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, tz=UTC)


# --- who tells of itself ----------------------------------------------------------------------------------------------


def test_process_that_answers_no_requests_tells_nothing() -> None:
    look(WithThread())
    assert not GuardProcess.objects.exists()


def test_first_request_makes_it_tell() -> None:
    here = WithThread()
    request_started.disconnect(dispatch_uid="cors_guard.presence")
    request_started.connect(here.begin, dispatch_uid="cors_guard.presence")
    receivers = len(request_started.receivers)
    request_started.send(sender=None)
    assert here.serves
    assert len(request_started.receivers) == receivers - 1, "later requests should not pay for it"
    look(here)
    assert row().pid == os.getpid()


@pytest.mark.parametrize("moment", ["begin", "leave"])
def test_policy_that_no_row_tells_of_is_not_decided_by(
    here: WithThread, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded before the first request, by ``preload`` or a command; or while the row goes."""
    look(here)
    nudges: list[str] = []
    monkeypatch.setattr(store, "at_hand", object)
    monkeypatch.setattr(store, "nudge", lambda: nudges.append(moment))
    getattr(here, moment)()
    assert nudges == [moment]


def test_test_suite_tells_nothing(here: WithThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: True)
    look(here)
    assert not GuardProcess.objects.exists()


def test_row_tells_who_where_and_what(here: WithThread, clocks: Clocks) -> None:
    clocks.pass_by(5)
    with override_cors_guard(ENVIRONMENT="staging"):
        look(here)
    found = row()
    assert (found.id, found.host, found.pid) == (here.identity.id, here.identity.host, os.getpid())
    assert (found.environment, found.revision, found.token) == ("staging", *ONE)
    assert (found.started_at, found.confirmed_at, found.idle_since) == (at(0), at(5), None)


def test_moments_are_naive_where_the_project_has_no_zones(here: WithThread, settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "UTC"
    look(here)
    assert row().confirmed_at == datetime(2026, 5, 3, 12)  # noqa: DTZ001 - that is the point


# --- when -------------------------------------------------------------------------------------------------------------


def test_new_process_tells_of_itself_before_it_reads_a_version(here: WithThread) -> None:
    here.looking()
    found = row()
    assert (found.revision, found.confirmed_at, found.idle_since) == (0, None, None)
    assert found.lapses_at is not None


def test_other_version_is_told_at_once(here: WithThread, clocks: Clocks) -> None:
    look(here)
    clocks.pass_by(1)
    look(here, TWO)
    assert (row().revision, row().token, row().confirmed_at) == (*TWO, at(1))


def test_same_number_with_another_token_is_another_version(here: WithThread) -> None:
    look(here)
    look(here, Version(1, "c" * 32))
    assert row().token == "c" * 32


def test_same_version_is_told_every_ten_seconds(here: WithThread, clocks: Clocks) -> None:
    look(here)
    seen = []
    for _ in range(25):
        clocks.pass_by(1)
        look(here)
        here.tick()
        seen.append(confirmed_at())
    assert sorted(set(seen)) == [at(0), at(10), at(20)]


def test_failed_looks_confirm_nothing(here: WithThread, clocks: Clocks) -> None:
    look(here)
    for _ in range(15):
        clocks.pass_by(1)
        look(here, None)
        here.tick()
    assert (row().confirmed_at, row().revision, row().idle_since) == (at(0), 1, None)


# --- idle -------------------------------------------------------------------------------------------------------------


def test_quiet_process_is_idle(here: WithThread, clocks: Clocks) -> None:
    look(here)
    clocks.pass_by(9)
    here.tick()
    assert row().idle_since is None
    clocks.pass_by(1)
    here.tick()
    assert row().idle_since == at(10)


def test_look_that_wakes_it_says_so_before_it_reads_a_version(here: WithThread, clocks: Clocks) -> None:
    look(here)
    clocks.pass_by(10)
    here.tick()
    clocks.pass_by(3600)
    here.looking()
    assert row().idle_since is None


def test_look_during_the_thread_s_decision_keeps_it_awake(
    here: WithThread, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has found it quiet; then a request looks, which still finds the row awake, and decides."""
    look(here)
    clocks.pass_by(10)
    ask, asked = here._may_rest, []

    def may_rest() -> bool:
        asked.append(ask())
        if len(asked) == 1:
            here.looking()
        return asked[-1]

    monkeypatch.setattr(here, "_may_rest", may_rest)
    here.tick()
    assert asked == [True, False]
    assert row().idle_since is None
    assert here.row.is_known()


def test_look_while_idle_is_being_written_has_the_last_word(
    here: WithThread, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(here)
    clocks.pass_by(10)
    put, told = GuardProcess.put, []

    def slow_put(using: str, pk: uuid.UUID, values: dict[str, Any], *, birth: dict[str, Any]) -> None:
        told.append(values["idle_since"])
        if values["idle_since"] is not None:
            assert not here.row.is_known(), "a look that came now would not know that it has to say something"
        put(using, pk, values, birth=birth)

    monkeypatch.setattr(GuardProcess, "put", slow_put)
    here.tick()
    here.looking()
    assert told == [at(10), None]
    assert row().idle_since is None


def test_process_that_decides_without_looking_for_longer_is_not_idle_so_soon(here: WithThread, clocks: Clocks) -> None:
    with override_cors_guard(REFRESH_SECONDS=60):
        look(here)
        clocks.pass_by(119)
        here.tick()
        assert row().idle_since is None
        clocks.pass_by(1)
        here.tick()
        assert row().idle_since is not None


def test_process_that_could_not_look_is_not_idle(here: WithThread, clocks: Clocks) -> None:
    """It may decide by what it knows without another look, as long as it backs off."""
    look(here)
    look(here, None)
    clocks.pass_by(30)
    here.tick()
    assert row().idle_since is None


def test_idle_process_is_left_alone(here: WithThread, clocks: Clocks, django_assert_num_queries: Any) -> None:
    look(here)
    clocks.pass_by(10)
    here.tick()
    clocks.pass_by(100)
    with django_assert_num_queries(0):
        here.tick()
    assert here.row.is_quiet, "the thread sleeps until somebody looks"


def test_process_in_which_a_look_hangs_is_not_idle(
    here: WithThread, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on by the policy at hand meanwhile, for as long as it takes."""
    look(here)
    monkeypatch.setattr(store, "_flight", object())
    clocks.pass_by(30)
    here.tick()
    assert row().idle_since is None


# --- until when it trusts ---------------------------------------------------------------------------------------------


def test_idle_process_lapses_when_its_last_look_does(here: WithThread, clocks: Clocks) -> None:
    with override_cors_guard(MAX_STALE_SECONDS=900):
        look(here)
        clocks.pass_by(10)
        here.tick()
    assert row().lapses_at == at(900)


def test_row_of_a_busy_process_covers_what_it_may_confirm_unseen(here: WithThread, clocks: Clocks) -> None:
    with override_cors_guard(MAX_STALE_SECONDS=900):
        look(here)
        told = row().lapses_at
        assert told is not None
        # Looks go on without another word for so long; then one has to say first that it goes on.
        clocks.pass_by(KNOWN_SECONDS - 0.1)
        assert here.row.is_known()
        assert told >= at(KNOWN_SECONDS - 0.1 + 900)
        clocks.pass_by(0.1)
        assert not here.row.is_known()


def test_process_that_was_frozen_says_that_it_is_back_before_it_decides(here: WithThread, clocks: Clocks) -> None:
    look(here)
    GuardProcess.objects.all().delete()  # another one has pruned it
    clocks.sleep(7200)
    here.looking()
    found = row()
    assert found.revision == 1
    assert found.lapses_at is not None
    assert found.lapses_at > at(7200)
    assert [item.standing.value for item in describe_processes(2).processes] == ["unconfirmed"]


@pytest.mark.parametrize("wrong", [-7200.0, 7200.0], ids=["slow", "fast"])
def test_clock_of_a_host_has_no_say_in_how_long_it_counts(here: WithThread, clocks: Clocks, wrong: float) -> None:
    clocks.wall += wrong
    here.row.prune_at = 0
    report("elsewhere", lapses_at=at(900), revision=0)
    with override_cors_guard(MAX_STALE_SECONDS=900):
        look(here)
    found = describe_processes(2)
    assert {item.host: item.lapses_in for item in found.processes} == {
        "elsewhere": 900.0,
        here.identity.host: KNOWN_SECONDS + 900,
    }


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While it holds anything, no row can be written."""
    put, found = GuardProcess.put, [True]

    def fail_or_put(*args: Any, **kwargs: Any) -> None:
        if found:
            raise OperationalError("database is locked\n\tIs somebody writing?")
        put(*args, **kwargs)

    monkeypatch.setattr(GuardProcess, "put", fail_or_put)
    return found


def test_trouble_is_logged_once_and_raised_to_nobody(
    here: WithThread, clocks: Clocks, trouble: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        clocks.pass_by(1)
        look(here)
        here.tick()
    trouble.clear()
    look(here)
    assert row().revision == 1
    assert [record.getMessage() for record in caplog.records] == [
        "This process cannot tell of itself (database is locked); revocations wait for what it said last.",
        "This process tells of itself again.",
    ]


def test_look_that_could_not_wake_it_leaves_that_to_the_next(
    here: WithThread, clocks: Clocks, trouble: list[bool]
) -> None:
    trouble.clear()
    look(here)
    clocks.pass_by(10)
    here.tick()
    trouble.append(True)
    look(here)
    assert row().idle_since is not None
    trouble.clear()
    here.looking()
    assert row().idle_since is None


def test_request_waits_a_moment_for_a_thread_that_hangs_and_the_next_one_does_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here, waits = Presence(), []
    here.serves = here._has_thread = True

    def wait_for(predicate: Any, timeout: float | None = None) -> bool:
        waits.append(timeout)
        return False

    monkeypatch.setattr(here._turn, "wait_for", wait_for)
    look(here)
    look(here)
    assert waits == [WAKE_SECONDS]
    assert len(caplog.records) == 1


# --- without threads --------------------------------------------------------------------------------------------------


def test_without_threads_the_look_writes_every_ten_seconds_and_at_once_what_is_new(clocks: Clocks) -> None:
    here, seen = WithoutThread(), []
    here.serves = True
    for second in range(25):
        look(here, TWO if second >= 3 else ONE)
        seen.append(confirmed_at())
        clocks.pass_by(1)
    assert sorted(set(seen)) == [at(0), at(3), at(13), at(23)]


def test_without_threads_trouble_costs_a_request_every_ten_seconds(clocks: Clocks, trouble: list[bool]) -> None:
    here, tried = WithoutThread(), set()
    here.serves = True
    for _ in range(25):
        look(here)
        tried.add(here.row.tried)
        clocks.pass_by(1)
    assert len(tried) == 3


@pytest.mark.django_db(transaction=False)
def test_without_threads_nothing_is_written_into_somebody_s_transaction() -> None:
    here = WithoutThread()
    here.serves = True
    look(here)
    assert not GuardProcess.objects.exists()


# --- its end, and others' ---------------------------------------------------------------------------------------------


def test_process_that_ends_takes_its_row_along(here: WithThread) -> None:
    look(here)
    other = report("other")
    here.leave()
    assert [found.pk for found in GuardProcess.objects.all()] == [other.pk]


def test_process_that_goes_on_after_all_tells_of_itself_again(here: WithThread) -> None:
    look(here)
    here.leave()
    here.looking()
    assert row().revision == 1


def test_process_that_told_nothing_asks_the_database_nothing_at_its_end(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        WithThread().leave()


def test_end_is_not_held_up_by_a_database_that_is_gone(
    here: WithThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look(here)

    def fail(using: str) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(GuardProcess.objects, "using", fail)
        here.leave()
    assert "could not be deleted (gone)" in caplog.text


def test_child_is_somebody_else_and_has_told_nothing(here: WithThread) -> None:
    look(here)
    parent = here.identity
    here.after_fork()
    assert here.identity.id != parent.id
    here.leave()
    assert row().id == parent.id
    GuardProcess.objects.all().delete()


def test_preloaded_child_looks_before_its_first_decision(here: WithThread, monkeypatch: pytest.MonkeyPatch) -> None:
    nudges = []
    monkeypatch.setattr(store, "nudge", lambda: nudges.append(1))
    monkeypatch.setattr(store, "at_hand", object)
    here.after_fork()
    assert nudges == [1]


def test_flushes_of_the_audit_are_signed_with_the_same_row(here: WithThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.ledger.presence", here)
    first, second = Writer(), Writer()
    look(here)
    first._seq = 7
    first._sign("default")
    assert (row().flush_seq, row().revision) == (7, 1)
    look(here, TWO)
    assert (row().flush_seq, row().revision) == (7, 2)
    assert second._identity.id != here.identity.id, "another writer numbers its own flushes"


def test_row_that_only_a_flush_has_written_goes_with_the_process(
    here: WithThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.ledger.presence", here)
    Writer()._sign("default")
    assert row().lapses_at is None
    here.leave()
    assert not GuardProcess.objects.exists()


def test_dead_rows_go_in_time(here: WithThread, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = [report("dead", pid, lapses_at=at(-3601)) for pid in range(1, 6)]
    young = report("young", lapses_at=at(3600))
    monkeypatch.setattr("django_cors_guard.models.process.PRUNE_BATCH", 3)
    here.row.prune_at = clocks.mono + 15
    left = []
    for _ in range(6):
        look(here)
        here.row.tried = -INTERVAL_SECONDS
        here._ask()
        left.append(GuardProcess.objects.filter(pk__in=[item.pk for item in dead]).count())
        clocks.pass_by(600)
    assert left[0] == 5, "not at once: all processes of a deployment begin together"
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) == 3
    assert GuardProcess.objects.filter(pk=young.pk).exists()
