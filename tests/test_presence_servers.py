"""Revoke, and prove it: real servers, whose processes are stopped, killed, idle and ended, and the command beside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.servers import ROOT, Api, environ_for, free_port, manage, scratch_database, serving_api

pytestmark = [
    pytest.mark.servers,
    pytest.mark.needs("postgresql"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the database does not matter; runs on PostgreSQL"),
]

APP, OTHER = "https://app.example.com", "https://other.example.com"
#: Long enough for a machine that is busy with other tests; nothing waits for it that has come.
PATIENCE = 30.0
INIT = ("cors_guard", "init", "--no-input", "--environment", "local", "--group", "public=/api/public")
TRUST = f"""
from django_cors_guard import services
from django_cors_guard.models import GuardProcess, TrustedOrigin
TrustedOrigin.objects.all().delete()
GuardProcess.objects.all().delete()
services.trust_many([{APP!r}, {OTHER!r}], environments=["local"], api_groups=["public"])
"""
#: Two workers that gunicorn does not take for hung while a test has stopped one.
TWO = ("--workers", "2", "--timeout", "300")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with scratch_database(f"cors_guard_presence_{os.getpid()}") as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, *INIT)
        yield url


@pytest.fixture
def trusted(database: str) -> None:
    """Each test revokes for itself."""
    manage(database, "shell", "--verbosity", "0", "--command", TRUST)


def rows(database: str) -> list[dict[str, Any]]:
    """The rows of processes, as they stand."""
    with psycopg.connect(database, row_factory=psycopg.rows.dict_row) as server:
        return server.execute("SELECT * FROM cors_guard_guardprocess ORDER BY started_at").fetchall()


def until(check: Callable[[], object]) -> Any:
    """Return what ``check`` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it has not come about within {PATIENCE} s")


def busy(api: Api, database: str, count: int) -> list[dict[str, Any]]:
    """Ask until each of ``count`` workers has answered of late, and return their rows."""

    def find() -> list[dict[str, Any]]:
        with suppress(TimeoutError):  # workers that are being booted on a busy machine
            for _ in range(8):
                api.ask("/api/public/hello", APP)
        awake = [row for row in rows(database) if row["idle_since"] is None and row["confirmed_at"] is not None]
        return awake if len(awake) == count else []

    found: list[dict[str, Any]] = until(find)
    return found


def command(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does, with the exit code that he gets."""
    return subprocess.run(
        [sys.executable, "manage.py", "cors_guard", *words],
        cwd=ROOT,
        env=environ_for(database),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def revoke(database: str, origin: str, seconds: str) -> subprocess.CompletedProcess[str]:
    return command(database, "revoke", origin, "--everywhere", "--reason", "signing key leaked", "--wait", seconds)


def test_operator_revokes_and_proves_that_it_is_out_everywhere(database: str, trusted: None, tmp_path: Path) -> None:
    with serving_api("gunicorn", database, free_port(), tmp_path / "log", *TWO) as api:
        workers = busy(api, database, 2)
        assert len({row["pid"] for row in workers}) == 2
        assert {row["environment"] for row in workers} == {"local"}

        # Workers under load follow by themselves, and the proof is there within seconds.
        asking = subprocess.Popen([sys.executable, "-c", ASKING, api.origin, OTHER])
        try:
            began = time.monotonic()
            told = revoke(database, APP, "30")
        finally:
            asking.terminate()
            asking.wait(timeout=30)
        assert told.returncode == 0, told.stdout + told.stderr
        assert "is out everywhere" in told.stdout
        assert time.monotonic() - began < PATIENCE
        assert [api.ask("/api/public/hello", APP) for _ in range(20)] == [(403, None)] * 20

        # A worker that has been stopped may still hold the old list: the answer is no, with its name.
        stopped, *_ = [row["pid"] for row in busy(api, database, 2)]
        os.kill(stopped, signal.SIGSTOP)
        try:
            told = revoke(database, OTHER, "2")
            assert told.returncode == 1, told.stdout
            assert "The revocation stands." in told.stderr
            assert f":{stopped} (local)" in told.stderr
            assert "at the longest, then they refuse" in told.stderr
        finally:
            os.kill(stopped, signal.SIGCONT)
        revision = manage(database, "shell", "--verbosity", "0", "--command", NEWEST).strip()
        busy(api, database, 2)
        told = command(database, "status", "--revision", revision, "--wait", "30", "--format", "json")
        assert told.returncode == 0, told.stdout + told.stderr
        found = {item["pid"]: item["standing"] for item in json.loads(told.stdout)["processes"]}
        assert found[stopped] in {"confirmed", "idle"}

        # What is killed cannot take its leave: it is waited for until it would have refused by itself.
        os.kill(stopped, signal.SIGKILL)
        (left,) = [row for row in rows(database) if row["pid"] == stopped]
        assert left["lapses_at"] > left["confirmed_at"]
        told = command(database, "status", "--revision", revision)
        assert f":{stopped}" in told.stdout
    (left,) = rows(database)
    assert left["pid"] == stopped, "the others have taken their leave"
    with psycopg.connect(database, autocommit=True) as server:
        server.execute("DELETE FROM cors_guard_guardprocess")


ASKING = """
import sys, time, urllib.error, urllib.request
while True:
    request = urllib.request.Request(sys.argv[1] + "/api/public/hello", headers={"Origin": sys.argv[2]})
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
    time.sleep(0.02)
"""
NEWEST = "from django_cors_guard.models import PolicyState; print(PolicyState.read('default').revision)"


def test_idle_process_does_not_hold_up_the_proof_and_wakes_up_awake(
    database: str, trusted: None, tmp_path: Path
) -> None:
    with serving_api("gunicorn", database, free_port(), tmp_path / "log", "--workers", "1") as api:
        busy(api, database, 1)
        (idle,) = until(lambda: [row for row in rows(database) if row["idle_since"] is not None])
        told = revoke(database, APP, "30")
        assert told.returncode == 0, told.stdout + told.stderr
        assert "1 is idle and looks before its next decision" in told.stdout
        # It has not looked since; its next answer is by the new policy, and by then it has said that it is awake.
        assert api.ask("/api/public/hello", APP) == (403, None)
        (row,) = rows(database)
        assert (row["pid"], row["idle_since"]) == (idle["pid"], None)
        until(lambda: rows(database)[0]["revision"] > idle["revision"])


@pytest.mark.parametrize("server", ["gunicorn that preloads", "uvicorn"])
def test_processes_of_other_servers_come_and_go(server: str, database: str, tmp_path: Path) -> None:
    with serving_api(server, database, free_port(), tmp_path / "log", "--workers", "2") as api:
        assert len({row["pid"] for row in busy(api, database, 2)}) == 2
    assert rows(database) == [], api.log.read_text(errors="replace")[-2000:]


HANDSHAKE = """
import asyncio
from tests.sockets import Echo, Line, scope_of
async def shake():
    line = Line(Echo(), scope_of())
    await line.hear()
    await line.hang_up()
asyncio.run(shake())
"""


@pytest.mark.parametrize(
    ("code", "count"),
    [
        pytest.param("store.current()", 0, id="policy read by a shell"),
        pytest.param("store.preload()", 0, id="parent of a preloading server"),
        pytest.param("request_started.send(None); store.current()", 1, id="process that answers requests"),
        pytest.param(HANDSHAKE, 1, id="process that serves nothing but sockets"),
    ],
)
def test_only_what_answers_requests_is_listed(code: str, count: int, database: str) -> None:
    imports = "from django.core.signals import request_started; from django_cors_guard.store import store;"
    ask = "from django_cors_guard.models import GuardProcess; print(GuardProcess.objects.count())"
    told = manage(database, "shell", "--verbosity", "0", "--command", f"{imports}\n{code}\n{ask}")
    assert int(told) == count
    assert rows(database) == []


def test_command_that_reads_the_policy_is_not_listed(database: str) -> None:
    told = command(database, "check", APP, "/api/public/hello")
    assert told.returncode in {0, 1}, told.stderr
    assert rows(database) == []
