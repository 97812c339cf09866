"""The site's WebSockets, as a plain ASGI application: each says who is at the other end, then repeats what it hears.

Nothing in here knows of origins: that is the point. With Channels, consumers take its place.
"""

import json
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import aget_user
from django.http import HttpRequest, parse_cookie

PATHS = frozenset({"/api/public/ws", "/api/billing/ws"})


async def sockets(scope: Any, receive: Any, send: Any) -> None:
    """Serve one socket from its handshake to its end."""
    await receive()
    if scope["path"] not in PATHS:
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps({"account": await find_account(scope)})})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": json.dumps({"heard": message.get("text")})})


async def find_account(scope: Any) -> str | None:
    """Return the name of whoever the session cookie says is logged in."""
    cookies = {
        name: value
        for header, value in scope["headers"]
        if header.lower() == b"cookie"
        for name, value in parse_cookie(value.decode("latin-1")).items()
    }
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(cookies.get(settings.SESSION_COOKIE_NAME))
    user = await aget_user(request)
    return user.get_username() if user.is_authenticated else None
