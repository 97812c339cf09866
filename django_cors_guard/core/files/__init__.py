"""Trusted origins as files: CSV for spreadsheets, JSON for programs. Text in, typed rows out, and the way back.

``read_grants`` lists everything that is wrong: with the file as a whole, so that nothing of it can be used, or with
one of its rows. It raises nothing, whatever it is given, and its work is bounded by ``MAX_BYTES`` and ``MAX_ROWS``.
"""

from __future__ import annotations

from django_cors_guard.core.files.cells import guard_cell, unguard_cell
from django_cors_guard.core.files.columns import COLUMNS, MAX_ROWS, READ, REQUIRED
from django_cors_guard.core.files.moments import write_moment
from django_cors_guard.core.files.problems import FileProblem, problem, suggest
from django_cors_guard.core.files.reading import Sheet, read_grants
from django_cors_guard.core.files.rows import GrantRow, RowStatus
from django_cors_guard.core.files.texts import MAX_BYTES
from django_cors_guard.core.files.writing import encode_csv, encode_json, write_csv

__all__ = [
    "COLUMNS",
    "MAX_BYTES",
    "MAX_ROWS",
    "READ",
    "REQUIRED",
    "FileProblem",
    "GrantRow",
    "RowStatus",
    "Sheet",
    "encode_csv",
    "encode_json",
    "guard_cell",
    "problem",
    "read_grants",
    "suggest",
    "unguard_cell",
    "write_csv",
    "write_moment",
]
