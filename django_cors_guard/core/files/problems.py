"""What can be wrong with a file or one of its rows, as codes and values, like those of ``core.problems``."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from django_cors_guard.core.problems import Problem, show

#: More of one kind are not listed: the first few say what to do.
MAX_LISTED: Final = 5


class FileProblem(StrEnum):
    """Every code. The comment says what value and detail are, where they are anything."""

    # The file as a whole.
    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"  # detail: the largest size
    NOT_UTF8 = "not_utf8"  # value: the number of the line
    UTF16 = "utf16"  # some spreadsheets call it “Unicode text”
    NO_TEXT = "no_text"  # it holds NUL: an archive, a picture, a workbook
    TOO_MANY_ROWS = "too_many_rows"  # detail: the largest number
    NO_ROWS = "no_rows"  # a header and nothing else
    NO_HEADER = "no_header"  # value: the first line
    UNKNOWN_COLUMN = "unknown_column"  # value: its name; detail: the known one that is nearest
    REPEATED_COLUMN = "repeated_column"  # value: its name
    MISSING_COLUMN = "missing_column"  # value: its name
    BAD_QUOTES = "bad_quotes"  # value: the number of the line
    CELL_TOO_LONG = "cell_too_long"  # value: the number of the line
    BAD_JSON = "bad_json"  # value: the line; detail: the column
    TOO_DEEP = "too_deep"  # brackets within brackets within brackets
    NO_LIST = "no_list"  # JSON, but no list of trusted origins
    NEWER_VERSION = "newer_version"  # value: the version it says it is

    # One row.
    TOO_MANY_CELLS = "too_many_cells"  # value: how many; detail: how many the header has
    TOO_FEW_CELLS = "too_few_cells"  # the same
    NO_OBJECT = "no_object"  # an entry of the list that has no names in it
    REPEATED_NAME = "repeated_name"  # value: a name that an entry has twice
    NOT_TEXT = "not_text"  # value: the column, which holds a number, a list or an object
    BAD_CHARACTER = "bad_character"  # value: the column, which holds what no database stores
    TOO_LONG_VALUE = "too_long_value"  # value: the column; detail: the longest that is read
    EMPTY_CELL = "empty_cell"  # value: the column, which has to say something
    BAD_TIME = "bad_time"  # value: the text
    NO_ZONE = "no_zone"  # value: the text; detail: the same in UTC
    YEAR_OUT_OF_RANGE = "year_out_of_range"  # value: the text
    UNKNOWN_STATUS = "unknown_status"  # value: the text; detail: the known one that is nearest, or all of them

    # One row, as the policy sees it.
    UNKNOWN_ENVIRONMENT = "unknown_environment"  # value: the slug; detail: the nearest, or those that there are
    UNKNOWN_API_GROUP = "unknown_api_group"  # the same
    UNKNOWN_FRONT_END = "unknown_front_end"  # the same
    CONTRADICTION = "contradiction"  # value: the number of the row that says something else of the same grant
    PROTECTED = "protected"  # value: the environment
    MAY_NOT_CHANGE = "may_not_change"  # the user may add grants, but change none


class BadFile(Exception):
    """Nothing of the file can be used; it never leaves the package."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems


def suggest(text: str, known: Sequence[str]) -> str:
    """Return what may have been meant by ``text``: the nearest of ``known``, or else all of them, if they are few."""
    nearest = get_close_matches(text[:50], known, n=1)
    return nearest[0] if nearest else " / ".join(known if len(known) <= MAX_LISTED else ())


def problem(code: FileProblem, value: str = "", detail: str = "") -> Problem:
    """Return a problem whose value is printable."""
    return Problem(code.value, show(value), show(detail))
