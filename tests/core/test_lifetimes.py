"""Spans of time as people write them."""

from datetime import timedelta

import pytest

from django_cors_guard.core.lifetimes import format_lifetime, parse_lifetime


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("14d", timedelta(days=14)),
        (" 12h ", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("2w", timedelta(days=14)),
        ("36500d", timedelta(days=36_500)),
    ],
)
def test_span_is_read(text: str, span: timedelta) -> None:
    assert parse_lifetime(text) == span


@pytest.mark.parametrize("text", ["", "14", "d", "0d", "-1d", "1.5d", "1 d", "1D", "36501d", "99999999w", "٣d", "1d\n"])
def test_what_is_no_span_is_none(text: str) -> None:
    assert parse_lifetime(text) is None


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=14), "14d"),
        (timedelta(hours=36), "36h"),
        (timedelta(hours=48), "2d"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=90), "1m"),
    ],
)
def test_span_is_written_as_it_is_read(span: timedelta, text: str) -> None:
    assert format_lifetime(span) == text
