"""API groups and environments: choosing with boxes, seeing what routes cover, and knowing what a change means."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

MODELS = {"apigroup": "ApiGroup", "environment": "Environment"}


def address_of(desk: Desk, model: str, slug: str) -> str:
    """Return where the page of an environment or API group is."""
    code = f"""
        from django_cors_guard.models import {MODELS[model]}
        print({MODELS[model]}.objects.get(slug={slug!r}).pk)
        """
    return f"/admin/cors_guard/{model}/{desk.run(code).strip()}/change/"


def read(desk: Desk, model: str, slug: str, field: str) -> str:
    code = f"""
        from django_cors_guard.models import {MODELS[model]}
        print({MODELS[model]}.objects.get(slug={slug!r}).{field})
        """
    return desk.run(code).strip()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def confirm(page: Page) -> None:
    """Do as the box says that asks."""
    page.get_by_label("I understand what this changes, and want it.").check()
    page.get_by_role("button", name="Save with these consequences").click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def look(desk: Desk, name: str) -> None:
    """See to it that everybody can use the page as it stands now, and take its picture."""
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def beside(page: Page, field: str) -> Locator:
    """What is said of a switch, beside it."""
    return page.locator(f".field-{field} .cors-guard-live > div")


def test_methods_and_headers_are_chosen_with_boxes_and_the_keyboard(desk: Desk) -> None:
    desk.visit(address_of(desk, "apigroup", "billing"))
    page = desk.page
    methods = page.get_by_role("group", name="Methods")
    expect(methods.get_by_label("PATCH")).to_be_checked()
    expect(methods.get_by_label("GET")).to_be_checked()
    methods.get_by_label("DELETE").focus()
    page.keyboard.press("Space")
    methods.get_by_label("Other methods").fill("propfind, REPORT")
    headers = page.get_by_role("group", name="Request headers")
    expect(headers.get_by_label("Other request headers")).to_have_value("x-demo-client")
    headers.get_by_label("idempotency-key").check()
    page.get_by_role("group", name="Exposed response headers").get_by_label("location").check()
    words = page.locator("#max-age-words")
    expect(words).to_contain_text("5 minutes: so long may browsers act")
    page.get_by_label("Preflight lifetime in seconds").fill("7200")
    expect(words).to_contain_text("2 hours: so long may browsers act")
    look(desk, "group")
    save(page)
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert read(desk, "apigroup", "billing", "allow_methods") == str(
        ["GET", "HEAD", "POST", "PATCH", "DELETE", "propfind", "REPORT"]
    )
    assert read(desk, "apigroup", "billing", "allow_headers") == str(
        ["content-type", "x-csrftoken", "x-demo-client", "idempotency-key"]
    )
    assert read(desk, "apigroup", "billing", "max_age") == "7200"


def test_note_follows_the_routes_while_they_are_typed(desk: Desk) -> None:
    desk.visit(address_of(desk, "apigroup", "public"))
    page = desk.page
    notes = page.locator("#coverage-notes")
    expect(notes).to_contain_text("Covers 1 URL pattern.")
    expect(notes).to_contain_text("/api/public/hello")
    prefix = page.locator("#id_routes-0-path_prefix")
    prefix.fill("/api/pubic")
    expect(notes).to_contain_text("Covers no URL pattern of this project.")
    look(desk, "group-route-covers-none")
    prefix.fill("/api")
    expect(notes).to_contain_text("Covers 2 URL patterns.")
    expect(notes).to_contain_text("taken by billing, whose route /api/billing decides first")
    page.locator("#routes-group .add-row a").click()
    page.locator("#id_routes-1-path_prefix").fill("/API")
    expect(notes).to_contain_text("Differs from /api in upper and lower case alone.")
    look(desk, "group-routes")
    page.locator("#routes-0 input[type=checkbox]").check()
    expect(notes).not_to_contain_text("Differs from")
    page.locator("#routes-1 .inline-deletelink").click()
    expect(notes).to_contain_text("Without a route the API group guards nothing.")


def test_credentials_and_any_origin_say_what_they_mean_and_are_confirmed(desk: Desk) -> None:
    desk.visit(address_of(desk, "apigroup", "public"))
    page = desk.page
    expect(beside(page, "allow_credentials")).to_be_hidden()
    page.get_by_label("Allow credentials").check()
    expect(beside(page, "allow_credentials")).to_contain_text("will be able to act as the signed-in user")
    page.get_by_label("Allow credentials").uncheck()
    expect(beside(page, "allow_credentials")).to_be_hidden()
    page.get_by_label("Any origin").check()
    expect(beside(page, "any_origin")).to_contain_text("Every web page in the world")
    look(desk, "group-switch")
    page.get_by_label("Reason for this change").fill("It is public after all.")
    save(page)
    box = page.get_by_role("region", name="Nothing was saved yet. This is what it means:")
    expect(box).to_contain_text("Every web page in the world will be able to read the answers of 1 URL pattern.")
    expect(box).to_contain_text("/api/public/hello")
    expect(box).to_contain_text("revoking them does nothing")
    look(desk, "group-confirm")
    page.get_by_role("button", name="Save with these consequences").click()
    expect(box).to_be_visible()
    assert read(desk, "apigroup", "public", "any_origin") == "False"
    expect(page.get_by_label("Reason for this change")).to_have_value("It is public after all.")
    confirm(page)
    assert read(desk, "apigroup", "public", "any_origin") == "True"


def test_switching_a_dangerous_switch_off_says_what_it_closes(desk: Desk) -> None:
    desk.visit(address_of(desk, "environment", "local"))
    page = desk.page
    expect(beside(page, "allow_loopback")).to_be_hidden()
    page.get_by_label("Allow loopback").uncheck()
    expect(beside(page, "allow_loopback")).to_contain_text("3 active grants need it")
    page.get_by_label("Allow insecure http", exact=True).check()
    expect(beside(page, "allow_insecure_http")).to_contain_text("anybody on the network path")
    look(desk, "environment")
    save(page)
    box = page.locator("#confirmation")
    expect(box).to_contain_text("3 grants are switched off at once")
    expect(box).to_contain_text("http://localhost:* (public)")
    look(desk, "environment-confirm")
    confirm(page)
    assert read(desk, "environment", "local", "allow_loopback") == "False"


def test_what_would_change_is_looked_at_before_a_group_blocks(desk: Desk) -> None:
    desk.run(
        """
        from django.utils import timezone
        from django_cors_guard.models import Rejection
        now = timezone.now()
        Rejection.objects.create(
            environment="local", api_group="billing", mode="enforce", origin="null", reason="null_origin",
            kind="navigation", method="POST", path="/api/billing/saml/acs", count=6, first_seen=now, last_seen=now,
        )
        """
    )
    desk.visit(address_of(desk, "apigroup", "billing"))
    page = desk.page
    places = page.locator("#places")
    expect(places.get_by_role("row").filter(has_text="Local")).to_contain_text("enforce")
    places.get_by_role("link", name="What would change in Local?").click()
    expect(page.get_by_role("heading", name="What would change?")).to_be_visible()
    page.get_by_label("How far back").select_option("30")
    page.get_by_role("button", name="Look").click()
    outlook = page.locator(".cors-guard-outlook")
    expect(outlook).to_contain_text("20 requests that were recorded since")
    expect(outlook).to_contain_text("gets 403 before any view runs")
    expect(outlook.locator(".cors-guard-callbacks")).to_contain_text("POST /api/billing/saml/acs from null, 6 times")
    look(desk, "what-would-change")
    origin = page.get_by_role("row").filter(has_text="https://porta1.example.com")
    expect(origin.get_by_role("link", name="https://porta1.example.com", exact=True)).to_be_visible()
    origin.get_by_role("link", name="Trust https://porta1.example.com for billing…").click()
    expect(page.get_by_text("Filled in from a rejected origin")).to_be_visible()

    desk.visit(address_of(desk, "environment", "local"))
    page.locator("#group_modes-group .add-row a").click()
    page.locator("#id_group_modes-0-api_group").select_option(label="Billing API")
    page.locator("#id_group_modes-0-mode").select_option("block")
    save(page)
    box = page.locator("#confirmation")
    expect(box).to_contain_text("1 API group will block.")
    expect(box).to_contain_text("POST /api/billing/saml/acs from null, 6 times")
    look(desk, "mode-confirm")
    confirm(page)
    desk.visit(address_of(desk, "apigroup", "billing"))
    expect(places.get_by_role("row").filter(has_text="Local")).to_contain_text("block (its own)")


def test_group_with_trusted_origins_says_why_it_stays(desk: Desk) -> None:
    desk.visit(address_of(desk, "apigroup", "public"))
    page = desk.page
    page.locator(".deletelink").click()
    kept = page.locator("#kept")
    expect(kept).to_contain_text("“Public API” cannot be deleted while there are trusted origins in it.")
    look(desk, "group-delete")
    kept.get_by_role("link", name="for public in production").click()
    expect(page.locator("#result_list")).to_contain_text("https://portal.example.com")


def test_without_scripts_everything_is_said_and_can_be_done(desk: Desk) -> None:
    browser = desk.context.browser
    assert browser is not None
    state: Any = desk.context.storage_state()
    context = browser.new_context(java_script_enabled=False, storage_state=state, viewport=desk.page.viewport_size)
    page = context.new_page()
    page.goto(f"{desk.origin}{address_of(desk, 'apigroup', 'public')}")
    expect(page.locator("#coverage-notes")).to_contain_text("Covers 1 URL pattern.")
    expect(beside(page, "allow_credentials")).to_be_hidden()
    page.get_by_label("Allow credentials").check()
    expect(beside(page, "allow_credentials")).to_be_visible()
    save(page)
    confirm(page)
    context.close()
    assert read(desk, "apigroup", "public", "allow_credentials") == "True"


def test_viewer_sees_it_all_and_can_press_nothing(desk: Desk) -> None:
    desk.user("vera", *(f"view_{name}" for name in ("apigroup", "apiroute", "environment", "groupmode", "rejection")))
    desk.visit(address_of(desk, "apigroup", "public"))
    page = desk.page
    expect(page.locator("#coverage-notes")).to_contain_text("Covers 1 URL pattern.")
    expect(page.locator("#content input:not([type=hidden])")).to_have_count(0)
    look(desk, "group-viewer")
    desk.visit(address_of(desk, "environment", "local"))
    expect(page.locator("#content input:not([type=hidden])")).to_have_count(0)
    look(desk, "environment-viewer")
    page.get_by_role("link", name="What would change?").click()
    expect(page.locator(".cors-guard-outlook")).to_contain_text("https://porta1.example.com")
    expect(page.get_by_role("link", name="Trust")).to_have_count(0)
