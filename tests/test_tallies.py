"""Sums of refusals over time: the same as adding them up by hand."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_guard.models import RejectionTally
from django_cors_guard.models.tally import tally_key
from django_cors_guard.services.overview.tallies import Period, Series, add_up, list_begins
from tests.factories import RejectionTallyFactory

NOW = datetime(2026, 5, 3, 12, 34, 56, tzinfo=UTC)
HOUR = timedelta(hours=1)

PERIODS = [pytest.param(period, id=str(period)) for period in Period]


def tally(at: datetime, **fields: Any) -> None:
    RejectionTallyFactory.create(hour=at.replace(minute=0, second=0, microsecond=0), **fields)


def found_in(series: tuple[Series, ...]) -> dict[str, int]:
    return {item.code: item.total for item in series}


BEGINS = [
    pytest.param(Period.DAY, 24, datetime(2026, 5, 2, 13, tzinfo=UTC), datetime(2026, 5, 3, 12, tzinfo=UTC), id="24h"),
    pytest.param(Period.WEEK, 7, datetime(2026, 4, 27, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC), id="7d"),
    pytest.param(Period.MONTH, 30, datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC), id="30d"),
]


@pytest.mark.parametrize(("period", "steps", "first", "last"), BEGINS)
def test_period_has_whole_intervals_up_to_now(period: Period, steps: int, first: datetime, last: datetime) -> None:
    begins = list_begins(period, NOW)
    assert (len(begins), begins[0], begins[-1]) == (steps, first, last)
    assert {later - earlier for earlier, later in pairwise(begins)} == {period.step}


def test_intervals_are_those_of_utc_wherever_now_is_told() -> None:
    elsewhere = NOW.astimezone(datetime.now().astimezone().tzinfo)
    assert list_begins(Period.WEEK, elsewhere) == list_begins(Period.WEEK, NOW)


@pytest.mark.django_db
@pytest.mark.parametrize("period", PERIODS)
def test_nothing_refused_adds_up_to_nothing(period: Period) -> None:
    found = add_up(period, now=NOW)
    assert (found.total, found.by_reason, found.by_group) == (0, (), ())
    assert len(found.begins) == period.steps


@pytest.mark.django_db
@pytest.mark.parametrize("period", PERIODS)
def test_first_and_last_hour_of_a_period_count_and_their_neighbours_do_not(period: Period) -> None:
    begins = list_begins(period, NOW)
    tally(begins[0] - HOUR, count=1000)
    tally(begins[0], count=1)
    tally(NOW, count=2)
    tally(begins[-1] + period.step, count=1000)
    found = add_up(period, now=NOW)
    (series,) = found.by_reason
    assert (series.counts[0], series.counts[-1], found.total) == (1, 2, 3)


@pytest.mark.django_db
def test_environment_narrows_down() -> None:
    tally(NOW, count=3)
    tally(NOW, count=4, environment="staging")
    assert add_up(Period.DAY, now=NOW).total == 7
    assert add_up(Period.DAY, now=NOW, environment="staging").total == 4
    assert add_up(Period.DAY, now=NOW, environment="nowhere").total == 0


@pytest.mark.django_db
def test_series_come_the_largest_first_and_equal_ones_by_name() -> None:
    for reason, count in (("revoked", 5), ("expired", 9), ("null_origin", 5)):
        tally(NOW, reason=reason, count=count)
    assert [item.code for item in add_up(Period.DAY, now=NOW).by_reason] == ["expired", "null_origin", "revoked"]


@pytest.mark.django_db
def test_tally_of_nothing_makes_no_series() -> None:
    tally(NOW, count=0)
    assert add_up(Period.DAY, now=NOW).by_reason == ()


@pytest.mark.django_db
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("environment", [None, "production"])
def test_sums_are_those_of_adding_up_by_hand(period: Period, environment: str | None) -> None:
    chance = random.Random(f"{period}{environment}")
    rows = {}
    for _ in range(400):
        place = (
            NOW.replace(minute=0, second=0) - chance.randrange(24 * 40) * HOUR,
            chance.choice(["production", "staging"]),
            chance.choice(["public", "billing", ""]),
            chance.choice(["unknown_origin", "revoked", "null_origin"]),
        )
        rows[place] = chance.randrange(1, 10**6)
    RejectionTally.objects.bulk_create(
        RejectionTally(hour=at, environment=env, api_group=group, reason=reason, count=count, key=tally_key(*place))
        for (at, env, group, reason), count in rows.items()
        for place in [(at, env, group, reason)]
    )
    with CaptureQueriesContext(connection) as queries:
        found = add_up(period, environment=environment, now=NOW)
    assert len(queries) == 1
    begins = list_begins(period, NOW)
    for number, series in ((3, found.by_reason), (2, found.by_group)):
        expected: dict[str, list[int]] = {}
        for place, count in rows.items():
            at = place[0]
            if at >= begins[0] and environment in (None, place[1]):
                step = max(index for index, begin in enumerate(begins) if begin <= at)
                expected.setdefault(str(place[number]), [0] * period.steps)[step] += count
        assert {item.code: list(item.counts) for item in series} == expected
        assert found.total == sum(map(sum, expected.values()))


@pytest.mark.django_db
def test_sums_without_time_zones_are_those_of_utc(settings: Any) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Kolkata"  # half an hour beside the others
    midnight = datetime(2026, 5, 3, tzinfo=UTC)
    for at, count in ((midnight - HOUR, 1), (midnight, 20), (NOW.replace(minute=0, second=0), 300)):
        naive = (at + timedelta(hours=5, minutes=30)).replace(tzinfo=None)
        RejectionTallyFactory.create(hour=naive, count=count)
    (series,) = add_up(Period.WEEK, now=NOW).by_reason
    assert series.counts[-2:] == (1, 320)
