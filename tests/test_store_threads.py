"""Where threads run, they do what would hold a request up: reading all rows, and asking a database that is away."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from django_cors_guard import background, conf
from django_cors_guard.core.compilation import catch_up, compile_policy
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.policy import REVOKED, EnvironmentRow, GroupRow, Policy, PolicySource
from django_cors_guard.models import PolicyState
from django_cors_guard.models.revision import Version
from django_cors_guard.signals import policy_looked, policy_looking
from django_cors_guard.store import Store
from django_cors_guard.store.looks import FEW_STEPS
from django_cors_guard.testing import override_cors_guard

ORIGIN = "https://app.example.com"


class Database:
    """What the store sees of one: a version, whether one can come to it row by row, and how long all rows take."""

    def __init__(self) -> None:
        self.version = Version(1, "a")
        self.is_away = False
        self.is_followed = False
        self.is_revoked = False
        self.steps = 0
        self.loads = 0
        self.asked_in: list[threading.Thread] = []
        self.slow = threading.Event()
        self.slow.set()
        self.loading = threading.Event()
        self.load_error: Exception | None = None

    def move(self, revision: int, token: str) -> None:
        self.version = Version(revision, token)

    def read(self, using: str) -> Version:
        self.asked_in.append(threading.current_thread())
        if self.is_away:
            raise OperationalError("connection refused\n\tIs the server running?")
        return self.version

    def load(
        self, environment: str, *, version: Version | None = None, pause: Callable[[], None] | None = None, **_: Any
    ) -> Policy:
        wanted = version or self.version
        self.loads += 1
        for _step in range(self.steps if pause is not None else 0):
            pause()  # type: ignore[misc]  # it is not None
        self.loading.set()
        assert self.slow.wait(10)
        if self.load_error is not None:
            raise self.load_error
        return policy_of(wanted)

    def heed_revocations(self, policy: Policy) -> Policy:
        if not self.is_revoked or policy.groups["public"].grants[ORIGIN] == REVOKED:
            return policy
        rows = (("public", ORIGIN, None, True),)
        followed = catch_up(policy, replace(policy.basis, grants=rows), now=0)
        assert followed is not None
        return followed

    def follow(self, policy: Policy, version: Version) -> Policy | None:
        return replace(policy, revision=version.revision, token=version.token) if self.is_followed else None


def policy_of(version: Version) -> Policy:
    source = PolicySource(
        "production",
        EnvironmentRow("production"),
        (GroupRow("public"),),
        (),
        (("public", ORIGIN, None, False),),
        *version,
    )
    return compile_policy(source, now=0)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    fake = Database()
    monkeypatch.setattr(conf, "in_tests", lambda: False)
    monkeypatch.setattr(PolicyState, "read", fake.read)
    for module in ("looks", "rebuilds"):
        monkeypatch.setattr(f"django_cors_guard.store.{module}.load", fake.load)
        monkeypatch.setattr(f"django_cors_guard.store.{module}.follow", fake.follow)
        monkeypatch.setattr(f"django_cors_guard.store.{module}.heed_revocations", fake.heed_revocations)
    monkeypatch.setattr("django_cors_guard.store.keeper.is_writing", lambda using: False)
    for signal in (policy_looking, policy_looked):
        monkeypatch.setattr(signal, "receivers", [])  # there is no table to report this process in
    with override_cors_guard(REFRESH_SECONDS=0, MAX_STALE_SECONDS=900, FULL_RELOAD_SECONDS=300):
        yield fake
        fake.slow.set()
        for thread in threading.enumerate():
            if thread.name in {"cors-guard-look", "cors-guard-load"}:
                thread.join(10)  # before the next test has another database


@pytest.fixture
def store(database: Database) -> Store:
    """One that has loaded its policy already, and took a second for it."""
    own = Store()
    assert own.current() is not None
    assert database.loads == 1
    own._state = replace(own._state, load_seconds=1.0)
    return own


def until(holds: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_requests_go_on_while_all_rows_are_read(store: Store, database: Database) -> None:
    before = store.at_hand()
    database.slow.clear()
    database.move(2, "b")
    assert store.current() is before
    asked = len(database.asked_in)
    for _ in range(50):
        assert store.current() is before
    assert len(database.asked_in) == asked + 50, "and looks go on"
    assert database.loads == 2, "one load, whoever asks"
    assert store.freshness().failures == 0
    database.slow.set()
    until(lambda: store.at_hand() is not before)
    policy = store.current()
    assert policy is not None
    assert policy.version == (2, "b")


def test_what_was_soon_read_the_last_time_is_read_at_once(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of a busy process may get its turn too late for the promise of REFRESH_SECONDS."""
    store._state = replace(store._state, load_seconds=0.2)
    monkeypatch.setattr(background, "start", lambda work, *, name: name == "watch")
    database.move(2, "b")
    policy = store.current()
    assert policy is not None
    assert policy.version == (2, "b")


def test_request_that_finds_it_due_waits_for_a_moment(store: Store, database: Database) -> None:
    database.move(2, "b")
    policy = store.current()
    assert policy is not None
    assert policy.version == (2, "b")


def test_nobody_waits_for_rows_that_take_long(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the policy at hand has not been confirmed for a while: the database has answered."""
    monkeypatch.setattr("django_cors_guard.store.keeper.PATIENCE_SECONDS", 0.0)
    database.slow.clear()
    database.move(2, "b")
    store.current()
    store._state = replace(store._state, confirmed_mono=store._state.confirmed_mono - 60)
    with override_cors_guard(REFRESH_SECONDS=30):
        flight, leads = store._board()
    assert leads
    assert not flight.wakes, "so nobody waits for it"


def test_looks_catch_up_while_all_rows_are_read(store: Store, database: Database) -> None:
    """And what was loaded meanwhile is caught up, too: it never goes back in time."""
    database.slow.clear()
    store._state = replace(store._state, loaded_mono=store._state.loaded_mono - 301)
    store.current()
    assert database.loading.wait(10)
    database.is_followed = True
    database.move(2, "b")
    caught_up = store.current()
    assert caught_up is not None
    assert caught_up.version == (2, "b")
    database.slow.set()
    until(lambda: store.at_hand() is not caught_up)
    policy = store.at_hand()
    assert policy is not None
    assert policy.version == (2, "b")


def test_policy_at_hand_that_is_newer_than_the_loaded_one_stays(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look may end between the load's last question and its word."""
    database.is_followed = True
    installs: list[tuple[int, str]] = []
    original = store._rebuilds._install

    def install(rebuild: Any, built: Any) -> bool:
        installs.append(built.policy.version)
        if len(installs) == 1:
            database.move(3, "c")
            threading.Thread(target=store.look).start()
            until(lambda: store.freshness().revision == 3)
        return original(rebuild, built)

    monkeypatch.setattr(store._rebuilds, "_install", install)
    store._state = replace(store._state, loaded_mono=store._state.loaded_mono - 301)
    store.look()
    until(lambda: len(installs) == 2)
    assert installs == [(1, "a"), (3, "c")]
    assert store.freshness().revision == 3


def judged(policy: Policy | None) -> Reason:
    assert policy is not None
    return policy.groups["public"].judge_origin(ORIGIN, time.time())


def test_revocation_waits_for_no_other_rows(store: Store, database: Database) -> None:
    """Beside a purge, say, and also in a process that wakes."""
    database.slow.clear()
    database.is_revoked = True
    database.move(2, "b")
    policy = store.current()
    assert judged(policy) is Reason.REVOKED
    assert policy is not None
    assert policy.version == (1, "a"), "no more than that is known"
    assert store.current() is policy, "and nothing is entered twice"


def test_rows_are_taken_although_more_have_gone_meanwhile(store: Store, database: Database) -> None:
    """Else a purge that deletes faster than all rows are read would keep the first policy for ever."""
    database.slow.clear()
    database.move(2, "b")
    store.current()
    assert database.loading.wait(10)
    database.move(3, "c")
    store.current()
    database.slow.set()
    until(lambda: store.freshness().revision == 2)
    assert store.freshness().failures == 0
    until(lambda: store._rebuilds._running is None)
    store.current()
    until(lambda: store.freshness().revision == 3)


def test_taken_rows_undo_no_revocation(store: Store, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that a look has heeded between the load's last question and its word."""
    seen: list[Reason] = []
    original = store._rebuilds._install

    def install(rebuild: Any, built: Any) -> bool:
        if not seen:
            database.is_revoked = True
            database.move(4, "d")
            threading.Thread(target=store.look).start()
            until(lambda: judged(store.at_hand()) is Reason.REVOKED)
        taken = original(rebuild, built)
        seen.append(judged(store.at_hand()))
        return taken

    monkeypatch.setattr(store._rebuilds, "_install", install)
    database.slow.clear()
    database.move(2, "b")
    store.current()
    assert database.loading.wait(10)
    database.move(3, "c")
    database.slow.set()
    until(lambda: len(seen) >= 2)
    assert set(seen) == {Reason.REVOKED}


def test_few_rows_that_have_become_many_hold_up_no_request(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.store.looks.INLINE_SECONDS", 0.0)
    monkeypatch.setattr("django_cors_guard.store.keeper.PATIENCE_SECONDS", 0.0)
    store._state = replace(store._state, load_seconds=0.0)
    database.steps = FEW_STEPS + 1
    database.is_revoked = True
    database.move(2, "b")
    policy = store.current()
    assert (judged(policy), database.loads) in {(Reason.REVOKED, 2), (Reason.REVOKED, 3)}
    until(lambda: store.freshness().revision == 2)
    assert database.loads == 3, "a thread has gone on"


def test_few_rows_are_read_to_the_end_however_slow_the_machine(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.store.looks.INLINE_SECONDS", -1.0)
    store._state = replace(store._state, load_seconds=-2.0)
    database.steps = FEW_STEPS
    database.move(2, "b")
    policy = store.current()
    assert policy is not None
    assert (policy.version, database.loads) == ((2, "b"), 2)


def test_look_that_has_begun_before_a_load_ended_does_not_undo_it(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = policy_of(Version(5, "e"))

    def read(using: str) -> Version:
        store._state = replace(store._state, policy=newer, full=newer)
        return Version(1, "a")

    monkeypatch.setattr(PolicyState, "read", read)
    store.look()
    assert store.at_hand() is newer
    assert store.has_to_look()


def test_rows_that_come_in_spite_of_a_back_off_end_it(store: Store, database: Database) -> None:
    """Else what is committed after they were read would wait for the end of the pause, half a minute long."""
    before = store.at_hand()
    database.slow.clear()
    store._state = replace(store._state, loaded_mono=store._state.loaded_mono - 301)
    store.current()
    assert database.loading.wait(10)
    with override_cors_guard(REFRESH_SECONDS=30):
        for _ in range(3):
            store._state = store._state.failed()
        assert not store.has_to_look()
        database.slow.set()
        until(lambda: store.at_hand() is not before)
        assert store.freshness().failures == 0
        assert store.has_to_look()


def test_nobody_has_to_look_while_a_look_hangs(store: Store, database: Database) -> None:
    """The others go on by the policy at hand, so such a process is not idle."""
    assert store.has_to_look(), "REFRESH_SECONDS is 0 here"
    store._board()
    assert not store.has_to_look()


def test_look_that_was_given_up_on_is_told_as_failed(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(store, "_tell", lambda looked_at: told.append(store.freshness().failures))
    flight, _leads = store._board()
    store._give_up_on(flight)
    assert told == [1]


def test_restored_backup_is_loaded_although_its_number_is_smaller(store: Store, database: Database) -> None:
    database.move(7, "g")
    store.current()
    database.move(2, "restored")
    policy = store.current()
    assert policy is not None
    assert policy.version == (2, "restored")


def test_full_reload_never_holds_up_the_request_that_finds_it_due(store: Store, database: Database) -> None:
    before = store.at_hand()
    database.slow.clear()
    store._state = replace(store._state, loaded_mono=store._state.loaded_mono - 301)
    assert store.current() is before
    assert store._state.confirmed_mono == store._state.answered_mono, "the version is confirmed all the same"
    database.slow.set()
    until(lambda: store.at_hand() is not before)


def test_full_reload_takes_at_most_a_hundredth_of_the_time(store: Store) -> None:
    store._state = replace(store._state, load_seconds=8.0, loaded_mono=time.monotonic() - 700)
    assert not store._state.is_aged(0.0)
    store._state = replace(store._state, load_seconds=8.0, loaded_mono=time.monotonic() - 801)
    assert store._state.is_aged(0.0)


def test_load_that_fails_is_told_once_and_tried_again_with_pauses(
    store: Store, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "django_cors_guard")
    database.load_error = OperationalError("out of memory")
    database.move(2, "b")
    before = store.current()
    until(lambda: store._rebuilds._running is None)
    for _ in range(5):
        assert store.current() is before
    assert database.loads == 2, "not before its time"
    store._rebuilds._due -= 31
    store.current()
    until(lambda: database.loads == 3 and store._rebuilds._running is None)
    assert [record.levelname for record in caplog.records] == ["ERROR"], "one line"
    assert store.freshness().failures == 0, "looks do not fail"
    database.load_error = None
    store._rebuilds._due -= 31
    store.current()
    until(lambda: store.freshness().revision == 2)
    until(lambda: "loaded anew, at revision 2" in caplog.text)


def test_policy_that_cannot_be_loaded_anew_lapses_in_the_end(store: Store, database: Database) -> None:
    """The database answers, and says that there is another version."""
    database.load_error = OperationalError("out of memory")
    database.move(2, "b")
    store.current()
    store._state = replace(store._state, confirmed_mono=store._state.confirmed_mono - 901)
    policy = store.current()
    assert policy is not None
    assert policy.groups["public"].judge_origin(ORIGIN, time.time()) is Reason.NO_POLICY


@pytest.mark.parametrize("end", [Store.forget, lambda store: store.pin(policy_of(Version(9, "pinned")))])
def test_what_nobody_waits_for_any_more_is_dropped(
    store: Store, database: Database, end: Callable[[Store], None]
) -> None:
    database.slow.clear()
    database.move(2, "b")
    store.current()
    running = store._rebuilds._running
    assert running is not None
    end(store)
    at_hand = store.at_hand()
    database.slow.set()
    running.landed.result(10)
    assert store.at_hand() is at_hand


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_forked_during_a_load_begins_its_own(store: Store, database: Database) -> None:
    database.slow.clear()
    database.move(2, "b")
    store.current()
    child = os.fork()
    if child == 0:
        store.after_fork()
        os._exit(0 if store._rebuilds._running is None and store._rebuilds._lock.acquire(blocking=False) else 1)
    assert os.waitpid(child, 0)[1] == 0


# --- the database is away ---------------------------------------------------------------------------------------------


def test_after_a_failed_look_no_request_asks(store: Store, database: Database) -> None:
    database.is_away = True
    store.current()
    assert store.freshness().failures == 1
    here = threading.current_thread()
    database.asked_in.clear()
    policy = store.at_hand()
    for number in range(5):
        assert store.current() is policy
        until(lambda number=number: store.freshness().failures >= 2 + number)  # type: ignore[misc]  # bound
    assert here not in database.asked_in
    database.is_away = False
    until(lambda: store.current() is not None and store.freshness().failures == 0)
    assert store.current() is policy


def test_process_without_a_policy_finds_one_at_the_first_request_after_the_outage(database: Database) -> None:
    own = Store()
    database.is_away = True
    assert own.current() is None
    database.is_away = False
    assert own.current() is not None, "it waits for a moment, since it has nothing to go on with"


def test_thread_that_never_runs_leaves_the_work_to_requests(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under uWSGI without --enable-threads."""
    monkeypatch.setattr(background, "start", lambda work, *, name: True)
    database.is_away = True
    store.current()
    store.current()
    handed = store._flight
    assert handed is not None
    assert not handed.has_begun
    database.is_away = False
    monkeypatch.setattr(type(background.threads), "run", False)
    monkeypatch.setattr(background, "start", lambda work, *, name: False)
    handed.started -= 6
    store.current()
    assert store.freshness().failures == 0


def test_error_is_told_in_one_line(store: Store, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    database.is_away = True
    store.current()
    assert [record.getMessage() for record in caplog.records] == [
        "The policy could not be confirmed (connection refused); revision 1 serves on."
    ]


def test_lapse_waits_for_no_attempt(store: Store, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.is_away = True
    store.current()
    monkeypatch.setattr(background, "start", lambda work, *, name: True)  # it hangs
    store._state = replace(store._state, confirmed_mono=store._state.confirmed_mono - 901)
    policy = store.current()
    assert policy is not None
    assert policy.groups["public"].judge_origin(ORIGIN, time.time()) is Reason.NO_POLICY
    assert store.freshness().lapsed


def test_few_attempts_hang_at_a_time(store: Store, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def start(work: Callable[[], None], *, name: str) -> bool:
        started.append(name)
        return True

    monkeypatch.setattr(background, "start", start)
    database.is_away = True
    store.current()
    for _ in range(10):
        store.current()
        if store._flight is not None:
            store._flight.has_begun = True
            store._flight.started -= 31
    assert started == ["look"] * 3
    assert store._flight is not None
    store._flight.started -= 600
    store.current()
    assert len(started) == 4, "yet it never stops asking"


def test_attempt_that_hangs_in_the_only_thread_is_given_up_on(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server with one thread nobody else comes by."""
    monkeypatch.setattr("django_cors_guard.store.keeper.WAIT_SECONDS", 0.05)
    released = threading.Event()

    def hang(using: str) -> Version:
        assert released.wait(10), "nobody has broken the connection"
        raise OperationalError("server closed the connection")

    monkeypatch.setattr("django_cors_guard.store.database.sever", lambda connection: released.set())
    monkeypatch.setattr(PolicyState, "read", hang)
    before = store.at_hand()
    assert store.current() is before
    assert store.freshness().failures > 0


def test_first_load_that_takes_long_is_not_given_up_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows take longer than anybody waits; as long as they come, nobody breaks the connection."""
    monkeypatch.setattr("django_cors_guard.store.keeper.WAIT_SECONDS", 0.05)
    severed: list[Any] = []
    monkeypatch.setattr("django_cors_guard.store.database.sever", severed.append)
    own, rows = Store(), 40

    def load(environment: str, *, version: Version, pause: Callable[[], None]) -> Policy:
        for _ in range(rows):
            time.sleep(0.01)
            pause()
            if own._flight is not None and threading.current_thread() is threading.main_thread():
                own._board()  # as a request that comes by
        return policy_of(version)

    monkeypatch.setattr("django_cors_guard.store.looks.load", load)
    assert own.current() is not None
    assert severed == []
    assert own.freshness().failures == 0


def test_watch_outlives_many_attempts_and_ends_when_there_are_none(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.store.watch.IDLE_SECONDS", 0.05)
    for _ in range(20):
        store.current()
    until(lambda: not store._watch._is_on)
    store.current()
    assert store._watch._is_on
    until(lambda: not store._watch._is_on)


# --- whoever is told --------------------------------------------------------------------------------------------------


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any]]]:
    heard: list[tuple[str, Any]] = []

    def looking(**_: Any) -> None:
        heard.append(("looking", None))

    def looked(*, version: Any, **_: Any) -> None:
        heard.append(("looked", version))

    policy_looking.connect(looking)
    policy_looked.connect(looked)
    yield heard
    policy_looking.disconnect(looking)
    policy_looked.disconnect(looked)


def test_each_look_is_told_before_and_after(store: Store, database: Database, told: list[tuple[str, Any]]) -> None:
    store.current()
    assert told == [("looking", None), ("looked", Version(1, "a"))]
    assert isinstance(told[1][1], Version)


def test_look_that_failed_is_told_as_such(store: Store, database: Database, told: list[tuple[str, Any]]) -> None:
    database.is_away = True
    store.current()
    assert told[-1] == ("looked", None)


def test_policy_that_a_thread_installs_is_told(store: Store, database: Database, told: list[tuple[str, Any]]) -> None:
    database.slow.clear()
    database.move(2, "b")
    store.current()
    assert ("looked", Version(2, "b")) not in told
    database.slow.set()
    until(lambda: ("looked", Version(2, "b")) in told)


def test_preloading_tells_nobody(database: Database, told: list[tuple[str, Any]]) -> None:
    """The server's own process decides nothing."""
    own = Store()
    own.preload()
    assert own.at_hand() is not None
    assert told == []


def test_attempt_that_does_not_ask_tells_nothing(
    store: Store, told: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.store.database.in_transaction", lambda using: True)
    store.current()
    assert told == []


def test_look_begins_after_it_is_asked_for(store: Store, database: Database) -> None:
    """One that was under way may have read the version before."""
    flight, leads = store._board()
    assert leads
    looking = threading.Thread(target=store.look)
    looking.start()
    asked = len(database.asked_in)
    database.is_followed = True
    store._fly(flight)
    looking.join(10)
    assert len(database.asked_in) == asked + 2
