"""Says to Redis that a change has been committed: off the way of whoever wrote, where threads run."""

from __future__ import annotations

import atexit
import os
import threading
from time import monotonic
from typing import Any, Final

from django_cors_guard import background, conf
from django_cors_guard.push.link import Report, connected, pause_after

#: Longest that the end of a process waits for a hint that is on its way.
FINISH_SECONDS: Final = 1.0


class Publisher:
    """Sends hints, one at a time; what is committed while one is on its way is told by one more.

    After a failure nothing is sent for a while: what is committed meanwhile others find within REFRESH_SECONDS.
    """

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Take nothing of the parent's into a child: neither its thread nor its locks came along."""
        self._mutex = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._wanted = False
        self._due = 0.0
        self._report = Report(
            "Redis takes no hints; other processes find changes within REFRESH_SECONDS, as without push",
            "Redis takes hints again",
        )

    def heed_write(self, *, committed: bool, **_: Any) -> None:
        """Receiver of ``policy_written``: send a hint of what has been committed. Never raises."""
        if not committed or conf.current().push is None or conf.in_tests():
            return
        with self._mutex:
            self._wanted = True
            if not self._idle.is_set() and background.threads.run:
                return  # whoever sends will see it
            self._idle.clear()
        if not background.start(self._send_all, name="push-publisher"):
            self._send_all()

    def finish(self) -> None:
        """Wait for a hint on its way, a moment: a command ends right after its commit, and its threads with it."""
        self._idle.wait(FINISH_SECONDS)

    def _send_all(self) -> None:
        while self._take():
            if monotonic() >= self._due:
                self._send()

    def _take(self) -> bool:
        with self._mutex:
            wanted, self._wanted = self._wanted, False
            if not wanted:
                self._idle.set()
            return wanted

    def _send(self) -> None:
        url = conf.current().push
        if url is None:
            return
        try:
            with connected(url) as (client, channel):
                # What it says is not read: whoever hears of it asks the database.
                client.publish(channel, b"look")
        except Exception as error:  # noqa: BLE001 - a hint is never a reason to fail
            self._report.fail(error)
            self._due = monotonic() + pause_after(self._report.failures)
        else:
            self._report.work()


publisher: Final = Publisher()

os.register_at_fork(after_in_child=publisher.after_fork)
atexit.register(publisher.finish)
