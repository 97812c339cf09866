from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from django_cors_guard.models import TrustedOrigin
from django_cors_guard.services import usage
from django_cors_guard.services.usage import Tally, find_last_uses, read_usage
from django_cors_guard.testing import override_cors_guard
from tests.factories import OriginUsageFactory, TrustedOriginFactory

See = Callable[..., datetime]


@pytest.fixture
def grant(db: None) -> TrustedOrigin:
    return TrustedOriginFactory.create(created_at=timezone.now() - timedelta(days=400))


@pytest.fixture
def see(grant: TrustedOrigin) -> See:
    """Return what writes a row of use and returns when it was."""

    def write(days: float, *, of: TrustedOrigin = grant, **values: Any) -> datetime:
        at = timezone.now() - timedelta(days=days)
        OriginUsageFactory.create(trusted_origin=of, first_seen=at, last_seen=at, **values)
        return at

    return write


def test_last_use_is_the_latest_of_each_grant_in_one_query(
    grant: TrustedOrigin, see: See, django_assert_num_queries: Any
) -> None:
    other, unused = TrustedOriginFactory.create(), TrustedOriginFactory.create()
    see(5)
    latest = see(1)
    see(3)
    others = see(2, of=other)
    with django_assert_num_queries(1):
        found = find_last_uses([grant.pk, other.pk, unused.pk])
    assert found == {grant.pk: latest, other.pk: others}


def test_use_is_added_up_by_method_the_most_frequent_first(grant: TrustedOrigin, see: See) -> None:
    see(3, method="GET", count=2)
    latest = see(1, method="GET", count=3)
    post = see(2, method="POST", count=7)
    see(31, method="PUT", count=100)
    found = read_usage([grant])
    use = found.by_grant[grant.pk]
    assert found.window == timedelta(days=30)
    assert use.methods == (Tally("POST", 7, post), Tally("GET", 5, latest))
    assert (use.count, use.last_seen, use.origins) == (12, latest, ())


def test_grant_that_was_not_seen_is_missing(grant: TrustedOrigin, see: See) -> None:
    see(31)
    found = read_usage([grant])
    assert found.by_grant == {}
    assert found.a_day(grant) == 0


def test_no_grant_was_not_seen_either(db: None) -> None:
    assert read_usage([]).by_grant == {}


def test_names_that_a_sender_made_up_are_cut_and_counted_all_the_same(grant: TrustedOrigin, see: See) -> None:
    for number in range(usage.MAX_NAMED + 5):
        see(1, method=f"M{number:02}", count=1 + number)
    use = read_usage([grant]).by_grant[grant.pk]
    assert [tally.name for tally in use.methods] == [f"M{number:02}" for number in range(14, 4, -1)]
    assert use.count == sum(range(1, 16))


def test_origins_are_named_of_patterns_alone_the_top_of_each(see: See, db: None) -> None:
    patterns = [TrustedOriginFactory.create(origin=f"https://*.{name}.example") for name in ("a", "b")]
    for pattern in patterns:
        for number in range(usage.MAX_NAMED + 2):
            see(1, of=pattern, origin=pattern.origin.replace("*", f"h{number:02}"), count=1 + number)
    found = read_usage(patterns)
    for pattern in patterns:
        names = [tally.name for tally in found.by_grant[pattern.pk].origins]
        assert names == [pattern.origin.replace("*", f"h{number:02}") for number in range(11, 1, -1)]


def test_use_through_a_pattern_is_that_of_the_origin_alone(grant: TrustedOrigin, see: See) -> None:
    pattern = TrustedOriginFactory.create(origin="https://*.example.com")
    see(1, count=2)
    see(1, of=pattern, origin="https://a.example.com", count=3)
    see(1, of=pattern, origin="https://b.example.com", count=5)
    found = read_usage([grant], through=[pattern], origin=Q(origin="https://a.example.com"))
    assert {pk: use.count for pk, use in found.by_grant.items()} == {grant.pk: 2, pattern.pk: 3}


@pytest.mark.parametrize(
    ("days", "window"),
    [
        pytest.param([0.01, 2, 20], timedelta(days=30), id="few rows"),
        pytest.param([0.01, 2, 3, 20], timedelta(days=7), id="too many in a month"),
        pytest.param([0.01, 0.5, 2, 3, 20], timedelta(days=1), id="too many in a week"),
        pytest.param([0.01, 0.02, 0.03, 0.5, 3], timedelta(hours=1), id="too many in a day"),
        pytest.param([0.01, 0.01, 0.02, 0.03, 0.03], timedelta(hours=1), id="too many in an hour"),
    ],
)
def test_time_that_has_too_many_rows_gives_way_to_a_shorter_one(
    grant: TrustedOrigin, see: See, monkeypatch: pytest.MonkeyPatch, days: list[float], window: timedelta
) -> None:
    monkeypatch.setattr(usage, "MAX_ROWS", 3)
    for age in days:
        see(age)
    found = read_usage([grant])
    assert found.window == window
    assert found.by_grant[grant.pk].count == sum(timedelta(days=age) <= window for age in days)


def test_time_is_no_longer_than_use_is_kept_on_record(grant: TrustedOrigin, see: See) -> None:
    see(4)
    see(1)
    with override_cors_guard(AUDIT_RETENTION_DAYS=3):
        found = read_usage([grant])
    assert found.window == timedelta(days=3)
    assert found.by_grant[grant.pk].count == 1


@pytest.mark.parametrize(
    ("age", "a_day"),
    [
        pytest.param(400, 3, id="old"),
        pytest.param(10, 9, id="younger than the window"),
        pytest.param(0.1, 90, id="less than a day counts as one"),
    ],
)
def test_rate_is_that_of_the_days_since_the_grant_was_there(see: See, age: float, a_day: float) -> None:
    young = TrustedOriginFactory.create(created_at=timezone.now() - timedelta(days=age))
    see(0.01, of=young, count=90)
    assert read_usage([young]).a_day(young) == pytest.approx(a_day, rel=0.01)


def test_rate_of_a_shorter_time_is_that_of_a_day(
    grant: TrustedOrigin, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_ROWS", 1)
    see(0.01, count=10)
    see(0.02, count=10)
    assert read_usage([grant]).a_day(grant) == pytest.approx(480)


def test_question_takes_a_fixed_number_of_queries(see: See, django_assert_num_queries: Any, db: None) -> None:
    grants = [TrustedOriginFactory.create(origin=f"https://*.a{number}.example") for number in range(6)]
    for grant in grants:
        see(1, of=grant)
    with django_assert_num_queries(4):
        read_usage(grants)
