"""WebSockets by hand: a server's side of ASGI, and an application that says what it hears."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django_cors_guard.channels import TrustedOriginValidator

Message = MutableMapping[str, Any]

#: Only a failure takes so long.
PATIENCE_SECONDS = 20.0


def scope_of(path: str = "/api/billing/ws", origin: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return the scope of a browser's handshake; ``extra`` goes into it, ``headers`` on top."""
    headers = [(b"host", b"api.example.com"), (b"cookie", b"sessionid=secret"), (b"user-agent", b"Browser/1")]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    added = extra.pop("headers", [])
    return {
        "type": "websocket",
        "path": path,
        "scheme": "ws",
        "query_string": b"room=1",
        "client": ["192.0.2.7", 50000],
        "server": ["10.0.0.1", 8000],
        "subprotocols": [],
        **extra,
        "headers": [*headers, *added],
    }


class Echo:
    """Accepts, and sends back what it gets; keeps what it was given, and what it heard."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.heard: list[Message] = []

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        self.scopes.append(scope)
        while True:
            message = await receive()
            self.heard.append(message)
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept", "headers": [(b"Set-Cookie", b"a=b"), (b"x-kept", b"1")]})
            elif message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
            else:
                return

    @property
    def last(self) -> Message:
        return self.heard[-1]


class Line:
    """A client at the other end of the line, with the server between; that one may fail when it is to close it."""

    def __init__(self, app: Any, scope: Any, *, fails: Exception | None = None) -> None:
        self._fails = fails
        self.app = app if isinstance(app, TrustedOriginValidator) else TrustedOriginValidator(app)
        self.scope = scope
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(self.app(scope, self._incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        if self._fails is not None and message["type"] == "websocket.close":
            raise self._fails
        self._outgoing.put_nowait(message)

    async def hear(self) -> Message:
        """Return what comes next."""
        return await asyncio.wait_for(self._outgoing.get(), PATIENCE_SECONDS)

    async def say(self, text: str = "hello") -> None:
        """Send a message."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def ask(self, text: str = "hello") -> Message:
        """Send a message and return what comes next."""
        await self.say(text)
        return await self.hear()

    async def hang_up(self) -> None:
        """Close it, and wait for the application."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(self.task, PATIENCE_SECONDS)

    async def rest(self) -> list[Message]:
        """Wait for the application's end, and return what it has said by then."""
        await asyncio.wait_for(self.task, PATIENCE_SECONDS)
        return [self._outgoing.get_nowait() for _ in range(self._outgoing.qsize())]
