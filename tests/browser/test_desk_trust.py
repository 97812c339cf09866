"""Trusting origins, as a person does it: pasted, looked at with their risks, trusted for a day in two clicks."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

ADD = "/admin/cors_guard/trustedorigin/add/"
PASTED = "https://Shop.example.com/\nshop2.example.com\n\nhttps://shop.example.com\nhttps://portal.example.com\n"


def line(desk: Desk, number: int) -> Locator:
    return desk.page.locator(f"#line-{number}")


def grants(desk: Desk, origin: str) -> set[str]:
    """Return where an origin is trusted."""
    told = desk.run(
        f"""
        from django_cors_guard.models import TrustedOrigin
        for grant in TrustedOrigin.objects.active().filter(origin={origin!r}):
            span = "for ever" if grant.expires_at is None else "for a time"
            print(grant.environment.slug, grant.api_group.slug, span)
        """
    )
    return set(told.splitlines())


def tick(desk: Desk, *names: str) -> None:
    for name in names:
        desk.page.get_by_role("checkbox", name=re.compile(f"^{name}")).check()


def press(desk: Desk, name: str) -> None:
    desk.page.get_by_role("button", name=name, exact=True).click()


def inspect(desk: Desk, name: str) -> None:
    desk.shoot(name)
    desk.check_accessibility()
    desk.check_width()


def test_pasting_lines_shows_everything_before_anything_is_saved(desk: Desk) -> None:
    page = desk.page
    desk.visit(ADD)
    inspect(desk, "trust-form")
    page.get_by_label("Origins").fill(PASTED)
    tick(desk, "Staging", "Production", "Public API", "Billing API")
    press(desk, "Preview")

    expect(page.locator("#blocked")).to_contain_text("1 line cannot be trusted as it stands")
    expect(line(desk, 1)).to_contain_text("it was put in lower case")
    expect(line(desk, 2)).to_contain_text("Type https://shop2.example.com.")
    expect(page.locator("#pasted")).to_contain_text("Line 4 says the same as line 1.")
    expect(line(desk, 5)).to_contain_text("Trusted already, until revoked: nothing changes.")
    expect(page.get_by_role("button", name="Trust", exact=True)).to_have_count(0)
    inspect(desk, "trust-problems")

    press(desk, "Take over the suggestions")
    expect(line(desk, 2)).to_contain_text("https://shop2.example.com")
    expect(line(desk, 1)).to_contain_text("act as the signed-in user")
    expect(line(desk, 1)).to_contain_text("Public API")
    inspect(desk, "trust-preview")
    assert grants(desk, "https://shop2.example.com") == set()

    page.get_by_label("7 days").check()
    press(desk, "Trust")
    expect(page.locator("#difference")).to_contain_text("You chose another end")
    expect(line(desk, 5)).to_contain_text("From now on: until")
    press(desk, "Trust")
    expect(page.locator("#receipt-summary")).to_contain_text("Saved as revision")
    expect(page.locator("#trusted-new")).to_contain_text("https://shop2.example.com")
    inspect(desk, "trust-receipt")
    places = [f"{environment} {group}" for environment in ("staging", "production") for group in ("public", "billing")]
    assert grants(desk, "https://shop2.example.com") == {f"{place} for a time" for place in places}
    page.locator("#trusted-new a").first.click()
    expect(page.get_by_role("heading", name="Change trusted origin")).to_be_visible()


@ONE_SIZE
def test_risks_stand_beside_the_line_and_serious_ones_have_to_be_read(desk: Desk) -> None:
    page = desk.page
    desk.visit(ADD)
    page.get_by_label("Origins").fill(
        "https://porta1.example.net\nhttps://p0rtal-example.com\nhttps://shop.github.io\nhttps://bücher.example\n"
        "https://203.0.113.7"
    )
    tick(desk, "Production", "Public API")
    press(desk, "Preview")
    expect(line(desk, 2)).to_contain_text("Serious It looks like https://portal.example.com, which is trusted.")
    expect(line(desk, 3)).to_contain_text("Caution Strangers have names under “github.io”")
    expect(line(desk, 4)).to_contain_text("https://bücher.example")
    expect(line(desk, 5)).to_contain_text("Whoever gets that address next")
    inspect(desk, "trust-risks")
    press(desk, "Trust")
    expect(page.locator("#id_accepted_error")).to_contain_text("tick that you have")
    desk.check_accessibility()
    page.get_by_label("I have read the risks").check()
    press(desk, "Trust")
    expect(page.locator("#trusted-new")).to_contain_text("5")


@ONE_SIZE
def test_temporary_trust_of_a_rejected_origin_is_two_clicks(desk: Desk) -> None:
    key = desk.run(
        """
        from django_cors_guard.models import RejectedOrigin
        card, _ = RejectedOrigin.objects.get_or_create(
            key="k" * 64,
            defaults=dict(environment="production", api_group="public", origin="https://partner.example.org", count=31,
                          first_seen="2026-05-01T00:00Z", last_seen="2026-05-03T00:00Z", last_reason="unknown_origin"),
        )
        print(card.pk)
        """
    ).strip()
    desk.visit(f"{ADD}?card={key}")
    page = desk.page
    expect(page.locator("#card-note")).to_contain_text("refused 31 times for Public API in Production")
    expect(line(desk, 1)).to_contain_text("https://partner.example.org")
    inspect(desk, "trust-card")
    page.get_by_label("1 day").check()
    press(desk, "Trust")
    expect(page.locator("#trusted-new")).to_contain_text("https://partner.example.org")
    assert grants(desk, "https://partner.example.org") == {"production public for a time"}
    page.get_by_role("link", name="Back to the rejected origins").click()
    expect(page).to_have_url(re.compile("/rejectedorigin/$"))


@ONE_SIZE
def test_time_is_asked_for_only_with_until(desk: Desk) -> None:
    page = desk.page
    desk.visit(ADD)
    expect(page.get_by_label("Until:", exact=True)).to_be_hidden()
    page.get_by_label("until…").check()
    expect(page.get_by_label("Until:", exact=True)).to_be_visible()
    page.get_by_label("Until:", exact=True).fill("2031-12-31T18:00")
    inspect(desk, "trust-until")
    page.get_by_label("Origins").fill("https://until.example.com")
    tick(desk, "Production", "Public API")
    press(desk, "Preview")
    press(desk, "Trust")
    expect(page.locator("#receipt-summary")).to_contain_text("2031")


@ONE_SIZE
def test_preview_says_when_it_is_out_of_date(desk: Desk) -> None:
    page = desk.page
    desk.visit(ADD)
    page.get_by_label("Origins").fill("https://one.example.com")
    tick(desk, "Production", "Public API")
    press(desk, "Preview")
    page.locator("#trust-what summary").click()
    page.get_by_label("Origins").fill("https://two.example.com")
    expect(page.locator("#trust-stale")).to_be_visible()
    expect(page.get_by_role("button", name="Trust", exact=True)).to_be_disabled()
    press(desk, "Preview again")
    expect(line(desk, 1)).to_contain_text("https://two.example.com")
    press(desk, "Trust")
    expect(page.locator("#trusted-new")).to_contain_text("https://two.example.com")


@ONE_SIZE
def test_protected_environment_says_why_it_cannot_be_ticked(desk: Desk) -> None:
    desk.run(
        """
        from django_cors_guard.models import Environment
        Environment.objects.filter(slug="production").update(protected=True, max_trust_days=14)
        Environment.objects.filter(slug="staging").update(max_trust_days=5)
        """
    )
    desk.user("bob", "add_trustedorigin", "view_trustedorigin")
    desk.visit(ADD)
    page = desk.page
    expect(page.get_by_role("checkbox", name=re.compile(r"^Production \(protected"))).to_be_disabled()
    page.get_by_label("Origins").fill("https://one.example.com")
    tick(desk, "Staging", "Public API")
    press(desk, "Preview")
    expect(page.locator(".field-ends")).to_contain_text("Staging allows at most 5 days")
    expect(page.get_by_role("radio", name=re.compile("^30 days"))).to_be_disabled()
    inspect(desk, "trust-limited")
    page.get_by_label("1 day").check()
    press(desk, "Trust")
    expect(page.locator("#trusted-new")).to_contain_text("https://one.example.com")


@ONE_SIZE
def test_front_end_is_searched_for_where_there_are_very_many(desk: Desk) -> None:
    desk.run(
        """
        from django_cors_guard.models import FrontEnd
        FrontEnd.objects.bulk_create(FrontEnd(slug=f"shop-{n}", name=f"Shop number {n}") for n in range(400))
        """
    )
    page = desk.page
    desk.visit(ADD)
    page.locator(".field-front_end .select2-selection").click()
    page.locator(".select2-search__field").fill("number 321")
    page.get_by_role("option", name="Shop number 321").click()
    page.get_by_label("Origins").fill("https://one.example.com")
    tick(desk, "Production", "Public API")
    press(desk, "Preview")
    expect(page.locator(".field-front_end")).to_contain_text("Shop number 321")
    press(desk, "Trust")
    page.locator("#trusted-new a").first.click()
    expect(page.locator(".field-front_end")).to_contain_text("Shop number 321")


def test_end_of_a_grant_is_moved_with_one_click(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/?q=summer.example.org")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_label("Until:", exact=True)).to_be_hidden()
    inspect(desk, "trust-amend")
    page.get_by_label("7 days from now").check()
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist")).to_contain_text("was changed successfully")


@ONE_SIZE
def test_everything_works_without_scripts(desk: Desk) -> None:
    browser = desk.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False, storage_state=desk.context.storage_state())
    page = context.new_page()
    page.goto(f"{desk.origin}{ADD}")
    page.get_by_label("Origins").fill("https://plain.example.com")
    page.get_by_role("checkbox", name=re.compile("^Production")).check()
    page.get_by_role("checkbox", name=re.compile("^Public API")).check()
    page.get_by_label("until…").check()
    page.get_by_label("Until:", exact=True).fill("2031-12-31T18:00")
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_role("button", name="Trust", exact=True).click()
    expect(page.locator("#trusted-new")).to_contain_text("https://plain.example.com")
    context.close()
