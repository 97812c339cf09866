"""The access review over HTTP."""

import csv
import json
from datetime import UTC, date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import EnvironmentFactory, FrontEndFactory, OriginUsageFactory, TrustedOriginFactory, UserFactory

APP = "https://app.example.com"
ALL = ("view_trustedorigin", "view_frontend", "view_originusage", "view_policychange")


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def auditor(api: MakeApi) -> Api:
    return api(*ALL, username="vera")


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_grant_is_told_with_owner_use_reason_and_age(auditor: Api) -> None:
    ana = UserFactory.create(username="ana")
    shop = FrontEndFactory.create(owner="Team Shop", contact="shop@example.com", review_by=date(2020, 1, 1))
    row = services.trust(
        "https://bücher.example",
        environment="production",
        api_group="public",
        actor=ana,
        note="The shop",
        front_end=shop,
    )
    seen = timezone.now()
    OriginUsageFactory.create(trusted_origin=row, count=7, first_seen=seen, last_seen=seen)
    services.revoke(row, actor=ana, reason="A mistake")
    services.reinstate(row, actor=ana, reason="Signed off")
    (told,) = results(auditor.get("reviews/"))
    assert {name: told[name] for name in ("origin", "unicode", "status", "due", "note", "reason", "uses")} == {
        "origin": "https://xn--bcher-kva.example",
        "unicode": "https://bücher.example",
        "status": "active",
        "due": ["front_end"],
        "note": "The shop",
        "reason": "Signed off",
        "uses": 7,
    }
    assert (told["owner"], told["contact"], told["review_by"]) == ("Team Shop", "shop@example.com", "2020-01-01")
    assert (told["trusted_by"], told["reinstated_by"], told["age_days"]) == ("ana", "ana", 0)
    assert told["last_used"] == seen.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert told["unsure"] == []


def test_past_is_told_and_what_it_cannot_know_is_said(auditor: Api) -> None:
    gone = services.trust(APP, environment="production", api_group="public", note="first")
    then = timezone.now()
    services.revoke(gone, reason="gone")
    gone.delete()
    assert results(auditor.get("reviews/")) == []
    answer = auditor.get("reviews/", as_of=then.isoformat())
    (told,) = results(answer)
    assert (told["id"], told["origin"], told["status"], told["note"]) == (None, APP, "active", "first")
    assert (told["last_used"], told["unsure"]) == (None, ["use"])
    assert [limit["code"] for limit in answer.json()["limits"]] == ["front_ends_today", "use_kept_since"]


def test_past_is_for_those_who_may_read_the_story(api: MakeApi) -> None:
    viewer = api("view_trustedorigin")
    TrustedOriginFactory.create()
    (told,) = results(viewer.get("reviews/"))
    assert not {"reason", "owner", "contact", "last_used", "uses"} & set(told)
    assert viewer.get("reviews/", as_of="2026-05-03").status_code == 403
    assert viewer.get("reviews/export/", as_of="2026-05-03").status_code == 403


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({"as_of": "yesterday"}, ("as_of", "invalid_time"), id="no day"),
        pytest.param({"as_of": "2026-05-03T12:00:00"}, ("as_of", "invalid_time"), id="no zone"),
        pytest.param({"as_of": "2998-05-03"}, ("as_of", "invalid_time"), id="to come"),
        pytest.param({"older_than": "0"}, ("older_than", "invalid_number"), id="no days"),
        pytest.param({"due": "yes"}, ("due", "invalid_choice"), id="neither true nor false"),
        pytest.param({"cursor": "9.1.1"}, ("cursor", "invalid_cursor"), id="no cursor"),
        pytest.param({"environment": "moon"}, ("environment", "unknown_environment"), id="unknown environment"),
    ],
)
def test_bad_parameters_are_named(query: dict[str, str], wanted: tuple[str, str], auditor: Api) -> None:
    response = auditor.get("reviews/", **query)
    assert response.status_code == 400
    assert [field for field, _code in codes(response)] == [wanted[0]]


def test_pages_lead_on_through_every_grant_once(auditor: Api) -> None:
    overdue = FrontEndFactory.create(review_by=date(2020, 1, 1))
    rows = [TrustedOriginFactory.create(front_end=overdue if number % 3 == 0 else None) for number in range(10)]
    went = rows.pop(4)
    then = timezone.now()
    went.delete()
    response = auditor.get("reviews/", page_size=3, as_of=then.isoformat())
    found = results(response)
    while response.json()["next"]:
        response = auditor.follow(response.json()["next"])
        found += results(response)
    overdue_first = [row.origin for row in rows if row.front_end] + [row.origin for row in rows if not row.front_end]
    assert [row["origin"] for row in found] == [*overdue_first, went.origin]


def test_filters_leave_what_they_say(auditor: Api) -> None:
    staging, shop = EnvironmentFactory.create(slug="staging"), FrontEndFactory.create()
    here, there = TrustedOriginFactory.create(front_end=shop), TrustedOriginFactory.create(environment=staging)
    old = TrustedOriginFactory.create(created_at=timezone.now() - timedelta(days=100))
    services.revoke(there, reason="gone")
    for query, rows in (
        ({"environment": "production"}, [here, old]),
        ({"front_end": "shop"}, [here]),
        ({"status": "revoked"}, [there]),
        ({"due": "true"}, [old]),
        ({"due": "true", "older_than": "101"}, []),
        ({"api_group": "public", "status": "active"}, [here, old]),
    ):
        assert [row["id"] for row in results(auditor.get("reviews/", **query))] == [row.pk for row in rows], query


def test_export_is_ndjson_or_a_table_that_no_spreadsheet_runs(auditor: Api) -> None:
    TrustedOriginFactory.create(origin=APP, note="=cmd|' /C calc'!A0")
    TrustedOriginFactory.create()
    response = auditor.get("reviews/export/", **{"as": "ndjson"})
    first, second = (json.loads(line) for line in response.getvalue().decode().splitlines())
    assert (first["origin"], first["note"], first["due"], second["status"]) == (APP, "=cmd|' /C calc'!A0", [], "active")
    response = auditor.get("reviews/export/", **{"as": "csv"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="review.csv"'
    first, second = csv.DictReader(StringIO(response.getvalue().decode()))
    assert (first["note"], second["origin"]) == ("'=cmd|' /C calc'!A0", second["unicode"])


def test_mark_is_recorded_and_shown_with_the_grant(api: MakeApi) -> None:
    operator = api("view_trustedorigin", "change_trustedorigin", username="ana")
    row = TrustedOriginFactory.create()
    response = operator.post(f"trusted-origins/{row.pk}/review/", {"reason": "Looked at"})
    assert response.status_code == 200
    assert response.json()["reviewed_by"] == "ana"
    assert response.json()["reviewed_at"] is not None
    change = PolicyChange.objects.get(action="reviewed")
    assert (change.source, change.actor_label, change.reason) == ("api", "ana", "Looked at")
    assert operator.post(f"trusted-origins/{row.pk}/review/", {"reason": ""}).status_code == 400
    services.revoke(row, reason="gone")
    assert operator.post(f"trusted-origins/{row.pk}/review/", {"reason": "Looked at"}).status_code == 400
    assert operator.post("trusted-origins/999999/review/", {"reason": "Looked at"}).status_code == 404


def test_mark_in_a_protected_environment_needs_its_permission(api: MakeApi) -> None:
    row = TrustedOriginFactory.create(environment=EnvironmentFactory.create(slug="vault", protected=True))
    assert api("change_trustedorigin").post(f"trusted-origins/{row.pk}/review/", {"reason": "x"}).status_code == 403
    assert TrustedOrigin.objects.get().reviewed_at is None


def test_page_takes_as_many_queries_for_many_as_for_few(auditor: Api) -> None:
    def review(number: int) -> None:
        row = TrustedOriginFactory.create(front_end=FrontEndFactory.create(slug=f"shop{number}"))
        services.review([row], actor=UserFactory.create(), reason="Looked at")

    def count() -> int:
        # The process takes the new policy in first.
        auditor.get("reviews/")
        with CaptureQueriesContext(connection) as found:
            results(auditor.get("reviews/", as_of=timezone.now().isoformat()))
        return len(found.captured_queries)

    review(0)
    few = count()
    for number in range(1, 30):
        review(number)
    assert count() == few
