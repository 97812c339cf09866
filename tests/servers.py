"""Real servers for the browser tests: the example project in its own processes, on its own PostgreSQL database."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psycopg

from example_project.front_ends import FrontEnd
from tests import probes

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 30
WORKERS = 4

#: Each serves the example project with four worker processes.
SERVERS = {
    "gunicorn": ["-m", "gunicorn", "example_project.wsgi", "--workers", f"{WORKERS}", "--bind"],
    "uvicorn": ["-m", "uvicorn", "example_project.asgi:application", "--workers", f"{WORKERS}", "--port"],
}

#: The same, in other ways that end a process or begin one differently.
VARIANTS = {
    "gunicorn with threads": [*SERVERS["gunicorn"][:-1], "--worker-class", "gthread", "--threads", "4", "--bind"],
    "gunicorn that preloads": [*SERVERS["gunicorn"][:-1], "--preload", "--bind"],
    # One process, which gets the signal itself instead of being told by its supervisor.
    "uvicorn alone": ["-m", "uvicorn", "example_project.asgi:application", "--port"],
    "daphne": ["-m", "daphne", "example_project.asgi:application", "--bind", HOST, "--port"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def scratch_database(name: str) -> Iterator[str]:
    """Create an empty PostgreSQL database, yield its URL, and drop it."""
    with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(probes.POSTGRESQL_URL)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass(frozen=True)
class Api:
    """The example project, running."""

    origin: str
    process: subprocess.Popen[bytes]
    log: Path

    def read(self, path: str, **headers: str) -> Any:
        """Return the JSON that a page of the site's own gets."""
        request = urllib.request.Request(f"{self.origin}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def ask(self, path: str, origin: str) -> tuple[int, str | None]:
        """Ask over a connection of its own, so that any worker may answer: the status and who may read the answer."""
        request = urllib.request.Request(f"{self.origin}{path}", headers={"Origin": origin})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.headers["Access-Control-Allow-Origin"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Access-Control-Allow-Origin"]


def manage(database_url: str, *arguments: str) -> str:
    """Run `manage.py` of the example project and return what it prints."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environ_for(database_url),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


@contextmanager
def serving_api(
    server: str,
    database_url: str,
    port: int,
    log: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Api]:
    """Serve the example project until the block ends, then stop it as a process manager would.

    ``environ`` are environment variables besides those that every test's server has.
    """
    bind = f"{HOST}:{port}" if server.startswith("gunicorn") else f"{port}"
    arguments = {**SERVERS, **VARIANTS}[server]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments, bind, *options],
            cwd=ROOT,
            env={**environ_for(database_url), **(environ or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process, log)
        yield Api(f"http://{HOST}:{port}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def serving_front_end(title: str, port: int, api: str) -> Iterator[str]:
    """Serve one of the example project's front ends and yield its origin."""
    origin = f"http://{HOST}:{port}"
    server = make_server(HOST, port, FrontEnd(title, "", origin, api), handler_class=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


def environ_for(database_url: str) -> dict[str, str]:
    """The environment variables of a process that serves the example project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CORS_GUARD_"))}
    return kept | {"DATABASE_URL": database_url, "DEBUG": "0", "PYTHONUNBUFFERED": "1"}


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once something listens on ``port``."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def serving_story(server: str, name: str, folder: Path) -> Iterator[tuple[Api, str, str]]:
    """Serve the example project by ``server`` beside its two front ends: yields it, the portal and the stranger's page.

    Whatever the server logs as an error fails.
    """
    api_port, portal_port, stranger_port = free_port(), free_port(), free_port()
    with scratch_database(f"cors_guard_{name}_{server}_{os.getpid()}") as database_url:
        manage(database_url, "demo", "--no-serve", "--trusted-port", f"{portal_port}")
        with (
            serving_api(server, database_url, api_port, folder / "server.log") as api,
            serving_front_end("Portal", portal_port, api.origin) as portal,
            serving_front_end("Stranger", stranger_port, api.origin) as stranger,
        ):
            yield api, portal, stranger
        log = api.log.read_text(errors="replace")
        assert "Traceback" not in log, log[-3000:]
