"""What pages of another site can load of a guarded path: a real browser, a real server, and two sites.

The names localhost and 127.0.0.1 are two sites to a browser, and it trusts both enough to send Sec-Fetch headers.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.isolation_site import PAGE
from tests.browser.sites import serving_site
from tests.servers import HOST, environ_for, free_port, manage

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]

#: How long the whole site may take to follow the operator (REFRESH_SECONDS is 1).
SECONDS = 2.0
SETTINGS = "tests.browser.isolation_settings"

SERVERS = {
    "gunicorn": ["-m", "gunicorn", "example_project.wsgi", "--threads", "4", "--bind", f"{HOST}:%(port)d"],
    "uvicorn": ["-m", "uvicorn", "example_project.asgi:application", "--port", "%(port)d"],
}

LOAD = """([tag, address]) => new Promise(done => {
    const element = document.createElement(tag);
    element.onload = () => done("loaded");
    element.onerror = () => done("failed");
    element.src = address;
    document.body.append(element);
})"""


@pytest.fixture(params=list(SERVERS))
def site(request: pytest.FixtureRequest, browser: BrowserContext, tmp_path: Path) -> Iterator["Site"]:
    """The site, with one API group, and a trusted and a strange page elsewhere."""
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    manage(url, "migrate", "--verbosity=0")
    manage(url, "cors_guard", "init", "--allow-loopback", "--group", "billing=/api/billing")
    port = free_port()
    command = [part % {"port": port} if "%" in part else part for part in SERVERS[request.param]]
    log = tmp_path / "server.log"
    environ = environ_for(url) | {"DJANGO_SETTINGS_MODULE": SETTINGS, "ALLOWED_HOSTS": HOST}
    environ["GUNICORN_CMD_ARGS"] = "--access-logfile=- --no-control-socket"
    with serving_page() as trusted, serving_page() as stranger, serving_site(command, port, log, environ):
        manage(url, "cors_guard", "trust", trusted, "--environment", "local", "--group", "billing")
        yield Site(url, f"http://{HOST}:{port}", trusted, stranger, browser, log)
    assert "Internal Server Error" not in log.read_text(errors="replace")


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def serving_page() -> Iterator[str]:
    """Serve an empty page on localhost, and yield its origin."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGE.encode()]

    server = make_server(HOST, 0, answer, handler_class=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Site:
    """A site, what an operator changes about it, and what pages can load of it."""

    database_url: str
    origin: str
    trusted: str
    stranger: str
    browser: BrowserContext
    log: Path
    number: int = 0

    def change(self, **values: Any) -> None:
        """Change the API group, and wait until it is followed."""
        self._run(
            f"""
            from django_cors_guard.models import ApiGroup
            group = ApiGroup.objects.get()
            vars(group).update({values!r})
            group.save()
            """
        )
        time.sleep(SECONDS)

    def _run(self, code: str) -> str:
        return manage(self.database_url, "shell", "-v0", "-c", dedent(code), "--settings", SETTINGS)

    def open(self, page: str) -> Page:
        tab = self.browser.new_page()
        tab.goto(page)
        return tab

    def address(self, name: str) -> str:
        """An address that no cache has seen."""
        self.number += 1
        return f"{self.origin}/api/billing/{name}?{self.number}"

    def load(self, tab: Page, tag: str, name: str) -> tuple[str, int]:
        """Load by an element; what the page is told, and what the server answered, of which it is not told."""
        address = self.address(name)
        told = str(tab.evaluate(LOAD, [tag, address]))
        return told, self.status_of(address)

    def fetch(self, tab: Page, mode: str) -> int:
        address = self.address("data")
        tab.evaluate("([address, mode]) => fetch(address, {mode}).catch(() => null)", [address, mode])
        return self.status_of(address)

    def status_of(self, address: str) -> int:
        """The status that the server says it answered with; it may say so a little later."""
        request = re.compile(rf'"GET {re.escape(address.removeprefix(self.origin))} HTTP/1\.1" (\d+)')
        deadline = time.monotonic() + 15
        while True:
            found = request.search(self.log.read_text(errors="replace"))
            if found is not None or time.monotonic() > deadline:
                return int(found[1]) if found is not None else 0
            time.sleep(0.05)

    def sees_timing(self, tab: Page) -> bool:
        """Whether the page is told when its request was sent, and not only when it began and ended."""
        return bool(
            tab.evaluate(
                """async ([address]) => {
                    await fetch(address).then(response => response.text()).catch(() => null);
                    const [entry] = performance.getEntriesByName(address);
                    return entry.requestStart > 0;
                }""",
                [self.address("data")],
            )
        )

    def recorded(self, at_least: int = 0) -> list[dict[str, str]]:
        """What the audit log has of isolation; it may be written a little later."""
        deadline = time.monotonic() + 15
        while True:
            found: list[dict[str, str]] = json.loads(
                self._run(
                    """
                    import json
                    from django_cors_guard.models import Rejection
                    rows = Rejection.objects.filter(reason="cross_site").order_by("id")
                    print(json.dumps(list(rows.values("origin", "kind", "mode", "path"))))
                    """
                )
            )
            if len(found) >= at_least or time.monotonic() > deadline:
                return found


def test_other_sites_are_watched_and_then_kept_from_loading_what_is_isolated(site: Site) -> None:
    tab = site.open(site.stranger)
    assert site.load(tab, "img", "picture") == ("loaded", 200)

    site.change(isolate="monitor")
    assert site.load(tab, "img", "picture") == ("loaded", 200)
    assert site.load(tab, "script", "script") == ("loaded", 200)
    assert {(row["origin"], row["kind"], row["mode"], row["path"]) for row in site.recorded(at_least=2)} == {
        ("", "no_cors", "monitor", "/api/billing/picture"),
        ("", "no_cors", "monitor", "/api/billing/script"),
    }

    site.change(isolate="enforce")
    assert site.load(tab, "img", "picture") == ("failed", 403)
    assert site.load(tab, "script", "script") == ("failed", 403)
    assert site.fetch(tab, "no-cors") == 403
    assert site.load(tab, "iframe", "page") == ("loaded", 200), "frames are the business of X-Frame-Options"
    assert site.load(tab, "embed", "picture")[1] == 403
    assert "enforce" in {row["mode"] for row in site.recorded(at_least=3)}

    # A link of the same page is followed.
    with tab.expect_navigation() as followed:
        tab.evaluate("address => { location.href = address }", site.address("page"))
    assert followed.value is not None
    assert followed.value.status == 200
    assert tab.title() == "A page"

    own = site.open(site.origin)
    assert site.load(own, "img", "picture") == ("loaded", 200)
    assert site.load(own, "script", "script") == ("loaded", 200)
    trusted = site.open(site.trusted)
    assert site.fetch(trusted, "cors") == 200, "with Origin CORS decides"
    assert site.load(trusted, "img", "picture") == ("failed", 403), "without Origin nobody knows who it is"


def test_timing_is_told_to_trusted_pages_alone_once_the_group_allows_it(site: Site) -> None:
    trusted, stranger = site.open(site.trusted), site.open(site.stranger)
    assert not site.sees_timing(trusted)
    site.change(timing_allow_origin=True)
    assert site.sees_timing(trusted)
    assert not site.sees_timing(stranger)


def test_resource_policy_keeps_pictures_from_pages_of_other_sites(site: Site) -> None:
    site.change(cross_origin_resource_policy="same-origin")
    stranger, own = site.open(site.stranger), site.open(site.origin)
    assert site.load(stranger, "img", "picture")[0] == "failed"
    assert site.load(own, "img", "picture") == ("loaded", 200)
    assert site.fetch(site.open(site.trusted), "cors") == 200, "CORS is another matter"
    site.change(cross_origin_resource_policy="cross-origin")
    assert site.load(stranger, "img", "picture") == ("loaded", 200)
