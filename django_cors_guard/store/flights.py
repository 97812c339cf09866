"""Attempts to look at the database: one at a time, which others may wait for."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from time import monotonic

from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(slots=True)
class Flight:
    """One attempt under way; ``landed`` is set when it has ended, whichever way.

    ``wakes``: when it began, the policy was too old to go on with, so others wait for it.
    """

    started: float
    wakes: bool = True
    #: Whether other modules are told of it.
    tells: bool = True
    has_begun: bool = False
    given_up: bool = False
    #: When it last came on while it reads all rows, which may take long.
    beat: float = -math.inf
    #: What it asks through at this moment.
    connection: BaseDatabaseWrapper | None = None
    landed: Future[None] = field(default_factory=Future)

    def come_on(self) -> None:
        """Tell that it does not hang."""
        self.beat = monotonic()

    def silence(self) -> float:
        """Seconds since it began or came on."""
        return monotonic() - max(self.started, self.beat)

    def ends_in(self, seconds: float) -> bool:
        """Wait for its end, and return whether it has come, or at least comes on."""
        beat = self.beat
        return wait(self.landed, seconds) or self.beat != beat

    async def ends_in_async(self, seconds: float) -> bool:
        """As ``ends_in``, without blocking the event loop."""
        beat = self.beat
        return await wait_async(self, seconds) or self.beat != beat


def wait(landing: Future[None], seconds: float) -> bool:
    """Wait for an end, and return whether it has come."""
    try:
        landing.result(seconds)
    except FutureTimeoutError:
        return False
    return True


async def wait_async(flight: Flight, seconds: float) -> bool:
    """As ``wait``, without blocking the event loop."""
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight.landed)), seconds)
    except TimeoutError:
        return False
    return True
