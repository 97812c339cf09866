"""An operator trusts an origin, and a browser gets through; revokes it, and it does not: with nothing faked."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.servers import SERVERS, Api, serving_story

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

#: How long the whole site may take to follow the operator (REFRESH_SECONDS is 1).
SECONDS = 2.0
REQUESTS = 50


def expect_verdict(page: Page, card: str, outcome: str) -> None:
    expect(page.locator(f"#{card} .verdict")).to_have_attribute("data-outcome", outcome)


def ask_again(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.verdict').forEach((box) => delete box.dataset.outcome)")
    page.get_by_role("button", name="Ask again").click()


def log_in(browser: BrowserContext, api: Api) -> Page:
    page = browser.new_page()
    page.goto(f"{api.origin}/login")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{api.origin}/")
    return page


def open_grant(page: Page, api: Api, origin: str, group: str) -> None:
    """As an operator would: the list, searched, and the row of that group."""
    page.goto(f"{api.origin}/admin/cors_guard/trustedorigin/?q={origin}")
    row = page.locator("#result_list tbody tr", has_text=origin).filter(has_text=group)
    row.locator("th a").click()


def revoke_everywhere(page: Page, api: Api, origin: str) -> None:
    open_grant(page, api, origin, "Public API")
    page.get_by_role("link", name="Revoke everywhere…").click()
    expect(page.locator("#will-close li")).to_have_count(2)
    page.get_by_label("Reason").fill("Its signing key leaked.")
    page.get_by_role("button", name="Revoke everywhere").click()
    expect(page.locator("#receipt-summary")).to_contain_text("2 grants were closed")


def reinstate(page: Page, api: Api, origin: str, group: str) -> None:
    open_grant(page, api, origin, group)
    page.get_by_role("link", name="Reinstate…").click()
    page.get_by_label("Reason").fill("The key was rotated.")
    page.get_by_role("button", name="Reinstate").click()
    expect(page.locator(".messagelist")).to_be_visible()


@pytest.mark.parametrize("server", list(SERVERS))
def test_trust_revoke_and_reinstate_reach_every_worker(browser: BrowserContext, server: str, tmp_path: Path) -> None:
    with serving_story(server, "story", tmp_path) as (api, portal, stranger):
        tell_the_story(browser, api, portal, stranger)


def tell_the_story(browser: BrowserContext, api: Api, portal: str, stranger: str) -> None:
    front_end = browser.new_page()
    front_end.goto(portal)
    expect_verdict(front_end, "public", "yes")
    expect_verdict(front_end, "billing", "wait")

    operator = log_in(browser, api)
    ask_again(front_end)
    expect_verdict(front_end, "public", "yes")
    expect_verdict(front_end, "billing", "yes")
    expect(front_end.locator("#billing pre")).to_contain_text("2026-0412")

    other = browser.new_page()
    other.goto(stranger)
    expect_verdict(other, "public", "no")
    expect_verdict(other, "billing", "no")

    revoke_everywhere(operator, api, portal)
    time.sleep(SECONDS)
    answers = [api.ask("/api/public/hello", portal) for _ in range(REQUESTS)]
    assert answers == [(403, None)] * REQUESTS
    ask_again(front_end)
    expect_verdict(front_end, "public", "no")
    expect_verdict(front_end, "billing", "no")

    time.sleep(SECONDS)
    assert_listed(browser, api, portal, reason="revoked")
    assert_listed(browser, api, stranger, reason="unknown_origin")

    for group in ("Public API", "Billing API"):
        reinstate(operator, api, portal, group)
    time.sleep(SECONDS)
    answers = [api.ask("/api/public/hello", portal) for _ in range(REQUESTS)]
    assert answers == [(200, portal)] * REQUESTS
    ask_again(front_end)
    expect_verdict(front_end, "public", "yes")
    expect_verdict(front_end, "billing", "yes")


def assert_listed(browser: BrowserContext, api: Api, origin: str, *, reason: str) -> None:
    """The audit API, with the operator's session, lists what was refused just now."""
    response = browser.request.get(f"{api.origin}/cors-guard/rejections/", params={"origin": origin})
    assert response.ok
    rows = response.json()["results"]
    assert rows
    assert {row["origin"] for row in rows} == {origin}
    assert {row["environment"] for row in rows} == {"local"}
    assert {row["api_group"] for row in rows} == {"public", "billing"}
    assert {row["reason"] for row in rows} == {reason}
