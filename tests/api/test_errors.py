from django_cors_guard.api.errors import (
    MAX_ECHO,
    MAX_ITEMS,
    MAX_TEXT,
    ErrorItem,
    InvalidInput,
    describe_bad_choice,
    describe_problem,
    describe_unknown_key,
    show,
)
from django_cors_guard.core.origins import Problem


def test_item_leaves_out_what_it_has_not() -> None:
    assert ErrorItem("a", "text").as_dict() == {"code": "a", "field": "", "text": "text"}
    assert ErrorItem("a", "text", "f", "", ("x",)).as_dict() == {
        "code": "a", "field": "f", "text": "text", "value": "", "known": ["x"],
    }  # fmt: skip


def test_item_is_bounded_whatever_was_sent() -> None:
    long = "x" * 100_000
    found = ErrorItem("a", long, long, long).as_dict()
    assert (len(found["field"]), len(found["value"]), len(found["text"])) == (MAX_ECHO, MAX_ECHO, MAX_TEXT)
    for item in (
        describe_problem(Problem("bad_host", long, long)),
        describe_unknown_key("unknown_field", long, ["origin"]),
        describe_bad_choice("kind", long, ["actual"]),
    ):
        assert len(item.text) < 1000


def test_invalid_input_takes_the_code_that_all_items_share() -> None:
    refused = describe_problem(Problem("path", "/x"))
    other = ErrorItem("required", "This is required.", "reason")
    assert InvalidInput([refused, refused]).code == "refused_origin"
    assert InvalidInput([refused, other]).code == "invalid_input"
    assert InvalidInput([other]).code == "invalid_input"


def test_invalid_input_lists_no_more_than_anybody_reads() -> None:
    error = InvalidInput(ErrorItem("a", "x" * 100) for _ in range(1000))
    assert len(error.items) == MAX_ITEMS
    assert len(str(error.detail)) <= MAX_TEXT


def test_show_repeats_single_values_only() -> None:
    assert [show(value) for value in ("a", 1, 1.5, True)] == ["a", "1", "1.5", "True"]
    no_single_values: list[object] = [None, [], {}, ["a"]]
    assert [show(value) for value in no_single_values] == [None] * 4
    assert len(show("x" * 1000) or "") == MAX_ECHO
