"""What an operator does about origins that are trusted: find them, see whether they are used, revoke, reinstate."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

LIST = "/admin/cors_guard/trustedorigin/"

GRANTS = """
    from datetime import timedelta
    from django.utils import timezone
    from django_cors_guard import services
    from django_cors_guard.models import ApiGroup, Environment, FrontEnd, OriginUsage, TrustedOrigin
    now = timezone.now()
    production = Environment.objects.get(slug="production")
    public, billing = (ApiGroup.objects.get(slug=slug) for slug in ("public", "billing"))
    previews = Environment.objects.create(slug="previews", name="Previews", allow_subdomain_patterns=True)
    shop = FrontEnd.objects.create(
        slug="web-shop", name="Web shop", owner="Team Shop", contact="#shop-oncall, ext. 7", external=True
    )
    def trust(origin, place=production, group=public, age=200, **values):
        return TrustedOrigin.objects.create(
            origin=origin, environment=place, api_group=group, created_at=now - timedelta(days=age), **values
        )
    def see(grant, method, count, hours, origin=None):
        at = now - timedelta(hours=hours)
        OriginUsage.objects.create(
            trusted_origin=grant, origin=origin or grant.origin, method=method, count=count, first_seen=at, last_seen=at
        )
    main = trust("https://tills.example.com", front_end=shop)
    for hours in range(0, 700, 7):
        see(main, "GET", 900, hours + 3)
        see(main, "POST", 120, hours + 3)
    see(trust("https://tills.example.com", group=billing, front_end=shop), "POST", 45, 50)
    trust("https://tills.example.com", place=previews, expires_at=now + timedelta(days=6))
    pattern = trust("https://*.example.com", place=previews, group=billing)
    for number in range(14):
        see(pattern, "GET", 10 * number + 1, number + 1, origin=f"https://pr-{number}.example.com")
    trust("https://fair.example.org", age=3, expires_at=now + timedelta(days=2), managed_by="policy.toml")
    trust("https://xn--bcher-kva.example", age=3)
    trust("https://old.example.com", expires_at=now - timedelta(days=9))
    trust("http://plain.example.com")
    hostile = TrustedOrigin(origin="https://a\\u202ecod.<b>example", environment=previews, api_group=public)
    TrustedOrigin.objects.bulk_create([hostile])
"""


@pytest.fixture
def desk_with_grants(desk: Desk) -> Desk:
    """A desk with some grants more than the demo has."""
    desk.run(GRANTS)
    return desk


def test_operator_finds_a_grant_and_sees_whether_it_is_used(desk_with_grants: Desk) -> None:
    desk, page = desk_with_grants, desk_with_grants.page
    desk.visit(LIST)
    expect(page.get_by_role("row", name="fair.example.org")).to_contain_text("never used")
    expect(page.get_by_role("row", name="bücher.example")).to_contain_text("xn--bcher-kva")
    expect(page.get_by_role("row", name="plain.example.com")).to_contain_text("switched off")
    expect(page.locator("#result_list")).not_to_contain_text("\u202e")
    look_over(desk, "trusted-origins")
    desk.visit(f"{LIST}?status=expiring&q=tills")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    desk.visit(f"{LIST}?q=tills")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    page.get_by_role("row", name="Public API in Production").get_by_role("link", name="tills.example.com").click()
    expect(page.locator("#methods")).to_contain_text("POST")
    expect(page.locator("#lately")).to_contain_text("requests a day")
    look_over(desk, "trusted-origin")


def look_over(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def test_operator_revokes_everywhere_sends_the_receipt_on_and_reinstates(desk_with_grants: Desk) -> None:
    desk, page = desk_with_grants, desk_with_grants.page
    desk.visit(f"{LIST}?q=tills")
    page.get_by_role("row", name="Public API in Production").get_by_role("link", name="tills.example.com").click()
    page.locator("#revoke-everywhere-link").click()
    closing = page.locator("#will-close tbody tr")
    expect(closing).to_have_count(4)
    for words in (
        "requests a day",
        "Team Shop",
        "#shop-oncall, ext. 7",
        "let in by https://*.example.com, which stays",
    ):
        expect(page.locator("#will-close")).to_contain_text(words)
    expect(page.locator("#cached")).to_contain_text("up to 10 minutes")
    look_over(desk, "revoke-everywhere")

    page.get_by_role("button", name="Revoke everywhere").click()
    expect(page.get_by_text("Say why.")).to_be_visible()
    page.get_by_label("Reason").fill("The domain was taken over: ticket 4711.")
    page.get_by_role("button", name="Revoke everywhere").click()
    page.wait_for_url(re.compile(r"/receipt/\?revision=\d+$"))
    for _load in range(2):
        expect(page.get_by_role("status")).to_contain_text("4 grants were closed by admin")
        expect(page.locator("#reason")).to_contain_text("ticket 4711")
        expect(page.locator("#closed li")).to_have_count(4)
        page.reload()
    look_over(desk, "receipt")

    page.locator("#closed").get_by_role("link").first.click()
    page.locator("#reinstate-link").click()
    expect(page.locator("#revoked-by")).to_contain_text("Revoked by admin")
    expect(page.locator("#revoked-by")).to_contain_text("ticket 4711")
    look_over(desk, "reinstate")
    page.get_by_label("Reason").fill("False alarm.")
    page.get_by_role("button", name="Reinstate").click()
    expect(page.locator(".messagelist")).to_contain_text("Trusted again: https://tills.example.com")


def test_operator_revokes_several_at_once(desk_with_grants: Desk) -> None:
    desk, page = desk_with_grants, desk_with_grants.page
    desk.visit(f"{LIST}?q=example")
    for name in ("fair.example.org", "https://*.example.com", "old.example.com"):
        page.get_by_role("row", name=name).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("revoke_selected")
    page.locator(".actions button[name=index]").click()
    expect(page.locator("#will-close tbody tr")).to_have_count(3)
    expect(page.locator("#will-close")).to_contain_text("https://pr-13.example.com")
    look_over(desk, "revoke-selected")
    page.get_by_label("Reason").fill("End of the fair.")
    page.get_by_role("button", name="Revoke all of these").click()
    expect(page.get_by_role("status")).to_contain_text("3 grants were closed by admin")


def test_front_end_is_typed_where_there_are_many(desk_with_grants: Desk) -> None:
    desk, page = desk_with_grants, desk_with_grants.page
    desk.run(
        """
        from django_cors_guard.models import FrontEnd
        FrontEnd.objects.bulk_create([FrontEnd(slug=f"fe-{n}", name=f"Front end {n}") for n in range(200)])
        """
    )
    desk.visit(f"{LIST}?status=active")
    page.get_by_label("A part of its name").fill("web sh")
    page.get_by_label("A part of its name").press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    expect(page.locator("#result_list tbody tr").first).to_contain_text("Web shop")
    look_over(desk, "trusted-origins-filter")


def test_viewer_sees_everything_and_is_offered_no_change(desk_with_grants: Desk) -> None:
    desk, page = desk_with_grants, desk_with_grants.page
    desk.user("vera", "view_trustedorigin")
    desk.visit(LIST)
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    expect(page.locator("select[name=action]")).to_have_count(0)
    page.get_by_role("link", name="fair.example.org").click()
    expect(page.locator("#revoke-link")).to_have_count(0)
    desk.check_accessibility()
