from typing import Any

import pytest
from django.core.exceptions import ValidationError

from django_cors_guard.admin.fields import MAX_TEXT, TokenListField
from django_cors_guard.models.api_group import tidy_methods


@pytest.fixture
def field() -> TokenListField:
    return TokenListField(tidy=tidy_methods)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" , ;\n\t", [], id="separators alone"),
        pytest.param("get, POST", ["GET", "POST"], id="commas"),
        pytest.param("get\r\nPOST\n\nget", ["GET", "POST"], id="lines and repeats"),
        pytest.param("*", ["*"], id="star"),
    ],
)
def test_text_becomes_a_tidied_list(field: TokenListField, typed: str, stored: list[str]) -> None:
    assert field.clean(typed) == stored


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        pytest.param(["GET", "POST"], "GET, POST", id="list"),
        pytest.param([], "", id="empty"),
        pytest.param(None, None, id="none"),
        pytest.param("get, b@d", "get, b@d", id="what was typed"),
        pytest.param({"a": 1}, '{"a": 1}', id="no list"),
        pytest.param(["GET", 1], '["GET", 1]', id="list of other things"),
    ],
)
def test_list_is_shown_as_text(field: TokenListField, stored: Any, shown: str | None) -> None:
    assert field.prepare_value(stored) == shown


@pytest.mark.parametrize(
    ("typed", "has_changed"),
    [
        pytest.param("post\nget", True, id="another order"),
        pytest.param("get post", False, id="another spelling"),
        pytest.param("GET", True, id="one fewer"),
        pytest.param(None, True, id="absent"),
    ],
)
def test_only_another_list_is_a_change(field: TokenListField, typed: str | None, has_changed: bool) -> None:
    assert field.has_changed(["GET", "POST"], typed) is has_changed


def test_over_long_text_is_refused(field: TokenListField) -> None:
    with pytest.raises(ValidationError, match="at most 4000"):
        field.clean("x" * (MAX_TEXT + 1))
