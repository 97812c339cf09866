"""WebSockets: the list of trusted origins decides who may open one, and for how long it stays open.

    application = TrustedOriginValidator(AuthMiddlewareStack(URLRouter([...])))

Plain ASGI; the name says who asks for it most, but the package ``channels`` is not needed.
"""

from __future__ import annotations

from django_cors_guard.channels.messages import CLOSE_CODE, Application, Receive, Scope, Send

__all__ = ["CLOSE_CODE", "TrustedOriginValidator"]


class TrustedOriginValidator:
    """ASGI middleware that gives ``app`` only those WebSockets whose page the policy trusts.

    It stands outside of whatever reads cookies, such as ``AuthMiddlewareStack``: a page that is trusted without
    credentials gets an anonymous socket. Everything that is no WebSocket passes through untouched, so that it may
    also stand around the whole application. Whatever goes wrong in it refuses the handshake, and is logged.

    A socket whose page is no longer trusted is closed with ``CLOSE_CODE`` (3003, forbidden).
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        # An asgi.py imports this module before Django is set up, and models can be imported only after.
        from django_cors_guard.channels.gate import guard  # noqa: PLC0415

        await guard(self.app, scope, receive, send)
