"""An operator at the desk: Chromium, logged in to the admin of the example project, behind a real server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize

from tests import probes
from tests.servers import HOST, ROOT, environ_for, free_port, wait_for

Scheme = Literal["light", "dark"]

SIZES: Final[dict[str, ViewportSize]] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 375, "height": 800},
}
STRICT: Final = "tests.browser.strict_settings"
#: Of a test that asks what a page does, and not how it looks.
ONE_SIZE: Final = pytest.mark.parametrize("desk", ["desktop"], indirect=True)
#: Many times REFRESH_SECONDS.
SETTLE_SECONDS: Final = 20.0
UNFOLD: Final = "tests.browser.unfold_settings"
#: What axe-core calls these keeps people out.
GRAVE: Final = frozenset({"serious", "critical"})


@dataclass
class Desk:
    """One browser window at one server. What the console complains about is kept in ``complaints``."""

    context: BrowserContext
    origin: str
    database_url: str
    size: str
    pictures: Path | None
    settings: str = STRICT
    complaints: list[str] = field(default_factory=list)
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.page = self._open()
        self._log_in("admin", "admin")

    def visit(self, path: str) -> None:
        """Open a page of the site, which has to answer 200."""
        response = self.page.goto(f"{self.origin}{path}")
        assert response is not None
        assert response.status == 200, f"{path}: {response.status}"

    def visit_until(self, path: str, selector: str) -> None:
        """Open a page until it shows ``selector``: a server hears of another process's write within a second or two."""
        deadline = monotonic() + SETTLE_SECONDS
        self.visit(path)
        while not self.page.locator(selector).count() and monotonic() < deadline:
            self.page.wait_for_timeout(200)
            self.visit(path)

    def user(self, name: str, *codenames: str) -> None:
        """Go on as a staff user who has these permissions of the app."""
        self.run(
            f"""
            from django.contrib.auth.models import Permission, User
            user = User.objects.create_user({name!r}, password={name!r}, is_staff=True)
            found = Permission.objects.filter(content_type__app_label="cors_guard", codename__in={list(codenames)!r})
            assert found.count() == {len(set(codenames))}, "no such permission"
            user.user_permissions.set(found)
            """
        )
        self.context.clear_cookies()
        self._log_in(name, name)

    def run(self, code: str) -> str:
        """Run ``code`` with Django set up on the server's database, and return what it prints."""
        lines = code.splitlines()
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        program = "import django; django.setup()\n" + "\n".join(line[margin:] for line in lines)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=_environ(self.database_url, self.settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shoot(self, name: str) -> None:
        """Photograph the whole page, in light and in dark, if anybody has asked for pictures."""
        if self.pictures is None:
            return
        for scheme in ("light", "dark"):
            self._dress(scheme)
            self.page.screenshot(path=self.pictures / f"{name}-{self.size}-{scheme}.png", full_page=True)
        self._dress("light")

    def check_accessibility(self) -> None:
        """Fail where axe-core finds what keeps people out, in light or in dark."""
        found = self.find_obstacles()
        assert not found, "\n".join(found)

    def find_obstacles(self) -> list[str]:
        """Return what axe-core calls serious or critical about the page, in light and in dark."""
        found = []
        for scheme in ("light", "dark"):
            self._dress(scheme)
            for violation in self._ask_axe():
                if violation["impact"] in GRAVE:
                    nodes = "; ".join(
                        f"{node['html'][:200]} ({node['failureSummary'][:200]})" for node in violation["nodes"][:5]
                    )
                    found.append(f"{self.page.url} ({scheme}): {violation['id']}: {violation['help']}: {nodes}")
        self._dress("light")
        return found

    def _ask_axe(self) -> list[dict[str, Any]]:
        # axe-core tries things out in the page; what the console says of that is not the page's doing.
        kept = list(self.complaints)
        violations: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        self.complaints[:] = kept
        return violations

    def check_width(self) -> None:
        """Fail where the page as a whole has to be scrolled sideways."""
        assert self.find_excess() == []

    def find_excess(self) -> list[str]:
        """Return by how much the page is too wide, in words, if it is."""
        excess = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return [f"{self.page.url} is {excess} px too wide"] if excess > 0 else []

    def _dress(self, scheme: Scheme) -> None:
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # The admin fades colours over; half way through no contrast is what it will be.
        self.page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished)).then(() => 0)")

    def _open(self) -> Page:
        page = self.context.new_page()
        page.set_viewport_size(SIZES[self.size])
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        # A page that is refused, or a form that comes back, is no mistake of a script; nor is a missing icon.
        location = message.location.get("url", "")
        if message.type == "error" and location != self.page.url and not location.endswith("/favicon.ico"):
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _log_in(self, name: str, password: str) -> None:
        self.visit("/admin/login/?next=/admin/")
        self.page.locator("[name=username]").fill(name)
        self.page.locator("[name=password]").fill(password)
        self.page.locator("[name=password]").press("Enter")
        self.page.wait_for_url(f"{self.origin}/admin/")


@contextmanager
def copied_database(template: str, name: str) -> Iterator[str]:
    """Copy a PostgreSQL database, yield the copy's URL, and drop it."""
    with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield urlsplit(probes.POSTGRESQL_URL)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def serving_desk(database_url: str, log: Path, settings: str = STRICT) -> Iterator[str]:
    """Serve the example project with ``settings`` and yield its origin."""
    port = free_port()
    arguments = ["-m", "gunicorn", "example_project.wsgi", "--threads", "4", "--bind", f"{HOST}:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=_environ(database_url, settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process, log)
        yield f"http://{HOST}:{port}"
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: the window still holds connections, which SIGTERM would wait for
        process.wait(timeout=30)


def find_pictures() -> Path | None:
    """Return the folder that SCREENSHOTS names, where pictures go; None where nobody wants any."""
    if not os.environ.get("SCREENSHOTS"):
        return None
    folder = Path(os.environ["SCREENSHOTS"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environ(database_url: str, settings: str) -> dict[str, str]:
    return environ_for(database_url) | {"DJANGO_SETTINGS_MODULE": settings}
