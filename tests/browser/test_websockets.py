"""Pages open WebSockets in a real browser, under real servers: who may, as whom, and what a revocation does to them."""

import re
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute

from django_cors_guard.channels import CLOSE_CODE
from tests.browser.test_story import log_in, reinstate, revoke_everywhere
from tests.docs.following import read_page
from tests.servers import Api, serving_story

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

PUBLIC, BILLING = "/api/public/ws", "/api/billing/ws"
#: Many times as long as it may take.
MILLISECONDS = 15_000
#: How long the audit log may take.
SECONDS = 2.5

#: Opens a socket and answers with its first message, or with the code that it was closed with.
OPEN = """
([address, name]) => new Promise((resolve) => {
  const socket = new WebSocket(address);
  window[name] = { said: [], code: null, send: (text) => socket.send(text) };
  socket.onmessage = (event) => { window[name].said.push(JSON.parse(event.data)); resolve(window[name].said[0]); };
  socket.onclose = (event) => { window[name].code = event.code; resolve(event.code); };
})
"""


def open_socket(page: Page, api: Api, path: str, name: str = "socket") -> Any:
    return page.evaluate(OPEN, [api.origin.replace("http", "ws") + path, name])


def visit(browser: BrowserContext, origin: str) -> Page:
    page = browser.new_page()
    page.goto(origin)
    return page


def read_rejections(browser: BrowserContext, api: Api, origin: str) -> list[Any]:
    response = browser.request.get(
        f"{api.origin}/cors-guard/rejections/", params={"origin": origin, "kind": "websocket"}
    )
    assert response.ok, response.text()
    rows: list[Any] = response.json()["results"]
    assert {row["kind"] for row in rows} <= {"websocket"}
    return rows


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_sockets_follow_the_list(browser: BrowserContext, server: str, tmp_path: Path) -> None:
    with serving_story(server, "sockets", tmp_path) as (api, portal, stranger):
        tell_the_story(browser, api, portal, stranger)


def tell_the_story(browser: BrowserContext, api: Api, portal: str, stranger: str) -> None:
    operator = log_in(browser, api)
    assert open_socket(operator, api, BILLING) == {"account": "admin"}, "the site's own page"

    page = visit(browser, portal)
    assert open_socket(page, api, BILLING, "billing") == {"account": "admin"}
    assert open_socket(page, api, PUBLIC, "public") == {"account": None}, "without credentials, whoever is logged in"
    page.evaluate("window.billing.send('hello')")
    page.wait_for_function("window.billing.said.length === 2", timeout=MILLISECONDS)
    assert page.evaluate("window.billing.said[1]") == {"heard": "hello"}

    other = visit(browser, stranger)
    for path in (BILLING, PUBLIC, "/admin/ws", "/elsewhere"):
        assert open_socket(other, api, path) == 1006, "all that a browser tells of a refused handshake"

    revoke_everywhere(operator, api, portal)
    for name in ("billing", "public"):
        page.wait_for_function(f"window.{name}.code !== null", timeout=MILLISECONDS)
        assert page.evaluate(f"window.{name}.code") == CLOSE_CODE
    assert open_socket(page, api, BILLING) == 1006
    assert open_socket(operator, api, BILLING) == {"account": "admin"}

    time.sleep(SECONDS)
    refused = {(row["api_group"], row["path"], row["reason"]) for row in read_rejections(browser, api, stranger)}
    assert refused == {
        ("billing", BILLING, "unknown_origin"),
        ("public", PUBLIC, "unknown_origin"),
        ("own.paths", "/admin/ws", "own_paths"),
        ("", "/elsewhere", "no_group"),
    }
    ended = read_rejections(browser, api, portal)
    assert {(row["api_group"], row["reason"]) for row in ended} == {("billing", "revoked"), ("public", "revoked")}

    reinstate(operator, api, portal, "Billing API")
    time.sleep(SECONDS)
    assert open_socket(page, api, BILLING) == {"account": "admin"}
    assert open_socket(page, api, PUBLIC) == 1006


@pytest.mark.parametrize(("code", "shown"), [(CLOSE_CODE, True), (1001, False)])
def test_page_can_tell_the_end_of_its_access(browser: BrowserContext, code: int, shown: bool) -> None:
    """The script of docs/how-to/websockets.md, with a server that does nothing but close."""
    page = browser.new_page()
    (script,) = re.findall(r"<!-- script -->\n```js\n(.*?)```", read_page("how-to/websockets.md"), flags=re.DOTALL)
    page.route_web_socket("wss://api.example.com/**", partial(close, code=code))
    page.goto("about:blank")
    page.evaluate("() => { window.showThatAccessHasEnded = () => { window.shown = true; }; }")
    page.evaluate(f"() => {{ {script} socket.addEventListener('close', () => {{ window.over = true; }}); }}")
    page.wait_for_function("window.over", timeout=MILLISECONDS)
    assert page.evaluate("window.shown === true") is shown


def close(route: WebSocketRoute, code: int) -> None:
    route.close(code=code)
