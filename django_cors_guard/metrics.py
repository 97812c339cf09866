"""Decisions counted: how many, by API group, outcome and reason, for whoever listens to ``decisions_counted``.

``CORS_GUARD["METRICS"]`` switches it on. A decision then costs one step of one counter in memory, without a lock and
without I/O; a thread sends what has come together. Exact: nothing that was counted is lost but by a kill. Bounded:
outcomes and reasons are enumerations and groups come from the policy, at most ``MAX_GROUPS`` of them. No path, origin,
method or host is ever counted by, for those are the sender's to choose.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, Final, NamedTuple

from django.core.signals import setting_changed
from django.db import connections

from django_cors_guard import background, conf
from django_cors_guard.core.decision import Judged, label_of
from django_cors_guard.signals import decisions_counted, policy_looked
from django_cors_guard.store import store

__all__ = [
    "Count",
    "Counters",
    "at_the_end",
    "close",
    "connect",
    "count_decision",
    "flush",
    "list_totals",
    "tell_while",
]

logger: Final = logging.getLogger("django_cors_guard.metrics")

#: Decisions of more API groups than these count under ``OTHER_GROUPS``.
MAX_GROUPS: Final = 100
#: No group can be called that, for a slug has no dot.
OTHER_GROUPS: Final = "other.groups"
#: How often is told what was counted.
FLUSH_SECONDS: Final = 2.0
#: A process that has had no request for so long is left alone until the next one; see ``_rest_seconds``.
REST_SECONDS: Final = 60.0
#: How long the end of a process waits for a flush under way.
CLOSE_SECONDS: Final = 5.0

UID: Final = "cors_guard.metrics"


class Count(NamedTuple):
    """``times`` decisions of one kind. ``group`` is blank where there was none: unguarded, or no policy yet."""

    group: str
    outcome: str
    reason: str
    times: int


class Counters(dict[str, "count[int]"]):
    """The counts of one process, by ``label_of`` what was decided: ``next(counters[label])`` counts one.

    A step of ``itertools.count`` is one instruction to other threads, which ``+= 1`` is not. So is reading it, a step
    like any other; those are subtracted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._opening = threading.Lock()
        self._reading = threading.Lock()
        self._groups: set[str] = set()
        self._reads: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def __missing__(self, label: str) -> count[int]:
        group, *kind = label.rsplit(" ", 2)
        with self._opening:
            if group not in self._groups:
                if len(self._groups) >= MAX_GROUPS:
                    label = " ".join((OTHER_GROUPS, *kind))
                else:
                    self._groups.add(group)
            counter = self.setdefault(label, count())
        try:
            _teller.wake()
        except Exception:
            # In a request, which is none of this.
            logger.exception("What is counted cannot be told until the next look.")
        return counter

    def totals(self) -> dict[str, int]:
        """Return what was counted since the process began."""
        with self._reading:
            return {label: self._read(label, counter) for label, counter in self.copy().items()}

    def _read(self, label: str, counter: count[int]) -> int:
        steps = self._reads.get(label, 0)
        self._reads[label] = steps + 1
        return next(counter) - steps

    def take(self) -> tuple[Count, ...]:
        """Return what was counted since the last call. Of one thread at a time."""
        before, self._taken = self._taken, self.totals()
        gained = ((label, total - before.get(label, 0)) for label, total in self._taken.items())
        return tuple(_count(label, more) for label, more in gained if more)


#: The counts of this process; None while nothing is counted. The middleware counts by itself, to spare a call.
live: Counters | None = None


def count_decision(judged: Judged) -> None:
    """Count a decision about a request or a handshake. Never raises; does nothing while METRICS is None."""
    counters = live
    if counters is not None:
        next(counters[label_of(judged)])


def list_totals() -> tuple[Count, ...]:
    """Return what was counted in this process since it began."""
    counters = live
    return tuple(_count(label, total) for label, total in counters.totals().items()) if counters is not None else ()


def _count(label: str, times: int) -> Count:
    group, outcome, reason = label.rsplit(" ", 2)
    return Count(group, outcome, reason, times)


class Teller:
    """Sends ``decisions_counted``: from a thread, where threads run, that rests while there are no requests."""

    def __init__(self) -> None:
        self._leaves: list[Callable[[], None]] = []
        self._watches: list[Callable[[], bool]] = []
        self._reset()

    def _reset(self) -> None:
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._has_thread = False
        self._has_news = False
        self._told = 0.0

    def looked(self, **_: Any) -> None:
        """Receiver of ``policy_looked``, which comes before the decisions of a process that has been idle.

        So that no request has to ask whether anybody is to be woken. A process that decides nothing tells nothing.
        """
        if live:
            self._has_news = True
            if not self.wake() and not conf.in_tests() and monotonic() - self._told >= FLUSH_SECONDS:
                self.flush()

    def wake(self) -> bool:
        """Have the thread tell what is counted from now on; False if no thread does."""
        if conf.in_tests() or not decisions_counted.has_listeners():
            return False
        if not (background.threads.run and (self._has_thread or self._start_thread())):
            return False
        if not self._wake.is_set():
            self._wake.set()
        return True

    def _start_thread(self) -> bool:
        self._has_thread = background.start(self._run, name="metrics")
        return self._has_thread

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait()
                self._tell_until_idle()
        finally:
            # Whatever ends a thread (a receiver may), the next decision or look begins another.
            self._has_thread = False

    def _tell_until_idle(self) -> None:
        rests_at = monotonic() + _rest_seconds()
        while monotonic() < rests_at:
            self._wake.clear()
            threading.Event().wait(FLUSH_SECONDS)
            # Also what has changed without a decision: it is the last that is told before a rest.
            self._has_news = True
            if self.flush() or self._wake.is_set() or self._is_unsettled():
                rests_at = monotonic() + _rest_seconds()
            try:
                connections.close_all()  # a receiver may have opened one
            except Exception:
                logger.exception("A connection of a receiver could not be closed.")

    def flush(self, seconds: float = 0.0) -> bool:
        """Send what was counted since the last time, and return whether there was any. Never raises.

        If another thread is at it, wait for it so many ``seconds``.
        """
        counters = live
        if counters is None or not decisions_counted.has_listeners() or not self._flushing.acquire(timeout=seconds):
            return False
        try:
            self._told = monotonic()
            has_news, self._has_news = self._has_news, False
            counts = counters.take()
            if counts or has_news:
                decisions_counted.send_robust(sender=None, counts=counts, freshness=store.freshness())
        except Exception:
            # Trouble of those who count is nobody else's.
            logger.exception("What was counted could not be told.")
            return False
        else:
            return bool(counts)
        finally:
            self._flushing.release()

    def close(self) -> None:
        """Send what is left, and take leave of those who collect it: the process ends."""
        self.flush(CLOSE_SECONDS)
        for leave in self._leaves:
            leave()

    def at_the_end(self, leave: Callable[[], None]) -> None:
        """Call ``leave`` when the process ends, after the last was sent."""
        self._leaves.append(leave)

    def tell_while(self, is_unsettled: Callable[[], bool]) -> None:
        """Go on telling while ``is_unsettled``, though there are no requests: what was told would not stay true."""
        self._watches.append(is_unsettled)

    def _is_unsettled(self) -> bool:
        return any(is_unsettled() for is_unsettled in self._watches)

    def after_fork(self) -> None:
        """Begin anew in a child: what the parent has counted is the parent's to tell."""
        global live
        self._reset()
        if live is not None:
            live = Counters()


def _rest_seconds() -> float:
    """How long after the last look a decision may still come without another one, and the audit be written."""
    config = conf.current()
    return max(REST_SECONDS, 2 * config.refresh_seconds, 2 * config.audit_rollup_seconds)


_teller: Final = Teller()
flush = _teller.flush
close = _teller.close
at_the_end = _teller.at_the_end
tell_while = _teller.tell_while

os.register_at_fork(after_in_child=_teller.after_fork)
atexit.register(close)


def connect() -> None:
    """Count from now on, if the setting says so, and whenever that changes."""
    policy_looked.connect(_teller.looked, dispatch_uid=UID)
    setting_changed.connect(_follow_setting, dispatch_uid=UID)
    _follow_setting(setting=conf.SETTING)


def _follow_setting(*, setting: str, **_: Any) -> None:
    global live
    if setting != conf.SETTING:
        return
    # As it stands: resolving all of the setting, when the application is only being set up, would be too early.
    asked = conf.read_given().get("METRICS")
    is_on = isinstance(asked, str) and asked in conf.METRICS_CHOICES
    live = (live if live is not None else Counters()) if is_on else None
