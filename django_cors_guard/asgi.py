"""For ASGI servers that end without running exit handlers, as uvicorn does: they write the audit log at shutdown.

The process also takes its leave of those who ask where a change is out.

application = flush_on_shutdown(get_asgi_application())
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: ``(scope, receive, send)``; frameworks differ in how they type the three.
Application = Callable[..., Awaitable[None]]


def flush_on_shutdown(app: Application) -> Application:
    """Return ``app`` with an answer to the lifespan protocol, which Django leaves to others.

    Source: ASGI, "Lifespan Protocol" (https://asgi.readthedocs.io/en/latest/specs/lifespan.html).
    """

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        else:
            await app(scope, receive, send)

    return application


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    # An asgi.py imports this module before Django is set up, and models can be imported only after.
    from django_cors_guard import metrics  # noqa: PLC0415
    from django_cors_guard.presence import presence  # noqa: PLC0415
    from django_cors_guard.recorder import recorder  # noqa: PLC0415

    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(recorder.close)
            await asyncio.to_thread(metrics.close)
            await asyncio.to_thread(presence.leave)
            await send({"type": "lifespan.shutdown.complete"})
            return
