"""A file of trusted origins, read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django_cors_guard.core.files.columns import MAX_ROWS
from django_cors_guard.core.files.documents import read_json
from django_cors_guard.core.files.problems import BadFile, FileProblem, problem
from django_cors_guard.core.files.rows import GrantRow, read_row
from django_cors_guard.core.files.tables import read_csv
from django_cors_guard.core.files.texts import decode
from django_cors_guard.core.problems import Problem

CSV: Final = "csv"
JSON: Final = "json"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Either the rows, or what is wrong with the file. In CSV they are numbered by line, in JSON by entry."""

    format: str
    rows: tuple[GrantRow, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_grants(data: bytes | str) -> Sheet:
    """Read a file of trusted origins, CSV or JSON, whichever it is; nothing raises."""
    found = CSV
    try:
        text = decode(data)
        # No header of a table begins like a list or an object.
        found = JSON if text.lstrip().startswith(("[", "{")) else CSV
        return Sheet(found, _read_rows(text, found))
    except BadFile as bad:
        return Sheet(found, problems=bad.problems)


def _read_rows(text: str, found: str) -> tuple[GrantRow, ...]:
    rows: list[GrantRow] = []
    for record in read_json(text) if found == JSON else read_csv(text):
        if len(rows) == MAX_ROWS:
            raise BadFile(problem(FileProblem.TOO_MANY_ROWS, detail=str(MAX_ROWS)))
        rows.append(read_row(record))
    if not rows:
        raise BadFile(problem(FileProblem.NO_ROWS))
    return tuple(rows)
