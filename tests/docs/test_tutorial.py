"""The tutorial is followed to the letter: its files, its commands, its pages in a real browser, and what each shows.

How the page is read: a block of `sh` is typed, and a line that starts a server keeps it running. In a `console` block
lines behind `$` are typed and the rest is what they print, where `…` stands for anything. A block of `python` or `html`
is the file that its first line names. *Open <address>* opens it, what is **bold** in a paragraph that begins *In the
admin* is followed or pressed there, and a block of `text` is what the browser then shows.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests import probes
from tests.browser.conftest import ARGUMENTS
from tests.browser.desk import find_pictures
from tests.docs.sources import DOCS
from tests.servers import HOST, ROOT, free_port, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium", "shell")]

TUTORIAL: Final = (DOCS / "tutorial.md").read_text(encoding="utf-8")
PORTS: Final = ("8000", "3000")
#: What the tests' own environment stands in for.
INSTALLATION: Final = ("python3 -m venv", ". environment/bin/activate", "python -m pip install")
#: The first line of a file, and whether the rest comes at its end.
FILE: Final = re.compile(r"(?:# |<!-- )(?P<path>[\w/.]+?)(?P<more>, at the end)?(?: -->)?\n(?P<text>.*)", re.DOTALL)
PIECE: Final = re.compile(
    r"^```(?P<language>\w+)\n(?P<block>.*?)^```$|^(?P<prose>(?:(?!```)[^\n]+\n?)+)", re.MULTILINE | re.DOTALL
)
#: Many times what it takes until a refusal is written and a change is everywhere.
SETTLE_SECONDS: Final = 20.0


@dataclass
class Reader:
    """Somebody who does what the page says, in ``folder``."""

    folder: Path
    browser: BrowserContext
    ports: dict[str, int]
    stack: ExitStack
    password: str = ""
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.page = self.browser.new_page()

    def type(self, line: str) -> str:
        """Do what a line says in a terminal; return what it prints."""
        if line.startswith(INSTALLATION):
            return ""
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        if "runserver" in line or "http.server" in line:
            self.stack.enter_context(self._serving(line))
            return ""
        if found := re.search(r'DJANGO_SUPERUSER_PASSWORD="([^"]+)"', line):
            self.password = found[1]
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self._environ(), text=True, timeout=120, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # Of `console` the output is judged; the answer of `check` may be no.
        assert done.returncode in (0, 1), f"{line}\n{done.stdout}"
        return done.stdout

    def write(self, block: str) -> None:
        """Make a file, or add to one."""
        found = FILE.fullmatch(block)
        assert found, f"no file is named in:\n{block}"
        file = self.folder / found["path"]
        file.parent.mkdir(exist_ok=True)
        assert file.exists() or not found["more"]
        file.write_text((file.read_text() + "\n" if found["more"] else "") + found["text"])

    def read(self, prose: str) -> None:
        """Open what a paragraph says, or follow it in the admin."""
        for address in re.findall(r"Open <(http[^>]+)>", prose):
            self.page.goto(address)
            self._log_in()
        if prose.startswith("In the admin,"):
            for name in re.findall(r"\*\*(.+?)\*\*", prose):
                self._follow(name)

    def expect(self, text: str) -> None:
        """Wait until the browser shows ``text``; what others have changed shows when a page is loaded anew."""
        deadline = time.monotonic() + SETTLE_SECONDS
        shown = self.page.get_by_text(text).filter(visible=True).first
        while time.monotonic() < deadline:
            try:
                shown.wait_for(timeout=2000)
            except PlaywrightTimeout:
                self.page.reload()
            else:
                return
        raise AssertionError(f"{self.page.url} does not show {text!r}:\n{self.page.locator('body').inner_text()}")

    def photograph(self, name: str) -> None:
        """Take the picture that the page shows here, if anybody has asked for pictures."""
        folder = find_pictures()
        if folder is not None:
            self.page.screenshot(path=folder / f"{name}-desktop-light.png")

    def _log_in(self) -> None:
        if "/login/" in self.page.url:
            self.page.get_by_label("Username").fill("admin")
            self.page.get_by_label("Password").fill(self.password)
            self.page.get_by_role("button", name="Log in").click()

    def _follow(self, name: str) -> None:
        link = self.page.get_by_role("link", name=name, exact=True)
        button = self.page.get_by_role("button", name=name, exact=True)
        link.or_(button).first.click()

    @contextmanager
    def _serving(self, line: str) -> Iterator[None]:
        (port,) = (self.ports[port] for port in PORTS if port in shlex.split(line))
        log = self.folder / f"server-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", re.sub(r"\b(8000|3000)\b", str(port), f"exec {line}")],
                cwd=self.folder, env=self._environ(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(port, process, log)
            yield
        finally:
            # Django's reloader is a parent with a child.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)

    def _environ(self) -> dict[str, str]:
        home = self.folder.parent
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": str(home), "LOGNAME": "sam"}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody with a browser and a curl to whom the ports of the page are free ones of this machine."""
    ports = {port: free_port() for port in PORTS}
    rules = ",".join(f"MAP localhost:{port} {HOST}:{real}" for port, real in ports.items())
    lines = [f'connect-to = "localhost:{port}:{HOST}:{real}"' for port, real in ports.items()]
    (tmp_path / ".curlrc").write_text("\n".join(lines))
    with sync_playwright() as playwright, ExitStack() as stack:
        chromium = playwright.chromium.launch(
            executable_path=probes.find_chromium(), args=[*ARGUMENTS, f"--host-resolver-rules={rules}"]
        )
        stack.callback(chromium.close)
        context = chromium.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light", locale="en-GB")
        context.set_default_timeout(15_000)
        yield Reader(tmp_path, context, ports, stack)


def follow(reader: Reader, language: str, block: str) -> None:
    """Do what a block says, and look at what comes of it."""
    if language == "sh":
        for line in block.replace("\\\n", "").splitlines():
            reader.type(line)
    elif language == "console":
        for command, printed in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            assert_prints(command, reader.type(command), printed)
    elif language in {"python", "html"}:
        reader.write(block)
    else:
        assert language == "text", f"nobody knows what to do with {language}"
        reader.expect(block.strip())


def assert_prints(command: str, real: str, shown: str) -> None:
    """Fail unless ``real`` is what the page shows, in which `…` stands for anything."""
    pattern = re.escape(shown.strip()).replace("…", ".*")
    assert re.fullmatch(pattern, real.replace("\r\n", "\n").strip(), flags=re.DOTALL), f"$ {command}\n{real}"


def test_tutorial_is_followed_to_the_letter(reader: Reader) -> None:
    done = []
    for piece in PIECE.finditer(TUTORIAL):
        if piece["prose"]:
            reader.read(piece["prose"])
            for name in re.findall(r"^!\[[^\]]+\]\(screenshots/([\w-]+)\.png\)", piece["prose"]):
                reader.photograph(name)
        else:
            follow(reader, piece["language"], piece["block"])
            done.append(piece["language"])
    assert {"sh", "console", "python", "html", "text"} == set(done)
    assert len(done) > 15
    log = next(reader.folder.glob(f"server-{reader.ports['8000']}.log")).read_text()
    assert "Traceback" not in log, log
