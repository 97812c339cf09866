"""Waits for hints in a thread of its own, and looks at the database at each: often enough, and never more often.

The thread keeps its connection to the database for a minute after a hint. To open one takes longer than to look, and
where eight processes do it at once, on two processors, the last of them is late; but one that stood open for good, in
every process, would be missed where connections are few.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from django.db import connections

from django_cors_guard import background, conf
from django_cors_guard.push.link import Report, connected, pause_after
from django_cors_guard.store import database, store

#: Least time between two looks, whatever is sent.
LOOK_PAUSE_SECONDS: Final = 1 / 40
#: Most messages that are read for one look. What is more waits in Redis, which at last drops a reader that slow.
MOST_MESSAGES: Final = 50
#: Silence after which Redis is asked whether it is still there, and how long it has for the answer.
QUIET_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 2.0
#: How long the connection to the database stays open after a look.
KEEP_SECONDS: Final = 60.0


class Listener:
    """The one thread of a process that listens; begun by the first look, so that only those listen that decide."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a child, with its first look: the thread is its parent's."""
        self._mutex = threading.Lock()
        self._begun = False
        self._end = threading.Event()
        self._last = 0.0
        self._report = Report(
            "Redis sends no hints; changes are found within REFRESH_SECONDS, as without push",
            "Redis sends hints again",
        )

    def heed_look(self, **_: Any) -> None:
        """Receiver of ``policy_looked``: begin to listen, if not begun yet."""
        if self._begun or conf.current().push is None or conf.in_tests():
            return
        with self._mutex:
            if not self._begun:
                self._begun = background.start(self._listen, name="push-listener")

    def stop(self) -> None:
        """Have the thread end soon; the next look begins another."""
        end, self._end, self._begun = self._end, threading.Event(), False
        end.set()

    def _listen(self) -> None:
        end = self._end
        while not end.is_set() and (url := conf.current().push) is not None:
            try:
                self._heed_messages(url, end)
            except Exception as error:  # noqa: BLE001 - a hint is never a reason to fail
                self._report.fail(error)
            connections.close_all()
            end.wait(pause_after(self._report.failures))

    def _heed_messages(self, url: str, end: threading.Event) -> None:
        with connected(url) as (client, channel), client.pubsub() as inbox:
            inbox.subscribe(channel)
            while not end.is_set():
                kind = _receive(inbox)
                if kind == "subscribe":
                    self._report.work()
                # The first message says that the subscription holds: what was missed before it, that look finds.
                if kind != "pong":
                    self._look(end)
                    continue
                # Nobody has to be in a hurry for these, of which a hostile server may send any number.
                end.wait(LOOK_PAUSE_SECONDS)
                if monotonic() - self._last > KEEP_SECONDS:
                    connections.close_all()

    def _look(self, end: threading.Event) -> None:
        """Look now, after all that has been received; leave a database that is away to the store's own attempts."""
        end.wait(max(0.0, self._last + LOOK_PAUSE_SECONDS - monotonic()))
        self._last = monotonic()
        if store.freshness().failures:
            return
        with suppress(Exception):
            # The store leaves one open that it finds open. If none can be opened, it will find out itself.
            connections[database.alias()].ensure_connection()
        store.look()


def _receive(inbox: Any) -> str:
    """Wait for a message and return its kind, having read what has come with it. Raises if Redis has gone."""
    message = inbox.get_message(timeout=QUIET_SECONDS)
    if message is None:
        inbox.ping()
        message = inbox.get_message(timeout=ANSWER_SECONDS)
    if message is None:
        raise TimeoutError("it does not answer")
    kind = str(message["type"])
    for _ in range(MOST_MESSAGES):
        if (more := inbox.get_message(timeout=0.0)) is None:
            break
        kind = kind if kind != "pong" else str(more["type"])
    return kind


listener: Final = Listener()

os.register_at_fork(after_in_child=listener.after_fork)
