"""The page of the access review."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyChange, TrustedOrigin
from tests.admin.conftest import login
from tests.admin.pages import post, revision, said, text, url
from tests.factories import FrontEndFactory, TrustedOriginFactory, user_with

APP, OLD = "https://app.example.com", "https://old.example.com"


@pytest.fixture(autouse=True)
def grants(production: Environment, public: ApiGroup, ana: User) -> None:
    """A young grant, and an old one of a front end past its review."""
    TrustedOriginFactory.create(origin=APP, note="The app")
    shop = FrontEndFactory.create(owner="Team Shop", review_by=date(2020, 1, 1))
    TrustedOriginFactory.create(origin=OLD, front_end=shop, created_at=timezone.now() - timedelta(days=200))


def grant(origin: str) -> TrustedOrigin:
    found: TrustedOrigin = TrustedOrigin.objects.get(origin=origin)
    return found


def origins(response: Any) -> list[str]:
    assert response.status_code == 200
    return [line.url for line in response.context["lines"]]


def listed(client: Client, **query: str) -> list[str]:
    urls = origins(client.get(url("review"), query))
    return [row.origin for row in TrustedOrigin.objects.order_by("pk") if url("trustedorigin_change", row.pk) in urls]


def test_page_lists_what_stands_with_owner_and_reason(operator: Client) -> None:
    page = operator.get(url("review"))
    words = text(page)
    for word in (APP, OLD, "Team Shop", "The app", "never reviewed", "its front end is past its review", "200 days"):
        assert word in words, word
    assert [item.name for item in page.context["front_ends"]] == ["Shop"]


def test_filters_leave_what_they_say(operator: Client) -> None:
    services.revoke(grant(APP), reason="gone")
    assert listed(operator) == [OLD]
    assert listed(operator, status="every") == [APP, OLD]
    assert listed(operator, status="revoked") == [APP]
    assert listed(operator, due="on") == [OLD]
    assert listed(operator, front_end="shop", environment="production", api_group="public") == [OLD]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param({"front_end": "nobody"}, "no front end of that slug", id="unknown front end"),
        pytest.param({"front_end": "a\0b"}, "Null characters are not allowed", id="NUL"),
        pytest.param({"environment": "moon"}, "Select a valid choice", id="unknown environment"),
        pytest.param({"as_of": "2990-01-01"}, "still to come", id="to come"),
        pytest.param({"as_of": "0001-01-01"}, "no day", id="before all"),
        pytest.param({"older_than": "0"}, "greater than or equal to 1", id="no days"),
        pytest.param({"front_end": "nobody", "format": "csv"}, "no front end of that slug", id="export"),
    ],
)
def test_filter_that_is_not_right_lists_nothing_and_says_so(
    query: dict[str, str], words: str, operator: Client
) -> None:
    page = operator.get(url("review"), query)
    assert page.status_code == 200
    assert words in text(page)
    assert "lines" not in page.context


def test_ticked_grants_are_marked_for_a_reason(operator: Client, ana: User) -> None:
    ticked = {"_selected_action": [grant(APP).pk, grant(OLD).pk]}
    page = post(operator, url("review"), {"step": "mark", **ticked})
    assert APP in text(page)
    before = revision()
    assert "Say what was found." in text(post(operator, url("review"), {"step": "save", "reason": "", **ticked}))
    assert revision() == before
    done = post(operator, f"{url('review')}?due=on", {"step": "save", "reason": "Signed off", **ticked})
    assert done["Location"] == f"{url('review')}?due=on"
    assert "2 grants marked as reviewed." in said(done)[0]
    assert {row.reviewed_by for row in TrustedOrigin.objects.all()} == {ana}
    assert set(PolicyChange.objects.filter(action="reviewed").values_list("source", "reason")) == {
        ("admin", "Signed off")
    }
    assert LogEntry.objects.count() == 2
    assert "reviewed" in text(operator.get(url("trustedorigin_history", grant(APP).pk)))
    assert "Reviewed by: ana" in text(operator.get(url("trustedorigin_change", grant(APP).pk)))


def test_nothing_ticked_and_what_is_gone_changes_nothing(operator: Client) -> None:
    before = revision()
    for ticked in ([], ["999999"], ["x", "-1", "9" * 30]):
        post(operator, url("review"), {"step": "mark", "_selected_action": ticked})
        post(operator, url("review"), {"step": "save", "reason": "x", "_selected_action": ticked})
    post(operator, url("review"), {"step": "dance"})
    assert revision() == before


def test_front_end_is_reviewed_as_a_whole(operator: Client) -> None:
    address = f"{url('review')}?look_at=shop"
    assert OLD in text(operator.get(address))
    form = {"step": "front_end", "reason": "Met with the team", "next_review_by": "2020-01-01"}
    assert "has to lie ahead" in text(post(operator, address, form))
    day = datetime.now(tz=UTC).date() + timedelta(days=90)
    done = post(operator, address, {**form, "next_review_by": day.isoformat()})
    assert done["Location"] == url("review")
    assert FrontEnd.objects.get().review_by == day
    assert grant(OLD).reviewed_at is not None
    assert grant(APP).reviewed_at is None
    assert operator.get(url("review")).context["front_ends"] == []
    assert operator.get(f"{url('review')}?look_at=nobody").status_code == 302


def test_files_hold_all_of_it_and_only_what_the_reader_may_see(operator: Client) -> None:
    table = operator.get(url("review"), {"format": "csv", "status": "every"})
    rows = list(csv.DictReader(StringIO(table.getvalue().decode("utf-8-sig"))))
    assert [(row["origin"], row["owner"], row["note"]) for row in rows] == [
        (OLD, "Team Shop", ""),
        (APP, "", "The app"),
    ]
    document = json.loads(operator.get(url("review"), {"format": "json", "due": "on"}).getvalue())
    assert [row["origin"] for row in document["grants"]] == [OLD]
    viewer = login(user_with("view_trustedorigin"))
    table = viewer.get(url("review"), {"format": "csv"})
    assert not {"owner", "contact", "last_used", "reason"} & set(next(csv.reader(StringIO(table.getvalue().decode()))))
    assert "Team Shop" not in text(viewer.get(url("review")))


def test_past_is_for_those_who_may_read_the_history(operator: Client) -> None:
    yesterday = (datetime.now(tz=UTC).date() - timedelta(days=1)).isoformat()
    page = operator.get(url("review"), {"as_of": yesterday})
    assert page.status_code == 200
    assert not page.context["sight"].ticks
    assert "those of today" in text(page)
    viewer = login(user_with("view_trustedorigin"))
    refused = viewer.get(url("review"), {"as_of": yesterday})
    assert "permission to see the history" in text(refused)


def test_names_of_front_ends_are_for_those_who_may_see_front_ends(operator: Client) -> None:
    secret = FrontEndFactory.create(slug="deal", name="Merger with ACME", external=True)
    TrustedOriginFactory.create(origin="https://deal.example.com", front_end=secret)
    reader = login(user_with("view_trustedorigin", username="reader"))
    shown, withheld = (client.get(url("review")).content.decode() for client in (operator, reader))
    for word in ("Merger with ACME", ">external<"):
        assert word in shown
        assert word not in withheld


def test_file_of_the_past_is_named_for_its_day(operator: Client) -> None:
    answer = operator.get(url("review"), {"as_of": "2026-01-31", "format": "csv"})
    assert 'filename="access-review-as-of-2026-01-31-' in answer.headers["Content-Disposition"]


def test_pages_lead_on(operator: Client) -> None:
    for _ in range(60):
        TrustedOriginFactory.create()
    first = operator.get(url("review"))
    assert len(first.context["lines"]) == 50
    second = operator.get(first.context["next_url"])
    assert len(second.context["lines"]) == 12
    assert second.context["next_url"] == ""
    assert post(operator, url("review"), {"step": "mark"}).status_code == 302
    assert operator.get(url("review"), {"after": "nonsense"}).status_code == 302


def test_protected_environment_says_so_before_anything_is_asked(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    page = post(apprentice, url("review"), {"step": "mark", "_selected_action": [grant(APP).pk]})
    assert "protected" in page.context["obstacle"]
    done = post(apprentice, url("review"), {"step": "save", "reason": "x", "_selected_action": [grant(APP).pk]})
    assert "protected" in said(done)[0]
    assert grant(APP).reviewed_at is None


def test_overview_leads_there(operator: Client) -> None:
    assert f'href="{url("review")}"' in operator.get(url("overview")).content.decode()


def test_history_tells_of_reviews_of_grants_and_of_front_ends(operator: Client, ana: User) -> None:
    day = datetime.now(tz=UTC).date() + timedelta(days=90)
    services.review_front_end("shop", next_review_by=day, actor=ana, reason="Met with the team")
    assert "Met with the team" in text(operator.get(url("policychange_changelist")))
    for change in PolicyChange.objects.filter(action="reviewed"):
        page = operator.get(url("policychange_change", change.pk))
        assert page.status_code == 200
        assert "Met with the team" in text(page)
    of_grant = PolicyChange.objects.get(action="reviewed", target__startswith="trustedorigin:")
    revert = operator.get(url("policychange_revert", of_grant.pk))
    assert "It may be due for review again." in text(revert)
    done = post(operator, url("policychange_revert", of_grant.pk), {"reason": "Wrong row"})
    assert done.status_code == 302
    assert grant(OLD).reviewed_at is None
    assert PolicyChange.objects.filter(action="unreviewed", reason="Wrong row").exists()
