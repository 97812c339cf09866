"""What the audit log hears of WebSockets."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from asgiref.sync import sync_to_async

from django_cors_guard.core.decision import Kind, PlainFacts
from django_cors_guard.core.handshakes import Handshake
from django_cors_guard.recorder import Refusal, recorder

logger: Final = logging.getLogger("django_cors_guard.channels")


class Visitor(NamedTuple):
    """Whose handshake it was; kept for as long as the socket is open."""

    facts: PlainFacts
    client: str
    user_agent: str


async def record(visitor: Visitor, found: Handshake) -> None:
    """Count a use or a refusal. Trouble of the audit changes no decision."""
    note(visitor, found)
    if found.rejected is not None:
        await write_out()


def note(visitor: Visitor, found: Handshake) -> None:
    """As ``record``, in memory alone."""
    facts = visitor.facts
    try:
        if found.used:
            recorder.use(found.group, facts.origin or "", facts.method)
        elif found.rejected is not None:
            recorder.refuse(
                Refusal(
                    found.group,
                    found.mode,
                    facts.origin or "",
                    found.rejected,
                    Kind.WEBSOCKET,
                    facts.method,
                    facts.path,
                    visitor.client,
                    visitor.user_agent,
                )
            )
    except Exception:
        logger.exception("A decision about a WebSocket could not be recorded.")


async def write_out() -> None:
    """Write what was noted, where each request has to do that itself."""
    try:
        if recorder.writes_at_once:
            await sync_to_async(recorder.flush)()
    except Exception:
        logger.exception("The audit log could not be written.")
