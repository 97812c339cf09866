import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from django.core import signing
from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, connection, connections, transaction

from django_cors_guard import conf, services
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin, policy_write
from django_cors_guard.signals import policy_looked, policy_looking
from django_cors_guard.store import CACHE_SCHEMA, Store, load, store
from django_cors_guard.store.entries import key_of
from django_cors_guard.testing import override_cors_guard
from tests.factories import TrustedOriginFactory

TRUSTED = "https://app.example.com"


class Clock:
    """Both clocks of the store, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.mono = 1_000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hands = Clock()
    for module in ("keeper", "state", "loading"):
        monkeypatch.setattr(f"django_cors_guard.store.{module}.time", lambda: hands.wall)
    for module in ("keeper", "state", "looks", "flights"):
        monkeypatch.setattr(f"django_cors_guard.store.{module}.monotonic", lambda: hands.mono)
    return hands


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each question for the version; a test may make them fail by setting ``database_is`` below."""
    asked: list[str] = []
    original = PolicyState.read

    def read(using: str) -> Any:
        asked.append(using)
        return original(using)

    monkeypatch.setattr(PolicyState, "read", read)
    return asked


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> Any:
    original = PolicyState.read

    class Switch:
        away = True

        def read(self, using: str) -> Any:
            if self.away:
                raise OperationalError("connection refused")
            return original(using)

    switch = Switch()
    monkeypatch.setattr(PolicyState, "read", switch.read)
    return switch


def judged(policy: Policy | None, origin: str = TRUSTED, group: str = "public") -> Reason:
    assert policy is not None
    return policy.groups[group].judge_origin(origin, time.time())


@pytest.fixture
def grant(production: Environment, public: ApiGroup) -> TrustedOrigin:
    return services.trust(TRUSTED, environment="production", api_group="public")


def live(**keys: Any) -> Any:
    """Settings under which the store behaves as in production."""
    return override_cors_guard(**{"REFRESH_SECONDS": 1.0, **keys})


# --- freshness --------------------------------------------------------------------------------------------------------


def test_version_is_asked_for_at_most_once_per_refresh(grant: TrustedOrigin, clock: Clock, reads: list[str]) -> None:
    with live():
        store.current()
        reads.clear()
        for _ in range(9):
            clock.pass_by(0.1)
            store.current()
        assert reads == []
        clock.pass_by(0.2)
        store.current()
        store.current()
        assert reads == ["default"]


def test_unchanged_version_keeps_the_very_same_policy(grant: TrustedOrigin, clock: Clock) -> None:
    with live():
        policy = store.current()
        clock.pass_by(2)
        assert store.current() is policy


def test_full_reload_comes_in_time_although_the_version_stays(grant: TrustedOrigin, clock: Clock) -> None:
    with live(FULL_RELOAD_SECONDS=300):
        policy = store.current()
        clock.pass_by(301)
        assert store.current() is not policy


def test_raw_sql_is_seen_at_the_next_full_reload(grant: TrustedOrigin, clock: Clock) -> None:
    with live(FULL_RELOAD_SECONDS=300):
        store.current()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE cors_guard_trustedorigin SET origin = 'https://raw.example.com'")
        clock.pass_by(301)
        assert judged(store.current(), "https://raw.example.com") is Reason.TRUSTED


@pytest.mark.parametrize("hand", ["wall", "mono"])
def test_age_is_the_larger_of_both_clocks(grant: TrustedOrigin, clock: Clock, reads: list[str], hand: str) -> None:
    """A suspended machine stops one clock, an administrator may set the other back."""
    with live():
        store.current()
        reads.clear()
        setattr(clock, hand, getattr(clock, hand) + 5)
        store.current()
        assert len(reads) == 1


def test_wall_clock_set_back_does_not_stop_refreshing(grant: TrustedOrigin, clock: Clock, reads: list[str]) -> None:
    with live():
        store.current()
        reads.clear()
        clock.wall -= 100_000
        clock.mono += 2
        store.current()
        assert len(reads) == 1


def test_writing_process_looks_at_its_next_request(
    grant: TrustedOrigin, clock: Clock, django_capture_on_commit_callbacks: Any
) -> None:
    with live():
        assert judged(store.current()) is Reason.TRUSTED
        with django_capture_on_commit_callbacks(execute=True):
            services.revoke(grant, reason="x")
        assert judged(store.current()) is Reason.REVOKED


def test_rolled_back_write_is_forgotten(grant: TrustedOrigin) -> None:
    with transaction.atomic():
        services.revoke(grant, reason="x")
        assert judged(store.current()) is Reason.REVOKED
        transaction.set_rollback(True)
    assert judged(store.current()) is Reason.TRUSTED


def test_same_number_with_another_token_is_another_version(grant: TrustedOrigin, clock: Clock) -> None:
    """As after a restored backup, a flush, or a second deployment that counts by itself."""
    with live():
        policy = store.current()
        assert policy is not None
        TrustedOrigin.objects.all().delete()
        PolicyState.objects.update(revision=policy.revision, token="another")
        clock.pass_by(2)
        fresh = store.current()
        assert fresh is not None
        assert fresh.revision == policy.revision
        assert judged(fresh) is Reason.UNKNOWN_ORIGIN


def test_load_begins_anew_while_the_version_moves(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    original, moves = PolicyState.read, iter([(1, "a"), (2, "b"), (3, "c"), (3, "c")])
    monkeypatch.setattr(PolicyState, "read", lambda using: type(original(using))(*next(moves)))
    policy = load("production")
    assert policy.version == (3, "c")


def test_policy_read_inside_an_open_write_is_not_kept(grant: TrustedOrigin) -> None:
    """What is written after the look commits under the very version that the look has seen."""
    with policy_write(action="revoked"):
        services.trust("https://b.example.com", environment="production", api_group="public")
        assert judged(store.current()) is Reason.TRUSTED
        services.revoke(grant, reason="x")
    assert judged(store.current()) is Reason.REVOKED


def test_policy_read_before_a_savepoint_is_rolled_back_is_not_kept(grant: TrustedOrigin) -> None:
    with policy_write(), transaction.atomic():
        services.revoke(grant, reason="x")
        assert judged(store.current()) is Reason.REVOKED
        transaction.set_rollback(True)
    assert judged(store.current()) is Reason.TRUSTED


# --- single flight ----------------------------------------------------------------------------------------------------


def test_others_go_on_while_one_asks(grant: TrustedOrigin, clock: Clock, reads: list[str]) -> None:
    own = Store()
    with live():
        policy = own.current()
        clock.pass_by(1.5)
        own._board()
        reads.clear()
        assert own.current() is policy, "young enough: nobody waits"
        assert reads == []


def test_waking_process_waits_for_the_attempt_under_way(grant: TrustedOrigin, clock: Clock) -> None:
    own = Store()
    with live():
        own.current()
        clock.pass_by(3600)
        flight, leads = own._board()
        assert leads
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(own.current)
            time.sleep(0.05)
            assert not waiting.done()
            own._fly(flight)
            assert judged(waiting.result(10)) is Reason.TRUSTED


def test_waiting_is_bounded_and_then_nobody_else_waits(
    grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("django_cors_guard.store.keeper.WAIT_SECONDS", 0.05)
    own = Store()
    with live():
        policy = own.current()
        clock.pass_by(60)
        own._board()
        assert own.current() is policy
        assert "does not answer" in caplog.text
        monkeypatch.setattr("django_cors_guard.store.keeper.WAIT_SECONDS", 3600)
        assert own.current() is policy, "the last attempt failed: nobody waits"


def test_abandoned_attempt_does_not_stop_the_next(grant: TrustedOrigin, clock: Clock) -> None:
    own = Store()
    with live():
        own.current()
        own._board()
        clock.pass_by(60)
        assert own._board()[1]


def test_late_attempt_does_not_overwrite_a_newer_policy(grant: TrustedOrigin, clock: Clock) -> None:
    own = Store()
    with live():
        late, _leads = own._board()
        clock.pass_by(60)
        newer = own.current()
        own._fly(late)
        assert own.current() is newer


def test_waiter_whose_time_ends_as_the_attempt_lands_harms_nobody(grant: TrustedOrigin, clock: Clock) -> None:
    own = Store()
    with live():
        flight, _leads = own._board()
        own._fly(flight)
        own._give_up_on(flight)
        assert own.freshness().failures == 0


def test_settings_that_change_during_an_attempt_win(grant: TrustedOrigin, clock: Clock) -> None:
    own = Store()
    with live():
        flight, _leads = own._board()
        own.forget()
        own._fly(flight)
        assert own.freshness().age_seconds is None


def test_trouble_with_the_router_is_no_error(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.store.database.alias", lambda: _raise(ZeroDivisionError()))
    assert Store().current() is None


def test_async_waiters_share_one_attempt(grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Store()
    flown: list[int] = []

    def fly(flight: Any) -> None:
        time.sleep(0.05)
        flown.append(1)
        original(flight)

    async def all_at_once() -> list[Policy | None]:
        return list(await asyncio.gather(*(own.acurrent() for _ in range(20))))

    with live():
        policy = own.current()
        original = own._fly
        monkeypatch.setattr(own, "_fly", fly)
        clock.pass_by(600)
        monkeypatch.setattr(own, "_attempt", lambda flight: None)
        assert asyncio.run(all_at_once()) == [policy] * 20
        assert flown == [1]


def test_cancelled_request_leaves_no_flight_behind(
    grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Store()
    monkeypatch.setattr(own, "_attempt", lambda flight: time.sleep(0.05))

    async def cancelled() -> None:
        task = asyncio.ensure_future(own.acurrent())
        await asyncio.sleep(0)
        flight = own._flight
        assert flight is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wrap_future(flight.landed)

    with live():
        asyncio.run(asyncio.wait_for(cancelled(), 10))


# --- the database is away ---------------------------------------------------------------------------------------------


def test_last_good_policy_serves_then_lapses_then_recovers(
    grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "django_cors_guard")
    with live(MAX_STALE_SECONDS=900):
        store.current()
        original = PolicyState.read
        monkeypatch.setattr(PolicyState, "read", lambda using: _raise(OperationalError("gone")))
        clock.pass_by(10)
        assert judged(store.current()) is Reason.TRUSTED
        for _ in range(85):
            clock.pass_by(10)
            assert judged(store.current()) is Reason.TRUSTED
        assert store.freshness().age_seconds == 860
        clock.pass_by(41)
        assert judged(store.current()) is Reason.NO_POLICY
        assert store.freshness().lapsed
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"], "one line per change of state"
        monkeypatch.setattr(PolicyState, "read", original)
        clock.pass_by(60)
        assert judged(store.current()) is Reason.TRUSTED
        assert caplog.records[-1].message.startswith("The policy is confirmed again")


def _raise(error: Exception) -> Any:
    raise error


def test_lapse_comes_on_the_second_whatever_the_back_off(
    grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(MAX_STALE_SECONDS=100):
        store.current()
        monkeypatch.setattr(PolicyState, "read", lambda using: _raise(OperationalError("gone")))
        for _ in range(99):
            clock.pass_by(1)
            store.current()
        clock.pass_by(0.9)
        assert judged(store.current()) is Reason.TRUSTED
        clock.pass_by(0.2)
        assert judged(store.current()) is Reason.NO_POLICY


def test_attempts_back_off(grant: TrustedOrigin, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []

    def away(using: str) -> Any:
        attempts.append(clock.mono)
        raise OperationalError("gone")

    with live():
        store.current()
        monkeypatch.setattr(PolicyState, "read", away)
        for _ in range(3000):
            clock.pass_by(0.1)
            store.current()
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    # A dead connection is tried twice at once; between failures the pauses grow to half a minute.
    pauses = [gap for gap in gaps if gap > 0.01]
    assert pauses[:3] == pytest.approx([1, 2, 4], abs=0.2)
    assert max(pauses) == pytest.approx(30, abs=0.5)


def test_cold_start_without_a_database_has_no_policy_and_finds_it_later(
    grant: TrustedOrigin, clock: Clock, database_away: Any
) -> None:
    with live():
        own = Store()
        assert own.current() is None
        assert own.freshness().age_seconds is None
        database_away.away = False
        clock.pass_by(5)
        assert judged(own.current()) is Reason.TRUSTED


@pytest.mark.parametrize("mark", ["without database access"])
def test_forbidden_queries_count_as_no_database(mark: str) -> None:
    """No ``db`` fixture here: pytest-django forbids every query, as a project's own unit tests may."""
    assert Store().current() is None


def test_environment_without_a_row_is_known_to_be_unknown(grant: TrustedOrigin) -> None:
    with override_cors_guard(ENVIRONMENT="nowhere"):
        policy = store.current()
        assert policy is not None
        assert (policy.known, judged(policy)) == (False, Reason.NO_POLICY)


def test_environment_is_not_taken_by_another_spelling(grant: TrustedOrigin) -> None:
    """Some collations ignore case; the policy of another environment is no guess to make."""
    assert not load("Production").known


# --- connections ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_refresh_closes_the_connection_it_opened(grant: TrustedOrigin) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("an in-memory database is gone with its connection")
    connections["default"].close()
    store.forget()
    assert store.current() is not None
    assert connections["default"].connection is None


@pytest.mark.django_db(transaction=True)
def test_refresh_survives_a_connection_that_died(grant: TrustedOrigin) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("kills its own backend the PostgreSQL way")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    time.sleep(0.1)
    store.forget()
    assert judged(store.current()) is Reason.TRUSTED


@pytest.mark.django_db(transaction=True)
def test_refresh_leaves_an_open_transaction_alone(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    with live():
        monkeypatch.setattr(conf, "in_tests", lambda: False)
        for signal in (policy_looking, policy_looked):
            monkeypatch.setattr(signal, "receivers", [])  # a test's process is not reported
        assert judged(store.current()) is Reason.TRUSTED
        with transaction.atomic():
            services.revoke(grant, reason="x")
            assert judged(store.current()) is Reason.TRUSTED, "not committed, so not for other requests"
        assert judged(store.current()) is Reason.REVOKED


@pytest.mark.django_db(transaction=True)
def test_preload_leaves_no_connection_open(grant: TrustedOrigin) -> None:
    store.forget()
    store.preload()
    assert store.freshness().known
    if connection.vendor != "sqlite":
        assert connections["default"].connection is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_of_a_fork_takes_no_lock_along(grant: TrustedOrigin) -> None:
    policy = store.current()
    with store._mutex:
        child = os.fork()
        if child == 0:
            # Nothing but plain checks in here: the child must not run the test runner's end.
            free = store._mutex.acquire(blocking=False)
            os._exit(0 if free and store._flight is None and store._state.full is policy else 1)
    assert os.waitpid(child, 0)[1] == 0


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The key under which the current policy lies in the cache."""
    cache.clear()
    # Never written inside an open transaction; the test's own does not count here.
    monkeypatch.setattr("django_cors_guard.store.database.in_transaction", lambda using: False)
    with override_cors_guard(CACHE="default"):
        load("production")
        version = PolicyState.read("default")
        yield f"cors_guard:policy:{CACHE_SCHEMA}:production:{version.revision}:{version.token}"
    cache.clear()


def test_cached_policy_saves_the_rows(stored: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        policy = load("production")
    assert judged(policy) is Reason.TRUSTED


def test_cached_policy_compiles_to_the_same(stored: str) -> None:
    cached = load("production")
    cache.clear()
    fresh = load("production")
    assert cached.groups["public"].rules == fresh.groups["public"].rules
    assert dict(cached.groups["public"].grants) == dict(fresh.groups["public"].grants)
    assert cached.routes.keys() == fresh.routes.keys()


def _forged(stored: str) -> Any:
    data = {
        "version": [CACHE_SCHEMA, "production", *stored.rsplit(":", 2)[1:]],
        "environment": None,
        "groups": [],
        "routes": [],
    }
    return signing.dumps({**data, "grants": []}, key="not the site's key", salt="django_cors_guard.policy")


def _of_another_version(stored: str) -> Any:
    data = signing.loads(cache.get(stored), salt="django_cors_guard.policy")
    return signing.dumps({**data, "version": [CACHE_SCHEMA, "production", 1, "old"]}, salt="django_cors_guard.policy")


def _with_another_schema(stored: str) -> Any:
    version = signing.loads(cache.get(stored), salt="django_cors_guard.policy")["version"]
    return signing.dumps({"version": version, "rows": "of a future schema"}, salt="django_cors_guard.policy")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(lambda stored: "garbage", id="garbage"),
        pytest.param(lambda stored: 7, id="no text"),
        pytest.param(lambda stored: cache.get(stored)[:-1] + "x", id="tampered"),
        pytest.param(lambda stored: json.dumps({"grants": []}), id="unsigned"),
        pytest.param(_forged, id="signed with another key"),
        pytest.param(_of_another_version, id="an older version under this key"),
        pytest.param(_with_another_schema, id="another shape"),
    ],
)
def test_cache_entry_that_cannot_be_trusted_is_a_miss_and_one_line(
    stored: str, caplog: pytest.LogCaptureFixture, entry: Any
) -> None:
    cache.set(stored, entry(stored))
    assert judged(load("production")) is Reason.TRUSTED
    assert len([record for record in caplog.records if "cached policy was not used" in record.message]) == 1


@pytest.mark.parametrize("method", ["get", "set"])
def test_cache_that_fails_costs_a_database_read_and_no_more(
    grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("django_cors_guard.store.database.in_transaction", lambda using: False)

    def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no cache")

    caches["default"].clear()
    monkeypatch.setattr(LocMemCache, method, away)
    with override_cors_guard(CACHE="default"):
        assert judged(load("production")) is Reason.TRUSTED


def test_full_reload_reads_the_rows_whatever_the_cache_holds(stored: str, clock: Clock) -> None:
    """Raw SQL takes no version, so only the rows know of it."""
    with override_cors_guard(REFRESH_SECONDS=1.0, FULL_RELOAD_SECONDS=300):
        assert judged(store.current()) is Reason.TRUSTED
        with connection.cursor() as cursor:
            cursor.execute("UPDATE cors_guard_trustedorigin SET revoked_at = created_at")
        clock.pass_by(301)
        assert judged(store.current()) is Reason.REVOKED
        assert judged(load("production")) is Reason.REVOKED, "and the cache knows now, too"


def test_open_transaction_writes_nothing_into_the_cache(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("what is not committed must not be shared")

    monkeypatch.setattr(LocMemCache, "set", refuse)
    with override_cors_guard(CACHE="default"), transaction.atomic():
        load("production")


@pytest.mark.needs("redis")
def test_policy_is_shared_through_redis(
    grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch, settings: Any, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr("django_cors_guard.store.database.in_transaction", lambda using: False)
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": settings.REDIS_URL}
    settings.CACHES = {**settings.CACHES, "shared": {**redis, "KEY_PREFIX": f"cors_guard_test_{os.getpid()}"}}
    with override_cors_guard(CACHE="shared"):
        load("production")
        with django_assert_num_queries(1):
            assert judged(load("production")) is Reason.TRUSTED
        key = key_of("production", PolicyState.read("default"))
        services.revoke(grant, reason="x")
        assert judged(load("production")) is Reason.REVOKED, "another version, another key"
        caches["shared"].delete_many([key, key_of("production", PolicyState.read("default"))])
        assert judged(load("production")) is Reason.REVOKED, "the database has it all"
        caches["shared"].delete(key_of("production", PolicyState.read("default")))
        caches["shared"].close()


# --- what is left out -------------------------------------------------------------------------------------------------


def test_rows_that_break_a_rule_are_logged_once_per_version(
    grant: TrustedOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    TrustedOriginFactory.create(environment=grant.environment, api_group=grant.api_group, origin="http://a.example.com")
    for _ in range(3):
        store.current()
    lines = [record.message for record in caplog.records if "switched off" in record.message]
    assert len(lines) == 1
    assert "http://a.example.com" in lines[0]
    assert store.freshness().switched_off == 1
