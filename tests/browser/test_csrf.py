"""A front end on another site logs in and posts with cookies while it is trusted, and not a moment longer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.sites import launched, make_certificate, serving_site
from tests.servers import HOST, environ_for, free_port, manage

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium", "openssl")]

#: Two sites, which is more than two origins: browsers send cookies along only if they are SameSite=None.
API_HOST, FRONT_HOST = "api.backend.test", "app.frontend.test"
API, FRONT = f"https://{API_HOST}", f"https://{FRONT_HOST}"
SESSION, ORDERS, REST_ORDERS = "/api/billing/session", "/api/billing/orders", "/api/billing/rest-orders"
ADA = {"username": "ada", "password": "secret"}

#: How long the whole site may take to follow the operator (REFRESH_SECONDS is 1).
SECONDS = 2.0

SERVERS = {
    "gunicorn": ["-m", "gunicorn", "example_project.wsgi", "--workers", "2", "--bind", f"{HOST}:%(port)d"],
    "uvicorn": ["-m", "uvicorn", "example_project.asgi:application", "--workers", "2", "--port", "%(port)d"],
}
TLS_OPTIONS = {"gunicorn": {}, "uvicorn": {"--keyfile": "--ssl-keyfile", "--certfile": "--ssl-certfile"}}


def call(page: Page, method: str, path: str, body: dict[str, str] | None = None) -> str:
    return str(page.evaluate("([method, path, body]) => call(method, path, body)", [method, path, body]))


def post_form(page: Page) -> None:
    """Post as a form does, which asks no preflight for leave first; the page cannot tell what came of it."""
    page.evaluate(
        """([address]) => fetch(address, {
            method: "POST", mode: "no-cors", credentials: "include",
            body: new URLSearchParams({csrfmiddlewaretoken: token}),
        })""",
        [API + ORDERS],
    )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A shop with one customer, whose front end is trusted, but not for CSRF yet."""
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    manage(url, "migrate", "--verbosity=0")
    manage(url, "cors_guard", "init", "--group", "billing=/api/billing", "--credentials", "billing")
    manage(url, "cors_guard", "trust", FRONT, "--environment", "local", "--group", "billing")
    run(
        url,
        """
        from django.contrib.auth.models import User
        from django.contrib.auth.hashers import make_password
        from django_cors_guard.models import ApiGroup
        User.objects.create(username="ada", password=make_password("secret", hasher="md5"))
        group = ApiGroup.objects.get()
        group.allow_headers += ["x-csrftoken"]
        group.save()
        """,
    )
    return url


def run(database_url: str, code: str) -> None:
    manage(database_url, "shell", "-c", dedent(code), "--settings", "tests.browser.shop_settings")


@contextmanager
def serving(server: str, database_url: str, folder: Path) -> Iterator[tuple[Page, Path]]:
    """Serve the shop and its front end, and yield the front end's page and the log of the shop."""
    api_port, front_port = free_port(), free_port()
    tls = make_certificate(folder)
    log = folder / "server.log"
    environ = environ_for(database_url) | {
        "ALLOWED_HOSTS": API_HOST,
        "DJANGO_SETTINGS_MODULE": "tests.browser.shop_settings",
        "GUNICORN_CMD_ARGS": "--access-logfile=- --no-control-socket",
    }
    api = [part % {"port": api_port} if "%" in part else part for part in SERVERS[server]]
    front = ["-m", "gunicorn", "tests.browser.shop_front_end:application", "--bind", f"{HOST}:{front_port}"]
    names = TLS_OPTIONS[server]
    with (
        serving_site([*api, *(names.get(part, part) for part in tls)], api_port, log, environ),
        serving_site([*front, *tls], front_port, folder / "front.log", environ_for("") | {"SHOP_API": API}),
        sync_playwright() as playwright,
        launched(playwright, {API_HOST: api_port, FRONT_HOST: front_port}, folder / "profile") as browser,
    ):
        page = browser.new_page()
        page.goto(FRONT)
        yield page, log


@pytest.mark.parametrize("server", list(SERVERS))
def test_front_end_of_another_site_posts_while_it_is_trusted(server: str, database_url: str, tmp_path: Path) -> None:
    with serving(server, database_url, tmp_path) as (page, log):
        # Trusted to read, as CORS has it; what changes something is Django's to judge, and Django does not know it.
        assert call(page, "GET", SESSION) == "200"
        assert call(page, "POST", SESSION, ADA) == "403 CSRF"

        run(
            database_url,
            """
            from django_cors_guard.models import ApiGroup
            group = ApiGroup.objects.get()
            group.trusted_for_csrf = True
            group.save()
            """,
        )
        time.sleep(SECONDS)
        assert call(page, "POST", SESSION, ADA) == "200 ada"
        assert call(page, "GET", SESSION) == "200 ada"
        assert call(page, "POST", ORDERS) == "200 ada"
        assert call(page, "POST", REST_ORDERS) == "200 ada"
        post_form(page)
        assert count(log, f"POST {ORDERS}", 200, at_least=2) == 2

        manage(database_url, "cors_guard", "revoke", FRONT, "--everywhere", "--reason", "Its signing key leaked.")
        time.sleep(SECONDS)
        assert call(page, "POST", ORDERS) == "unreadable"
        assert call(page, "POST", REST_ORDERS) == "unreadable"
        post_form(page)
        # Of the first, too, if the browser still remembered that it may ask.
        assert count(log, f"POST {ORDERS}", 403, at_least=1) >= 1
        assert count(log, f"POST {ORDERS}", 200) == 2
        assert "Traceback" not in log.read_text(errors="replace")


def count(log: Path, request: str, status: int, *, at_least: int = 0) -> int:
    """How often the server says that it answered so: `"POST /path HTTP/1.1" 200`. It may say so a little later."""
    text = f'"{request} HTTP/1.1" {status}'
    deadline = time.monotonic() + SECONDS
    while log.read_text(errors="replace").count(text) < at_least and time.monotonic() < deadline:
        time.sleep(0.1)
    return log.read_text(errors="replace").count(text)
