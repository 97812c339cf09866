import pytest
from django.http import QueryDict

from django_cors_guard.api.errors import MAX_ITEMS
from django_cors_guard.api.parameters import find_errors

KNOWN = ("origin", "reason", "since")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", [], id="none"),
        pytest.param("origin=a&reason=b", [], id="known"),
        pytest.param("orign=a", [("orign", "unknown_parameter")], id="misspelt"),
        pytest.param("Origin=a", [("Origin", "unknown_parameter")], id="upper case"),
        pytest.param("origin=a&origin=a", [("origin", "repeated_parameter")], id="repeated"),
        pytest.param("origin=", [("origin", "empty_parameter")], id="empty"),
        pytest.param("origin", [("origin", "empty_parameter")], id="without value"),
        pytest.param("origin=a%00b", [("origin", "bad_character")], id="NUL"),
        pytest.param("%00=a", [("\x00", "unknown_parameter")], id="NUL in a name"),
        pytest.param(
            "x=1&since=&origin=a&origin=b",
            [("x", "unknown_parameter"), ("since", "empty_parameter"), ("origin", "repeated_parameter")],
            id="all at once",
        ),
    ],
)
def test_find_errors_names_each_bad_parameter(query: str, expected: list[tuple[str, str]]) -> None:
    assert [(error.field, error.code) for error in find_errors(QueryDict(query), KNOWN)] == expected


def test_find_errors_of_an_unknown_parameter_suggests_the_nearest_and_lists_the_known() -> None:
    (error,) = find_errors(QueryDict("orgin=x"), KNOWN)
    assert "did you mean “origin”" in error.text
    assert "origin, reason, since" in error.text
    assert error.known == KNOWN


def test_find_errors_of_a_far_fetched_parameter_suggests_nothing() -> None:
    (error,) = find_errors(QueryDict("zzz=x"), KNOWN)
    assert "did you mean" not in error.text
    assert "origin, reason, since" in error.text


def test_find_errors_where_nothing_is_known_says_so() -> None:
    (error,) = find_errors(QueryDict("a=1"), ())
    assert "nothing is expected" in error.text


def test_find_errors_of_a_flood_of_names_is_bounded() -> None:
    errors = find_errors(QueryDict("&".join(f"{n}={'x' * 10}" for n in range(900))), KNOWN)
    assert len(errors) == MAX_ITEMS


def test_find_errors_of_a_huge_name_is_cut_in_the_answer() -> None:
    (error,) = find_errors(QueryDict("x" * 100_000 + "=1"), KNOWN)
    assert len(error.field) == 255
    assert len(error.text) < 400
