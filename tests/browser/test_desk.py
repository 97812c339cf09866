"""What holds for every page of the desk."""

import pytest

from tests.browser.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.needs("postgresql", "chromium")]

MODELS = (
    "apigroup",
    "environment",
    "frontend",
    "originissuer",
    "originusage",
    "paritydifference",
    "policychange",
    "rejectedorigin",
    "rejection",
    "trustedorigin",
)


def test_list_and_first_row_of_every_model_are_open_to_everybody(desk: Desk) -> None:
    obstacles = []
    for model in MODELS:
        desk.visit(f"/admin/cors_guard/{model}/")
        obstacles += look_over(desk, f"list-{model}")
        row = desk.page.locator("#result_list tbody th a").first
        if row.count():
            row.click()
            obstacles += look_over(desk, f"row-{model}")
    assert obstacles == []


def look_over(desk: Desk, name: str) -> list[str]:
    desk.shoot(name)
    return [*desk.find_obstacles(), *desk.find_excess()]
