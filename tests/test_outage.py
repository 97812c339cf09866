"""The database goes away for a while, over a real connection: totals are exact afterwards, requests never notice."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import close_old_connections, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Sum

from django_cors_guard.models import GuardProcess, RejectedOrigin, Rejection
from django_cors_guard.recorder import Recorder
from django_cors_guard.testing import override_cors_guard
from tests.clocks import Clock
from tests.proxies import Proxy, proxying
from tests.test_audit_load import from_network

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "sqlite" in connection.settings_dict["ENGINE"], reason="SQLite has no connection that could break"
    ),
]

PATIENCE_SECONDS = 30
PORTS = {"postgresql": 5432, "mysql": 3306}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Between this process and its database."""
    given = connection.settings_dict
    direct = {name: given[name] for name in ("HOST", "PORT")}
    with proxying(given["HOST"] or "127.0.0.1", int(given["PORT"] or PORTS[connection.vendor])) as proxy:
        connection.close()
        given.update(HOST="127.0.0.1", PORT=str(proxy.port))
        try:
            yield proxy
        finally:
            connection.close()
            given.update(direct)


def refuse(recorder: Recorder, count: int, start: int = 0) -> None:
    """Refuse so many requests of as many origins and networks."""
    for number in range(start, start + count):
        recorder.refuse(from_network(number % 700, f"203.{number % 200}.{number % 7}.1"))


def flush(recorder: Recorder, *, everything: bool = False) -> None:
    """Flush, and close a connection that broke, as Django does between requests and the recorder's thread always."""
    recorder.flush(everything=everything)
    close_old_connections()


def total() -> int:
    return Rejection.objects.aggregate(total=Sum("count"))["total"] or 0


def test_outage_that_refuses_connections_costs_no_refusal(proxy: Proxy, clock: Clock) -> None:
    recorder = Recorder()
    with override_cors_guard(AUDIT_MAX_PENDING=200):
        refuse(recorder, 100)
        flush(recorder)
        assert total() == 100
        proxy.refuse()
        for second in range(1, 120):
            refuse(recorder, 50, second * 50)
            clock.mono += 1
            flush(recorder)
        assert recorder._failures > 3
        assert sum(len(batch.entries) for batch in recorder._outbox) + len(recorder._due) <= 250
        proxy.come_back()
        clock.mono += 61
        flush(recorder)
        flush(recorder, everything=True)
    assert total() == 100 + 119 * 50
    assert RejectedOrigin.objects.aggregate(total=Sum("count"))["total"] == _counted_with_origin()


def _counted_with_origin() -> int:
    return Rejection.objects.exclude(origin="").aggregate(total=Sum("count"))["total"] or 0


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda proxy: None, id="answers after all"),
        pytest.param(lambda proxy: proxy.drop(), id="connection breaks"),
    ],
)
def test_database_that_falls_silent_holds_up_no_request(
    proxy: Proxy, clock: Clock, end: Callable[[Proxy], object]
) -> None:
    recorder = Recorder()
    refuse(recorder, 100)
    flush(recorder)
    refuse(recorder, 300, 100)
    proxy.fall_silent()
    flushing = threading.Thread(target=_flush_and_close, args=(recorder,))
    flushing.start()
    flushing.join(0.5)
    assert flushing.is_alive(), "it waits for the database"
    refuse(recorder, 2000, 400)
    assert flushing.is_alive(), "it waits still, and no refusal has waited with it"
    flush(recorder)  # of another thread: it leaves the work to the one that has it
    end(proxy)
    proxy.come_back()
    flushing.join(30)
    assert not flushing.is_alive()
    clock.mono += 120
    flush(recorder)
    flush(recorder, everything=True)
    assert total() == 2400
    assert RejectedOrigin.objects.aggregate(total=Sum("count"))["total"] == _counted_with_origin()


def _flush_and_close(recorder: Recorder) -> None:
    flush(recorder)
    connections.close_all()


@pytest.mark.parametrize("statement", range(12))
def test_connection_that_breaks_at_any_statement_of_a_flush_counts_once(
    proxy: Proxy, clock: Clock, statement: int
) -> None:
    recorder = Recorder()
    refuse(recorder, 150)
    seen = [0]

    def cut(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if seen[0] == statement:
            proxy.drop()
        seen[0] += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(cut):
        flush(recorder)
    clock.mono += 120
    flush(recorder)
    flush(recorder, everything=True)
    assert total() == 150
    assert RejectedOrigin.objects.aggregate(total=Sum("count"))["total"] == 150


def _connect_directly(proxy: Proxy) -> BaseDatabaseWrapper:
    direct = connection.copy()
    host, port = proxy.target
    direct.settings_dict.update(HOST=host, PORT=str(port))
    return direct


def _await_commit(direct: BaseDatabaseWrapper, expected: int) -> None:
    """Wait until others see so many refusals, past the proxy."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = None
    try:
        while found != expected and time.monotonic() < deadline:
            with direct.cursor() as cursor:
                cursor.execute("SELECT SUM(count) FROM cors_guard_rejection")
                found = cursor.fetchone()[0]
            time.sleep(0.05)
    finally:
        direct.close()
    assert found == expected


def test_commit_whose_reply_never_comes_counts_once(proxy: Proxy, clock: Clock) -> None:
    recorder = Recorder()
    refuse(recorder, 50)
    direct = _connect_directly(proxy)

    def hold(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        if GuardProcess._meta.db_table in sql and sql.startswith("INSERT"):
            proxy.withhold_answers()  # the next thing that is sent is the COMMIT
        return result

    def work() -> None:
        with connection.execute_wrapper(hold):
            recorder.flush()
        connections.close_all()

    flushing = threading.Thread(target=work)
    flushing.start()
    _await_commit(direct, 50)
    assert flushing.is_alive(), "it waits for the reply"
    proxy.drop()
    flushing.join(30)
    proxy.come_back()
    assert len(recorder._outbox) == 1
    assert total() == 50, "it was committed"
    clock.mono += 120
    flush(recorder, everything=True)
    assert recorder._outbox == []
    assert total() == 50
    assert RejectedOrigin.objects.aggregate(total=Sum("count"))["total"] == 50
