"""What was refused just before a server stops is not lost: real servers, stopped as a process manager would."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_cors_guard.asgi import flush_on_shutdown
from django_cors_guard.conf import GuardSettings
from django_cors_guard.recorder import recorder
from tests.servers import HOST, ROOT, SERVERS, VARIANTS, Api, environ_for, free_port, manage, serving_api, wait_for

STRANGER = "https://stranger.example.net"
#: Whoever runs the tests in the background has Ctrl-C ignored, and that is handed down; a terminal does not.
HEED_CTRL_C = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
AUDIT_FLUSH_SECONDS = GuardSettings().audit_flush_seconds


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "db.sqlite3"
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


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "db.sqlite3"))


def count_refusals(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        found: int = connection.execute("SELECT COALESCE(SUM(count), 0) FROM cors_guard_rejection").fetchone()[0]
    finally:
        connection.close()
    return found


@pytest.mark.parametrize("server", [*SERVERS, *VARIANTS])
def test_stopped_server_writes_what_waits_in_memory(server: str, database: Path, tmp_path: Path) -> None:
    with serving_api(server, f"sqlite:///{database}", free_port(), tmp_path / "log") as api:
        answers = [api.ask("/api/public/hello", STRANGER) for _ in range(40)]
        assert answers == [(200, None)] * 40
    assert count_refusals(database) == 40, api.log.read_text(errors="replace")[-2000:]


@contextmanager
def developing(database: Path, tmp_path: Path, *options: str) -> Iterator[Api]:
    """Run the development server in a process group of its own, as a terminal does; the test stops it."""
    port, log = free_port(), tmp_path / "log"
    settings = tmp_path / "touched_settings.py"  # a module that a test may touch
    settings.write_text("from example_project.settings import *\n")
    chosen = {"DJANGO_SETTINGS_MODULE": settings.stem, "PYTHONPATH": str(tmp_path)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", HEED_CTRL_C, "manage.py", "runserver", *options, f"{HOST}:{port}"],
            cwd=ROOT,
            env=environ_for(f"sqlite:///{database}") | chosen,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(port, process, log)
        yield Api(f"http://{HOST}:{port}", process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def find_child(process: subprocess.Popen[bytes]) -> int:
    """Return the process that serves under the autoreloader."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def press_ctrl_c(process: subprocess.Popen[bytes], settings: Path) -> None:
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)


def terminate(process: subprocess.Popen[bytes], settings: Path) -> None:
    process.terminate()
    process.wait(timeout=30)


def terminate_child(process: subprocess.Popen[bytes], settings: Path) -> None:
    os.kill(find_child(process), signal.SIGTERM)
    process.wait(timeout=30)


def change_a_module(process: subprocess.Popen[bytes], settings: Path) -> None:
    """The autoreloader sees it: the child ends, and another begins."""
    child = Path(f"/proc/{find_child(process)}")
    settings.write_text(f"{settings.read_text()}\n")
    deadline = time.monotonic() + 15
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the serving process in /proc")
@pytest.mark.parametrize(
    ("options", "stop"),
    [
        pytest.param(["--noreload"], press_ctrl_c, id="Ctrl-C"),
        pytest.param([], press_ctrl_c, id="Ctrl-C, autoreloader"),
        pytest.param(["--noreload"], terminate, id="SIGTERM, as manage.py of the example takes it"),
        pytest.param([], terminate_child, id="SIGTERM to what serves, autoreloader"),
        pytest.param([], change_a_module, id="reload"),
    ],
)
def test_stopped_development_server_writes_what_waits_in_memory(
    options: list[str], stop: Callable[[subprocess.Popen[bytes], Path], None], database: Path, tmp_path: Path
) -> None:
    with developing(database, tmp_path, *options) as api:
        for _ in range(5):
            api.ask("/api/public/hello", STRANGER)
        stop(api.process, tmp_path / "touched_settings.py")
    assert count_refusals(database) == 5, api.log.read_text(errors="replace")[-2000:]


def test_first_sighting_is_readable_through_the_api_in_time(database: Path, tmp_path: Path) -> None:
    """The process is idle in between, and another one may answer."""
    session = make_session(database)
    with serving_api("gunicorn with threads", f"sqlite:///{database}", free_port(), tmp_path / "log") as api:
        api.ask("/api/public/hello", STRANGER)
        time.sleep(AUDIT_FLUSH_SECONDS)
        rows = api.read("/cors-guard/rejections/", Cookie=f"sessionid={session}")["results"]
    assert [(row["origin"], row["count"]) for row in rows] == [(STRANGER, 1)]


def make_session(database: Path) -> str:
    """Return the key of a session in which an administrator is signed in."""
    code = (
        "from django.contrib.auth import get_user_model; from django.test import Client; client = Client();"
        "client.force_login(get_user_model().objects.create_superuser('root')); print(client.session.session_key)"
    )
    return manage(f"sqlite:///{database}", "shell", "--verbosity", "0", "--command", code).strip()


def test_preloaded_process_writes_its_own_and_its_children_theirs(database: Path, tmp_path: Path) -> None:
    """What waits in the parent's memory when it forks is copied into each child, and must be written once."""
    hooks = tmp_path / "hooks.py"
    hooks.write_text(PARENT_REFUSES)
    with serving_api(
        "gunicorn that preloads", f"sqlite:///{database}", free_port(), tmp_path / "log", "--config", str(hooks)
    ) as api:
        for _ in range(20):
            api.ask("/api/public/hello", STRANGER)
    assert count_refusals(database) == 20 + 7, api.log.read_text(errors="replace")[-2000:]


PARENT_REFUSES = """
def when_ready(server):
    from django_cors_guard.core.decision import Kind, Mode, Reason
    from django_cors_guard.recorder import Refusal, recorder

    mode, reason, kind = Mode.ENFORCE, Reason.UNKNOWN_ORIGIN, Kind.ACTUAL
    for number in range(7):
        recorder.refuse(Refusal("public", mode, "https://parent.example.net", reason, kind, "GET", "/", "", ""))
"""


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
