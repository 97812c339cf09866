"""Where a revision is out, on the receipt and on the overview."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin import propagation
from django_cors_guard.models import ApiGroup, Environment, GuardProcess, PolicyState
from tests.admin.pages import text, url
from tests.factories import EnvironmentFactory, TrustedOriginFactory
from tests.processes import report

ORIGIN = "https://app.example.com"


@pytest.fixture
def revision(production: Environment, public: ApiGroup) -> int:
    """A revocation, and a process that was there before it."""
    TrustedOriginFactory.create(origin=ORIGIN, environment=production, api_group=public)
    report("web-2", 1234, lapses_at=timezone.now() + timedelta(minutes=14))
    return services.revoke_origin(ORIGIN, reason="leaked").revision


def receipt(client: Client, revision: int) -> Any:
    page = client.get(url("receipt"), {"revision": revision})
    assert page.status_code == 200
    return page


def summary(page: Any) -> str:
    return str(page.context["propagation_summary"])


def lines(page: Any) -> list[tuple[str, str, str]]:
    return [(item.name, item.environment, text_of(item.standing)) for item in page.context["processes"]]


def text_of(html: str) -> str:
    return html.partition(">")[2].partition("<")[0]


def test_receipt_says_whom_it_waits_for_and_until_when(operator: Client, revision: int) -> None:
    for pid in range(1, 4):
        report("web-1", pid)
    report("web-3", 7, revision=1, token="gone", idle_since=timezone.now())
    page = receipt(operator, revision)
    at = timezone.localtime(page.context["propagation"].lapses_at)
    assert summary(page) == (
        "Confirmed by 3 of 5 processes; idle: 1; still waiting for: web-2:1234, refuses by itself at the latest at "
        f"{at:%H:%M:%S}."
    )
    assert lines(page)[:2] == [("web-2:1234", "Production", "unconfirmed"), ("web-3:7", "Production", "idle")]
    assert summary(page) in text(page)
    assert "data-waiting" in page.content.decode()


def test_receipt_says_that_it_is_out_and_looks_no_more(operator: Client, revision: int) -> None:
    version = PolicyState.read("default")
    GuardProcess.objects.update(revision=version.revision, token=version.token)
    page = receipt(operator, revision)
    assert summary(page) == "It is out everywhere. Confirmed by 1 of 1 processes."
    assert "data-waiting" not in page.content.decode()


def test_receipt_names_no_process_of_another_environment(operator: Client, revision: int) -> None:
    EnvironmentFactory.create(slug="staging")
    report("elsewhere", 9, environment="staging", revision=1, token="gone")
    assert lines(receipt(operator, revision)) == [("web-2:1234", "Production", "unconfirmed")]


def test_receipt_without_any_process_claims_nothing(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    TrustedOriginFactory.create(origin=ORIGIN, environment=production, api_group=public)
    page = receipt(operator, services.revoke_origin(ORIGIN, reason="leaked").revision)
    assert summary(page).startswith("No process reports itself")
    assert "out everywhere" not in text(page)


def test_summary_names_a_few_and_counts_the_rest(operator: Client, revision: int) -> None:
    for pid in range(1, 10):
        report("old", pid, revision=1, token="gone")
    assert summary(receipt(operator, revision)).endswith("; and 5 more.")


def test_list_is_cut(operator: Client, revision: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "MAX_LISTED", 3)
    for pid in range(1, 10):
        report("web", pid)
    page = receipt(operator, revision)
    assert len(lines(page)) == 3
    assert "And 7 more." in text(page)


def test_hostile_host_is_shown_harmlessly(operator: Client, revision: int) -> None:
    report("<script>\u202e", 1)
    assert "<script>\u202e" not in receipt(operator, revision).content.decode()


def test_overview_lists_the_processes_of_all_environments(operator: Client, revision: int) -> None:
    EnvironmentFactory.create(slug="staging", name="Staging")
    report("web-5", 5, environment="staging", confirmed_at=timezone.now() - timedelta(seconds=7))
    report("web-6", 6, environment="staging", confirmed_at=None, revision=0, token="")
    page = operator.get(url("overview"))
    assert lines(page) == [
        ("web-2:1234", "Production", "unconfirmed"),
        ("web-6:6", "Staging", "unconfirmed"),
        ("web-5:5", "Staging", "confirmed"),
    ]
    words = text(page)
    assert (
        f"Revision {PolicyState.read('default').revision}: Confirmed by 1 of 3 processes; still waiting for: web-2:1234"
        in words
    )
    assert "not yet" in words
    assert "8 seconds ago" in words or "7 seconds ago" in words
