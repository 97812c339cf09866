import pytest

from django_cors_guard.admin.display import badge, shown, word_duration, word_place
from django_cors_guard.core.policy import OWN_GROUP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("https://app.example.com", "https://app.example.com", id="plain"),
        pytest.param("a\u202eb\u200b", "a\\u202eb\\u200b", id="direction and zero-width marks"),
        pytest.param("a\x00\n", "a\\x00\\n", id="control characters"),
        pytest.param("«\u00a0null\u202f»", "« null »", id="spaces that keep a line together"),
        pytest.param("x" * 80, "x" * 80, id="as long as may be"),
        pytest.param("x" * 81, "x" * 79 + "…", id="too long"),
    ],
)
def test_text_is_made_visible_and_cut(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_text_that_was_cut_says_so_at_any_limit() -> None:
    assert shown("x" * 255, limit=255) == "x" * 255
    assert shown("x" * 256, limit=255) == "x" * 254 + "…"


def test_badge_escapes_its_text() -> None:
    assert badge("switched_off", "<b>") == '<span class="cors-guard-badge cors-guard-switched-off">&lt;b&gt;</span>'


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(0.5, "1 second", id="less than a second"),
        pytest.param(1.0, "1 second", id="a second"),
        pytest.param(90, "90 seconds", id="seconds"),
        pytest.param(601, "10 minutes", id="rounded"),
        pytest.param(86_401, "24 hours", id="hours"),
    ],
)
def test_duration_is_one_number_rounded(seconds: float, words: str) -> None:
    assert word_duration(seconds) == words


def test_place_without_a_group_is_the_environment() -> None:
    assert word_place("production", "") == "production"
    assert word_place("production", "public") == "public in production"
    assert word_place("production", OWN_GROUP) == "the guard's own paths in production"
