from datetime import UTC, datetime, timedelta, timezone

import pytest

from django_cors_guard.api.times import BadTime, format_time, parse_time

NOON = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-05-03T12:00:00Z", NOON, id="zulu"),
        pytest.param("2026-05-03T14:00:00+02:00", NOON, id="offset"),
        pytest.param("2026-05-03T14:00:00 02:00", NOON, id="plus that a query string made a space"),
        pytest.param("2026-05-03T14:00:00 0200", NOON, id="the same, basic form"),
        pytest.param("2026-05-03 14:00+02:00", NOON, id="space for the T"),
        pytest.param("2026-05-03T12:00:00.000001Z", NOON + timedelta(microseconds=1), id="microseconds"),
        pytest.param("20260503T120000Z", NOON, id="basic form"),
        pytest.param("1970-01-01T00:00:00+14:00", datetime(1969, 12, 31, 10, tzinfo=UTC), id="first year, far east"),
        pytest.param("2999-12-31T23:59:59-12:00", datetime(3000, 1, 1, 11, 59, 59, tzinfo=UTC), id="last year"),
    ],
)
def test_parse_time_with_a_zone_returns_the_moment(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("2026-05-03T12:00:00", "missing_zone", id="naive"),
        pytest.param("2026-05-03 12:00", "missing_zone", id="naive, with a space"),
        pytest.param("2026-05-03", "missing_zone", id="a day"),
        pytest.param("20260503", "missing_zone", id="a day, basic form"),
        pytest.param("", "invalid_time", id="empty"),
        pytest.param("yesterday", "invalid_time", id="word"),
        pytest.param("1777809600", "invalid_time", id="seconds since the epoch"),
        pytest.param("2026-13-03T12:00:00Z", "invalid_time", id="month 13"),
        pytest.param("2026-02-30", "invalid_time", id="30 February"),
        pytest.param("2026-05-03T25:00:00Z", "invalid_time", id="hour 25"),
        pytest.param("0001-01-01T00:00:00+14:00", "invalid_time", id="before every database's time"),
        pytest.param("9999-12-31T23:59:59-14:00", "invalid_time", id="behind it"),
        pytest.param("2026-05-03T12:00:00Z" * 1000, "invalid_time", id="long"),
        pytest.param("2026-05-03T12:00:00Z\x00", "invalid_time", id="NUL"),
        pytest.param("2026-05-03T12:00:00 ٠٢٠٠", "invalid_time", id="digits of another script"),
    ],
)
def test_parse_time_of_anything_else_says_what_is_missing(text: str, code: str) -> None:
    with pytest.raises(BadTime) as raised:
        parse_time(text)
    assert raised.value.code == code
    assert len(str(raised.value)) < 200


def test_parse_time_without_zone_shows_the_text_with_one() -> None:
    with pytest.raises(BadTime, match="2026-05-03T12:00:00Z"):
        parse_time("2026-05-03T12:00:00")
    with pytest.raises(BadTime, match="2026-05-03T00:00:00Z"):
        parse_time("2026-05-03")


def test_format_time_writes_utc_that_parses_back() -> None:
    moment = datetime(2026, 5, 3, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-05-03T12:00:00.000005Z"
    assert parse_time(format_time(moment)) == moment
