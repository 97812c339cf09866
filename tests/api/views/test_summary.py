from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.conftest import Api, MakeApi, codes
from tests.factories import NOW, RejectionFactory

FIELDS = {
    "since", "until", "total", "overflow", "origins", "reasons", "groups", "paths", "interval", "series",
}  # fmt: skip


@pytest.fixture
def reader(api: MakeApi) -> Api:
    return api("view_rejection")


def summary(reader: Api, **query: Any) -> Any:
    response = reader.get("rejections/summary/", **query)
    assert response.status_code == 200, response.text
    assert set(response.json()) == FIELDS
    return response.json()


def overflow(**fields: Any) -> Any:
    return RejectionFactory.create(origin="", path="", method="", kind="", overflow=True, **fields)


def test_summary_of_nothing_says_so(reader: Api) -> None:
    found = summary(reader)
    assert (found["total"], found["overflow"]["count"], found["origins"], found["paths"]) == (0, 0, [], [])
    assert (found["since"], found["until"]) == ("2026-04-26T13:00:00Z", "2026-05-03T13:00:00.000001Z")
    assert "Nothing exceeded" in found["overflow"]["text"]
    assert {bucket["count"] for bucket in found["series"]} == {0}


def test_summary_ranks_origins_reasons_groups_and_paths(reader: Api) -> None:
    hour = timedelta(hours=1)
    RejectionFactory.create(origin="https://a.test", count=5, path="/api/x", first_seen=NOW - hour)
    RejectionFactory.create(origin="https://b.test", count=9, path="/api/y", reason="revoked", api_group="billing")
    RejectionFactory.create(origin="https://a.test", count=6, path="/api/y", last_seen=NOW + hour / 2)
    found = summary(reader)
    assert found["total"] == 20
    assert found["origins"] == [
        {
            "origin": "https://a.test",
            "count": 11,
            "first_seen": "2026-05-03T11:00:00Z",
            "last_seen": "2026-05-03T12:30:00Z",
        },
        {
            "origin": "https://b.test",
            "count": 9,
            "first_seen": "2026-05-03T12:00:00Z",
            "last_seen": "2026-05-03T12:00:00Z",
        },
    ]
    assert found["reasons"] == [
        {"reason": "unknown_origin", "reason_text": "nobody has trusted this origin", "count": 11},
        {"reason": "revoked", "reason_text": "the origin was revoked", "count": 9},
    ]
    assert found["groups"] == [
        {"environment": "production", "api_group": "public", "count": 11},
        {"environment": "production", "api_group": "billing", "count": 9},
    ]
    assert found["paths"] == [{"path": "/api/y", "count": 15}, {"path": "/api/x", "count": 5}]


def test_summary_merges_no_two_texts_whatever_the_collation(reader: Api) -> None:
    for text in ("https://a.test/p", "https://A.test/p", "https://a.test/p "):
        RejectionFactory.create(origin=text, path=text)
    found = summary(reader)
    assert len(found["origins"]) == len(found["paths"]) == 3


def test_summary_says_what_the_overflow_rows_swallowed(reader: Api) -> None:
    RejectionFactory.create(count=2)
    overflow(count=900, reason="revoked")
    overflow(count=98)
    found = summary(reader)
    assert found["total"] == 1000
    assert (found["overflow"]["count"], found["overflow"]["rows"]) == (998, 2)
    assert "998 refusals exceeded" in found["overflow"]["text"]
    assert [row["count"] for row in found["origins"]] == [row["count"] for row in found["paths"]] == [2]
    assert [row["count"] for row in found["reasons"]] == [900, 100]
    assert [(row["count"], row["overflow"]) for row in found["series"] if row["count"]] == [(1000, 998)]


def test_limit_bounds_every_list(reader: Api) -> None:
    for n in range(12):
        RejectionFactory.create(origin=f"https://o{n}.test", path=f"/p{n}", api_group=f"g{n}", count=n + 1)
    assert [len(summary(reader)[name]) for name in ("origins", "paths", "groups")] == [10, 10, 10]
    found = summary(reader, limit=3)
    assert [row["count"] for row in found["origins"]] == [12, 11, 10]
    assert len(found["groups"]) == len(found["paths"]) == 3
    assert found["total"] == 78


def test_filters_narrow_everything(reader: Api) -> None:
    RejectionFactory.create(origin="https://a.test", reason="revoked", count=3)
    RejectionFactory.create(origin="https://b.test", count=4)
    found = summary(reader, reason="revoked")
    assert (found["total"], [row["origin"] for row in found["origins"]]) == (3, ["https://a.test"])
    assert sum(row["count"] for row in found["series"]) == 3


@pytest.mark.parametrize(
    ("interval", "step", "count"),
    [
        pytest.param("minute", timedelta(minutes=1), 3 * 60 + 1, id="minute"),
        pytest.param("hour", timedelta(hours=1), 4, id="hour"),
        pytest.param("day", timedelta(days=1), 1, id="day"),
    ],
)
def test_series_has_every_interval_of_the_window_in_utc(
    interval: str, step: timedelta, count: int, reader: Api
) -> None:
    RejectionFactory.create(count=5)
    RejectionFactory.create(count=7, last_seen=NOW + timedelta(minutes=59, seconds=59))
    found = summary(reader, interval=interval, since="2026-05-03T11:30:30+01:00", until="2026-05-03T15:30:30Z")
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in found["series"]]
    assert found["interval"] == interval
    assert (found["since"], found["until"]) == ("2026-05-03T10:30:30Z", "2026-05-03T13:00:00.000001Z")
    assert starts[0] <= datetime.fromisoformat(found["since"]) < starts[0] + step
    assert starts[-1] < datetime.fromisoformat(found["until"]) <= starts[-1] + step
    assert {later - earlier for earlier, later in pairwise(starts)} <= {step}
    counted = {bucket["start"]: bucket["count"] for bucket in found["series"] if bucket["count"]}
    assert sum(counted.values()) == 12
    if interval == "hour":
        assert counted == {"2026-05-03T12:00:00Z": 12}
    if interval == "minute":
        assert counted == {"2026-05-03T12:00:00Z": 5, "2026-05-03T12:59:00Z": 7}


@pytest.mark.parametrize(
    ("since", "interval"),
    [
        pytest.param("2026-05-03T10:30:00Z", "minute", id="hours"),
        pytest.param("2026-05-01T00:00:00Z", "hour", id="days"),
        pytest.param("2026-01-01T00:00:00Z", "day", id="months"),
    ],
)
def test_series_without_interval_suits_the_window(since: str, interval: str, reader: Api) -> None:
    assert summary(reader, since=since)["interval"] == interval


def test_series_without_a_beginning_starts_with_the_first_rollup(reader: Api) -> None:
    RejectionFactory.create(last_seen=NOW - timedelta(days=400), count=3)
    found = summary(reader, until="2026-05-03T00:00:00Z")
    assert (found["since"], found["interval"], found["total"]) == (None, "day", 3)
    assert (found["series"][0]["count"], len(found["series"])) == (3, 399 + 1)
    assert summary(reader, until="1999-01-01T00:00:00Z")["series"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"limit": "0"}, [("limit", "invalid_number")], id="no limit"),
        pytest.param({"limit": "101"}, [("limit", "invalid_number")], id="limit too large"),
        pytest.param({"interval": "week"}, [("interval", "unknown_value")], id="interval"),
        pytest.param({"page_size": "3"}, [("page_size", "unknown_parameter")], id="a list's"),
        pytest.param({"after": "3"}, [("after", "unknown_parameter")], id="an exporter's"),
        pytest.param({"interval": "minute", "since": "2026-01-01T00:00:00Z"}, [("interval", "too_many_intervals")],
                     id="longer than anybody draws"),
        pytest.param({"limit": "x", "interval": "x", "kind": "x"},
                     [("kind", "unknown_value"), ("limit", "invalid_number"), ("interval", "unknown_value")],
                     id="all at once"),
    ],
)  # fmt: skip
def test_bad_parameters_are_400(query: dict[str, str], expected: list[tuple[str, str]], reader: Api) -> None:
    response = reader.get("rejections/summary/", **query)
    assert response.status_code == 400
    assert codes(response) == expected


def test_series_without_a_beginning_that_is_too_long_is_400(reader: Api) -> None:
    RejectionFactory.create(last_seen=NOW - timedelta(days=400))
    response = reader.get("rejections/summary/", until="2026-05-03T00:00:00Z", interval="minute")
    assert codes(response) == [("interval", "too_many_intervals")]


def test_series_of_a_week_of_minutes_is_answered(reader: Api) -> None:
    assert len(summary(reader, interval="minute")["series"]) == 7 * 24 * 60 + 1


def test_summary_takes_the_same_few_queries_however_much_there_is(reader: Api) -> None:
    counts = []
    for _round in range(2):
        RejectionFactory.create_batch(20)
        with CaptureQueriesContext(connection) as queries:
            summary(reader)
        counts.append(sum("cors_guard_rejection" in query["sql"] for query in queries))
    assert counts[0] == counts[1] <= 6


def test_what_isolation_refuses_has_no_origin_to_rank(reader: Api) -> None:
    RejectionFactory.create(origin="", reason="cross_site", kind="no_cors", count=5, path="/api/x")
    found = summary(reader)
    assert (found["total"], found["origins"]) == (5, [])
    assert found["reasons"][0]["reason"] == "cross_site"
    assert found["paths"] == [{"path": "/api/x", "count": 5}]
