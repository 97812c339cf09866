"""What a fault is shown on: a database behind a proxy, a desk beside it, and real servers of the example project."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.faults.desk import Desk, attending
from tests.faults.load import REVOKED, TRUSTED, TURNED, Answer, Kind, Shape, send
from tests.proxies import Proxy, proxying
from tests.servers import HOST, ROOT, environ_for, free_port, wait_for

REFRESH: Final = 0.25
MAX_STALE: Final = 3.0
WORKERS: Final = 2
#: How long after a moment at which something had to happen it may still be under way, on a busy machine.
SLACK: Final = 0.75

CORS_GUARD: Final[Mapping[str, object]] = {
    "REFRESH_SECONDS": REFRESH,
    "MAX_STALE_SECONDS": MAX_STALE,
    "AUDIT_FLUSH_SECONDS": 0.25,
    "AUDIT_ROLLUP_SECONDS": 1,
}

#: With these, no attempt to ask a database that does not answer takes longer than ``ATTEMPT`` seconds.
TIMEOUTS: Final[Mapping[str, Mapping[str, object]]] = {
    "postgres": {"connect_timeout": 2, "tcp_user_timeout": 2000},
    "mysql": {"connect_timeout": 2, "read_timeout": 2, "write_timeout": 2},
    "sqlite": {},
}
ATTEMPT: Final = 2.0
TITLES: Final = {"postgres": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}

SERVERS: Final = {
    "gunicorn": ["gunicorn", "example_project.wsgi", "--worker-class", "gthread", "--threads", "8"],
    "uvicorn": ["uvicorn", "example_project.asgi:application"],
}


def settings_environ(database_url: str, **faults: object) -> dict[str, str]:
    """The environment of a process under the settings of fault tests; ``faults`` are the keys that these name."""
    scheme = urlsplit(database_url).scheme
    given = {"DATABASE_OPTIONS": TIMEOUTS[scheme], **faults}
    given["CORS_GUARD"] = {**CORS_GUARD, **_dict(given.get("CORS_GUARD"))}
    return environ_for(database_url) | {
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "FAULTS": json.dumps(given),
        "PYTHONPATH": str(ROOT),
    }


def _dict(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


@dataclass
class Stage:
    """A furnished database, behind a proxy unless it is a file."""

    url: str
    proxied_url: str
    proxy: Proxy | None
    desk: Desk
    directory: Path

    def on(self, server: str) -> str:
        """Say in words where something was shown."""
        return f"{server}, {TITLES[urlsplit(self.url).scheme]}"

    @property
    def way(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy


@contextmanager
def staging(url: str, directory: Path, **faults: object) -> Iterator[Stage]:
    """Put a proxy before the database at ``url`` and a desk beside it, which reaches it by itself."""
    with attending(settings_environ(url, **faults), str(ROOT)) as desk:
        parts = urlsplit(url)
        if parts.scheme == "sqlite":
            yield Stage(url, url, None, desk, directory)
            return
        assert parts.hostname is not None
        assert parts.port is not None
        with proxying(parts.hostname, parts.port) as proxy:
            away = parts._replace(netloc=parts.netloc.replace(f"{parts.hostname}:{parts.port}", f"{HOST}:{proxy.port}"))
            yield Stage(url, away.geturl(), proxy, desk, directory)


@dataclass
class Served:
    """A running server and what it says."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    workers: int
    _stopped: bool = field(default=False)

    def workers_now(self) -> list[int]:
        """The processes that serve, of those that the server has started."""
        return [pid for pid in children_of(self.process.pid) if b"resource_tracker" not in _command_of(pid)]

    def signal_all(self, number: int) -> None:
        """Send a signal to the server and all its processes."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """Stop it as a process manager would, and wait."""
        if self._stopped:
            return
        self._stopped = True
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(timeout=45)
        finally:
            with suppress(ProcessLookupError):
                self.signal_all(signal.SIGKILL)

    def said(self) -> list["Line"]:
        """What the guard has logged so far."""
        return [line for text in self.log.read_text(errors="replace").splitlines() if (line := _read_line(text))]

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass(frozen=True)
class Line:
    """One line of the guard's in the log of a server."""

    at: float
    process: str
    logger: str
    level: str
    message: str


def _read_line(text: str) -> Line | None:
    parts = text.split(" ", 4)
    if len(parts) < 5 or not parts[2].startswith("django_cors_guard"):
        return None
    try:
        return Line(float(parts[0]), *parts[1:])
    except ValueError:
        return None


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def serving(
    stage: Stage,
    server: str = "gunicorn",
    *,
    workers: int = WORKERS,
    name: str = "server",
    environ: Mapping[str, str] | None = None,
    wakes: bool = True,
    **faults: Any,
) -> Iterator[Served]:
    """Serve the example project for the block; each worker has a policy by then (``wakes``)."""
    port, log = free_port(), stage.directory / f"{name}.log"
    bind = ["--bind", f"{HOST}:{port}"] if server == "gunicorn" else ["--host", HOST, "--port", f"{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *SERVERS[server], "--workers", f"{workers}", *bind],
            cwd=ROOT,
            env=settings_environ(stage.proxied_url, **faults) | dict(environ or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    served = Served(process, port, log, workers)
    try:
        wait_for(port, process, log)
        _wait_until_loaded(served)
        if wakes:
            wake(served)
        yield served
    finally:
        served.stop()


def _wait_until_loaded(served: Served) -> None:
    """Servers listen before they have loaded what answers."""
    deadline = time.monotonic() + 30
    while served.text().count("The site is loaded.") < served.workers:
        if time.monotonic() > deadline:
            raise AssertionError(f"Not each of {served.workers} workers has loaded the site:\n{served.text()[-3000:]}")
        time.sleep(0.05)


def wake(
    served: Served, *, seconds: float = 30, kind: Kind = Kind.ALLOWED, shape: Shape = Shape.READABLE
) -> list[Answer]:
    """Ask until each worker has answered ``kind`` with ``shape``, and return all the answers."""
    deadline = time.monotonic() + seconds
    answers: list[Answer] = []
    while len({answer.process for answer in answers if answer.shape is shape}) < served.workers:
        if time.monotonic() > deadline:
            raise AssertionError(f"Not each of {served.workers} workers answered:\n{served.text()[-3000:]}")
        answers.append(send(served.port, kind, TRUSTED))
    return answers


def furnish(desk: Desk) -> None:
    """What every test begins with: one origin trusted, another revoked, a third to be turned."""
    desk("migrate")
    desk("furnish", [TRUSTED, TURNED], [REVOKED])


@dataclass
class Redis:
    """A redis-server of the test's own."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None
        self.process = subprocess.Popen(
            [program, "--port", f"{self.port}", "--bind", HOST, "--save", "", "--dir", str(self.directory)],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None

    def hang(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, command: str) -> bytes:
        """Have a command done that takes no arguments."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(1024)

    @contextmanager
    def flooding(self) -> Iterator[None]:
        """For the block, publish garbage on the channel of hints as fast as Redis takes it."""
        ended = threading.Event()

        def publish() -> None:
            lines = b"PUBLISH cors_guard:0 \xffgarbage\r\n" * 50
            with socket.create_connection((HOST, self.port), timeout=5) as connection:
                while not ended.wait(0.002):
                    connection.sendall(lines)
                    connection.recv(65536)

        flood = threading.Thread(target=publish)
        flood.start()
        try:
            yield
        finally:
            ended.set()
            flood.join()

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def own_redis(directory: Path) -> Iterator[Redis]:
    """Run a redis-server for the block."""
    redis = Redis(free_port(), directory)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()
