"""The history, as a person uses it: who changed what and why, and one change taken back."""

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

HISTORY = "/admin/cors_guard/policychange/"
SUMMER = "https://summer.example.org"
REASON = "The campaign was extended; the domain is ours again."


def look(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def status_of(desk: Desk, origin: str) -> str:
    told = desk.run(
        f"""
        from django_cors_guard.models import TrustedOrigin
        print(TrustedOrigin.objects.get(environment__slug="production", origin={origin!r}).status())
        """
    )
    return told.strip()


def find_number(desk: Desk, **wanted: str) -> str:
    """Return the number of the newest change that is like that."""
    told = desk.run(
        f"""
        from django_cors_guard.models import PolicyChange
        print(PolicyChange.objects.filter(**{wanted!r}).latest("pk").pk)
        """
    )
    return told.strip()


def test_operator_finds_a_revocation_reverts_it_and_reads_the_story(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/")
    page.get_by_role("navigation", name="CORS guard").get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="History", exact=True)).to_be_visible()
    look(desk, "history")

    page.get_by_role("textbox").fill(SUMMER)
    page.get_by_role("textbox").press("Enter")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    revoked = rows.first
    expect(revoked).to_contain_text(f"{SUMMER} for Public API in Production")
    expect(revoked).to_contain_text("trusted → revoked")
    expect(revoked).to_contain_text("admin")
    expect(revoked).to_contain_text("The campaign is over and the domain was given back.")
    revoked.get_by_role("link").first.click()
    expect(page.locator("#differences")).to_contain_text("Why it was revoked")
    look(desk, "history-change")

    page.get_by_role("link", name="Revert this change…").click()
    expect(page.locator("#outcomes")).to_contain_text("active")
    look(desk, "history-revert")
    page.get_by_role("button", name="Revert this change").click()
    expect(page.get_by_text("Say why. A change without a reason helps nobody later.")).to_be_visible()
    assert status_of(desk, SUMMER) == "revoked"
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name="Revert this change").click()

    expect(page.get_by_text("The change was reverted.")).to_be_visible()
    assert status_of(desk, SUMMER) == "active"
    expect(page.locator("#beside")).to_contain_text("reinstated")
    look(desk, "history-reverted")
    page.get_by_role("link", name="See the change that was reverted").click()
    expect(page.get_by_text("Reverted by admin on")).to_contain_text(REASON)

    page.get_by_role("link", name="Open the trusted origin").click()
    page.get_by_role("link", name="History").last.click()
    expect(page.locator("#story tbody tr")).to_have_count(4)
    expect(page.locator("#story")).to_contain_text("“revoked” of revision")
    look(desk, "history-of-a-grant")


def test_what_others_changed_since_is_not_undone(desk: Desk) -> None:
    page = desk.page
    desk.run(
        """
        from django.contrib.auth.models import User
        from django_cors_guard.models import Environment, policy_write
        ben = User.objects.create_user("ben")
        for mode, reason in (("monitor", "Half the shop is refused."), ("block", "Found it: a proxy dropped Origin.")):
            place = Environment.objects.get(slug="staging")
            place.mode = mode
            with policy_write(actor=ben, reason=reason, source="admin"):
                place.save()
        """
    )
    number = find_number(desk, target="environment:staging", reason__startswith="Half")
    desk.visit(f"{HISTORY}{number}/revert/")
    expect(page.locator("#obstacles")).to_contain_text("Mode is no longer as this change left it: ben changed it")
    expect(page.locator("#since")).to_contain_text("Found it: a proxy dropped Origin.")
    expect(page.get_by_role("button", name="Revert this change")).to_have_count(0)
    look(desk, "history-revert-refused")

    number = find_number(desk, target="environment:staging", reason__startswith="Found")
    desk.visit(f"{HISTORY}{number}/revert/")
    expect(page.locator("#outcomes")).to_contain_text("monitor")
    look(desk, "history-revert-fields")
    desk.visit("/admin/cors_guard/environment/")
    page.get_by_role("link", name="Staging").click()
    page.get_by_role("link", name="History").last.click()
    expect(page.locator("#story tbody tr")).to_have_count(3)
    look(desk, "history-of-an-environment")


def test_whoever_may_only_look_sees_the_story_and_no_button(desk: Desk) -> None:
    page = desk.page
    desk.user("vera", "view_policychange", "view_trustedorigin")
    number = find_number(desk, action="revoked")
    desk.visit(f"{HISTORY}{number}/change/")
    expect(page.locator("#differences")).to_be_visible()
    expect(page.get_by_role("link", name="Revert this change…")).to_have_count(0)
    response = page.goto(f"{desk.origin}{HISTORY}{number}/revert/")
    assert response is not None
    assert response.status == 403
