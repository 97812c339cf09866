"""Requests through Django's WSGI and its ASGI handler, in process, past one middleware or none.

Imported once Django is set up on the example project's settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from benchmarks import request_cost_site as site
from django_cors_guard.store import store

HOST: Final = "127.0.0.1"


class Server(StrEnum):
    """Which of Django's handlers takes the requests."""

    WSGI = "wsgi"
    ASGI = "asgi"


class Contender(StrEnum):
    """What stands between the handler and the view."""

    NONE = "no middleware"
    FLOOR = "floor"
    GUARD = "guard"
    PEER = "django-cors-headers"


class Scenario(StrEnum):
    """What is sent."""

    NO_ORIGIN = "no origin"
    ALLOWED = "allowed"
    REFUSED = "refused"
    PREFLIGHT = "preflight"


_MIDDLEWARE: Final = {
    Contender.NONE: [],
    Contender.FLOOR: ["benchmarks.request_cost_site.floor"],
    Contender.GUARD: ["django_cors_guard.middleware.CorsGuardMiddleware"],
    Contender.PEER: ["corsheaders.middleware.CorsMiddleware"],
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that is measured, for one number of trusted origins."""

    server: Server
    contender: Contender
    scenario: Scenario


@dataclass(slots=True)
class Answered:
    """What one request got back: to make sure that the contenders do the same work."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Senders:
    """The handlers of every contender, and requests for them. One event loop serves all of ASGI."""

    def __init__(self) -> None:
        settings.ROOT_URLCONF = "benchmarks.request_cost_site"
        settings.CORS_ALLOW_CREDENTIALS = True
        settings.CORS_ALLOW_METHODS = site.METHODS
        settings.CORS_ALLOW_HEADERS = site.HEADERS
        settings.CORS_PREFLIGHT_MAX_AGE = site.MAX_AGE
        self._runner = asyncio.Runner()
        self._wsgi = {cell: _build(WSGIHandler, names) for cell, names in _list_stacks()}
        self._asgi = {cell: _build(ASGIHandler, names) for cell, names in _list_stacks()}
        self._origins = 0

    def trust(self, origins: int) -> None:
        """Let every contender know so many origins. The guard's are compiled, and served as after a look."""
        self._origins = origins
        site.known.clear()
        site.known.update((site.spell(number), True) for number in range(origins))
        settings.CORS_ALLOWED_ORIGINS = [site.spell(number) for number in range(origins)]
        store.pin(site.compile_site(origins))

    def forget(self) -> None:
        """Let go of everything that ``trust`` made, and of the event loop."""
        site.known.clear()
        store.unpin()
        self._runner.close()

    def prepare(self, cell: Cell, count: int) -> Callable[[], None]:
        """Return what sends ``count`` requests; they are made now, of strings of their own as a server would."""
        headers = [self._compose(cell.scenario) for _ in range(count)]
        method = "OPTIONS" if cell.scenario is Scenario.PREFLIGHT else "GET"
        key = (cell.contender, cell.scenario is Scenario.PREFLIGHT)
        if cell.server is Server.WSGI:
            return _prepare_wsgi(self._wsgi[key], [_environ(method, fields) for fields in headers])
        scopes = [_scope(method, fields) for fields in headers]
        return lambda: self._runner.run(_send_asgi(self._asgi[key], scopes))

    def ask(self, cell: Cell) -> Answered:
        """Send one request and return its answer."""
        (headers,) = [self._compose(cell.scenario)]
        method = "OPTIONS" if cell.scenario is Scenario.PREFLIGHT else "GET"
        key = (cell.contender, cell.scenario is Scenario.PREFLIGHT)
        answered = Answered()
        if cell.server is Server.WSGI:
            _read_wsgi(self._wsgi[key], _environ(method, headers), answered)
        else:
            self._runner.run(_read_asgi(self._asgi[key], _scope(method, headers), answered))
        return answered

    def _compose(self, scenario: Scenario) -> dict[str, str]:
        """Return the request's headers, as a browser sends them. The origin stands in the middle of the peer's list."""
        fields = {"Host": HOST, "User-Agent": "Mozilla/5.0", "Accept": "*/*", "Accept-Encoding": "gzip, br"}
        if scenario is Scenario.REFUSED:
            fields["Origin"] = _copy("https://stranger.example.net")
        elif scenario is not Scenario.NO_ORIGIN:
            fields["Origin"] = site.spell(self._origins // 2)
        if scenario is not Scenario.NO_ORIGIN:
            fields |= {"Sec-Fetch-Site": _copy("cross-site"), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
        if scenario is Scenario.PREFLIGHT:
            fields["Access-Control-Request-Method"] = _copy("PUT")
            fields["Access-Control-Request-Headers"] = _copy("authorization,content-type")
        return fields


def _copy(text: str) -> str:
    """Return a string of its own: a server's have not been hashed before."""
    return "".join(list(text))


def _list_stacks() -> list[tuple[tuple[Contender, bool], list[str]]]:
    """Each contender's ``MIDDLEWARE``, for preflights or not: only the floor is written for one of them at a time."""
    stacks = [((contender, asks), names) for contender, names in _MIDDLEWARE.items() for asks in (False, True)]
    special = ["benchmarks.request_cost_site.preflight_floor"]
    return [(key, special if key == (Contender.FLOOR, True) else names) for key, names in stacks]


def _build(handler: type[Any], names: list[str]) -> Any:
    settings.MIDDLEWARE = names
    return handler()


def _environ(method: str, headers: dict[str, str]) -> dict[str, Any]:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": site.PATH,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "203.0.113.7",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **named,
    }


def _ignore(status: str, headers: Any, exc_info: Any = None) -> None:
    pass


def _prepare_wsgi(handler: Any, environs: Sequence[dict[str, Any]]) -> Callable[[], None]:
    def send() -> None:
        for environ in environs:
            response = handler(environ, _ignore)
            for _ in response:
                pass
            response.close()

    return send


def _read_wsgi(handler: Any, environ: dict[str, Any], answered: Answered) -> None:
    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        answered.status, answered.headers = int(status[:3]), dict(headers)

    response = handler(environ, start)
    list(response)
    response.close()


def _scope(method: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": f"{site.PATH}-async",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.7", 50000),
        "server": (HOST, 8000),
    }


class _Client:
    """What an ASGI server would hand over: an empty body, and then nothing until the handler has had enough."""

    def __init__(self) -> None:
        self._was_asked = False

    async def receive(self) -> dict[str, Any]:
        if self._was_asked:
            await asyncio.get_running_loop().create_future()
        self._was_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore_async(message: dict[str, Any]) -> None:
    pass


async def _send_asgi(handler: Any, scopes: Sequence[dict[str, Any]]) -> None:
    for scope in scopes:
        await handler(scope, _Client().receive, _ignore_async)


async def _read_asgi(handler: Any, scope: dict[str, Any], answered: Answered) -> None:
    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            answered.headers = {name.decode(): value.decode() for name, value in message["headers"]}

    await handler(scope, _Client().receive, send)
