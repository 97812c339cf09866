"""Whole logs as streams: NDJSON and CSV, block by block, in constant memory whatever the database or the server."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from io import StringIO
from itertools import chain
from typing import Any, ClassVar, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Max, QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from django_cors_guard.api.errors import ErrorItem, describe_bad_choice
from django_cors_guard.api.times import format_time
from django_cors_guard.core.files import guard_cell

AS: Final = "as"
NDJSON: Final = "ndjson"
CSV: Final = "csv"
CONTENT_TYPES: Final[Mapping[str, str]] = {NDJSON: "application/x-ndjson", CSV: "text/csv; charset=utf-8"}
#: Rows that are read, and in memory, at a time.
BLOCK: Final = 1000
#: What the schema says of the two.
STREAMS: Final[Mapping[str, str]] = {
    "application/x-ndjson": "One row a line.",
    "text/csv": "One row a line, after their names.",
}

Represent = Callable[[dict[str, Any]], dict[str, Any]]


class ExportShape:
    """``as``: how the rows are written."""

    parameters: ClassVar[tuple[str, ...]] = (AS,)
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {AS: tuple(CONTENT_TYPES)}

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        """Return what is wrong with it."""
        wanted = given.get(AS)
        if wanted is None or wanted in CONTENT_TYPES:
            return []
        return [describe_bad_choice(AS, wanted, list(CONTENT_TYPES))]


def export(
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    name: str,
    fields: Sequence[str],
    columns: Sequence[str],
    represent: Represent,
) -> StreamingHttpResponse:
    """Return ``rows`` as a download, oldest first, up to the last one that is there now.

    ``columns`` are read from the database; ``represent`` makes of each row its ``fields``, in their order.
    """
    read = ([represent(row) for row in block] for block in _read_blocks(rows, columns))
    return stream(request, read, name=name, fields=fields)


def stream(
    request: HttpRequest, read: Iterator[list[dict[str, Any]]], *, name: str, fields: Sequence[str]
) -> StreamingHttpResponse:
    """Return blocks of rows, none of them empty, as a download of their ``fields``."""
    wanted = request.GET.get(AS, NDJSON)
    blocks = _encode_csv(read, fields) if wanted == CSV else _encode_ndjson(read)
    # The first block now: what fails here can still be answered with an error.
    begun = chain([_read_one(blocks)], blocks)
    response = StreamingHttpResponse(
        _await_blocks(begun) if isinstance(request, ASGIRequest) else begun,
        content_type=CONTENT_TYPES[wanted],
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{wanted}"'
    return response


async def _await_blocks(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while block := await sync_to_async(_read_one)(blocks):
        yield block


def _read_one(blocks: Iterator[bytes]) -> bytes:
    """A coroutine may raise no StopIteration."""
    return next(blocks, b"")


def _read_blocks(rows: QuerySet[Any], columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield ``rows`` by their ids.

    No cursor of the database stays open between blocks: one driver would hold the whole result in memory, another a
    transaction as long as the reader is slow.
    """
    top = rows.model._base_manager.using(rows.db).aggregate(top=Max("pk"))["top"]
    if top is None:
        return
    ordered = rows.filter(pk__lte=top).order_by("pk")
    last = 0
    while block := list(ordered.filter(pk__gt=last).values("pk", *columns)[:BLOCK]):
        last = block[-1]["pk"]
        yield block
        if len(block) < BLOCK:
            return


def _encode_ndjson(blocks: Iterator[list[dict[str, Any]]]) -> Iterator[bytes]:
    write = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
    for block in blocks:
        yield "".join(f"{write(row)}\n" for row in block).encode("ascii")


def _encode_csv(blocks: Iterator[list[dict[str, Any]]], fields: Sequence[str]) -> Iterator[bytes]:
    yield _write_lines([fields])
    for block in blocks:
        yield _write_lines([_cell(row[name]) for name in fields] for row in block)


def _write_lines(lines: Iterable[Iterable[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    if isinstance(value, date):
        return _plain(value)
    return guard_cell(value) if isinstance(value, str) else value


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"A {type(value).__name__} cannot be exported.")
