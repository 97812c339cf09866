"""`manage.py demo`: set up twice, on taken ports, and served for real until Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from django_cors_guard import services
from django_cors_guard.models import PolicyState, RejectedOrigin, Rejection, TrustedOrigin
from django_cors_guard.testing import override_cors_guard
from example_project import demo_data
from example_project.management.commands.demo import Command

ROOT = Path(__file__).resolve().parent.parent.parent
PORTAL = "http://127.0.0.1:8001"
SECONDS_TO_STOP = 10


@pytest.mark.django_db
def test_load_twice_changes_nothing_the_second_time() -> None:
    demo_data.load(PORTAL)
    before = PolicyState.objects.values().get(), sorted(TrustedOrigin.objects.values_list("pk", "revision"))

    demo_data.load(PORTAL)

    assert before == (PolicyState.objects.values().get(), sorted(TrustedOrigin.objects.values_list("pk", "revision")))


@pytest.mark.django_db
def test_load_with_a_revoked_portal_leaves_it_revoked() -> None:
    demo_data.load(PORTAL)
    assert demo_data.describe_trust(PORTAL) == "trusted for billing and public"
    services.revoke_origin(PORTAL, reason="Trying it out.")

    demo_data.load(PORTAL)

    assert demo_data.describe_trust(PORTAL) == "its trust was revoked"


@pytest.mark.django_db
@pytest.mark.urls("example_project.urls")
def test_load_refusals_fills_an_empty_audit_log_once() -> None:
    demo_data.load(PORTAL)
    with override_cors_guard(ENVIRONMENT=demo_data.LOCAL):
        demo_data.load_refusals()
        demo_data.load_refusals()

    assert RejectedOrigin.objects.get(origin="https://porta1.example.com").count == 14
    assert {row.reason for row in Rejection.objects.filter(origin="http://127.0.0.1:5173")} == {"revoked"}
    assert sum(row.count for row in Rejection.objects.all()) == sum(refusal.times for refusal in demo_data.REFUSALS)


@pytest.mark.parametrize("flag", ["--port", "--trusted-port", "--stranger-port"])
def test_demo_with_a_taken_port_names_the_flag_to_choose_another(flag: str) -> None:
    free = ["--port=0", "--trusted-port=0", "--stranger-port=0"]
    with socket.create_server(("127.0.0.1", 0)) as taken, override_cors_guard(ENVIRONMENT=demo_data.LOCAL):
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} on 127\.0\.0\.1 is taken\. Choose another with {flag},"):
            call_command(Command(), *free, f"{flag}={port}")


def test_demo_with_a_port_that_is_none_says_what_is_one() -> None:
    with pytest.raises(CommandError, match=r"'65536' is no port: give a number from 1 to 65535"):
        call_command(Command(), "--port=65536")


def test_demo_in_another_environment_says_how_to_leave_it() -> None:
    with (
        override_cors_guard(ENVIRONMENT="production"),
        pytest.raises(CommandError, match="Unset CORS_GUARD_ENVIRONMENT"),
    ):
        call_command(Command(), "--port=0")


def test_demo_served_tells_trusted_from_stranger_and_stops_at_ctrl_c(tmp_path: Path) -> None:
    with _demo(tmp_path / "db.sqlite3") as (process, api, trusted, stranger):
        assert _get(api, "/api/public/hello", origin=trusted).headers["Access-Control-Allow-Origin"] == trusted
        assert _get(api, "/api/billing/invoices", origin=trusted).status == 401
        assert _get(api, "/api/public/hello", origin=stranger).headers["Access-Control-Allow-Origin"] is None
        assert f'data-api="{api}"' in _get(trusted, "/").text
        assert _get(stranger, "/app.js").headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert _get(stranger, "/nothing").status == 404
        assert "Nobody is logged in." in _get(api, "/").text
        assert _get(api, "/login").status == 200
        assert _get(api, "/static/example_project/site.css").status == 200

        process.send_signal(signal.SIGINT)

        rest, _ = process.communicate(timeout=SECONDS_TO_STOP)
        assert process.returncode == 0
        assert "Stopped." in rest
        assert "Traceback" not in rest


@contextmanager
def _demo(database: Path) -> Iterator[tuple[subprocess.Popen[str], str, str, str]]:
    """Start the demo on free ports; yield its process and the origins of the API and the two front ends."""
    command = [sys.executable, "manage.py", "demo", "--port=0", "--trusted-port=0", "--stranger-port=0"]
    environ = {name: value for name, value in os.environ.items() if name not in {"CORS_GUARD_ENVIRONMENT", "CACHE_URL"}}
    environ |= {"DATABASE_URL": f"sqlite:///{database}", "DJANGO_SETTINGS_MODULE": "example_project.settings"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            origins = _read_origins(process)
            yield process, *origins
        finally:
            process.kill()


def _read_origins(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            api, trusted, stranger = re.findall(r"^  (http://127\.0\.0\.1:\d+)/ ", "".join(said), re.MULTILINE)
            return api, trusted, stranger
    pytest.fail(f"The demo did not start:\n{''.join(said)}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got back."""

    status: int
    headers: Message
    text: str


def _get(site: str, path: str, *, origin: str | None = None) -> Answer:
    connection = HTTPConnection(site.removeprefix("http://"), timeout=SECONDS_TO_STOP)
    with closing(connection):
        connection.request("GET", path, headers={"Origin": origin} if origin else {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
