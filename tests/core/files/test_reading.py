"""Files of trusted origins, read: whatever they are, the answer is rows or words, and never an exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.files import MAX_BYTES, MAX_ROWS, GrantRow, RowStatus, Sheet, read_grants

HEADER = "environment,api_group,origin"
LINE = "production,public,https://app.example.com"
ROW = GrantRow(2, "production", "public", "https://app.example.com")


def codes(sheet: Sheet) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.value, problem.detail) for problem in sheet.problems]


def row_codes(sheet: Sheet) -> list[str]:
    assert sheet.problems == ()
    return [problem.code for row in sheet.rows for problem in row.problems]


def as_json(**entry: object) -> str:
    named = {"environment": "production", "api_group": "public", "origin": "https://app.example.com", **entry}
    return json.dumps([{name: value for name, value in named.items() if value is not ...}])


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{HEADER}\n{LINE}\n", id="commas"),
        pytest.param(f"{HEADER}\n{LINE}", id="no line end"),
        pytest.param(f"{HEADER}\r\n{LINE}\r\n", id="line ends of Windows"),
        pytest.param(f"{HEADER}\r{LINE}\r", id="line ends of old Macs"),
        pytest.param(f"{HEADER}\n{LINE}\n".replace(",", ";"), id="semicolons"),
        pytest.param(f"{HEADER}\n{LINE}\n".replace(",", "\t"), id="tabs"),
        pytest.param(f"\ufeff{HEADER}\n{LINE}\n", id="byte order mark"),
        pytest.param(f" Environment ,API_GROUP,Origin\n{LINE}\n", id="names in capitals"),
        pytest.param(f'"environment","api_group","origin"\n{LINE}\n', id="names in quotes"),
        pytest.param('"environment";"api_group";"origin"\n' + LINE.replace(",", ";"), id="names in quotes, semicolons"),
        pytest.param(f"{HEADER},,\n{LINE},,\n", id="blank columns at the end"),
        pytest.param(f"{HEADER}\n{LINE},,\n", id="blank cells at the end"),
        pytest.param(f"{HEADER}\n{LINE}\n\n,,\n", id="blank lines behind"),
    ],
)
def test_table_is_read_however_a_spreadsheet_writes_it(data: str) -> None:
    for given_as in (data, data.encode()):
        assert read_grants(given_as) == Sheet("csv", (ROW,))


def test_columns_come_in_any_order_and_what_an_export_only_tells_is_passed_over() -> None:
    (row,) = read_grants(
        "origin,status,revoked_by,note,expires_at,api_group,environment,front_end,last_used\n"
        'https://app.example.com, Active ,ana,"a, ""b""\nc",2030-01-01T12:00+02:00, public , production , shop ,x\n'
    ).rows
    assert row == GrantRow(
        number=2,
        environment="production",
        api_group="public",
        origin="https://app.example.com",
        front_end="shop",
        note='a, "b"\nc',
        expires_at=datetime(2030, 1, 1, 10, tzinfo=UTC),
        status=RowStatus.ACTIVE,
    )


def test_rows_of_a_table_are_numbered_by_the_lines_they_begin_in() -> None:
    text = f'\n{HEADER},note\n{LINE},"one\ntwo"\n\n{LINE},three\n'
    assert [(row.number, row.note) for row in read_grants(text).rows] == [(3, "one\ntwo"), (6, "three")]


@pytest.mark.parametrize("wrapped", [False, True])
def test_document_is_read_as_a_list_and_as_an_export_writes_it(wrapped: bool) -> None:
    entry = {"environment": "production", "api_group": "public", "origin": "https://app.example.com"}
    entries = [entry, {**entry, "expires_at": None, "note": None, "id": 7, "revision": 3, "last_used": None}]
    whole = {"format": "django-cors-guard/trusted-origins", "version": 1, "trusted_origins": entries}
    sheet = read_grants(json.dumps(whole if wrapped else entries))
    assert (sheet.format, [row.number for row in sheet.rows]) == ("json", [1, 2])
    assert {(row.environment, row.api_group, row.origin, row.note) for row in sheet.rows} == {
        ("production", "public", "https://app.example.com", "")
    }


@pytest.mark.parametrize(
    ("text", "expires_at", "is_endless", "problems"),
    [
        pytest.param("", None, False, [], id="blank"),
        pytest.param(" Never ", None, True, [], id="never"),
        pytest.param("2030-01-01T12:00Z", datetime(2030, 1, 1, 12, tzinfo=UTC), False, [], id="minutes"),
        pytest.param("2030-01-01t12:00:01z", None, False, ["bad_time"], id="small t"),
        pytest.param("2030-01-01 12:00:01.5-0130", datetime(2030, 1, 1, 13, 30, 1, 500_000, UTC), False, [], id="all"),
        pytest.param("2030-01-01", None, False, ["no_zone"], id="day"),
        pytest.param("2030-01-01T12:00", None, False, ["no_zone"], id="no zone"),
        pytest.param("2030-02-30", None, False, ["bad_time"], id="no such day"),
        pytest.param("2030-01-01T24:01Z", None, False, ["bad_time"], id="no such hour"),
        pytest.param("2030-01-01T12:00+99:00", None, False, ["bad_time"], id="no such zone"),
        pytest.param("9999-12-31T23:59-12:00", None, False, ["year_out_of_range"], id="beyond the calendar"),
        pytest.param("0001-01-01T00:00+12:00", None, False, ["year_out_of_range"], id="before the calendar"),
        pytest.param("01.05.2030", None, False, ["bad_time"], id="of a country"),
        pytest.param("٢٠٣٠-01-01T12:00Z", None, False, ["bad_time"], id="other digits"),
        pytest.param("x" * 9000, None, False, ["bad_time"], id="long"),
    ],
)
def test_expiry_is_a_moment_with_its_zone(
    text: str, expires_at: datetime | None, is_endless: bool, problems: list[str]
) -> None:
    (row,) = read_grants(as_json(expires_at=text)).rows
    assert (row.expires_at, row.is_endless, [problem.code for problem in row.problems]) == (
        expires_at,
        is_endless,
        problems,
    )


def test_expiry_without_a_zone_says_what_to_type() -> None:
    found = [read_grants(as_json(expires_at=text)).rows[0].problems[0] for text in ("2030-01-01", "2030-01-01T12:00")]
    assert [problem.detail for problem in found] == ["2030-01-01T00:00Z", "2030-01-01T12:00Z"]


# --- what is wrong with a file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        pytest.param(b"", [("empty_file", "", "")], id="empty"),
        pytest.param(b"\xef\xbb\xbf \r\n", [("empty_file", "", "")], id="blank"),
        pytest.param(HEADER.encode(), [("no_rows", "", "")], id="header alone"),
        pytest.param(b"[]", [("no_rows", "", "")], id="no entries"),
        pytest.param(b"x" * (MAX_BYTES + 1), [("file_too_large", "", "2 MB")], id="too large"),
        pytest.param(b"x" * 10_000_000, [("file_too_large", "", "2 MB")], id="far too large"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0", [("no_text", "", "")], id="picture"),
        pytest.param(b"PK\x03\x04\x14\0", [("no_text", "", "")], id="workbook"),
        pytest.param(bytes(range(256)), [("no_text", "", "")], id="every byte"),
        pytest.param(f"{HEADER}\n{LINE}".encode("utf-16"), [("utf16", "", "")], id="UTF-16"),
        pytest.param(f"{HEADER}\n{LINE}\n\n\xe9".encode("latin-1"), [("not_utf8", "4", "")], id="Latin-1"),
        pytest.param(f"{HEADER},note\n{LINE},é\n".encode() + b"\xff", [("not_utf8", "3", "")], id="mixed encodings"),
        pytest.param(LINE.encode(), [("no_header", "production, public, https://app.example.com", "")], id="no header"),
        pytest.param(
            b"enviroment,group,origin\n",
            [
                ("unknown_column", "enviroment", "environment"),
                ("unknown_column", "group", "api_group"),
            ],
            id="unknown columns",
        ),
        pytest.param(
            b"environment,api group,origin,origin\n",
            [
                ("unknown_column", "api group", "api_group"),
                ("repeated_column", "origin", ""),
            ],
            id="repeated column",
        ),
        pytest.param(
            b"origin,xyz\n",
            [
                ("unknown_column", "xyz", ""),
                ("missing_column", "environment", ""),
                ("missing_column", "api_group", ""),
            ],
            id="missing columns",
        ),
        pytest.param(f'{HEADER}\n{LINE}\n"a,b,c\n'.encode(), [("bad_quotes", "3", "")], id="open quote"),
        pytest.param(f'{HEADER}\n"a"b,c,d\n'.encode(), [("bad_quotes", "2", "")], id="text behind a quote"),
        pytest.param(f"{HEADER}\n{LINE}{'x' * 200_000}".encode(), [("cell_too_long", "2", "")], id="huge cell"),
        pytest.param(
            f"{HEADER}\n{LINE}\n".encode() + b"a,b,c\n" * MAX_ROWS, [("too_many_rows", "", "5000")], id="rows"
        ),
        pytest.param(b"[" + b"{}," * MAX_ROWS + b"{}]", [("too_many_rows", "", "5000")], id="entries"),
        pytest.param(b'\n[{"origin": x}]', [("bad_json", "2", "13")], id="no JSON"),
        pytest.param(b'\n{"trusted_origins": [NaN]}', [("bad_json", "1", "1")], id="not a number"),
        pytest.param(b"[-Infinity]", [("bad_json", "1", "1")], id="infinity"),
        pytest.param(b"[" * 1_000_000, [("too_deep", "", "")], id="open brackets"),
        pytest.param(b"[" * 900_000 + b"]" * 900_000, [("too_deep", "", "")], id="nested lists"),
        pytest.param(b'{"a":' * 300_000 + b"1" + b"}" * 300_000, [("too_deep", "", "")], id="nested objects"),
        pytest.param(b"{}", [("no_list", "", "")], id="no list"),
        pytest.param(b'{"trusted_origins": {}}', [("no_list", "", "")], id="an object for a list"),
        pytest.param(b'{"trusted_origins": [], "environments": []}', [("no_list", "", "")], id="another file"),
        pytest.param(b'{"trusted_origins": [], "trusted_origins": [{}]}', [("no_list", "", "")], id="two lists"),
        pytest.param(b'{"version": 2, "trusted_origins": []}', [("newer_version", "2", "")], id="newer"),
        pytest.param(
            b'{"version": ' + b"[" * 900 + b"]" * 900 + b"}", [("newer_version", "", "")], id="version of brackets"
        ),
        pytest.param(b'[{"orgin": "x"}]', [("unknown_column", "orgin", "origin")], id="unknown name"),
        pytest.param(b'[{"a\\u202eb": 1}]', [("unknown_column", r"a\u202eb", "")], id="hostile name"),
    ],
)
def test_file_that_cannot_be_read_says_why(data: bytes, problems: list[tuple[str, str, str]]) -> None:
    sheet = read_grants(data)
    assert (codes(sheet), sheet.rows) == (problems, ())


def test_pasted_text_is_bounded_by_what_it_is_in_utf8() -> None:
    assert codes(read_grants("é" * (MAX_BYTES // 2 + 1))) == [("file_too_large", "", "2 MB")]


def test_many_unknown_columns_are_not_all_listed() -> None:
    header = ",".join(f"column{number}" for number in range(10_000))
    assert len(read_grants(f"{HEADER},{header}\n").problems) == 5


def test_object_with_very_many_names_is_read_in_a_moment() -> None:
    names = ",".join(f'"a{number // 2}": 1' for number in range(120_000))
    assert len(read_grants(f"[{{{names}}}]").problems) == 5


# --- what is wrong with a row -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        pytest.param("a,b", ["too_few_cells"], id="cells are missing"),
        pytest.param(f"{LINE},x", ["too_many_cells"], id="a cell too many"),
        pytest.param("a,b,c" + ",x" * 10_000, ["too_many_cells"], id="ten thousand cells"),
        pytest.param(",public,https://app.example.com", ["empty_cell"], id="no environment"),
        pytest.param("production, ,https://app.example.com", ["empty_cell"], id="no group"),
        pytest.param("x" * 20_000 + ",public,https://app.example.com", ["too_long_value"], id="too long"),
    ],
)
def test_line_that_makes_no_sense_says_why_and_spoils_no_other(line: str, problems: list[str]) -> None:
    sheet = read_grants(f"{HEADER}\n{line}\n{LINE}\n")
    assert [[problem.code for problem in row.problems] for row in sheet.rows] == [problems, []]


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        pytest.param(b'[1, null, "x", []]', ["no_object"] * 4, id="no objects"),
        pytest.param(as_json(origin=...).encode(), [], id="no origin: that is for the parser of origins"),
        pytest.param(as_json(environment=...).encode(), ["empty_cell"], id="no environment"),
        pytest.param(as_json(note=7, origin=True, front_end={}, status=[]).encode(), ["not_text"] * 4, id="no text"),
        pytest.param(as_json().replace("[{", '[{"note": ' + "9" * 1_000_000 + ",").encode(), ["not_text"], id="number"),
        pytest.param(as_json().replace("[{", '[{"note": 1e999999,').encode(), ["not_text"], id="infinite"),
        pytest.param(as_json().replace("[{", '[{"origin": "https://x",').encode(), ["repeated_name"], id="twice"),
        pytest.param(as_json(note="a\0b").encode(), ["bad_character"], id="NUL"),
        pytest.param(as_json(note="a\ud800b").encode(), ["bad_character"], id="half a character"),
        pytest.param(as_json(environment="\udfff").encode(), ["bad_character"], id="half a character as a slug"),
        pytest.param(as_json(note="x" * 10_001).encode(), ["too_long_value"], id="long note"),
        pytest.param(as_json(status="gone").encode(), ["unknown_status"], id="status"),
    ],
)
def test_entry_that_makes_no_sense_says_why(data: bytes, problems: list[str]) -> None:
    assert row_codes(read_grants(data)) == problems


@pytest.mark.parametrize(
    ("status", "detail"),
    [("actve", "active"), ("switched off", "switched_off"), ("?", "active / expired / revoked / switched_off")],
)
def test_unknown_status_says_which_there_are(status: str, detail: str) -> None:
    (row,) = read_grants(as_json(status=status)).rows
    assert [(problem.value, problem.detail) for problem in row.problems] == [(status, detail)]


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(st.characters(exclude_categories=()), max_size=200))
def test_nothing_that_is_given_raises(data: bytes | str) -> None:
    sheet = read_grants(data)
    assert bool(sheet.rows) != bool(sheet.problems)


@settings(deadline=None)
@given(st.lists(st.text("ab,;\"\n\r\t'=[]{}:\\", max_size=12), max_size=6))
def test_nothing_behind_a_header_raises(lines: list[str]) -> None:
    for header in (f"{HEADER}\n", '[{"origin":"', '{"trusted_origins":['):
        sheet = read_grants(header + "\n".join(lines))
        assert bool(sheet.rows) != bool(sheet.problems)
