"""When a process tells of itself: by which thread, before which look, and at its end."""

from __future__ import annotations

import threading
from typing import Any, Final

from django.core.signals import request_started
from django.db import connections

from django_cors_guard import background, conf
from django_cors_guard.presence.identity import Identity
from django_cors_guard.presence.looks import Looks
from django_cors_guard.presence.row import NOT_KNOWN, Row, find_alias
from django_cors_guard.store import store

#: Longest a request waits until the row says that the process is awake.
WAKE_SECONDS: Final = 1.0
#: Longest the end of the process waits until its row is deleted.
LEAVE_SECONDS: Final = 2.0
#: How often the thread sees whether anything is due while the process decides.
TICK_SECONDS: Final = 1.0

UID: Final = "cors_guard.presence"


class Presence:
    """What one process tells of itself."""

    def __init__(self) -> None:
        #: Whether a request has been begun here; a child of a process that answers them is taken to do so, too.
        self.serves = False
        self._reset()

    def _reset(self) -> None:
        self.identity = Identity.new()
        self.looks = Looks()
        self.row = Row(self.identity)
        self._is_claimed = False
        self._turn = threading.Condition()
        self._wanted = self._done = 0
        self._has_thread = False
        self._is_leaving = False

    def claim(self) -> Identity:
        """Return who this process is to the first who asks, and somebody new to others: each numbers its flushes."""
        if self._is_claimed:
            return Identity.new()
        self._is_claimed = True
        return self.identity

    def remember(self, identity: Identity, using: str) -> None:
        """Take note of a row that somebody else has written for this process, which is to go with it."""
        if identity is self.identity and not conf.in_tests():
            self.row.places.add(using)

    # --- what the looks say -------------------------------------------------------------------------------------------

    def begin(self, **_: Any) -> None:
        """Receiver of Django's ``request_started``, once: from the first request on the process tells of itself."""
        self.serves = True
        request_started.disconnect(dispatch_uid=UID)
        self._look_first()

    def looking(self, **_: Any) -> None:
        """Receiver of ``policy_looking``."""
        if not self._speaks:
            return
        # Before the question: the thread that is about to call the process idle reads them the other way round.
        self.looks.begin()
        if not self.row.is_known():
            self._speak()

    def looked(self, *, version: tuple[int, str] | None, looked_at: float, **_: Any) -> None:
        """Receiver of ``policy_looked``."""
        if not self._speaks:
            return
        has_moved = self.looks.hear(version, looked_at)
        if version is None:
            return
        if not self.row.is_known():
            self._speak()
        elif self._has_thread and background.threads.run:
            if has_moved:
                self._ask()
        elif has_moved or not self.row.was_tried_lately():
            self._write_here()

    @property
    def _speaks(self) -> bool:
        return self.serves and not conf.in_tests()

    def _speak(self) -> None:
        """Have the row say that the process is awake, and wait for that, unless the last try failed."""
        if not (background.threads.run and (self._has_thread or self._start_thread())):
            self._write_here()
            return
        is_patient = not self.row.failures
        wanted = self._ask()
        with self._turn:
            if is_patient and not self._turn.wait_for(lambda: self._done >= wanted, WAKE_SECONDS):
                self.row.fail(TimeoutError("the database does not answer"))

    def _write_here(self) -> None:
        """Write without a thread; inside a transaction it would be the transaction's, so later."""
        waits = bool(self.row.failures) and self.row.was_tried_lately()
        if not waits and not connections[find_alias()].in_atomic_block:
            self.row.write(self.looks, idle=False)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _start_thread(self) -> bool:
        self._has_thread = background.start(self._run, name="presence")
        return self._has_thread

    def _ask(self) -> int:
        """Wake the thread; what it writes next is at least as new as this call."""
        with self._turn:
            self._wanted += 1
            self._turn.notify_all()
            return self._wanted

    def _run(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._wanted > self._done, None if self.row.is_quiet else TICK_SECONDS)
            self._take_turn()

    def _take_turn(self) -> None:
        wanted = self._wanted
        if self._is_leaving:
            self._remove()
        elif self._may_rest():
            self._rest()
        elif wanted > self._done or (self.looks.confirmed != self.row.told and not self.row.was_tried_lately()):
            self.row.write(self.looks, idle=False)
        with self._turn:
            self._done = wanted
            self._turn.notify_all()

    def _may_rest(self) -> bool:
        waits = bool(self.row.failures) and self.row.was_tried_lately()
        # The store has the last word: while a look hangs, the others go on by what is at hand.
        return not self.row.is_quiet and not waits and self.looks.are_over() and store.has_to_look()

    def _rest(self) -> None:
        known, self.row.known = self.row.known, NOT_KNOWN
        # Asked again: whoever has looked since then, and not read the line above, has left word of that.
        if self._may_rest():
            self.row.write(self.looks, idle=True)
        else:
            self.row.known = known

    # --- its end ------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Delete the row: the process ends. If it looks again, it tells of itself again."""
        if not self.row.places:
            return
        self._is_leaving = True
        if not (self._has_thread and background.threads.run):
            self._remove()
        else:
            wanted = self._ask()
            with self._turn:
                self._turn.wait_for(lambda: self._done >= wanted, LEAVE_SECONDS)
        self._look_first()

    def _remove(self) -> None:
        self._is_leaving = False
        self.row.remove()

    def after_fork(self) -> None:
        """Be somebody new in a child, who looks, and so tells of itself, before its first decision."""
        self._reset()
        self._look_first()

    def _look_first(self) -> None:
        """Have the next decision wait for a look, and so for a row: what is at hand, no row tells of."""
        if store.at_hand() is not None and not conf.in_tests():
            store.nudge()
