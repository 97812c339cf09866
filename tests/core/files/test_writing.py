"""Files of trusted origins, written and read again."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.files import COLUMNS, GrantRow, RowStatus, encode_csv, encode_json, read_grants

ENCODERS = pytest.mark.parametrize("encode", [encode_csv, encode_json])

#: Everything that a database stores.
STORED = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
NOTES = STORED | st.text("a,;\"'=+-@\t\r\n ", max_size=12)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - zone given
ROWS = st.fixed_dictionaries(
    {
        "environment": st.sampled_from(["production", "staging"]),
        "api_group": st.sampled_from(["public", "-"]),
        "origin": st.sampled_from(["https://app.example.com", "https://xn--bcher-kva.example", "=1"]),
        "front_end": st.none() | st.just("shop"),
        "note": NOTES,
        "expires_at": st.none() | MOMENTS,
        "status": st.sampled_from([status.value for status in RowStatus]),
        **{name: st.just("=told") for name in COLUMNS[7:]},
    }
)


@ENCODERS
@settings(deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_what_is_written_is_read(encode: type, rows: list[dict[str, str | datetime | None]]) -> None:
    data = b"".join(encode([rows[:2], [], rows[2:]], COLUMNS))
    sheet = read_grants(data)
    assert sheet.problems == ()
    assert [(row.environment, row.api_group, row.origin, row.front_end, row.note) for row in sheet.rows] == [
        (row["environment"], row["api_group"], row["origin"], row["front_end"] or "", row["note"]) for row in rows
    ]
    assert [(row.expires_at, row.status, row.problems) for row in sheet.rows] == [
        (row["expires_at"], row["status"], ()) for row in rows
    ]


def test_table_is_utf8_with_its_mark_and_guarded() -> None:
    moment = datetime(2030, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    data = b"".join(
        encode_csv([[{"note": "=é", "expires_at": moment, "front_end": None}]], ["note", "expires_at", "front_end"])
    )
    assert data == b"\xef\xbb\xbfnote,expires_at,front_end\r\n'=\xc3\xa9,2030-01-01T12:00:00Z,\r\n"


def test_table_without_rows_has_its_header() -> None:
    assert list(csv.reader(StringIO(b"".join(encode_csv([], COLUMNS)).decode("utf-8-sig")))) == [list(COLUMNS)]


def test_document_has_a_row_a_line_and_nothing_that_turns_text_around() -> None:
    data = b"".join(encode_json([[{"note": "\u202eabc"}], [{"note": ""}, {"note": None}]], ["note"]))
    assert data.isascii()
    assert len(data.splitlines()) == 5
    assert json.loads(data) == {
        "format": "django-cors-guard/trusted-origins",
        "version": 1,
        "trusted_origins": [{"note": "\u202eabc"}, {"note": ""}, {"note": None}],
    }


def test_document_without_rows_is_one() -> None:
    assert json.loads(b"".join(encode_json([[]], ["note"])))["trusted_origins"] == []


@ENCODERS
def test_blocks_are_encoded_one_by_one(encode: type) -> None:
    taken = []

    def blocks() -> object:
        for number in range(3):
            taken.append(number)
            yield [{"note": "x"}]

    encoded = encode(blocks(), ["note"])
    next(encoded)
    assert taken == []
    next(encoded)
    assert taken == [0]


def test_row_without_anything_is_blank() -> None:
    assert GrantRow(1) == GrantRow(1, "", "", "", "", "", None, is_endless=False, status=RowStatus.UNSAID, problems=())
