"""What was refused just before a server stops is not lost: real servers, stopped as a process manager would."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_cors_guard.asgi import flush_on_shutdown
from django_cors_guard.recorder import recorder
from tests.servers import HOST, ROOT, SERVERS, Api, environ_for, free_port, manage, serving_api, wait_for

STRANGER = "https://stranger.example.net"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "db.sqlite3"
    manage(f"sqlite:///{path}", "migrate", "--verbosity", "0")
    manage(
        f"sqlite:///{path}",
        "cors_guard",
        "init",
        "--no-input",
        "--environment",
        "local",
        "--group",
        "public=/api/public",
    )
    return path


def count_refusals(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        found: int = connection.execute("SELECT COALESCE(SUM(count), 0) FROM cors_guard_rejection").fetchone()[0]
    finally:
        connection.close()
    return found


@pytest.mark.parametrize("server", list(SERVERS))
def test_stopped_server_writes_what_waits_in_memory(server: str, database: Path, tmp_path: Path) -> None:
    with serving_api(server, f"sqlite:///{database}", free_port(), tmp_path / "log") as api:
        answers = [api.ask("/api/public/hello", STRANGER) for _ in range(40)]
        assert answers == [(200, None)] * 40
    assert count_refusals(database) == 40, api.log.read_text(errors="replace")[-2000:]


def test_stopped_development_server_writes_what_waits_in_memory(database: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"{HOST}:{port}"],
            cwd=ROOT,
            env=environ_for(f"sqlite:///{database}"),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process, log)
        api = Api(f"http://{HOST}:{port}", process, log)
        for _ in range(5):
            api.ask("/api/public/hello", STRANGER)
    finally:
        process.send_signal(signal.SIGINT)  # Ctrl-C
        process.wait(timeout=30)
    assert count_refusals(database) == 5, log.read_text(errors="replace")[-2000:]


def test_idle_process_writes_a_first_sighting_in_time(database: Path, tmp_path: Path) -> None:
    with serving_api("gunicorn", f"sqlite:///{database}", free_port(), tmp_path / "log") as api:
        api.ask("/api/public/hello", STRANGER)
        deadline = time.monotonic() + 10
        while count_refusals(database) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert count_refusals(database) == 1


def test_lifespan_is_answered_and_everything_else_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        seen.append("inner")

    async def run() -> None:
        asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> dict[str, str]:
            return next(asked)

        async def send(message: MutableMapping[str, Any]) -> None:
            seen.append(message["type"])

        application = flush_on_shutdown(inner)
        await application({"type": "lifespan"}, receive, send)
        await application({"type": "http"}, receive, send)

    monkeypatch.setattr(recorder, "close", lambda: seen.append("closed"))
    async_to_sync(run)()
    assert seen == ["lifespan.startup.complete", "closed", "lifespan.shutdown.complete", "inner"]
