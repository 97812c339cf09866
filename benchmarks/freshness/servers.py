"""Servers with several worker processes, as sites run them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.freshness.databases import ROOT

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60

_WSGI: Final = "example_project.wsgi:application"
_ASGI: Final = "example_project.asgi:application"
_GRANIAN: Final = ("granian", "--no-ws", "--log-level", "warning", "--host", HOST)

#: What follows ``python -m``; the port comes last.
SERVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "gunicorn sync": ("gunicorn", _WSGI, "--bind"),
    "gunicorn gthread": ("gunicorn", _WSGI, "--worker-class", "gthread", "--threads", "4", "--bind"),
    "uvicorn": ("uvicorn", _ASGI, "--log-level", "warning", "--host", HOST, "--port"),
    "granian wsgi": (*_GRANIAN, "--interface", "wsgi", _WSGI, "--port"),
    "granian asgi": (*_GRANIAN, "--interface", "asgi", _ASGI, "--port"),
}


@contextmanager
def serving(server: str, environ: Mapping[str, str], *, workers: int, log: Path) -> Iterator[int]:
    """Serve the example project for the block and yield the port."""
    port = _free_port()
    bind = f"{HOST}:{port}" if server.startswith("gunicorn") else f"{port}"
    name, *options = SERVERS[server]
    command = [sys.executable, "-m", name, "--workers", f"{workers}", *options, bind]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environ), stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection((HOST, port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}")
