import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from tests import probes
from tests.browser.desk import SIZES, Desk, copied_database, find_pictures, serving_desk
from tests.servers import manage, scratch_database

#: Chromium runs as root in containers, and is not to look for anything outside.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browser() -> Iterator[BrowserContext]:
    """A fresh profile of the system's Chromium."""
    with sync_playwright() as playwright:
        yield from _open_profile(playwright)


def _open_profile(playwright: Playwright) -> Iterator[BrowserContext]:
    chromium = playwright.chromium.launch(executable_path=probes.find_chromium(), args=ARGUMENTS)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    yield context
    context.close()
    chromium.close()


@pytest.fixture(scope="session")
def demo_database() -> Iterator[str]:
    """The name of a PostgreSQL database that holds the demo's data, to be copied."""
    name = f"cors_guard_demo_{os.getpid()}"
    with scratch_database(name) as url:
        manage(url, "demo", "--no-serve")
        yield name


@pytest.fixture(params=list(SIZES))
def desk(request: pytest.FixtureRequest, browser: BrowserContext, demo_database: str, tmp_path: Path) -> Iterator[Desk]:
    """The desk of the superuser ``admin`` on the demo's data; the console has to stay silent."""
    with copied_database(demo_database, f"cors_guard_desk_{os.getpid()}") as url:
        log = tmp_path / "server.log"
        with serving_desk(url, log) as origin:
            desk = Desk(browser, origin, url, request.param, find_pictures())
            yield desk
        assert "Traceback" not in log.read_text(errors="replace"), log.read_text(errors="replace")[-3000:]
        assert desk.complaints == []
