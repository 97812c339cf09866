"""CSV, read as strictly as it can be: a quote in the wrong place may swallow the rows behind it.

Comma, semicolon and tab separate cells, whichever makes the first line a header: spreadsheets choose by the country.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Final

from django_cors_guard.core.files.cells import unguard_cell
from django_cors_guard.core.files.columns import KNOWN, find_missing, find_repeated, find_unknown, normalise
from django_cors_guard.core.files.problems import BadFile, FileProblem, problem
from django_cors_guard.core.files.records import Record
from django_cors_guard.core.problems import Problem

_DELIMITERS: Final = (",", ";", "\t")


def read_csv(text: str) -> Iterator[Record]:
    """Yield the rows behind the header, but for blank ones, by the lines they begin in; raises BadFile."""
    lines = _split(text, _find_delimiter(text))
    names = _read_header(lines)
    for line, cells in lines:
        if any(cells):
            yield _read_record(line, cells, names)


def _split(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Without a newline of its own StringIO leaves those within cells as they are.
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            code = FileProblem.CELL_TOO_LONG if "limit" in str(error) else FileProblem.BAD_QUOTES
            raise BadFile(problem(code, str(line))) from error
        yield line, cells


def _find_delimiter(text: str) -> str:
    """Return what separates the cells of the first line that is not blank."""
    first = StringIO(text.lstrip("\r\n"), newline="").readline()
    return max(_DELIMITERS, key=lambda delimiter: len(KNOWN & set(_names_of(first.split(delimiter)))))


def _read_header(lines: Iterator[tuple[int, list[str]]]) -> list[str]:
    header = next((cells for _line, cells in lines if any(cells)), [])
    names = _names_of(header)
    while names and not names[-1]:
        names.pop()
    if not KNOWN & set(names):
        raise BadFile(problem(FileProblem.NO_HEADER, ", ".join(header)[:200]))
    unknown = find_unknown(names)
    # Where one was misspelt, its right name is said once.
    missing = find_missing([*names, *(problem.detail for problem in unknown)])
    if problems := [*unknown, *find_repeated(names), *missing]:
        raise BadFile(*problems)
    return names


def _names_of(cells: list[str]) -> list[str]:
    return [normalise(cell.strip().strip('"')) for cell in cells]


def _read_record(line: int, cells: list[str], names: list[str]) -> Record:
    found = {name: unguard_cell(cell) for name, cell in zip(names, cells, strict=False)}
    return Record(line, found, tuple(_count_cells(cells, names)))


def _count_cells(cells: list[str], names: list[str]) -> Iterator[Problem]:
    """Say so where there are fewer cells than names, or more: then some may stand under a wrong one."""
    if any(cells[len(names) :]):
        yield problem(FileProblem.TOO_MANY_CELLS, str(len(cells)), str(len(names)))
    if len(cells) < len(names):
        yield problem(FileProblem.TOO_FEW_CELLS, str(len(cells)), str(len(names)))
