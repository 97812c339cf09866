"""Downloads that are written block by block, whatever serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain
from typing import Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

CONTENT_TYPES: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def download(request: HttpRequest, blocks: Iterable[bytes], *, name: str, ending: str) -> StreamingHttpResponse:
    """Return ``blocks`` as a file that is named for today."""
    left = iter(blocks)
    # The first two now, header and rows: what fails there can still be answered with an error.
    begun = chain([next(left, b""), next(left, b"")], left)
    response = StreamingHttpResponse(
        _await_blocks(begun) if isinstance(request, ASGIRequest) else begun, content_type=CONTENT_TYPES[ending]
    )
    day = timezone.now().date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{day}.{ending}"'
    return response


async def _await_blocks(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read each block where waiting for the database holds up nobody."""
    while (block := await sync_to_async(_read_one)(blocks)) is not None:
        yield block


def _read_one(blocks: Iterator[bytes]) -> bytes | None:
    """A coroutine may raise no StopIteration."""
    return next(blocks, None)
