"""Under real servers, with a client that is no browser: what is refused, and that sitting still keeps no socket."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from django_cors_guard.channels import CLOSE_CODE
from tests.servers import Api, free_port, manage, serving_api

pytestmark = pytest.mark.servers

TRUSTED = "https://app.example.com"
STRANGER = "https://stranger.example.net"
PATH = "/api/public/ws"
#: Only a failure takes so long.
PATIENCE_SECONDS = 20.0

SERVERS = [
    pytest.param(("uvicorn alone", "--ws", "websockets-sansio"), id="uvicorn"),
    pytest.param(("uvicorn alone", "--ws", "websockets"), id="uvicorn, websockets' older half"),
    pytest.param(("daphne",), id="daphne"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "db.sqlite3"
    url = f"sqlite:///{path}"
    manage(url, "migrate", "--verbosity", "0")
    manage(url, "cors_guard", "init", "--no-input", "--environment", "local", "--group", "public=/api/public")
    manage(url, "cors_guard", "trust", TRUSTED, "--group", "public", "--environment", "local")
    return path


@pytest.fixture(params=SERVERS)
def api(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Iterator[Api]:
    server, *options = request.param
    database = shutil.copy(template, tmp_path / "db.sqlite3")
    with serving_api(server, f"sqlite:///{database}", free_port(), tmp_path / "log", *options) as api:
        yield api
    assert "Traceback" not in api.log.read_text(errors="replace"), api.log.read_text(errors="replace")[-3000:]


def dial(api: Api, origin: str | None, path: str = PATH, **headers: str) -> ClientConnection:
    return connect(
        api.origin.replace("http", "ws") + path,
        origin=origin,  # type: ignore[arg-type]  # a NewType of str
        additional_headers=headers,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=PATIENCE_SECONDS,
        ping_interval=None,
    )


def expect_forbidden(api: Api, origin: str | None, path: str = PATH, **headers: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(api, origin, path, **headers)
    response = refused.value.response
    if "daphne" in api.process.args:  # type: ignore[operator]  # it is a list
        # What is no URL at all it refuses by itself, as a bad request.
        assert response.status_code in {400, 403}
    else:
        assert response.status_code == 403
        assert response.headers["Content-Type"] == "application/problem+json"
        assert json.loads(response.body or b"")["reason"] == "origin_not_allowed"


def test_handshakes_and_revocation(api: Api, tmp_path: Path) -> None:
    with dial(api, None) as nobody, dial(api, api.origin) as own, dial(api, TRUSTED) as theirs, deaf(api) as sitter:
        for line in (nobody, own, theirs):
            assert json.loads(line.recv(PATIENCE_SECONDS)) == {"account": None}
        for origin in (STRANGER, "null", "", f"{TRUSTED}, {TRUSTED}", "https://" + "a" * 2000):
            expect_forbidden(api, origin)
        expect_forbidden(api, None, **{"Sec-Fetch-Site": "cross-site"})
        expect_forbidden(api, TRUSTED, "/elsewhere")
        expect_forbidden(api, TRUSTED, "/%61dmin/ws")
        expect_forbidden(api, TRUSTED, "//api/public/ws")

        database = f"sqlite:///{tmp_path / 'db.sqlite3'}"
        manage(database, "cors_guard", "revoke", TRUSTED, "--everywhere", "--reason", "Its key leaked.")
        with pytest.raises(ConnectionClosed) as closed:
            theirs.recv(PATIENCE_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSE_CODE
        expect_forbidden(api, TRUSTED)
        expect_end(sitter)
        for line in (nobody, own):
            line.send("still here?")
            assert json.loads(line.recv(PATIENCE_SECONDS)) == {"heard": "still here?"}


def deaf(api: Api) -> socket.socket:
    """Open a socket by hand, for a client that will not answer a goodbye."""
    host, _, port = api.origin.removeprefix("http://").partition(":")
    line = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    line.sendall(
        f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nOrigin: {TRUSTED}\r\n\r\n".encode()
    )
    assert line.recv(4096).startswith(b"HTTP/1.1 101")
    return line


def expect_end(line: socket.socket) -> None:
    """A goodbye comes, and nothing after it, whatever the client says or leaves unsaid."""
    heard = b""
    goodbye = b"\x88"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while goodbye not in heard and time.monotonic() < deadline:
        heard += line.recv(4096)
    said = heard[heard.index(goodbye) :]
    assert CLOSE_CODE.to_bytes(2, "big") in said
    # "hello", masked with zeros: what a page goes on to say is not echoed.
    line.sendall(b"\x81\x85\x00\x00\x00\x00hello")
    line.settimeout(2.0)
    try:
        more = line.recv(4096)
    except OSError:  # the server has waited long enough, or we have
        more = b""
    assert b"hello" not in said + more
