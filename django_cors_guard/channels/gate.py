"""The gate: each handshake is judged and recorded before the application hears of it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import time
from typing import Final

from django_cors_guard import metrics
from django_cors_guard.channels.evidence import Visitor, record
from django_cors_guard.channels.messages import (
    IDENTITY_KEYS,
    Application,
    Receive,
    Scope,
    Send,
    refusal,
    without_credentials,
)
from django_cors_guard.channels.sockets import ClosedSocket, GuardedSocket
from django_cors_guard.core.decision import PlainFacts
from django_cors_guard.core.handshakes import FAILED, Handshake, decide_handshake
from django_cors_guard.facts import ScopeFacts
from django_cors_guard.presence import presence
from django_cors_guard.recorder import MAX_TEXT
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.channels")

_NOBODY: Final = Visitor(PlainFacts(), "", "")


async def guard(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Run ``app`` if the policy lets the page of this handshake in, and refuse it otherwise."""
    visitor, found = await _judge(scope)
    metrics.count_decision(found)
    if not found.opens:
        await _refuse(scope, found.status, receive, send)
    elif not found.binding:
        await app(scope, receive, send)
    else:
        await _run(app, scope, GuardedSocket(visitor, found, receive, send))


async def _judge(scope: Scope) -> tuple[Visitor, Handshake]:
    """Decide and record. Whatever goes wrong in here refuses."""
    try:
        if not presence.serves:
            presence.begin()  # also a process that serves nothing but sockets decides, and is asked what by
        policy = await store.acurrent()
        facts = ScopeFacts(scope)
        visitor = Visitor(facts.freeze(), facts.client(), facts.user_agent[:MAX_TEXT])
        found = decide_handshake(visitor.facts, policy, time())
    except Exception:
        logger.exception("The guard failed on the handshake of a WebSocket, which is refused.")
        return _NOBODY, FAILED
    await record(visitor, found)
    return visitor, found


async def _refuse(scope: Scope, status: int, receive: Receive, send: Send) -> None:
    # A client that does not wait for its answer is no trouble of the server's.
    with suppress(OSError):
        if (await receive())["type"] == "websocket.disconnect":
            return
        for message in refusal(scope, status):
            await send(message)


async def _run(app: Application, scope: Scope, socket: GuardedSocket) -> None:
    if socket.is_anonymous:
        if not IDENTITY_KEYS.isdisjoint(scope):
            logger.warning("TrustedOriginValidator stands inside of what reads cookies; put it outside.")
        scope = without_credentials(scope)
    socket.enter()
    try:
        await app(scope, socket.receive, socket.send)
    except ClosedSocket:
        if not socket.has_ended:
            raise
    except asyncio.CancelledError:
        socket.abandon()
        raise
    finally:
        await socket.leave()
