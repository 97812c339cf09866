"""What docs/how-to/websockets.md shows is run as it stands there, and its table is the one that tests go by."""

import re
from pathlib import Path

import pytest

from django_cors_guard.channels import CLOSE_CODE
from django_cors_guard.models import TrustedOrigin
from tests.docs.following import follow, read_page
from tests.servers import ROOT
from tests.testing.projects import IN_MEMORY, begin, install, run, run_pytest

NAME = "how-to/websockets.md"
PAGE = read_page(NAME)
MODULES = dict(re.findall(r"<!-- (?:module: )?([\w.]+) -->\n```python\n(.*?)```", PAGE, flags=re.DOTALL))
#: The page leaves the application to its reader.
CONSUMERS = """
from channels.generic.websocket import AsyncWebsocketConsumer


class ChatConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)
"""
#: A busy machine takes longer than the second that Channels' communicator waits unless it is told otherwise.
PATIENCE = """
from channels.testing import WebsocketCommunicator

for wait in ("connect", "receive_from", "receive_output", "wait"):
    getattr(WebsocketCommunicator, wait).__defaults__ = (20,)
"""
#: A page of another origin, and one of nobody's, at the application without Channels.
TALK = """
import asyncio
from mysite.plain_asgi import application
from django_cors_guard.testing import forget_rejections, trusted

async def ask(origin):
    said, heard = asyncio.Queue(), asyncio.Queue()
    for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"},
                    {"type": "websocket.disconnect", "code": 1000}):
        said.put_nowait(message)
    scope = {"type": "websocket", "path": "/api/chat/ws", "headers": [(b"origin", origin), (b"host", b"testserver")]}
    await application(scope, said.get, heard.put)
    return [heard.get_nowait().get("text", "-") for _ in range(heard.qsize())]

async def talk():
    print(await ask(b"https://app.example.com"), await ask(b"https://stranger.example.net"))

with trusted("https://app.example.com", group="chat"):
    asyncio.run(talk())
    forget_rejections()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    begin(tmp_path, IN_MEMORY)
    install(tmp_path)
    home = tmp_path / "mysite"
    home.mkdir()
    (home / "settings.py").write_text((tmp_path / "settings.py").read_text())
    (home / "consumers.py").write_text(CONSUMERS)
    (tmp_path / "conftest.py").write_text(PATIENCE)
    for name, text in MODULES.items():
        place = tmp_path / name if name.startswith("test_") else home / f"{name}.py"
        place.write_text(text)
    return tmp_path


def test_page_shows_all_that_is_tested_here() -> None:
    assert set(MODULES) == {"asgi", "plain_asgi", "test_chat.py"}


def test_channels_application_and_its_test_pass_as_written(project: Path) -> None:
    assert "2 passed" in run_pytest(project)


def test_plain_application_runs_as_written(project: Path) -> None:
    assert run(project, "-c", TALK, DJANGO_SETTINGS_MODULE="settings").strip() == "['-', 'hi'] ['-']"


@pytest.mark.django_db
def test_commands_run_as_written(tmp_path: Path) -> None:
    follow(NAME, tmp_path)
    grant = TrustedOrigin.objects.get()
    assert (grant.origin, grant.api_group.allow_credentials) == ("https://app.example.com", True)
    assert [route.path_prefix for route in grant.api_group.routes.all()] == ["/api/chat"]


def test_every_row_of_the_table_has_its_tests() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE))
    core = (ROOT / "tests/core/test_handshakes.py").read_text(encoding="utf-8")
    shell = (ROOT / "tests/test_channels.py").read_text(encoding="utf-8")
    tested_in_core = set(re.findall(r'id=f?"row (\d+),|def test_row_(\d+)_', core))
    assert {one or other for one, other in tested_in_core} == rows
    found = {
        int(number)
        for number in re.findall(r'id="row (\d+),|def test_row_(\d+)_', shell)
        for number in number
        if number
    }
    assert found == {int(row) for row in rows}


def test_code_that_pages_are_told_is_the_one_that_is_sent() -> None:
    assert PAGE.count(str(CLOSE_CODE)) == 4
