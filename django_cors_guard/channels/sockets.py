"""A socket that the policy has let in, and that another policy may end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic, time
from typing import Final

from django_cors_guard.channels.evidence import Visitor, note, write_out
from django_cors_guard.channels.messages import Message, Receive, Send, close, disconnect, without_cookies
from django_cors_guard.channels.watch import Watch, watch_of_loop
from django_cors_guard.core.handshakes import FAILED, Handshake, decide_handshake, ends_socket, holds_until
from django_cors_guard.core.policy import Policy
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.channels")

#: How long what the application still sends is dropped, so that it hears of the end in its own time; then it is told.
GRACE_SECONDS: Final = 10.0
#: How long each message that is dropped holds its sender up: an application that only sends would not let others run.
DROP_SECONDS: Final = 0.05

#: What ends the handshake without a socket, or the socket, by the application's own choice.
_LAST_WORDS: Final = frozenset({"websocket.close", "websocket.http.response.start"})


class ClosedSocket(OSError):
    """The application goes on sending over a socket that the guard has closed."""


class GuardedSocket:
    """One open socket, between its server and its application.

    It is judged anew at each message in either direction, and by the watch while it is idle.
    """

    def __init__(self, visitor: Visitor, admitted: Handshake, receive: Receive, send: Send) -> None:
        self._visitor = visitor
        self._admitted = admitted
        self._said = admitted.rejected
        self._receive = receive
        self._send = send
        self._policy: Policy | None = None
        self._holds_until = 0.0
        self._watch: Watch | None = None
        self._closing: asyncio.Task[None] | None = None
        #: What was received for an application that had stopped waiting by then.
        self._held: deque[Message] = deque()
        self._sending = asyncio.Lock()
        self._ended_at: float | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether the application must not learn whose browser it is."""
        return self._admitted.anonymous

    @property
    def has_ended(self) -> bool:
        """Whether the guard has closed it."""
        return self._ended_at is not None

    def enter(self) -> None:
        """Have it watched while it is idle."""
        self._watch = watch_of_loop()
        self._watch.add(self)

    async def leave(self) -> None:
        """The application is done with it; a goodbye that is under way is finished first, within GRACE_SECONDS."""
        self._unwatch()
        if self._closing is not None:
            await asyncio.wait([self._closing])

    def abandon(self) -> None:
        """The server ends the application, so nobody is left to wait for a goodbye."""
        if self._closing is not None:
            self._closing.cancel()

    async def receive(self) -> Message:
        """Return the next message of the page, or the end."""
        if self.has_ended:
            return disconnect()
        message = self._held.popleft() if self._held else await self._receive()
        if message["type"] == "websocket.disconnect":
            self._unwatch()
            return message
        try:
            await self._look()
        except asyncio.CancelledError:
            # An application that waits for several things at once must not lose one of them.
            self._held.appendleft(message)
            raise
        return disconnect() if self._ended_at is not None else message

    async def send(self, message: Message) -> None:
        """Send what the application says, in its order, as long as the page may hear it."""
        async with self._sending:
            await self._look()
            if self._ended_at is None:
                if message["type"] in _LAST_WORDS:
                    self._unwatch()
                await self._send(without_cookies(message) if self.is_anonymous else message)
                return
        if monotonic() - self._ended_at > GRACE_SECONDS:
            raise ClosedSocket("The socket was closed: its page is no longer trusted.")
        await asyncio.sleep(DROP_SECONDS)

    def review(self, policy: Policy | None, now: float) -> None:
        """Judge it by ``policy``, and end it if that no longer lets it in; nobody waits for the goodbye."""
        if self._is_over(policy, now):
            self._closing = asyncio.get_running_loop().create_task(self._say_goodbye())

    async def _look(self) -> None:
        if self._watch is None:
            return
        try:
            policy = await store.acurrent()
        except Exception:
            logger.exception("The policy could not be asked for; the WebSocket is closed.")
            policy = None
        self.review(policy, time())

    def _is_over(self, policy: Policy | None, now: float) -> bool:
        """Whether it has just come to its end; mostly nothing has changed, which is quickly seen."""
        if policy is self._policy and now < self._holds_until:
            return False
        if self._watch is None:
            return False  # it has ended already, by whomever
        found = self._judge(policy, now)
        self._remark(found)
        if not ends_socket(self._admitted, found):
            return False
        self._unwatch()
        self._ended_at = monotonic()
        return True

    def _judge(self, policy: Policy | None, now: float) -> Handshake:
        facts = self._visitor.facts
        try:
            found = decide_handshake(facts, policy, now)
            self._policy, self._holds_until = policy, holds_until(facts, policy, found)
        except Exception:
            logger.exception("The guard failed on an open WebSocket, which is closed.")
            return FAILED
        return found

    def _remark(self, found: Handshake) -> None:
        """Record a refusal once, also one that is only watched."""
        if found.rejected is not None and found.rejected is not self._said:
            note(self._visitor, found)
        self._said = found.rejected

    async def _say_goodbye(self) -> None:
        await write_out()
        try:
            await asyncio.wait_for(self._send(close()), GRACE_SECONDS)
        except OSError:
            pass  # the page was faster, or takes nothing any more (TimeoutError)
        except Exception:
            logger.exception("A WebSocket could not be closed; its application hears nothing of it any more.")

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.discard(self)
            self._watch = None
