"""Draw `docs/story.png`, the picture in the README: real pages of the example project, photographed in Chromium.

Run by `make picture`. It needs Chromium and openssl. The requests, answers and texts are real. The names are not:
https://api.example.com and https://booking.example.com are two servers on this machine, to which that one browser is
told to resolve them. The admin's layout is tightened (ADMIN_STYLE), and `picture.html` draws the window frames.
"""

import base64
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from playwright.sync_api import (
    Browser,
    BrowserContext,
    FloatRect,
    Locator,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.conftest import ARGUMENTS
from tests.browser.sites import make_certificate
from tests.probes import find_chromium
from tests.servers import HOST, ROOT, environ_for, free_port, manage, wait_for

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "story.png"

API_HOST, BOOKING_HOST = "api.example.com", "booking.example.com"
API, BOOKING = f"https://{API_HOST}", f"https://{BOOKING_HOST}"
FRONT_END = f"example_project.front_ends:FrontEnd('Booking', 'A new front end.', '{BOOKING}', '{API}')"

#: Of the picture, and of each of its four windows, in CSS pixels; and how many device pixels each of these is.
PICTURE_WIDTH, WINDOW_WIDTH, PICTURE_SCALE = 1060, 480, 1.5
#: How much of a page a window shows, in CSS pixels of the page; with this scale no shot is resized.
WIDTH, HEIGHT, MARGIN = 624, 546, 12
SCALE = PICTURE_SCALE * WINDOW_WIDTH / WIDTH

#: The admin, a little enlarged, in the layout of a wide window; what matters is marked.
ADMIN_STYLE = """
    html { zoom: 1.2; }
    #container { width: 520px; height: auto; }
    .cors-guard-receipt #receipt-summary { width: calc(520px / 1.2); margin: 0; }
    #header, .breadcrumbs, .cors-guard-nav, .object-tools li:not(:has(#trust-link)) { display: none; }
    .object-tools, .object-tools li { overflow: visible !important; }
    .cors-guard-note { clear: both; padding-top: 8px; }
    .aligned .form-row .flex-container { flex-direction: row; align-items: baseline; }
    .aligned .form-row .flex-container label { width: 130px; padding: 0; font-size: 13px; }
    .aligned .form-row { padding: 7px 10px; }
    .aligned .form-row .readonly { padding: 0; margin: 0; }
    #trust-link { outline: 3px solid #e8590c; outline-offset: 2px; }
    .field-reason_in_words { outline: 3px solid #e8590c; border-radius: 6px; }
"""
#: How often the front end asks in vain, and how long until its first refusals are written down (the rest follows within
#: AUDIT_ROLLUP_SECONDS, so the count in the picture may be smaller).
ASKED, RECORD_MILLISECONDS = 12, 4000
#: How long it takes at most until the site follows the operator (REFRESH_SECONDS is 1).
FOLLOW_MILLISECONDS = 2000


def draw() -> None:
    """Set up the example project in a temporary folder, walk through the story, and write the picture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        database_url = f"sqlite:///{folder / 'db.sqlite3'}"
        manage(database_url, "demo", "--no-serve")
        manage(
            database_url,
            *("cors_guard", "trust", BOOKING, "--environment", "staging", "--group", "billing", "--expires", "30d"),
        )
        make_certificate(folder)
        with (
            serving("example_project.wsgi", database_url, folder) as api_port,
            serving(FRONT_END, database_url, folder) as booking_port,
            launched(playwright, {API_HOST: api_port, BOOKING_HOST: booking_port}) as chromium,
        ):
            with photographing(chromium) as context:
                shots = tell_the_story(context)
            PICTURE.write_bytes(compose(chromium, shots))


# --- servers and the browser ------------------------------------------------------------------------------------------


@contextmanager
def serving(application: str, database_url: str, folder: Path) -> Iterator[int]:
    """Serve a WSGI application over TLS, for the environment “production”, and yield its port."""
    port = free_port()
    log = folder / f"{port}.log"
    options = ["--no-control-socket", "--threads", "8", "--bind", f"{HOST}:{port}"]
    tls = ["--certfile", f"{folder / 'certificate.pem'}", "--keyfile", f"{folder / 'key.pem'}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", application, *options, *tls],
            cwd=ROOT,
            # DEBUG, so that the admin has its style.
            env=environ_for(database_url)
            | {"DEBUG": "1", "ALLOWED_HOSTS": API_HOST, "CORS_GUARD_ENVIRONMENT": "production"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def launched(playwright: Playwright, ports: dict[str, int]) -> Iterator[Browser]:
    """Start a Chromium for which each of these hosts is a port of this machine."""
    rules = ",".join(f"MAP {host} {HOST}:{port}" for host, port in ports.items())
    arguments = [*ARGUMENTS, f"--host-resolver-rules={rules}", "--hide-scrollbars"]
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def photographing(browser: Browser) -> Iterator[BrowserContext]:
    """Open a fresh profile with a small light window."""
    context = browser.new_context(
        viewport={"width": 640, "height": 1200},
        device_scale_factor=SCALE,
        color_scheme="light",
        ignore_https_errors=True,
        locale="en-GB",
    )
    context.set_default_timeout(15_000)
    try:
        yield context
    finally:
        context.close()


# --- the story --------------------------------------------------------------------------------------------------------


def tell_the_story(context: BrowserContext) -> dict[str, bytes]:
    """Go through the pages as a user and an operator would, and return what they saw."""
    operator = log_in(context)
    booking = context.new_page()
    booking.goto(BOOKING)
    expect_verdicts(booking, "no")
    for _ in range(ASKED - 1):
        ask_again(booking, "no")
    shots = {"refused": photograph(booking.locator(".cards"), margin=MARGIN)}
    operator.wait_for_timeout(RECORD_MILLISECONDS)
    open_card(operator, "billing")
    shots["why"] = photograph(operator.locator("#content"))
    open_card(operator, "public")
    trust(operator)
    open_card(operator, "billing")
    trust(operator)
    shots["saved"] = photograph(operator.locator("#receipt-summary"), whole=True)
    booking.wait_for_timeout(FOLLOW_MILLISECONDS)
    ask_again(booking, "yes")
    shots["trusted"] = photograph(booking.locator(".cards"), margin=MARGIN)
    revoke_everywhere(operator)
    return {**shots, "revoked": photograph(operator.locator("#content"))}


def log_in(context: BrowserContext) -> Page:
    """Log in to the API as the demo's operator, whose cookie the front end's requests carry, too."""
    page = context.new_page()
    page.goto(f"{API}/login")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{API}/")
    return page


def ask_again(booking: Page, outcome: str) -> None:
    """Press the front end's button and wait for both answers."""
    booking.evaluate("document.querySelectorAll('.verdict').forEach((box) => delete box.dataset.outcome)")
    booking.get_by_role("button", name="Ask again").click()
    expect_verdicts(booking, outcome)


def expect_verdicts(booking: Page, outcome: str) -> None:
    """Wait until the front end says this of both API groups: `yes` or `no`."""
    for card in ("public", "billing"):
        expect(booking.locator(f"#{card} .verdict")).to_have_attribute("data-outcome", outcome)


def open_card(operator: Page, group: str) -> None:
    """Open the rejected origin of that API group, as an operator would: the list, searched."""
    operator.goto(f"{API}/admin/cors_guard/rejectedorigin/?q={BOOKING}")
    row = operator.locator("#result_list tbody tr", has_text=BOOKING).filter(has_text=group)
    row.locator("th a").click()


def trust(operator: Page) -> None:
    """Follow the button of a rejected origin, trust it as the form is filled in, and wait for the receipt."""
    operator.get_by_role("link", name="Trust this origin…").click()
    operator.get_by_role("button", name="Trust", exact=True).click()
    expect(operator.locator("#receipt-summary")).to_contain_text("Saved as revision")


def revoke_everywhere(operator: Page) -> None:
    """Revoke every grant of the front end's origin and wait for the receipt."""
    operator.goto(f"{API}/admin/cors_guard/trustedorigin/?q={BOOKING}")
    operator.locator("#result_list tbody th a").first.click()
    operator.get_by_role("link", name="Revoke everywhere…").click()
    operator.get_by_label("Reason").fill("The booking site was taken over.")
    operator.get_by_role("button", name="Revoke everywhere").click()
    expect(operator.locator("#receipt-summary")).to_contain_text("3 grants were closed")


def photograph(place: Locator, *, margin: int = 0, whole: bool = False) -> bytes:
    """Return the part of the page that begins ``margin`` before ``place``, or the whole of ``place``, as PNG."""
    page = place.page
    if page.url.startswith(f"{API}/admin/"):
        page.add_style_tag(content=ADMIN_STYLE)
    if whole:
        return place.screenshot(animations="disabled")
    box = place.bounding_box()
    if box is None:
        raise RuntimeError(f"{place} is not on the page {page.url}.")
    clip: FloatRect = {"x": box["x"] - margin, "y": box["y"] - margin, "width": WIDTH, "height": HEIGHT}
    return page.screenshot(clip=clip, animations="disabled")


def compose(browser: Browser, shots: dict[str, bytes]) -> bytes:
    """Lay the shots out in `picture.html` and return the whole as PNG."""
    images = {name: f"data:image/png;base64,{base64.b64encode(shot).decode()}" for name, shot in shots.items()}
    layout = Template((HERE / "picture.html").read_text(encoding="utf-8"))
    viewport: ViewportSize = {"width": PICTURE_WIDTH, "height": 800}
    page = browser.new_page(viewport=viewport, device_scale_factor=PICTURE_SCALE)
    page.set_content(layout.substitute(images), wait_until="load")
    return page.locator("main").screenshot()


if __name__ == "__main__":
    draw()
