"""The access matrix, as a person uses it: tabs, ticks, one review, one revision; copying; forty front ends."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

MATRIX = "/admin/cors_guard/trustedorigin/access/"
DASHBOARD, PORTAL, SUMMER = "https://dashboard.example.net", "https://portal.example.com", "https://summer.example.org"
STAGED = "https://portal.staging.example.com"


def box(desk: Desk, group: str, origin: str) -> Locator:
    """The box that a screen reader calls so."""
    return desk.page.get_by_role("checkbox", name=f"{group} {origin}", exact=True)


def grants(desk: Desk, environment: str = "production") -> set[str]:
    """Return what is trusted, as ``group origin``."""
    told = desk.run(
        f"""
        from django_cors_guard.models import TrustedOrigin
        for grant in TrustedOrigin.objects.active().filter(environment__slug={environment!r}):
            print(grant.api_group.slug, grant.origin)
        """
    )
    return set(told.splitlines())


def look(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def test_operator_ticks_reviews_one_diff_and_saves_one_revision(desk: Desk) -> None:
    desk.run(
        f"""
        from django.utils import timezone
        from django_cors_guard.models import OriginUsage, TrustedOrigin
        grant = TrustedOrigin.objects.get(environment__slug="production", api_group__slug="public", origin={PORTAL!r})
        now = timezone.now()
        OriginUsage.objects.create(trusted_origin=grant, origin=grant.origin, method="GET", count=4321,
                                   first_seen=now, last_seen=now)
        """
    )
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/")
    page.get_by_role("navigation", name="CORS guard").get_by_role("link", name="Access matrix").click()
    tabs = page.get_by_role("navigation", name="Environments")
    expect(tabs.get_by_role("link", name="Local active here")).to_have_attribute("aria-current", "page")
    tabs.get_by_role("link", name="Production protected").click()
    expect(box(desk, "Public API", PORTAL)).to_be_checked()
    expect(box(desk, "Public API", SUMMER)).not_to_be_checked()
    expect(page.get_by_text("Revoked by admin on")).to_have_count(1)
    look(desk, "access-matrix")

    box(desk, "Public API", PORTAL).uncheck()
    box(desk, "Billing API", DASHBOARD).check()
    box(desk, "Public API", SUMMER).check()
    expect(page.get_by_role("status")).to_have_text("Ticked: 2 · Cleared: 1")
    desk.shoot("access-matrix-ticked")
    page.get_by_role("button", name="Review changes").click()

    expect(page.get_by_role("heading", name="Will be revoked (1)")).to_be_visible()
    expect(page.get_by_text("4,321 requests in the last 30 days")).to_be_visible()
    expect(page.get_by_text("The campaign is over and the domain was given back.")).to_be_visible()
    expect(page.get_by_text("The API group allows credentials")).to_be_visible()
    look(desk, "access-review")
    page.get_by_role("button", name="Back to the matrix, as ticked").click()
    expect(box(desk, "Billing API", DASHBOARD)).to_be_checked()
    expect(box(desk, "Public API", PORTAL)).not_to_be_checked()
    page.get_by_role("button", name="Review changes").click()
    page.get_by_label("7 days", exact=True).check()
    page.get_by_role("button", name="Save as one revision").click()
    expect(page.get_by_text("Say why.")).to_be_visible()
    expect(page.get_by_label("7 days", exact=True)).to_be_checked()
    desk.shoot("access-review-refused")
    before = grants(desk)
    page.get_by_label("Reason").fill("The portal moves, the campaign is back.")
    page.get_by_role("button", name="Save as one revision").click()
    expect(page.get_by_text("1 trusted, 1 revoked, 1 reinstated.")).to_be_visible()
    assert grants(desk) == before - {f"public {PORTAL}"} | {f"billing {DASHBOARD}", f"public {SUMMER}"}
    page.get_by_role("link", name="What was recorded").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(3)


def test_what_somebody_revokes_between_review_and_save_stays_revoked(desk: Desk) -> None:
    page = desk.page
    desk.visit(f"{MATRIX}?environment=production")
    box(desk, "Billing API", PORTAL).uncheck()
    box(desk, "Billing API", DASHBOARD).check()
    page.get_by_role("button", name="Review changes").click()
    page.get_by_label("Reason").fill("Tidying up.")
    desk.run(
        f"""
        from django_cors_guard import services
        services.revoke_origin({DASHBOARD!r}, reason="Taken over.")
        services.revoke(services.trust({DASHBOARD!r}, environment="production", api_group="billing"), reason="Mine.")
        """
    )
    page.get_by_role("button", name="Save as one revision").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved: something has changed since you looked.")
    expect(page.get_by_role("heading", name="Will be reinstated (1)")).to_be_visible()
    desk.shoot("access-review-anew")
    assert f"billing {DASHBOARD}" not in grants(desk)
    assert f"billing {PORTAL}" in grants(desk)
    page.get_by_role("link", name="Cancel").click()
    expect(box(desk, "Billing API", DASHBOARD)).not_to_be_checked()


def test_access_is_copied_from_a_front_end_and_from_an_environment(desk: Desk) -> None:
    page = desk.page
    desk.visit(f"{MATRIX}?environment=production")
    page.get_by_text("Copy access from…").click()
    forms = page.locator(".cors-guard-access-copies")
    forms.get_by_label("From").first.select_option(label="Customer portal")
    forms.get_by_label(DASHBOARD).check()
    look(desk, "access-copy")
    page.get_by_role("button", name="Tick the same boxes").first.click()
    expect(page.get_by_text("Copied from Customer portal: 1 box was ticked.")).to_be_visible()
    expect(box(desk, "Billing API", DASHBOARD)).to_be_checked()
    expect(page.get_by_text("Ticked: 1")).to_be_visible()
    desk.shoot("access-copied")
    page.get_by_role("link", name="Forget the copy").click()
    expect(box(desk, "Billing API", DASHBOARD)).not_to_be_checked()

    page.get_by_text("Copy access from…").click()
    page.locator("#from-environment").select_option(label="Staging")
    page.get_by_label("Tick origins that are trusted only there, too").check()
    page.get_by_role("button", name="Tick the same boxes").last.click()
    expect(page.get_by_text("Trusted only in Staging: would be trusted here, too")).to_be_visible()
    expect(page.get_by_text("Trusted there only, and not to be trusted here: https://*.preview")).to_be_visible()
    expect(box(desk, "Billing API", STAGED)).to_be_checked()
    look(desk, "access-copied-environment")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", name="Will be trusted (2)")).to_be_visible()
    page.get_by_label("Until revoked").check()
    page.get_by_role("button", name="Save as one revision").click()
    expect(page.get_by_text("2 trusted.")).to_be_visible()
    assert {f"billing {STAGED}", f"public {STAGED}"} <= grants(desk)


def fill_up(desk: Desk) -> None:
    """Forty front ends, six API groups."""
    desk.run(
        """
        from datetime import timedelta
        from django.utils import timezone
        from django_cors_guard import services
        from django_cors_guard.models import ApiGroup, FrontEnd
        soon = timezone.now() + timedelta(days=9)
        for name in ("Catalogue API", "Orders API", "Search API", "Status API"):
            slug = name.split()[0].lower()
            ApiGroup.objects.create(slug=slug, name=name, any_origin=slug == "status")
        for number in range(40):
            front_end = FrontEnd.objects.create(slug=f"app-{number:02}", name=f"App {number:02}", owner="Team A")
            services.trust_many(
                [f"https://app{number:02}.production.example.com"], environments=["production"], front_end=front_end,
                api_groups=["catalogue", "search"] if number % 2 else ["orders", "billing"],
                expires_at=None if number % 5 else soon,
            )
        grant = services.trust("https://app00.production.example.com", environment="production", api_group="search")
        services.revoke(grant, reason="It searched too much.")
        """
    )


def test_forty_front_ends_and_six_groups_stay_comfortable(desk: Desk) -> None:
    fill_up(desk)
    page = desk.page
    desk.visit(f"{MATRIX}?environment=production")
    expect(page.locator("#access-caption")).to_contain_text("rows 1 to 43 of 43")
    expect(page.get_by_text("any origin: open to everybody")).to_have_count(1)
    last = box(desk, "Orders API", "https://app39.production.example.com")
    last.scroll_into_view_if_needed()
    if desk.size == "desktop":
        # The heads of rows and columns stay where they are while the rest moves.
        expect(page.locator("thead th", has_text="Orders API")).to_be_in_viewport()
        page.get_by_role("button", name="All of this column: Search API").click()
        expect(page.get_by_role("status")).to_have_text("Ticked: 22 · Revoked before, so left alone: 1")
        expect(box(desk, "Search API", "https://app02.production.example.com")).to_be_checked()
        expect(box(desk, "Search API", "https://app00.production.example.com")).not_to_be_checked()
        page.get_by_role("button", name="None of this column: Search API").click()
        expect(page.get_by_role("status")).to_have_text("Cleared: 20")
        page.get_by_role("button", name="Reset").click()
        expect(page.get_by_role("status")).to_have_text("Nothing is changed yet.")
    page.get_by_role("button", name="All of this row: https://app39.production.example.com").click()
    expect(last).to_be_checked()
    expect(page.get_by_role("status")).to_have_text("Ticked: 3")
    last.focus()
    last.press("ArrowUp")
    expect(box(desk, "Orders API", "https://app38.production.example.com")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(box(desk, "Catalogue API", "https://app38.production.example.com")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_have_text("Ticked: 4")
    look(desk, "access-forty")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", name="Will be trusted (4)")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Part of an origin or of a front end's name").fill("App 07")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#access-caption")).to_contain_text("rows 1 to 1 of 1")


def test_viewer_sees_everything_and_can_change_nothing(desk: Desk) -> None:
    desk.user("vera", "view_trustedorigin")
    desk.visit(f"{MATRIX}?environment=production")
    expect(desk.page.locator("#access-table")).to_contain_text(PORTAL)
    expect(desk.page.get_by_role("checkbox")).to_have_count(0)
    expect(desk.page.get_by_role("button", name="Review changes")).to_have_count(0)
    look(desk, "access-viewer")


@ONE_SIZE
def test_protected_environment_says_why_there_is_nothing_to_tick(desk: Desk) -> None:
    desk.user("otto", "view_trustedorigin", "add_trustedorigin", "change_trustedorigin")
    desk.visit(f"{MATRIX}?environment=production")
    expect(desk.page.get_by_text("Can change protected environments")).to_be_visible()
    expect(desk.page.get_by_role("checkbox")).to_have_count(0)
    desk.visit(f"{MATRIX}?environment=staging")
    expect(box(desk, "Billing API", STAGED)).to_be_enabled()
