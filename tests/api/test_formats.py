import io
import json
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError

from django_cors_guard.api.formats import MAX_BODY, GuardJSONParser, GuardJSONRenderer


def parse(body: bytes) -> Any:
    return GuardJSONParser().parse(io.BytesIO(body))


def test_parser_of_json_in_utf8_returns_it() -> None:
    assert parse('{"a": ["é", 1, null]}'.encode()) == {"a": ["é", 1, None]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "line 1", id="empty"),
        pytest.param(b'{"a": 1,}', "line 1, column", id="trailing comma"),
        pytest.param(b'{"a": NaN}', "NaN", id="not a number"),
        pytest.param(b"[Infinity]", "Infinity", id="infinity"),
        pytest.param(b'{"a": 1, "a": 2}', "twice", id="key twice"),
        pytest.param(b"\xff\xfe", "UTF-8", id="not UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(b"[" * 200_000, "deep", id="nested without end"),
        pytest.param(b'{"a":' * 20_000, "deep", id="objects nested without end"),
        pytest.param(b"1" * 5000, "", id="number of 5000 digits"),
    ],
)
def test_parser_of_bad_json_says_what_is_wrong(body: bytes, words: str) -> None:
    with pytest.raises(ParseError) as raised:
        parse(body)
    assert words in str(raised.value.detail)
    assert len(str(raised.value.detail)) < 200


def test_parser_of_a_body_over_the_bound_refuses_it_unparsed() -> None:
    assert len(parse(b'"' + b"x" * (MAX_BODY - 2) + b'"')) == MAX_BODY - 2
    with pytest.raises(RequestDataTooBig):
        parse(b'"' + b"x" * (MAX_BODY - 1) + b'"')


def test_parser_of_a_body_that_ends_early_is_a_parse_error() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise UnreadablePostError

    with pytest.raises(ParseError, match="early"):
        GuardJSONParser().parse(Broken())


def test_renderer_escapes_everything_that_is_not_ascii() -> None:
    rendered = GuardJSONRenderer().render({"a": "é\u2028\x00"})
    assert rendered == b'{"a":"\\u00e9\\u2028\\u0000"}'
    assert json.loads(rendered) == {"a": "é\u2028\x00"}
