"""The overview, as somebody sees it who begins the day with it."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

OVERVIEW = "/admin/cors_guard/trustedorigin/overview/"

#: A month of refusals, grants that end or are not used, and front ends that are due.
A_MONTH = """
    import random
    from datetime import UTC, datetime, timedelta
    from django.utils import timezone
    from django_cors_guard import services
    from django_cors_guard.models import Environment, FrontEnd, RejectedOrigin, RejectionTally, TrustedOrigin
    from django_cors_guard.models import policy_write
    from django_cors_guard.models.rejection import card_key
    from django_cors_guard.models.tally import tally_key
    chance = random.Random(4)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    reasons = ["unknown_origin", "revoked", "null_origin", "method_not_allowed", "header_not_allowed", "expired",
        "other_environment", "malformed_origin", "other_group"]
    RejectionTally.objects.all().delete()
    tallies = []
    for back in range(24 * 30):
        for weight, reason in enumerate(reasons):
            for group in ("public", "billing", "own.paths"):
                count = chance.randrange(60) // (1 + weight)
                if count and group != "own.paths" or count > 40:
                    at = hour - timedelta(hours=back)
                    tallies.append(RejectionTally(hour=at, environment="local", api_group=group, reason=reason,
                        count=count, key=tally_key(at, "local", group, reason)))
    RejectionTally.objects.bulk_create(tallies)
    now, today = timezone.now(), datetime.now(UTC).date()
    for number in range(12):
        origin = f"https://shop{number}.example.net"
        RejectedOrigin.objects.create(environment="local", api_group="public", origin=origin,
            key=card_key("local", "public", origin), count=50 * number, first_seen=now - timedelta(days=9),
            last_seen=now, last_reason="unknown_origin", recent={today.isoformat(): 7 * number})
    for name, days in (("customer-portal", -4), ("campaigns", 12)):
        FrontEnd.objects.filter(slug=name).update(review_by=today + timedelta(days=days))
    TrustedOrigin.objects.filter(origin="https://portal.example.com").update(created_at=now - timedelta(days=200))
    with policy_write(reason="To see what it looks like"):
        Environment.objects.filter(slug="local").update(allow_insecure_http=True, protected=True)
"""


def look(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def figure(desk: Desk, name: str) -> Locator:
    return desk.page.locator(f"#{name}")


def count_colours(desk: Desk, name: str) -> int:
    """Return how many colours the chart has, to the nearest 32 of each channel: a chart that is not drawn has one."""
    found: int = desk.page.evaluate(
        """(name) => {
            const canvas = document.querySelector(`#${name} canvas`);
            const pen = canvas.getContext("2d");
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            const colours = new Set();
            for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3] > 200) {
                    colours.add([data[at] >> 5, data[at + 1] >> 5, data[at + 2] >> 5].join());
                }
            }
            return colours.size;
        }""",
        name,
    )
    return found


def test_overview_shows_how_things_stand_and_what_waits(desk: Desk) -> None:
    page = desk.page
    desk.run(A_MONTH)
    desk.visit("/admin/cors_guard/")
    look(desk, "app-index")
    page.get_by_role("link", name="Open the overview").click()

    banner = page.get_by_role("region", name="Active environment Local local")
    expect(banner).to_contain_text("enforce: the CORS protocol")
    expect(banner.locator("#protection")).to_have_text("protected")
    expect(banner.locator("#switches")).to_contain_text("allow insecure http, allow loopback")
    expect(banner.locator("#freshness")).to_contain_text("This process enforces it")
    expect(page.locator("#troubles")).to_have_count(0)

    expect(figure(desk, "by-reason").locator("canvas[role=img]")).to_be_visible()
    assert count_colours(desk, "by-reason") > 10
    assert count_colours(desk, "by-group") > 5
    expect(page.locator("#most-refused tbody tr")).to_have_count(8)
    expect(page.locator("#most-refused tbody th").first).to_have_text("https://shop11.example.net")
    expect(page.locator("#ending li")).not_to_have_count(0)
    expect(page.locator("#reviews li").first).to_contain_text("overdue")
    look(desk, "overview")

    figure(desk, "by-reason").get_by_text("The figures, as a table").click()
    expect(figure(desk, "by-reason").locator("tbody tr")).to_have_count(7)
    look(desk, "overview-figures")

    page.get_by_role("navigation", name="Period").get_by_role("link", name="30 days").click()
    expect(figure(desk, "by-reason").locator("tbody tr")).to_have_count(30)
    look(desk, "overview-month")
    page.get_by_role("navigation", name="Period").get_by_role("link", name="24 hours").click()
    expect(figure(desk, "by-group").locator("tbody tr")).to_have_count(24)
    look(desk, "overview-day")

    page.get_by_role("navigation", name="Environment").get_by_role("link", name="Staging").click()
    expect(page.locator("#refused-total")).to_contain_text("0 requests were refused.")
    expect(page.locator("figure")).to_have_count(0)

    page.locator("#unused a").last.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)


@ONE_SIZE
def test_charts_follow_the_theme(desk: Desk) -> None:
    page = desk.page
    desk.run(A_MONTH)
    page.emulate_media(reduced_motion="reduce")  # else a bar that is still growing is another picture
    desk.visit(OVERVIEW)
    picture = "document.querySelector('#by-reason canvas').toDataURL()"
    light = page.evaluate(picture)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(f"(light) => {picture} !== light", arg=light)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_function(f"(light) => {picture} === light", arg=light)


def test_overview_without_scripts_shows_the_figures(desk: Desk) -> None:
    page = desk.page
    desk.run(A_MONTH)
    page.route("**/cors_guard/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    desk.visit(OVERVIEW)
    expect(figure(desk, "by-reason").locator("canvas[role=img]")).to_be_hidden()
    expect(figure(desk, "by-reason").locator("tbody tr").first).to_be_visible()
    look(desk, "overview-no-scripts")


def test_overview_of_a_guard_that_guards_nothing_warns(desk: Desk) -> None:
    page = desk.page
    desk.run(
        """
        from django_cors_guard.models import ApiRoute, Environment, RejectedOrigin, TrustedOrigin
        TrustedOrigin.objects.filter(environment__slug="local").delete()
        Environment.objects.filter(slug="local").delete()
        ApiRoute.objects.all().delete()
        """
    )
    desk.visit_until(OVERVIEW, "#troubles li")
    expect(page.locator("#troubles li")).to_have_count(2, timeout=5000)
    expect(page.locator("#troubles")).to_contain_text("“local” is not in the database")
    look(desk, "overview-troubles")


def test_overview_of_somebody_who_may_see_grants_alone(desk: Desk) -> None:
    page = desk.page
    desk.user("vera", "view_trustedorigin")
    desk.visit(OVERVIEW)
    expect(page.get_by_role("heading", name="Refused requests")).to_have_count(0)
    expect(page.get_by_role("heading", name="Front ends due for review")).to_have_count(0)
    expect(page.locator("#grant-counts")).to_be_visible()
    look(desk, "overview-viewer")
