"""Real servers with several processes: what they count adds up to what was sent, and health says when one is stale."""

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.guide import text_of
from tests.monitoring.settings import METRICS_TOKEN
from tests.proxies import proxying
from tests.servers import Api, free_port, manage, scratch_database, serving_api

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]

APP, STRANGER = "https://app.example.com", "https://stranger.example.net"
HELLO = "/api/public/hello"
#: Long enough for a machine that is busy with other tests; nothing waits for it that has come.
PATIENCE = 60.0
INIT = ("cors_guard", "init", "--no-input", "--environment", "local", "--group", "public=/api/public")
WORKERS = 3
DECISIONS = "cors_guard_decisions_total"
Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with scratch_database(f"cors_guard_metrics_{os.getpid()}") as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, *INIT)
        manage(url, "cors_guard", "trust", APP, "--group", "public")
        yield url


def environ(folder: Path) -> dict[str, str]:
    shared = folder / "metrics"
    shared.mkdir()
    return {"DJANGO_SETTINGS_MODULE": "tests.monitoring.settings", "PROMETHEUS_MULTIPROC_DIR": str(shared)}


def options(server: str, folder: Path) -> tuple[str, ...]:
    if not server.startswith("gunicorn"):
        return ("--workers", f"{WORKERS}")
    config = folder / "gunicorn.conf.py"
    config.write_text(text_of("module", "gunicorn_conf"), encoding="utf-8")
    return ("--workers", f"{WORKERS}", "--config", str(config))


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def parse(page: str) -> Samples:
    """What a page says: {(name, values of its labels in alphabetical order): value}."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def scrape(api: Api) -> Samples:
    status, page = get(f"{api.origin}/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    assert status == 200
    return parse(page)


def until(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.2)
    raise AssertionError(f"it has not come about within {PATIENCE} s")


def send(api: Api, origin: str, times: int, threads: int = 6) -> None:
    """Send so many requests of a page of ``origin``, over connections of their own, so that any worker may answer."""

    def ask() -> None:
        for _ in range(times // threads):
            get(f"{api.origin}{HELLO}", Origin=origin)

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()


def counted(found: Samples, outcome: str) -> float:
    kind = (DECISIONS, "local", "public", outcome)
    return sum(value for key, value in found.items() if key[:4] == kind)


def gauges(found: Samples, name: str) -> set[float]:
    """What the processes say."""
    return {value for key, value in found.items() if key[0] == f"cors_guard_policy_{name}"}


def pids(found: Samples) -> set[str]:
    return {key[2] for key in found if key[0] == "cors_guard_policy_revision"}


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn that preloads", "gunicorn with threads", "uvicorn"])
def test_processes_count_together_what_was_sent(server: str, database: str, tmp_path: Path) -> None:
    given = environ(tmp_path)
    with serving_api(server, database, free_port(), tmp_path / "log", *options(server, tmp_path), environ=given) as api:
        send(api, APP, 240)
        send(api, STRANGER, 120)
        found = until(lambda: found if counted(found := scrape(api), "refused") == 120 else None)
        assert counted(found, "allowed") == 240
        assert 1 <= len(pids(found)) <= WORKERS
        assert len(gauges(found, "revision")) == 1
        assert (gauges(found, "usable"), gauges(found, "failed_looks")) == ({1.0}, {0.0})
        assert min(gauges(found, "confirmed_timestamp_seconds")) > time.time() - 5 * PATIENCE
        # Nobody waits for these: the processes tell of them at their end.
        send(api, STRANGER, 60)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, given["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
    found = parse(generate_latest(registry).decode())
    assert (counted(found, "allowed"), counted(found, "refused")) == (240, 180), api.log.read_text(errors="replace")
    assert [name for name, *_ in found if name.startswith("cors_guard_policy")] == [], "gauges of the dead"


def test_killed_process_leaves_its_counts_and_no_gauges(database: str, tmp_path: Path) -> None:
    given = environ(tmp_path)
    arguments = options("gunicorn", tmp_path)
    with serving_api("gunicorn", database, free_port(), tmp_path / "log", *arguments, environ=given) as api:
        send(api, APP, 60)

        until(lambda: counted(scrape(api), "allowed") == 60)
        victim = min(pids(scrape(api)), key=int)
        os.kill(int(victim), signal.SIGKILL)
        until(lambda: victim not in pids(scrape(api)))
        send(api, APP, 60)
        until(lambda: counted(scrape(api), "allowed") == 120)


def test_page_of_metrics_is_not_for_the_public(database: str, tmp_path: Path) -> None:
    given = environ(tmp_path)
    with serving_api("gunicorn", database, free_port(), tmp_path / "log", "--workers", "1", environ=given) as api:
        assert get(f"{api.origin}/metrics") == (403, "")
        assert get(f"{api.origin}/metrics", Authorization="Bearer other")[0] == 403


@pytest.mark.parametrize("server", ["gunicorn with threads", "uvicorn"])
def test_health_tells_of_a_database_that_is_away(server: str, database: str, tmp_path: Path) -> None:
    given = environ(tmp_path)
    parts = urlsplit(database)
    with proxying(parts.hostname or "127.0.0.1", parts.port or 5432) as proxy:
        url = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()
        with serving_api(server, url, free_port(), tmp_path / "log", "--workers", "1", environ=given) as api:

            def health() -> tuple[int, str]:
                status, told = get(f"{api.origin}/health/?format=json")
                with suppress(json.JSONDecodeError):
                    told = next(iter(json.loads(told).values()))
                return status, told

            def failed_looks() -> float:
                # A process that has just begun has told nothing yet.
                return max(gauges(scrape(api), "failed_looks"), default=-1.0)

            assert health() == (200, "OK")
            proxy.refuse()
            _, told = until(lambda: found if (found := health())[0] == 500 else None)
            assert "The policy was last confirmed" in told
            assert "the last policy that was read serves on" in told
            assert api.ask(HELLO, APP) == (200, APP), "as it says"
            until(lambda: failed_looks() > 0)
            proxy.come_back()
            until(lambda: health() == (200, "OK"))
            until(lambda: failed_looks() == 0)
