"""Work that no request should wait for, in a thread of its own where threads may run.

Everything stays correct without one: whoever cannot hand work over does it itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

from django.db import connections

from django_cors_guard import conf

#: How long after its start a thread that has not run is taken for one that cannot (uWSGI without --enable-threads).
GRACE_SECONDS: Final = 5.0


class Threads:
    """Whether threads run in this process, found out from the first one that was started."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._ran = False

    @property
    def run(self) -> bool:
        """Whether they do, as far as is known. Never in test suites, where nothing may depend on the time of day."""
        if conf.in_tests():
            return False
        return self._ran or self._started is None or monotonic() - self._started < GRACE_SECONDS

    def start(self, work: Callable[[], None], *, name: str) -> bool:
        """Run ``work`` in a daemon thread, and close its connections after it; False where the caller has to do it."""
        if not self.run:
            return False

        def begin() -> None:
            self._ran = True
            try:
                work()
            finally:
                connections.close_all()

        try:
            threading.Thread(target=begin, name=f"cors-guard-{name}", daemon=True).start()
        except RuntimeError:
            # No threads at this point: the interpreter is shutting down.
            return False
        if self._started is None:
            self._started = monotonic()
        return True

    def after_fork(self) -> None:
        """Find out anew in a child: no thread of the parent's has come along."""
        self._started, self._ran = None, False


threads: Final = Threads()
start = threads.start

os.register_at_fork(after_in_child=threads.after_fork)
