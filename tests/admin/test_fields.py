from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict

from django_cors_guard.admin.policy.fields import (
    EXPOSED_HEADERS,
    MAX_TEXT,
    METHODS,
    REQUEST_HEADERS,
    TokenListField,
    keep_order,
)
from django_cors_guard.admin.widgets import Choices, Entry
from django_cors_guard.core.policy import check_exposed_headers, check_methods, check_request_headers
from django_cors_guard.models.api_group import tidy_headers, tidy_methods


@pytest.fixture
def field() -> TokenListField:
    return TokenListField(tidy=tidy_methods, choices=METHODS, label="Methods")


def entered(field: TokenListField, query: str) -> Entry:
    """Return what a browser's form says."""
    return field.widget.value_from_datadict(QueryDict(query), {}, "methods")


@pytest.mark.parametrize(
    ("query", "stored"),
    [
        pytest.param("methods_others=", [], id="nothing"),
        pytest.param("methods=GET&methods=POST&methods_others=", ["GET", "POST"], id="boxes"),
        pytest.param(
            "methods=GET&methods_others=propfind%0D%0Aget%3B+REPORT", ["GET", "propfind", "REPORT"], id="both"
        ),
        pytest.param("methods=*&methods_others=", ["*"], id="every one"),
        pytest.param("methods=get%2C+POST", ["GET", "POST"], id="text instead of boxes"),
        pytest.param("methods_others=+%2C+%3B%09", [], id="separators alone"),
    ],
)
def test_boxes_and_text_become_a_tidied_list(field: TokenListField, query: str, stored: list[str]) -> None:
    assert field.clean(entered(field, query)) == stored


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" , ;\n\t", [], id="separators alone"),
        pytest.param("get, POST", ["GET", "POST"], id="commas"),
        pytest.param("get\r\nPOST\n\nget", ["GET", "POST"], id="lines and repeats"),
        pytest.param("*", ["*"], id="star"),
        pytest.param(None, [], id="none"),
    ],
)
def test_text_becomes_a_tidied_list(field: TokenListField, typed: str | None, stored: list[str]) -> None:
    assert field.clean(typed) == stored


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        pytest.param(["GET", "POST"], Entry(("GET", "POST")), id="list"),
        pytest.param(["GET", "PROPFIND", "*"], Entry(("GET", "*"), "PROPFIND"), id="others"),
        pytest.param(["get"], Entry(("GET",)), id="another spelling"),
        pytest.param([], Entry(), id="empty"),
        pytest.param(None, Entry(), id="none"),
        pytest.param("get, b@d", Entry(("GET",), "b@d"), id="text"),
        pytest.param(Entry(("GET",), "b@d"), Entry(("GET",), "b@d"), id="what was entered"),
        pytest.param({"a": 1}, Entry((), '{"a": 1}'), id="no list"),
        pytest.param(["GET", 1], Entry((), '["GET", 1]'), id="list of other things"),
        pytest.param(7, Entry((), "7"), id="number"),
    ],
)
def test_stored_value_is_shown_as_boxes_and_text(field: TokenListField, stored: Any, shown: Entry) -> None:
    assert field.prepare_value(stored) == shown


def test_header_names_have_their_boxes_however_they_are_spelt() -> None:
    field = TokenListField(tidy=tidy_headers, choices=REQUEST_HEADERS, label="Headers")
    assert field.prepare_value(["Content-Type", "X-Own"]) == Entry(("content-type",), "x-own")


@pytest.mark.parametrize(
    ("typed", "has_changed"),
    [
        pytest.param("post\nget", False, id="another order"),
        pytest.param("get post", False, id="another spelling"),
        pytest.param("GET", True, id="one fewer"),
        pytest.param("GET POST PUT", True, id="one more"),
        pytest.param(None, True, id="absent"),
        pytest.param(Entry(("POST", "GET")), False, id="the same boxes"),
    ],
)
def test_only_other_names_are_a_change(field: TokenListField, typed: Any, has_changed: bool) -> None:
    assert field.has_changed(["GET", "POST"], typed) is has_changed


def test_putting_right_what_is_no_list_is_a_change(field: TokenListField) -> None:
    for stored in ({"GET": 1}, "GET", [["GET"]], [1]):
        assert field.has_changed(stored, "GET") is True
    assert field.has_changed(None, "") is False


def test_over_long_text_is_refused(field: TokenListField) -> None:
    with pytest.raises(ValidationError, match="at most 4000"):
        field.clean("x" * (MAX_TEXT + 1))
    assert len(field.clean("x" * MAX_TEXT)) == 1


def test_order_is_kept_and_new_names_come_last() -> None:
    assert keep_order(["POST", "GET", "PUT"], ["GET", "PATCH", "POST"]) == ["POST", "GET", "PATCH"]
    assert keep_order({"no": "list"}, ["GET"]) == ["GET"]


@pytest.mark.parametrize(
    ("choices", "check"),
    [
        pytest.param(METHODS, check_methods, id="methods"),
        pytest.param(REQUEST_HEADERS, check_request_headers, id="request headers"),
        pytest.param(EXPOSED_HEADERS, lambda names: check_exposed_headers(names, credentials=True), id="exposed"),
    ],
)
def test_every_box_offers_what_may_be_stored(choices: Choices, check: Any) -> None:
    assert check(list(choices.names)) == []


def test_form_that_sends_none_of_it_leaves_the_default(field: TokenListField) -> None:
    omitted = field.widget.value_omitted_from_data
    assert omitted(QueryDict("name=x"), {}, "methods") is True
    assert omitted(QueryDict("methods_others="), {}, "methods") is False
    assert omitted(QueryDict("methods=GET"), {}, "methods") is False


def test_each_control_has_a_label_and_the_group_a_name(field: TokenListField) -> None:
    shown = field.widget.render("methods", Entry(("GET",), "<b>"), {"id": "id_methods", "aria-describedby": "x_help"})
    assert 'role="group" aria-label="Methods" aria-describedby="x_help"' in shown
    assert shown.count("<label for=") == len(METHODS.names) + 2
    assert shown.count(" checked") == 1
    assert "&lt;b&gt;" in shown
