"""What waits for an operator: the same as looking through all the rows by hand."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard.models import Environment, RejectedOrigin, TrustedOrigin
from django_cors_guard.models.rejection import card_key
from django_cors_guard.services import worth
from django_cors_guard.services.overview import waiting as overview
from django_cors_guard.services.overview.waiting import (
    GrantCount,
    count_grants,
    count_unused,
    list_ending,
    list_most_refused,
    list_reviews,
)
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TODAY = NOW.date()
DAY = timedelta(days=1)


def find() -> overview.Grants:
    return overview.find_active(NOW, Environment.objects.all())


def grant(**fields: Any) -> TrustedOrigin:
    return TrustedOriginFactory.create(**fields)


# --- grants -----------------------------------------------------------------------------------------------------------


def test_grants_are_counted_by_environment_and_group_as_by_hand() -> None:
    chance = random.Random(5)
    environments = [EnvironmentFactory.create(slug=slug) for slug in ("production", "staging")]
    groups = [ApiGroupFactory.create(slug=slug) for slug in ("public", "billing")]
    rows = []
    for _ in range(120):
        ends = chance.choice([None, NOW + chance.randrange(-20, 40) * DAY])
        revoked = chance.choice([None, None, NOW - DAY])
        place = {"environment": chance.choice(environments), "api_group": chance.choice(groups)}
        rows.append(grant(**place, expires_at=ends, revoked_at=revoked))
    rows += [grant(origin=f"http://plain{number}.example.com") for number in range(3)]  # switched off
    active = find()
    with CaptureQueriesContext(connection) as queries:
        found = count_grants(active, NOW)
    assert len(queries) == 1
    standing = [row for row in rows if row.status(NOW) == "active"]
    assert 3 < len(standing) < len(rows) - 3
    expected = []
    for where in sorted({(row.environment_id, row.api_group_id) for row in standing}):
        here = [row for row in standing if (row.environment_id, row.api_group_id) == where]
        ending = [row.expires_at for row in here if row.expires_at is not None]
        soon = sum(at <= NOW + 14 * DAY for at in ending)
        later = sum(at <= NOW + 30 * DAY for at in ending)
        expected.append(GrantCount(*where, active=len(here), soon=soon, later=later))
    assert found == expected


def test_ending_grants_come_the_next_first_and_no_further_than_a_month() -> None:
    for days in (31, 20, 3, -1):
        grant(origin=f"https://in{days + 50}.example.com", expires_at=NOW + days * DAY)
    grant(origin="https://revoked.example.com", expires_at=NOW + DAY, revoked_at=NOW)
    grant(origin="https://forever.example.com")
    found = list_ending(find(), NOW)
    assert [item.origin for item in found] == ["https://in53.example.com", "https://in70.example.com"]
    assert (found[0].environment, found[0].api_group, found[0].expires_at) == ("production", "public", NOW + 3 * DAY)
    assert TrustedOrigin.objects.get(pk=found[0].id).origin == found[0].origin


def test_ending_grants_are_no_longer_list_than_fits() -> None:
    for _ in range(overview.MAX_LISTED + 3):
        grant(expires_at=NOW + DAY)
    assert len(list_ending(find(), NOW)) == overview.MAX_LISTED


USES = [
    pytest.param(100, [], (1, 1), id="old and never used"),
    pytest.param(1, [], (1, 0), id="young and never used"),
    pytest.param(100, [95], (0, 1), id="used long ago"),
    pytest.param(100, [95, 5], (0, 0), id="used lately"),
    pytest.param(89, [88], (0, 0), id="younger than the limit"),
]


@pytest.mark.parametrize(("age", "uses", "expected"), USES)
def test_unused_grants_are_counted(age: int, uses: list[int], expected: tuple[int, int]) -> None:
    row = grant(created_at=NOW - age * DAY)
    for days in uses:
        OriginUsageFactory.create(trusted_origin=row, last_seen=NOW - days * DAY)
    found = count_unused(find(), NOW)
    assert (found.never, found.long) == expected
    assert not found.is_cut


def test_grants_that_have_ended_are_not_unused() -> None:
    grant(created_at=NOW - 100 * DAY, revoked_at=NOW)
    grant(created_at=NOW - 100 * DAY, expires_at=NOW - DAY)
    found = count_unused(find(), NOW)
    assert (found.never, found.long) == (0, 0)


def test_unused_grants_are_those_of_the_filters() -> None:
    chance = random.Random(7)
    open_group = ApiGroupFactory.create(slug="open", any_origin=True)
    for _ in range(60):
        place = {"api_group": open_group} if chance.random() < 0.2 else {}
        row = grant(created_at=NOW - chance.randrange(200) * DAY, **place)
        for _use in range(chance.randrange(3)):
            OriginUsageFactory.create(trusted_origin=row, last_seen=NOW - chance.randrange(200) * DAY)
    found, rows = count_unused(find(), NOW), TrustedOrigin.objects.all()
    assert (found.never, found.long) == (worth.never_used(rows, NOW).count(), worth.unused(rows, NOW).count())
    assert min(found.never, found.long) > 5


def test_use_of_another_grant_is_no_use_of_this_one() -> None:
    used, _unused = grant(), grant()
    OriginUsageFactory.create(trusted_origin=used, last_seen=NOW)
    assert count_unused(find(), NOW).never == 1


def test_unused_grants_are_counted_up_to_a_limit_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_COUNTED", 3)
    for _ in range(3):
        grant()
    assert (count_unused(find(), NOW).never, count_unused(find(), NOW).is_cut) == (3, False)
    grant()
    active = find()
    with CaptureQueriesContext(connection) as queries:
        found = count_unused(active, NOW)
    assert (found.never, found.is_cut) == (3, True)
    assert len(queries) == 1
    assert "LIMIT 4" in queries[0]["sql"]


# --- cards ------------------------------------------------------------------------------------------------------------


def card(name: str, lately: int, *, days: int = 0, **fields: Any) -> RejectedOrigin:
    recent = {(TODAY - days * DAY).isoformat(): lately} if days < 7 else {}
    values = {"count": lately, "last_seen": NOW - days * DAY, "recent": recent, **fields}
    return RejectedOriginFactory.create(origin=f"https://{name}.example.net", **values)


def names(since: datetime, environment: str | None = None) -> list[str]:
    found = list_most_refused(since, TODAY, environment=environment)
    return [item.origin.removeprefix("https://").removesuffix(".example.net") for item in found]


def test_most_refused_come_by_the_count_of_the_last_days() -> None:
    card("little", 1, count=10**6)
    card("much", 900)
    card("some", 30)
    assert names(NOW - DAY) == ["much", "some", "little"]


def test_most_refused_of_equal_counts_come_by_all_of_it_and_then_by_name() -> None:
    card("b", 5)
    card("a", 5)
    card("c", 5, count=50)
    assert names(NOW - DAY) == ["c", "a", "b"]


def test_most_refused_are_new_and_of_that_time() -> None:
    card("ignored", 9, status="ignored")
    card("trusted", 9, status="trusted")
    card("old", 9, days=3)
    card("new", 9)
    assert names(NOW - 2 * DAY) == ["new"]
    assert names(NOW - 4 * DAY) == ["new", "old"]
    assert names(NOW - 4 * DAY, "production") == ["new", "old"]


def test_most_refused_of_one_environment_are_its_own() -> None:
    card("here", 9)
    card("there", 9, environment="staging")
    assert names(NOW - DAY, "staging") == ["there"]


def test_most_refused_tell_what_the_card_says() -> None:
    row = card("one", 7, count=70)
    (found,) = list_most_refused(NOW - DAY, TODAY)
    assert (found.id, found.lately, found.count, found.reason) == (row.pk, 7, 70, "unknown_origin")
    assert (found.environment, found.api_group, found.last_seen) == ("production", "public", row.last_seen)


@pytest.mark.parametrize("environment", [None, "production"])
def test_most_refused_are_looked_for_among_a_bounded_number(
    monkeypatch: pytest.MonkeyPatch, environment: str | None
) -> None:
    monkeypatch.setattr(overview, "MAX_CARDS", 5)
    card("unseen", 10**6, last_seen=NOW - timedelta(hours=2))
    rows = [f"https://x{number}.example.net" for number in range(20)]
    RejectedOrigin.objects.bulk_create(
        RejectedOrigin(
            environment="production",
            api_group="public",
            origin=origin,
            key=card_key("production", "public", origin),
            first_seen=NOW,
            last_seen=NOW,
            recent="not what a trend is",
        )
        for origin in rows
    )
    with CaptureQueriesContext(connection) as queries:
        found = list_most_refused(NOW - DAY, TODAY, environment=environment)
    assert len(queries) == 1
    assert len(found) == 5
    assert "https://unseen.example.net" not in {item.origin for item in found}


# --- reviews ----------------------------------------------------------------------------------------------------------


def test_reviews_are_those_due_within_a_month_or_overdue() -> None:
    for days in (-3, 0, 30, 31):
        FrontEndFactory.create(slug=f"due{days}", owner="Team", review_by=TODAY + days * DAY)
    FrontEndFactory.create(slug="never")
    found = list_reviews(TODAY)
    assert [(item.name, item.is_overdue) for item in found] == [("Due-3", True), ("Due0", False), ("Due30", False)]
    assert (found[0].owner, found[0].review_by) == ("Team", TODAY - 3 * DAY)


def test_reviews_are_no_longer_list_than_fits() -> None:
    for number in range(overview.MAX_LISTED + 2):
        FrontEndFactory.create(slug=f"fe{number}", review_by=TODAY)
    assert len(list_reviews(TODAY)) == overview.MAX_LISTED


def test_everything_of_an_empty_database_is_nothing() -> None:
    Environment.objects.all().delete()
    assert (
        count_grants(find(), NOW),
        list_ending(find(), NOW),
        list_most_refused(NOW, TODAY),
        list_reviews(TODAY),
    ) == ([], [], [], [])
    assert count_unused(find(), NOW) == overview.Unused(0, 0, is_cut=False)
