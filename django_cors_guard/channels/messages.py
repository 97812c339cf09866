"""What the guard says over a socket, and what it takes out of what others say.

Source: ASGI, "WebSocket" (https://asgi.readthedocs.io/en/latest/specs/www.html#websocket).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from django_cors_guard.core.answers import ORIGIN_NOT_ALLOWED, UNAVAILABLE, VARY_BLOCKED
from django_cors_guard.core.headers import join
from django_cors_guard.core.refusals import FORBIDDEN_BODIES, PROBLEM_TYPE, RETRY_AFTER_SECONDS, UNAVAILABLE_BODY

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: ``(scope, receive, send)``; frameworks differ in how they type the three.
Application = Callable[..., Awaitable[None]]

#: "Forbidden" (https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number). Daphne lets nobody
#: send 1008, "policy violation".
CLOSE_CODE: Final = 3003

#: The extension by which a handshake is refused with a response of one's own.
_OWN_RESPONSE: Final = "websocket.http.response"

#: What a browser adds by itself, or a proxy on its behalf (https://www.rfc-editor.org/rfc/rfc9440 for the last two).
_AMBIENT_HEADERS: Final = frozenset(
    {b"cookie", b"authorization", b"proxy-authorization", b"client-cert", b"client-cert-chain"}
)
#: Where Channels keeps what it has made of them.
IDENTITY_KEYS: Final = frozenset({"cookies", "session", "user"})
#: Client certificates: https://asgi.readthedocs.io/en/latest/specs/tls.html
_TLS: Final = "tls"


def close() -> Message:
    """Return the end of a socket; before it is accepted, servers turn it into 403."""
    return {"type": "websocket.close", "code": CLOSE_CODE, "reason": ORIGIN_NOT_ALLOWED}


def disconnect() -> Message:
    """Return what the application hears of the end of a socket that the guard has closed."""
    return {"type": "websocket.disconnect", "code": CLOSE_CODE, "reason": ORIGIN_NOT_ALLOWED}


def refusal(scope: Scope, status: int) -> list[Message]:
    """Return what refuses a handshake: the guard's own answer where the server can send one, else a bare 403."""
    if _OWN_RESPONSE not in (scope.get("extensions") or {}):
        return [close()]
    body = UNAVAILABLE_BODY if status == UNAVAILABLE else FORBIDDEN_BODIES[ORIGIN_NOT_ALLOWED]
    fields = {
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": f"{len(body)}",
        "Cache-Control": "no-store",
        "Vary": join(VARY_BLOCKED),
    }
    if status == UNAVAILABLE:
        fields["Retry-After"] = f"{RETRY_AFTER_SECONDS}"
    encoded = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    return [
        {"type": f"{_OWN_RESPONSE}.start", "status": status, "headers": encoded},
        {"type": f"{_OWN_RESPONSE}.body", "body": body},
    ]


def without_credentials(scope: Scope) -> Scope:
    """Return ``scope`` without what tells whose browser it is; the page's own address and protocols stay."""
    kept = {key: value for key, value in scope.items() if key not in IDENTITY_KEYS}
    extensions = scope.get("extensions") or {}
    if _TLS in extensions:
        kept["extensions"] = {name: value for name, value in extensions.items() if name != _TLS}
    return {**kept, "headers": _without(_AMBIENT_HEADERS, scope.get("headers", ()))}


def without_cookies(message: Message) -> Message:
    """Return ``message`` without Set-Cookie: an anonymous socket must not sign its visitor in, or out, either."""
    if not message.get("headers"):
        return message
    return {**message, "headers": _without(frozenset({b"set-cookie"}), message["headers"])}


def _without(names: frozenset[bytes], headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # Not every server spells them in lower case, although ASGI asks for it.
    return [(name, value) for name, value in headers if bytes(name).lower() not in names]
