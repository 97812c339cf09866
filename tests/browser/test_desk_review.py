"""The access review, as an auditor and an operator sit over it."""

import csv
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

REVIEW = "/admin/cors_guard/trustedorigin/review/"

SET_UP = """
from datetime import date, timedelta
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django_cors_guard import services
from django_cors_guard.models import *
ana = User.objects.get(username="admin")
place, _new = Environment.objects.get_or_create(slug="live", defaults={"name": "Live"})
shop = FrontEnd.objects.create(slug="web-shop", name="Web shop", owner="Team Shop", contact="shop@example.com",
                               review_by=date(2026, 1, 1))
partner = FrontEnd.objects.create(slug="partner", name="Partner", owner="Globex", external=True)
def trust(origin, **given):
    return services.trust(origin, environment="live", api_group="public", actor=ana, **given)
old = trust("https://shop.example.com", note="The shop itself, asked for by Bo", front_end=shop)
trust("https://b\\u00fccher.example", note="The shop's old name", front_end=shop)
trust("https://partner.example.net", note="Until the pilot is over", front_end=partner,
      expires_at=timezone.now() + timedelta(days=20))
unused = trust("https://forgotten.example.com")
services.revoke(trust("https://gone.example.com"), actor=ana, reason="The domain was sold.")
QuerySet(TrustedOrigin).filter(pk__in=[old.pk, unused.pk]).update(created_at=timezone.now() - timedelta(days=200))
lately = timezone.now() - timedelta(hours=2)
OriginUsage.objects.create(trusted_origin=old, origin=old.origin, method="GET", count=40,
                           first_seen=lately, last_seen=lately)
"""
LISTED = f"{REVIEW}?environment=live"


def shoot(desk: Desk, name: str) -> None:
    desk.shoot(f"review-{name}")
    desk.check_accessibility()
    desk.check_width()


def test_what_is_due_is_looked_at_marked_and_taken_away(desk: Desk) -> None:
    desk.run(SET_UP)
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/overview/")
    page.locator("#review-link").click()
    page.get_by_label("Environment").select_option("live")
    page.get_by_role("button", name="Filter").click()
    table = page.locator("#review-table")
    expect(table).to_contain_text("Team Shop")
    expect(table).to_contain_text("asked for by Bo")
    expect(table).to_contain_text("https://bücher.example")
    expect(table).not_to_contain_text("gone.example.com")
    expect(page.locator("#overdue")).to_contain_text("Web shop")
    shoot(desk, "list")

    # A front end as a whole, and when it is to be looked at next.
    page.locator("#overdue").get_by_role("link", name="Review Web shop").click()
    expect(page.locator("#review-table")).to_contain_text("shop.example.com")
    shoot(desk, "front-end")
    page.get_by_role("button", name="Mark all as reviewed").click()
    expect(page.locator(".errorlist")).to_contain_text("Say what was found.")
    page.get_by_label("What the review found").fill("Met with the team: both are theirs.")
    page.get_by_role("button", name="Mark all as reviewed").click()
    expect(page.locator(".messagelist")).to_contain_text("2 grants marked as reviewed.")
    expect(page.locator("#overdue")).to_have_count(0)

    # What is left of what is due, one by one.
    desk.visit(f"{LISTED}&due=on")
    expect(page.locator("#review-table tbody tr")).to_have_count(1)
    page.locator("#review-table input[type=checkbox]").check()
    page.get_by_role("button", name="Mark as reviewed…").click()
    expect(page.locator("#to-mark")).to_contain_text("https://forgotten.example.com")
    shoot(desk, "mark")
    page.get_by_label("What the review found").fill("Still wanted, says Bo.")
    page.get_by_role("button", name="Mark as reviewed").click()
    expect(page.locator(".messagelist")).to_contain_text("1 grant marked as reviewed.")
    expect(page.locator("#no-grants")).to_be_visible()

    # For the auditors, all of it.
    desk.visit(f"{LISTED}&status=every")
    with page.expect_download() as downloading:
        page.locator("#exports").get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(StringIO(Path(downloading.value.path()).read_text("utf-8-sig"))))
    assert [(row["origin"], row["status"], bool(row["reviewed_at"])) for row in rows] == [
        ("https://shop.example.com", "active", True),
        ("https://xn--bcher-kva.example", "active", True),
        ("https://partner.example.net", "active", False),
        ("https://forgotten.example.com", "active", True),
        ("https://gone.example.com", "revoked", False),
    ]

    # What should not stay goes through the page that revokes.
    desk.visit(LISTED)
    row = page.locator("#review-table tr", has_text="partner.example.net")
    row.locator("input[type=checkbox]").check()
    page.get_by_role("button", name="Revoke…").click()
    expect(page.locator("#will-close-title")).to_be_visible()
    page.get_by_label("Reason").fill("The pilot is over.")
    page.get_by_role("button", name="Revoke all of these").click()
    expect(page.locator("#content")).to_contain_text("partner.example.net")


def test_past_is_told_with_what_it_cannot_know(desk: Desk) -> None:
    desk.run(SET_UP)
    desk.run(
        """
        from datetime import timedelta
        from django.db.models import F, QuerySet
        from django_cors_guard.models import *
        QuerySet(PolicyChange).update(at=F("at") - timedelta(days=3))
        QuerySet(TrustedOrigin).update(created_at=F("created_at") - timedelta(days=3))
        TrustedOrigin.objects.get(origin="https://forgotten.example.com").delete()
        QuerySet(TrustedOrigin).filter(origin="https://shop.example.com").update(note="Rewritten since")
        """
    )
    page = desk.page
    day = desk.run("from datetime import *; print((datetime.now(UTC) - timedelta(days=2)).date())").strip()
    desk.visit(f"{LISTED}&as_of={day}&status=every")
    table = page.locator("#review-table")
    expect(table).to_contain_text(f"As of {day} 23:59 UTC")
    expect(table).to_contain_text("deleted since")
    expect(table).to_contain_text("what its note said")
    expect(table).not_to_contain_text("Rewritten since")
    expect(page.locator("#limits")).to_contain_text("those of today")
    expect(page.locator("#review-table input[type=checkbox]")).to_have_count(0)
    shoot(desk, "past")


def test_viewer_reads_and_marks_nothing(desk: Desk) -> None:
    desk.run(SET_UP)
    desk.user("vera", "view_trustedorigin")
    page = desk.page
    desk.visit(LISTED)
    expect(page.locator("#review-table")).to_contain_text("shop.example.com")
    expect(page.locator("#review-table")).not_to_contain_text("Team Shop")
    expect(page.locator("input[type=checkbox][name=_selected_action]")).to_have_count(0)
    shoot(desk, "viewer")
