import re
from datetime import date, timedelta

import pytest

from django_cors_guard.admin.rejections.trend import BAR, GAP, HEIGHT, LOWEST, TRACE, draw_trend, word_trend

DAY = date(2026, 5, 3)


def trend_of(*counts: int) -> list[tuple[date, int]]:
    return [(DAY + timedelta(days=at), count) for at, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "heights"),
    [
        pytest.param((0, 0, 0), [TRACE] * 3, id="nothing leaves a trace"),
        pytest.param((2, 4, 1), [HEIGHT // 2, HEIGHT, HEIGHT // 4], id="in proportion"),
        pytest.param((1, 1_000_000, 0), [LOWEST, HEIGHT, TRACE], id="one among a million shows"),
        pytest.param((2**62, 2**63 - 1, 1), [HEIGHT // 2, HEIGHT, LOWEST], id="as many as fit into a row"),
    ],
)
def test_bars_stand_on_the_ground_and_are_as_high_as_their_day(counts: tuple[int, ...], heights: list[int]) -> None:
    bars = re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', draw_trend(trend_of(*counts)))
    assert [int(height) for _x, _y, _width, height in bars] == heights
    assert [int(y) + int(height) for _x, y, _width, height in bars] == [HEIGHT] * len(counts)
    assert [int(x) for x, *_rest in bars] == [at * (BAR + GAP) for at in range(len(counts))]


def test_picture_has_a_name_and_no_style() -> None:
    picture = draw_trend(trend_of(3, 0, 0, 5, 1, 0, 2))
    assert 'role="img"' in picture
    assert "<title>3, 0, 0, 5, 1, 0, 2 refusals in the last 7 days</title>" in picture
    assert "style" not in picture
    assert word_trend(trend_of(3, 0, 0, 5, 1, 0, 2)) in picture
