"""A revocation reaches sockets over which nothing is said: one timer for all sockets of an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from time import time
from typing import Final, Protocol

from django_cors_guard import conf
from django_cors_guard.core.policy import Policy
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.channels")

#: Bounds of the pause between two rounds, which is REFRESH_SECONDS; grants expire by the clock meanwhile.
LEAST_SECONDS: Final = 0.25
MOST_SECONDS: Final = 1.0
#: After so many sockets, whatever else the event loop has to do comes first.
STRIDE: Final = 500


class Reviewed(Protocol):
    """A socket, as the watch sees it."""

    def review(self, policy: Policy | None, now: float) -> None: ...


class Watch:
    """Shows the policy to the sockets of one event loop, about once per REFRESH_SECONDS, while there are any.

    Not in test suites: there each message asks the database, and nothing happens by itself.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sockets: set[Reviewed] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None

    def add(self, socket: Reviewed) -> None:
        """Watch ``socket``."""
        self._sockets.add(socket)
        if self._timer is None and self._round is None:
            self._set_timer()

    def discard(self, socket: Reviewed) -> None:
        """Watch ``socket`` no more; without any, nothing is left behind."""
        self._sockets.discard(socket)
        if not self._sockets:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            _watches.pop(self._loop, None)

    def _set_timer(self) -> None:
        if conf.in_tests():
            return
        pause = min(max(conf.refresh_seconds(), LEAST_SECONDS), MOST_SECONDS)
        # In a context of its own: that of the first socket's request is not to be kept for as long as there are any.
        self._timer = self._loop.call_later(pause, self._begin, context=contextvars.Context())

    def _begin(self) -> None:
        self._timer = None
        self._round = self._loop.create_task(self.look())

    async def look(self) -> None:
        """Show every socket the policy as it is now."""
        try:
            policy, now = await store.acurrent(), time()
            for number, socket in enumerate(tuple(self._sockets), 1):
                socket.review(policy, now)
                if number % STRIDE == 0:
                    await asyncio.sleep(0)
        except Exception:
            logger.exception("The open WebSockets could not be looked after; trying again.")
        finally:
            self._round = None
            if self._sockets:
                self._set_timer()


_watches: Final[dict[asyncio.AbstractEventLoop, Watch]] = {}


def watch_of_loop() -> Watch:
    """Return the watch of the running event loop."""
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = Watch(loop)
    return watch
