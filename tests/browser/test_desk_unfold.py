"""The desk under django-unfold's admin site, which replaces the admin's templates and looks: nothing breaks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.desk import SIZES, UNFOLD, Desk, copied_database, find_pictures, serving_desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

PAGES = {
    "overview": "trustedorigin/overview/",
    "rejected-origins": "rejectedorigin/",
    "rejected-origin": "rejectedorigin/1/change/",
    "rejections": "rejection/",
    "trusted-origins": "trustedorigin/",
    "trusted-origin": "trustedorigin/1/change/",
    "trust": "trustedorigin/add/?card=1",
    "revoke": "trustedorigin/1/revoke/",
    "revoke-everywhere": "trustedorigin/1/revoke-everywhere/",
    "access": "trustedorigin/access/",
    "review": "trustedorigin/review/",
    "check": "trustedorigin/check/?origin=https://portal.example.com&path=/api/billing/invoices",
    "import": "trustedorigin/import/",
    "history": "policychange/",
    "change": "policychange/1/change/",
    "api-groups": "apigroup/",
    "api-group": "apigroup/1/change/",
    "environments": "environment/",
    "environment": "environment/1/change/",
    "front-ends": "frontend/",
    "history-of-a-grant": "trustedorigin/1/history/",
}


@pytest.fixture(params=list(SIZES))
def desk(request: pytest.FixtureRequest, browser: BrowserContext, demo_database: str, tmp_path: Path) -> Iterator[Desk]:
    with copied_database(demo_database, f"cors_guard_unfold_{os.getpid()}") as url:
        log = tmp_path / "server.log"
        with serving_desk(url, log, UNFOLD) as origin:
            yield Desk(browser, origin, url, request.param, find_pictures(), UNFOLD)
        assert "Traceback" not in log.read_text(errors="replace"), log.read_text(errors="replace")[-3000:]


def test_every_page_of_the_desk_works_under_unfold(desk: Desk) -> None:
    for name, path in PAGES.items():
        desk.visit(f"/admin/cors_guard/{path}")
        assert desk.page.locator("#content").is_visible(), path
        desk.shoot(f"unfold-{name}")
    assert [complaint for complaint in desk.complaints if "Error" in complaint] == []


def test_origin_is_trusted_and_revoked_under_unfold(desk: Desk) -> None:
    page = desk.page
    desk.visit("/admin/cors_guard/trustedorigin/1/revoke/")
    page.get_by_label("Reason").fill("Its signing key leaked.")
    page.get_by_role("button", name="Revoke here").click()
    page.get_by_text("One grant was closed").wait_for()
