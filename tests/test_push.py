"""Push over Redis: hints arrive, and whatever happens to Redis, or is sent through it, costs a look at the most."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from django_cors_guard import background, conf
from django_cors_guard.push import connect, link, listener, publisher
from django_cors_guard.push.link import MOST_PAUSE_SECONDS, connected, pause_after
from django_cors_guard.push.listener import LOOK_PAUSE_SECONDS, Listener
from django_cors_guard.push.publisher import Publisher
from django_cors_guard.signals import policy_looked, policy_written
from django_cors_guard.testing import override_cors_guard
from tests.faults.stage import Redis, own_redis
from tests.proxies import proxying

pytestmark = pytest.mark.needs("redis")

LONG = 20.0
NOWHERE = "redis://127.0.0.1:1/0"


class FakeStore:
    """Counts looks."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.failures = 0
        self.turn = threading.Condition()

    def freshness(self) -> Any:
        return SimpleNamespace(failures=self.failures)

    def look(self) -> None:
        with self.turn:
            self.looks.append(monotonic())
            self.turn.notify_all()

    def wait(self, enough: Callable[[], bool]) -> bool:
        with self.turn:
            return self.turn.wait_for(enough, LONG)

    def wait_for_look_since(self, moment: float) -> bool:
        return self.wait(lambda: bool(self.looks) and self.looks[-1] >= moment)


class FakeConnections:
    """Counts what is opened and closed."""

    def __init__(self) -> None:
        self.opened = self.closed = 0

    def __getitem__(self, alias: str) -> "FakeConnections":
        return self

    def ensure_connection(self) -> None:
        self.opened += 1

    def close_all(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def outside_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: False)
    monkeypatch.setattr(listener, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(link, "MOST_PAUSE_SECONDS", 0.5)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with own_redis(tmp_path) as redis:
        yield redis


@pytest.fixture
def hearer() -> Iterator[Listener]:
    hearer = Listener()
    yield hearer
    hearer.stop()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> FakeConnections:
    fake = FakeConnections()
    monkeypatch.setattr(listener, "connections", fake)
    return fake


@pytest.fixture
def store(connections: FakeConnections, monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    fake = FakeStore()
    monkeypatch.setattr(listener, "store", fake)
    return fake


@pytest.fixture
def teller() -> Iterator[Publisher]:
    teller = Publisher()
    yield teller
    teller.finish()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(";")[0].partition(" (")[0] for record in caplog.records]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = monotonic() + LONG
    while not condition() and monotonic() < deadline:
        sleep(0.02)
    return condition()


def listen(hearer: Listener, store: FakeStore) -> None:
    """Begin to listen, as with the first look of a process, and wait until the subscription holds."""
    hearer.heed_look()
    assert store.wait(lambda: len(store.looks) == 1)


def test_committed_change_makes_a_listener_look(
    redis: Redis, hearer: Listener, store: FakeStore, teller: Publisher
) -> None:
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        teller.heed_write(committed=True)
        assert store.wait(lambda: len(store.looks) == 2)


def test_databases_of_one_redis_do_not_wake_each_other(redis: Redis, hearer: Listener, store: FakeStore) -> None:
    with override_cors_guard(PUSH=f"redis://127.0.0.1:{redis.port}"):
        listen(hearer, store)
        heard = []
        for database in ("", "/", "/0", "/7"):
            with connected(f"redis://127.0.0.1:{redis.port}{database}") as (client, channel):
                heard.append(client.publish(channel, b"look"))
    assert heard == [1, 1, 1, 0]


def test_nothing_is_told_before_the_commit_nor_without_the_setting(
    teller: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "_send", lambda: pytest.fail("sent"))
    with override_cors_guard(PUSH=NOWHERE):
        teller.heed_write(committed=False)
    with override_cors_guard(PUSH=None):
        teller.heed_write(committed=True)
    teller.finish()


def test_test_suites_neither_tell_nor_listen(hearer: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "in_tests", lambda: True)
    teller = Publisher()
    monkeypatch.setattr(teller, "_send", lambda: pytest.fail("sent"))
    with override_cors_guard(PUSH=NOWHERE):
        teller.heed_write(committed=True)
        hearer.heed_look()
    assert not hearer._begun


def test_changes_that_come_while_one_is_told_are_told_by_one_more(
    teller: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    begun, go_on = threading.Event(), threading.Event()

    def send() -> None:
        sent.append(monotonic())
        begun.set()
        assert go_on.wait(LONG)

    monkeypatch.setattr(teller, "_send", send)
    with override_cors_guard(PUSH=NOWHERE):
        teller.heed_write(committed=True)
        assert begun.wait(LONG)
        for _ in range(100):
            teller.heed_write(committed=True)
        go_on.set()
        teller.finish()
    assert len(sent) == 2


def test_where_no_thread_runs_whoever_wrote_tells_and_waits_once_for_a_redis_that_is_gone(
    teller: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "start", lambda work, name: False)
    monkeypatch.setattr(background.Threads, "run", property(lambda threads: False))
    tried: list[str] = []

    def fail(url: str) -> Any:
        tried.append(url)
        raise ConnectionError("it is not there\nat all")

    monkeypatch.setattr(publisher, "connected", fail)
    with override_cors_guard(PUSH=NOWHERE):
        for _ in range(5):
            teller.heed_write(committed=True)
    assert tried == [NOWHERE]
    assert [record.getMessage() for record in caplog.records] == [
        "Redis takes no hints; other processes find changes within REFRESH_SECONDS, as without push (it is not there)."
    ]


def test_pauses_grow_up_to_a_limit() -> None:
    assert [pause_after(failures) for failures in (0, 1, 2, 3)] == [0.5, 0.5, 0.5, 0.5]  # the limit is the test's
    assert MOST_PAUSE_SECONDS == 8


def test_redis_that_comes_late_goes_away_and_comes_back(
    tmp_path: Path, hearer: Listener, store: FakeStore, teller: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    with own_redis(tmp_path) as redis, override_cors_guard(PUSH=redis.url):
        redis.stop()
        hearer.heed_look()
        teller.heed_write(committed=True)
        teller.finish()
        assert eventually(lambda: hearer._report.failures > 1)
        assert store.looks == []
        for _ in range(2):
            _come_and_go(redis, hearer, store, teller)
    told_of_hearer = [line for line in told(caplog) if "sends" in line]
    told_of_teller = [line for line in told(caplog) if "takes" in line]
    assert told_of_hearer == ["Redis sends no hints", "Redis sends hints again."] * 2 + ["Redis sends no hints"]
    assert told_of_teller == ["Redis takes no hints", "Redis takes hints again."] * 2 + ["Redis takes no hints"]


def _come_and_go(redis: Redis, hearer: Listener, store: FakeStore, teller: Publisher) -> None:
    begun = monotonic()
    redis.start()
    assert store.wait_for_look_since(begun), "what was missed is found by a look after each connection"
    looks = len(store.looks)
    assert eventually(lambda: _tell(teller))
    assert store.wait(lambda: len(store.looks) > looks)
    redis.stop()
    assert eventually(lambda: hearer._report.failures > 1)
    teller.heed_write(committed=True)
    teller.finish()


def _tell(teller: Publisher) -> bool:
    teller.heed_write(committed=True)
    teller.finish()
    return not teller._report.failures


def test_redis_that_hangs_holds_up_no_write_and_is_noticed(
    redis: Redis, hearer: Listener, store: FakeStore, teller: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        redis.hang()
        begun = monotonic()
        for _ in range(50):
            teller.heed_write(committed=True)
        assert monotonic() - begun < link.TIMEOUT_SECONDS
        assert eventually(lambda: hearer._report.failures > 0), "though nothing was refused or closed"
        assert eventually(lambda: teller._report.failures > 0)
        redis.go_on()
        assert store.wait_for_look_since(monotonic())
        assert eventually(lambda: not hearer._report.failures)
    assert "it does not answer" in caplog.text


def test_connection_that_dies_without_a_word_is_replaced(redis: Redis, hearer: Listener, store: FakeStore) -> None:
    with proxying("127.0.0.1", redis.port) as proxy, override_cors_guard(PUSH=f"redis://127.0.0.1:{proxy.port}/0"):
        listen(hearer, store)
        proxy.fall_silent()
        assert eventually(lambda: hearer._report.failures > 0)
        proxy.drop()
        proxy.come_back()
        assert store.wait_for_look_since(monotonic())


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"look", id="well-formed"),
        pytest.param(b"\x00\xff\r\n*3\r\n$9\r\nsubscribe\r\n", id="garbage"),
        pytest.param(b'{"revision": 999999, "trusted": ["https://evil.example"]}', id="forgery"),
        pytest.param(b"x" * 5_000_000, id="large"),
    ],
)
@pytest.mark.parametrize("options", ["", "?decode_responses=true&protocol=3&health_check_interval=1"])
def test_whatever_is_sent_costs_one_look(
    message: bytes, options: str, redis: Redis, hearer: Listener, store: FakeStore
) -> None:
    with override_cors_guard(PUSH=redis.url + options), connected(redis.url) as (client, channel):
        listen(hearer, store)
        for number in range(2, 5):
            client.publish(channel, message)
            assert store.wait(lambda number=number: len(store.looks) == number)  # type: ignore[misc]  # bound early
        assert hearer._report.failures == 0


def test_flood_costs_looks_at_a_bounded_rate_and_its_last_message_is_heard(
    redis: Redis, hearer: Listener, store: FakeStore
) -> None:
    with override_cors_guard(PUSH=redis.url), connected(redis.url) as (client, channel):
        listen(hearer, store)
        begun = monotonic()
        for _ in range(50):
            with client.pipeline(transaction=False) as pipeline:
                for _ in range(100):
                    pipeline.publish(channel, b"garbage " * 100)
                pipeline.execute()
        last = monotonic()
        assert store.wait_for_look_since(last)
        assert eventually(lambda: monotonic() - store.looks[-1] > 1), "when all is read, it is quiet again"
        looks, seconds = len(store.looks) - 1, store.looks[-1] - begun
    assert looks <= seconds / LOOK_PAUSE_SECONDS + 2
    pauses = [after - before for before, after in zip(store.looks[1:], store.looks[2:], strict=False)]
    assert min(pauses) > LOOK_PAUSE_SECONDS / 2


def test_flushed_redis_is_no_loss(redis: Redis, hearer: Listener, store: FakeStore, teller: Publisher) -> None:
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        assert redis.ask("FLUSHALL") == b"+OK\r\n"
        teller.heed_write(committed=True)
        assert store.wait(lambda: len(store.looks) == 2)


def test_database_that_is_away_is_left_to_the_attempts_of_the_store(
    redis: Redis, hearer: Listener, store: FakeStore
) -> None:
    with override_cors_guard(PUSH=redis.url), connected(redis.url) as (client, channel):
        listen(hearer, store)
        store.failures = 1
        for _ in range(5):
            client.publish(channel, b"look")
        sleep(0.3)
        assert len(store.looks) == 1
        store.failures = 0
        client.publish(channel, b"look")
        assert store.wait(lambda: len(store.looks) == 2)


def test_connection_to_the_database_is_kept_while_hints_come_and_given_back_after_a_while(
    redis: Redis, hearer: Listener, store: FakeStore, connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        sleep(1)
        assert (connections.opened, connections.closed) == (1, 0), "though Redis was asked in between"
        monkeypatch.setattr(listener, "KEEP_SECONDS", 0.5)
        assert eventually(lambda: connections.closed > 0)


def test_connection_to_the_database_that_cannot_be_opened_is_the_stores_to_find_out(
    redis: Redis, hearer: Listener, store: FakeStore, connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("it is not there")

    monkeypatch.setattr(connections, "ensure_connection", fail)
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        assert hearer._report.failures == 0


def test_connection_to_the_database_is_given_back_when_redis_goes(
    redis: Redis, hearer: Listener, store: FakeStore, connections: FakeConnections
) -> None:
    with override_cors_guard(PUSH=redis.url):
        listen(hearer, store)
        redis.stop()
        assert eventually(lambda: connections.closed > 0)


def test_process_listens_once_and_a_child_of_it_begins_anew(hearer: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(background, "start", lambda work, name: not begun.append(name))  # type: ignore[func-returns-value]
    with override_cors_guard(PUSH=NOWHERE):
        hearer.heed_look()
        hearer.heed_look()
        assert begun == ["push-listener"]
        hearer.after_fork()
        hearer.heed_look()
    assert begun == ["push-listener"] * 2


def test_client_ignores_time_outs_of_the_url(redis: Redis) -> None:
    with connected(f"{redis.url}?socket_timeout=60&socket_connect_timeout=60&decode_responses=true") as (client, _):
        options = client.connection_pool.connection_kwargs
        assert options["socket_timeout"] == options["socket_connect_timeout"] == link.TIMEOUT_SECONDS
        assert client.ping()


def test_redis_is_reached_through_a_unix_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "r"))
        server.listen()
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        with connected(f"unix://{tmp_path / 'r'}?db=3") as (client, channel):
            assert channel == "cors_guard:3"
            assert client.connection_pool.connection_class.__name__ == "UnixDomainSocketConnection"
            with pytest.raises(Exception, match="no Redis at all"):
                client.publish(channel, b"look")


def _answer(server: socket.socket) -> None:
    with server.accept()[0] as connection:
        connection.recv(1024)
        connection.sendall(b"-ERR no Redis at all\r\n" * 10)


def test_receivers_are_connected() -> None:
    connect()
    connect()
    heard = [receiver for receiver in policy_written.receivers if receiver[0][0] == "cors_guard.push"]
    looked = [receiver for receiver in policy_looked.receivers if receiver[0][0] == "cors_guard.push"]
    assert (len(heard), len(looked)) == (1, 1)


def test_missing_package_is_said_once(
    hearer: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(link, "import_module", refuse)
    with caplog.at_level(logging.WARNING), override_cors_guard(PUSH=NOWHERE):
        hearer.heed_look()
        assert eventually(lambda: hearer._report.failures > 1)
    assert told(caplog) == ["Redis sends no hints"]
    assert "No module named 'redis'" in caplog.text
