import pytest

from django_cors_guard.api.numbers import MAX_NUMBER, BadNumber, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("0", 0, id="least"),
        pytest.param("007", 7, id="leading zeros"),
        pytest.param(str(MAX_NUMBER), MAX_NUMBER, id="most"),
    ],
)
def test_read_number_of_digits_returns_it(text: str, number: int) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("-1", id="negative"),
        pytest.param("+1", id="plus"),
        pytest.param(" 1", id="space"),
        pytest.param("1\n", id="line break"),
        pytest.param("1_0", id="underscore"),
        pytest.param("1.0", id="fraction"),
        pytest.param("1e3", id="exponent"),
        pytest.param("٣", id="digit of another script"),
        pytest.param("²", id="superscript"),
        pytest.param(str(MAX_NUMBER + 1), id="one too many"),
        pytest.param("9" * 5000, id="longer than Python reads"),
        pytest.param("0" * 5000, id="zeros without end"),
    ],
)
def test_read_number_of_anything_else_says_what_is_wanted(text: str) -> None:
    with pytest.raises(BadNumber, match=f"between 0 and {MAX_NUMBER}"):
        read_number(text)


def test_read_number_keeps_to_the_range_that_is_asked_for() -> None:
    assert [read_number(text, least=1, most=100) for text in ("1", "100")] == [1, 100]
    for text in ("0", "101", "1000"):
        with pytest.raises(BadNumber, match="between 1 and 100"):
            read_number(text, least=1, most=100)
