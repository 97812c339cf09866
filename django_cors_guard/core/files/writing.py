"""Trusted origins, written: block by block, so that a hundred thousand need no more memory than a thousand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import StringIO
from typing import Final

from django_cors_guard.core.files.cells import guard_cell
from django_cors_guard.core.files.documents import FORMAT, LIST, VERSION
from django_cors_guard.core.files.moments import write_moment

#: A row by column; what is blank is None or "".
Row = Mapping[str, str | datetime | None]

#: Without it spreadsheets read UTF-8 as the letters of their country.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def encode_csv(blocks: Iterable[Sequence[Row]], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield a CSV file with its header, a block at a time. Cells that a spreadsheet would run are guarded."""
    yield _BYTE_ORDER_MARK + write_csv([columns])
    for block in blocks:
        yield write_csv([_text_of(row[name]) or "" for name in columns] for row in block)


def encode_json(blocks: Iterable[Sequence[Row]], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield a JSON document, one row a line, a block at a time."""
    yield f'{{"format": {json.dumps(FORMAT)}, "version": {VERSION}, "{LIST}": ['.encode("ascii")
    separator = "\n"
    for block in blocks:
        # In ASCII, so that no invisible mark turns the text around where somebody reads it.
        lines = (json.dumps({name: _text_of(row[name]) for name in columns}) for row in block)
        if text := ",\n".join(lines):
            yield f"{separator}{text}".encode("ascii")
            separator = ",\n"
    yield b"\n]}\n"


def write_csv(lines: Iterable[Iterable[str]]) -> bytes:
    """Return ``lines`` of a CSV file, guarded."""
    text = StringIO()
    csv.writer(text).writerows([guard_cell(cell) for cell in line] for line in lines)
    # What a database of another program holds need not be Unicode.
    return text.getvalue().encode("utf-8", "backslashreplace")


def _text_of(value: str | datetime | None) -> str | None:
    return write_moment(value) if isinstance(value, datetime) else value
