"""Small views for the middleware to guard: each is something that a project's own view may do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from io import BytesIO

from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def own_headers(request: HttpRequest) -> HttpResponse:
    """A view that opens itself to everybody: what the guard is there to undo."""
    return HttpResponse(
        "open",
        headers={
            "Access-Control-Allow-Origin": request.headers.get("Origin", "*"),
            "access-control-allow-credentials": "true",
            "ACCESS-CONTROL-EXPOSE-HEADERS": "*",
            "Vary": "Cookie",
            "X-Other": "kept",
        },
    )


def varies_on_all(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x", headers={"Vary": "*"})


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("a view's own bug")


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/elsewhere")


def stream(request: HttpRequest) -> HttpResponseBase:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    return StreamingHttpResponse(chunks())


async def async_stream(request: HttpRequest) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0)
        yield b"b"

    return StreamingHttpResponse(chunks())


def file(request: HttpRequest) -> HttpResponseBase:
    return FileResponse(BytesIO(b"file"), filename="a.txt")
