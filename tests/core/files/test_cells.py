"""Cells that a spreadsheet would run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_guard.core.files import guard_cell, unguard_cell


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("", ""),
        ("note", "note"),
        ("'quoted'", "'quoted'"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r\n=1", "'\r'\n'=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("''=1", "'''=1"),
        ("a=1", "a=1"),
        ("a; b", "a; b"),
        ("a;=1", "a;'=1"),
        ("a;'=1", "a;''=1"),
        ('a;"=1', "a;'\"=1"),
        ("a\t=1;-2", "a\t'=1;'-2"),
        ("a\n@b", "a\n'@b"),
    ],
)
def test_cell_that_a_spreadsheet_would_run_is_guarded_and_comes_back(text: str, guarded: str) -> None:
    assert guard_cell(text) == guarded
    assert unguard_cell(guarded) == text


def test_cell_that_nobody_guarded_stays_as_it_is() -> None:
    assert unguard_cell("=1") == "=1"


@settings(deadline=None)
@given(st.text("'\"=+-@;\t\rab＝", max_size=8) | st.text(max_size=8))
def test_every_text_comes_back(text: str) -> None:
    assert unguard_cell(guard_cell(text)) == text
