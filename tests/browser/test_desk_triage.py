"""The triage desk, as an operator uses it: look over what was refused, set it aside, take it back, trust it."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

LIST = "/admin/cors_guard/rejectedorigin/"

SET_THE_TABLE = """
    from datetime import UTC, datetime, timedelta
    from django.contrib.auth.models import User
    from django.utils import timezone
    from django_cors_guard import services
    from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, Rejection
    from django_cors_guard.models.rejection import card_key
    RejectedOrigin.objects.all().delete()
    Rejection.objects.all().delete()
    staging, _ = Environment.objects.get_or_create(slug="staging", defaults={"name": "Staging"})
    production = Environment.objects.get(slug="production")
    group = ApiGroup.objects.order_by("slug").first()
    other = ApiGroup.objects.order_by("slug").last()
    ana = User.objects.create_user("ana", is_superuser=True)
    tomorrow = timezone.now() + timedelta(days=1)
    trust = lambda origin, environment=production, api_group=group: services.trust(
        origin, environment=environment, api_group=api_group, actor=ana, expires_at=tomorrow)
    trust("https://app.example.com")
    trust("https://partner.example.net", staging)
    trust("https://reports.example.org", production, other)
    services.revoke(trust("https://old.example.com"), actor=ana, reason="The domain was sold.")
    now, today = timezone.now(), datetime.now(UTC).date()
    def card(origin, reason="unknown_origin", counts=(3, 0, 0, 5, 1, 0, 2), status="new", back=0):
        days = {(today - timedelta(days=6 - at)).isoformat(): count for at, count in enumerate(counts)}
        row = RejectedOrigin.objects.create(
            environment="production", api_group=group.slug, origin=origin, status=status, count=sum(counts),
            key=card_key("production", group.slug, origin), first_seen=now - timedelta(days=9),
            last_seen=now - timedelta(minutes=back), last_reason=reason, recent=days)
        Rejection.objects.create(environment="production", api_group=group.slug, mode="enforce", origin=origin,
            reason=reason, kind="actual", method="GET", path="/api/public/hello", count=2,
            first_seen=now, last_seen=now)
        return row.pk
    print(card("http://app.example.com"))
    card("https://partner.example.net", "other_environment", (0, 0, 0, 0, 0, 800, 12000), back=1)
    card("https://reports.example.org", "other_group", (0, 0, 0, 0, 0, 0, 1), back=2)
    card("https://old.example.com", "revoked", back=3)
    card("https://app.exarnple.com", back=4)
    card("https://xn--mnch-0ra.example.com", back=5)
    card("null", "null_origin", back=6)
    card("https://" + "very-long-name." * 15 + "example", back=7)
    card("https://aside.example.net", status="ignored", back=8)
"""


def row_of(desk: Desk, origin: str) -> Locator:
    return desk.page.locator("#result_list tbody tr", has_text=origin)


def test_operator_sorts_out_what_was_refused(desk: Desk) -> None:
    pk = desk.run(SET_THE_TABLE).strip()
    desk.visit(LIST)
    row = row_of(desk, "http://app.example.com")
    expect(row).to_contain_text("http instead of https: https://app.example.com")
    expect(row.get_by_role("img", name="3, 0, 0, 5, 1, 0, 2 refusals in the last 7 days")).to_be_visible()
    expect(row_of(desk, "https://partner.example.net")).to_contain_text("trusted in Staging only")
    expect(row_of(desk, "https://old.example.com")).to_contain_text("revoked by ana on")
    expect(row_of(desk, "https://app.exarnple.com")).to_contain_text("is another owner's")
    expect(row_of(desk, "https://aside.example.net")).to_have_count(0)
    look_over(desk, "triage-list")

    desk.page.get_by_text("More filters").click()
    desk.page.get_by_role("link", name="the origin was revoked").click()
    expect(desk.page.locator("#result_list tbody tr")).to_have_count(1)
    look_over(desk, "triage-filters")
    desk.page.get_by_role("link", name="Clear these filters").click()

    for origin in ("https://app.exarnple.com", "https://reports.example.org"):
        row_of(desk, origin).locator("input.action-select").check()
    desk.page.locator("select[name=action]").select_option(label="Ignore")
    desk.page.get_by_role("button", name="Go").click()
    expect(desk.page.locator(".messagelist")).to_contain_text("2 cards were ignored.")
    expect(row_of(desk, "https://app.exarnple.com")).to_have_count(0)

    desk.visit(f"{LIST}?status=ignored")
    row_of(desk, "https://reports.example.org").get_by_role("link").first.click()
    look_over(desk, "triage-card")
    desk.page.get_by_role("button", name="Back to new").click()
    expect(desk.page.locator(".messagelist")).to_contain_text("Back to new.")
    expect(desk.page.locator(".field-status_story")).to_contain_text("by admin")
    desk.page.get_by_role("button", name="Ignore").click()
    expect(desk.page.locator(".field-status_story")).to_contain_text("ignored")

    desk.visit(f"{LIST}{pk}/change/")
    desk.page.locator("#nearest").get_by_role("link", name="https://app.example.com").last.click()
    assert "/trustedorigin/" in desk.page.url


@ONE_SIZE
def test_trust_opens_the_form_with_the_origin_filled_in_and_saves_nothing(desk: Desk) -> None:
    desk.run(SET_THE_TABLE)
    desk.visit(f"{LIST}?q=https%3A%2F%2Freports.example.org")
    row_of(desk, "https://reports.example.org").get_by_role("link", name="Trust https://reports").click()
    expect(desk.page).to_have_url(re.compile("card="))
    expect(desk.page.locator("#line-1")).to_contain_text("https://reports.example.org")
    kept = desk.run(
        "from django_cors_guard.models import TrustedOrigin\n"
        "print(TrustedOrigin.objects.filter(origin='https://reports.example.org').count())"
    )
    assert kept.strip() == "1"


def test_viewer_sees_the_cards_and_is_offered_nothing_that_changes_them(desk: Desk) -> None:
    pk = desk.run(SET_THE_TABLE).strip()
    desk.user("viewer", "view_rejectedorigin")
    desk.visit(LIST)
    expect(row_of(desk, "http://app.example.com")).to_contain_text("http instead of https")
    expect(desk.page.locator("select[name=action]")).to_have_count(0)
    desk.visit(f"{LIST}{pk}/change/")
    expect(desk.page.get_by_role("button", name="Ignore")).to_have_count(0)
    look_over(desk, "triage-card-viewed")


def look_over(desk: Desk, name: str) -> None:
    desk.shoot(name)
    desk.check_accessibility()
    desk.check_width()
