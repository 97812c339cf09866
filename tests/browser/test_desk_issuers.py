"""An issuer is filled in by hand, and the page spells out what it covers meanwhile."""

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]


def test_issuer_shows_what_it_covers_while_it_is_typed_and_warns_of_shared_names(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/originissuer/add/")
    example = page.locator("#issuer-example")
    expect(example).to_be_empty()
    page.get_by_label("Host prefix").fill("Deploy-Preview-")
    page.get_by_label("Host suffix").fill("--mysite.netlify.app")
    expect(example).to_have_text("Such as https://deploy-preview-42--mysite.netlify.app")
    page.get_by_label("Host suffix").fill(".app")
    page.get_by_label("Slug").fill("previews")
    page.get_by_label("Account").fill("admin")
    page.get_by_label("Environment").select_option(label="Production")
    page.get_by_label("Public API").check()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".field-host_suffix")).to_contain_text("anybody could register")
    desk.check_accessibility()
    page.get_by_label("Host suffix").fill("--mysite.netlify.app")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist")).to_contain_text("Under netlify.app strangers choose names")
    desk.check_accessibility()
    desk.check_width()
    desk.shoot("issuer")
    desk.visit("/admin/cors_guard/originissuer/")
    expect(page.locator("#result_list")).to_contain_text("0 of 50")
    desk.check_accessibility()
    desk.check_width()
