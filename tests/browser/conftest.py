from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

from tests import probes

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
        chromium = playwright.chromium.launch(executable_path=probes.find_chromium(), args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(15_000)
        yield context
        context.close()
        chromium.close()
