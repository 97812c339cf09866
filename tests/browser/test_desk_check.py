"""Check an origin, as an operator does it: what a page gets, why, and how to see it for oneself."""

import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

CHECK = "/admin/cors_guard/trustedorigin/check/"


def expect_outcome(desk: Desk, outcome: str) -> None:
    expect(desk.page.locator("#result")).to_have_attribute("data-outcome", outcome)


def look(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def test_origin_is_checked_and_the_answer_can_be_seen_for_oneself(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/")
    page.get_by_role("navigation", name="CORS guard").get_by_role("link", name="Check an origin").click()
    look(desk, "check")

    page.get_by_label("Origin").fill("https://Portal.example.com/")
    page.get_by_label("Path").fill(f"{desk.origin}/api/billing/invoices?page=2")
    page.get_by_label("Method").fill("PATCH")
    page.get_by_label("Request headers").fill("content-type, x-csrftoken")
    page.get_by_role("button", name="Check").click()
    expect_outcome(desk, "refused")
    expect(page.get_by_text("was read as https://portal.example.com, as browsers send it")).to_be_visible()
    expect(page.locator("#sentence")).to_contain_text("may not call PATCH /api/billing/invoices in local.")
    expect(page.locator("#consequence")).to_contain_text("it never sends the request")
    expect(page.locator("#nearest")).to_contain_text("trusted in another environment")
    expect(page.locator("#preflight-head")).to_contain_text("HTTP/1.1 403 Forbidden")
    look(desk, "check-refused")

    page.get_by_label("Environment").select_option("production")
    page.get_by_role("button", name="Check").click()
    expect_outcome(desk, "allowed")
    expect(page.locator("#deciding")).to_contain_text("https://portal.example.com")
    head = page.locator("#preflight-head").inner_text()
    assert "HTTP/1.1 204 No Content" in head
    assert "Access-Control-Allow-Origin: https://portal.example.com" in head
    assert "Access-Control-Allow-Credentials: true" in head
    expect(page.locator("#fetch")).to_contain_text('credentials: "include"')
    look(desk, "check-allowed")

    page.locator("#deciding a").click()
    expect(page).to_have_title("https://portal.example.com | Change trusted origin | Django site admin")


@ONE_SIZE
def test_curl_line_is_copied_and_gets_what_the_page_says(desk: Desk) -> None:
    page = desk.page
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.visit(f"{CHECK}?origin=https://stranger.example.net&path=/api/public/hello&method=PUT")
    expect_outcome(desk, "refused")
    page.locator("[data-copy=preflight-curl]").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == page.locator("#preflight-curl").inner_text()
    done = subprocess.run(
        ["sh", "-c", line.replace("curl ", "curl -s ", 1)], capture_output=True, text=True, check=True
    )
    sent = {sentence.strip() for sentence in done.stdout.splitlines()}
    shown = page.locator("#preflight-head").inner_text().splitlines()
    assert set(shown) <= sent, (shown, sent)


@ONE_SIZE
def test_snippet_that_may_not_be_copied_is_selected(desk: Desk) -> None:
    page = desk.page
    page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    desk.visit(f"{CHECK}?origin=https://stranger.example.net&path=/api/public/hello")
    page.locator("[data-copy=request-curl]").click()
    expect(page.get_by_text("Selected: copy it with the keyboard.")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == page.locator("#request-curl").inner_text()


def test_rejection_leads_to_its_explanation_and_on_to_trust(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/rejection/?q=https://porta1.example.com")
    page.locator("#result_list tbody th a").first.click()
    page.locator("#check-link").click()
    expect_outcome(desk, "refused")
    expect(page.locator("#sentence")).to_contain_text("https://porta1.example.com may not call GET")
    look(desk, "check-rejection")
    page.locator("#trust-link").click()
    expect(page).to_have_url(f"{desk.origin}/admin/cors_guard/trustedorigin/add/?card={find_card(desk)}")


def find_card(desk: Desk) -> str:
    return desk.run(
        """
        from django_cors_guard.models import RejectedOrigin
        print(RejectedOrigin.objects.get(origin="https://porta1.example.com").pk, end="")
        """
    )


def test_null_and_bad_input_are_explained_in_words(desk: Desk) -> None:
    page = desk.page
    desk.visit(f"{CHECK}?origin=null&path=/api/public/hello")
    expect_outcome(desk, "refused")
    expect(page.locator("#null-sources")).to_contain_text("a page opened from the disk")
    look(desk, "check-null")

    desk.visit(f"{CHECK}?origin=https://*.example.com&path=api&method=TRACE&headers=cookie&host=a/b")
    expect(page.locator("#check-form .errorlist")).to_have_count(5)
    look(desk, "check-errors")

    desk.visit(f"{CHECK}?origin=https://x.example/%3Cscript%3Ealert(1)%3C/script%3E&path=/api/public/%2527%253B")
    expect_outcome(desk, "refused")
    look(desk, "check-hostile")


@ONE_SIZE
def test_check_works_without_scripts(desk: Desk) -> None:
    page = desk.page
    page.route("**/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    desk.visit(CHECK)
    page.get_by_label("Origin").fill("http://localhost:3000")
    page.get_by_label("Path").fill("/api/public/hello")
    page.get_by_label("Path").press("Enter")
    expect_outcome(desk, "allowed")
    expect(page.locator("#request-curl")).to_contain_text("curl -i")
    expect(page.locator(".cors-guard-copy").first).to_be_hidden()
