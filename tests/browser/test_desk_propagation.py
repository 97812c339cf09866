"""An operator who has revoked an origin watches the receipt until it is out everywhere."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.desk import ONE_SIZE, Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

DESK = "/admin/cors_guard/trustedorigin"

#: A revocation in production, which one process has followed, one sleeps through and one has not heard of.
REVOKED = """
    import uuid
    from datetime import timedelta
    from django.utils import timezone
    from django_cors_guard import services
    from django_cors_guard.models import GuardProcess, PolicyState
    now = timezone.now()
    def report(host, pid, **values):
        revision, token = PolicyState.read("default")
        fresh = {"revision": revision, "token": token, "confirmed_at": now - timedelta(seconds=4), "started_at": now,
            "lapses_at": now + timedelta(minutes=14), "environment": "production"}
        GuardProcess.objects.create(id=uuid.uuid4(), host=host, pid=pid, **{**fresh, **values})
    services.trust("https://leaky.example.com", environment="production", api_group="public")
    report("web-2", 1234)
    report("web-3-a-very-long-name-of-a-pod-5d9c7b6f4c-x2x9q", 7, idle_since=now)
    receipt = services.revoke_origin("https://leaky.example.com", reason="The signing key leaked.")
    report("web-1", 11)
    report("web-1", 12)
    print(receipt.revision)
"""
FOLLOWED = """
    from django_cors_guard.models import GuardProcess, PolicyState
    revision, token = PolicyState.read("default")
    GuardProcess.objects.filter(host="web-2").update(revision=revision, token=token)
"""


def look_over(desk: Desk, name: str) -> None:
    desk.check_accessibility()
    desk.check_width()
    desk.shoot(name)


def test_receipt_follows_the_revocation_by_itself(desk: Desk) -> None:
    page, revision = desk.page, desk.run(REVOKED).strip()
    desk.visit(f"{DESK}/receipt/?revision={revision}")
    summary = page.locator("#propagation-summary")
    expect(summary).to_contain_text("Confirmed by 2 of 4 processes; idle: 1; still waiting for: web-2:1234, refuses")
    expect(page.locator("#processes tbody tr")).to_have_count(4)
    expect(page.locator("#processes tbody tr").first).to_contain_text("unconfirmed")
    look_over(desk, "receipt-waiting")

    desk.run(FOLLOWED)
    expect(summary).to_have_text("It is out everywhere. Confirmed by 3 of 4 processes; idle: 1.")
    expect(page.locator("#processes tbody tr").first).to_contain_text("idle")
    look_over(desk, "receipt-everywhere")


@ONE_SIZE
def test_receipt_looks_again_without_scripts(desk: Desk) -> None:
    page, revision = desk.page, desk.run(REVOKED).strip()
    page.route("**/propagation.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    desk.visit(f"{DESK}/receipt/?revision={revision}")
    expect(page.locator("#propagation-summary")).to_contain_text("still waiting for: web-2:1234")
    desk.run(FOLLOWED)
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("#propagation-summary")).to_contain_text("It is out everywhere.")


def test_overview_lists_the_processes(desk: Desk) -> None:
    desk.run(REVOKED)
    desk.visit(f"{DESK}/overview/")
    section = desk.page.locator("#propagation")
    # The process that serves this page is among them, or will be at the next look, and may be waited for, too.
    expect(section).to_contain_text(re.compile("still waiting for: .*web-2:1234"))
    desk.visit_until(f"{DESK}/overview/", "#processes tbody tr:nth-child(5)")
    expect(section.get_by_role("row")).to_have_count(6)
    look_over(desk, "overview-processes")
