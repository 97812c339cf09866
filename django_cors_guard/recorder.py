"""Refusals, uses and differences become bounded rollups in memory, and those become rows.

The sender chooses origin, path, user agent and rate. So a refused request costs one bounded in-memory update; memory,
rows and text are bounded; what exceeds is still counted, in overflow rows; trouble here never reaches a request.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, Final, NamedTuple

from django.db import connections

from django_cors_guard import conf, ledger
from django_cors_guard.core.decision import Facts, Kind, Mode, Reason
from django_cors_guard.core.networks import network_of
from django_cors_guard.core.parity import Difference
from django_cors_guard.core.protocol import is_preflight
from django_cors_guard.differences import Answers, DifferenceKey
from django_cors_guard.ledger import Entry, RefusalKey, UseKey, has_share
from django_cors_guard.store import store
from django_cors_guard.store.words import first_line

logger: Final = logging.getLogger("django_cors_guard.recorder")

#: Longest stored piece of what a sender chose.
MAX_TEXT: Final = ledger.MAX_TEXT
#: One client network gets at most this part of every bound.
NETWORK_SHARE: Final = 10
MAX_BACK_OFF_SECONDS: Final = 60.0
#: How long the end of a process waits for a flush under way.
CLOSE_SECONDS: Final = 5.0
MAX_METHOD: Final = 64
#: Longest stored value of a response header, which the site chooses but for what it echoes.
MAX_VALUE: Final = 1000
#: How long after it should have run a thread that never ran is taken for one that cannot.
THREAD_GRACE_SECONDS: Final = 5.0


class Refusal(NamedTuple):
    """One refused request, as the sender worded it; nothing in here is trusted, cut or escaped yet."""

    group: str
    mode: Mode | None
    origin: str
    reason: Reason
    kind: Kind
    method: str
    path: str
    client: str
    user_agent: str


@dataclass(slots=True)
class _Tally:
    """What one key adds up to since it was last written. Times: wall clock, but for ``opened`` (monotonic)."""

    opened: float
    first: float
    last: float
    count: int
    dated: int = 0
    written: bool = False
    network: str = ""
    client: str = ""
    user_agent: str = ""
    answers: Answers | None = None

    def add(self, now: float, count: int = 1) -> None:
        if self.count == 0:
            self.first = now
        self.count += count
        self.last = now


class Recorder:
    """The audit memory of one process."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._refusals: dict[RefusalKey, _Tally] = {}
        self._overflow: dict[RefusalKey | DifferenceKey, _Tally] = {}
        self._uses: dict[tuple[str, str, str], _Tally] = {}
        self._differences: dict[DifferenceKey, _Tally] = {}
        self._waiting_of_network: dict[str, int] = {}
        self._due: list[Entry] = []
        self._outbox: list[ledger.Batch] = []
        self._writer = ledger.Writer()
        self._thread: threading.Thread | None = None
        self._thread_started = 0.0
        self._thread_ran = False
        self._wake = threading.Event()
        self._failures = 0
        self._retry_at = 0.0

    def refuse(self, refusal: Refusal) -> None:
        """Count one refusal: one bounded update in memory."""
        config = conf.current()
        now = time()
        key = RefusalKey(
            config.environment,
            refusal.group,
            refusal.mode or "",
            tidy_text(refusal.origin),
            refusal.reason,
            refusal.kind,
            tidy_text(refusal.method)[:MAX_METHOD],
            tidy_text(refusal.path),
        )
        with self._lock:
            tally = self._refusals.get(key)
            if tally is None:
                tally = self._open_refusal(key, refusal, config)
            tally.add(now)
        self._settle(config)

    def use(self, group: str, origin: str, method: str) -> None:
        """Count one request of a trusted origin."""
        # On the path of every allowed request, so a bare tuple (it becomes a ``UseKey`` when it is written), and no
        # clock: ``_date_uses`` sees within a flush that the count has moved.
        with self._lock:
            try:
                self._uses[group, origin, method].count += 1
            except KeyError:
                self._open_use(group, origin, method).count += 1
            else:
                return
        # Never under the lock, which writing takes itself.
        self._settle(conf.current())

    def differ(self, facts: Facts, difference: Difference) -> None:
        """Count one request that another CORS middleware and the guard would have answered differently."""
        config = conf.current()
        key = _difference_key(config.environment, facts, difference)
        with self._lock:
            tally = self._differences.get(key)
            if tally is None:
                tally = self._open_difference(key, difference, config)
            tally.add(time())
        self._settle(config)

    def _open_difference(self, key: DifferenceKey, difference: Difference, config: conf.GuardSettings) -> _Tally:
        if len(self._differences) >= config.audit_max_pending:
            return self._open_overflow(key)
        now = time()
        answers = (_tidy_answer(difference.theirs), _tidy_answer(difference.ours))
        return self._differences.setdefault(key, _Tally(monotonic(), now, now, 0, answers=answers))

    def _open_refusal(self, key: RefusalKey, refusal: Refusal, config: conf.GuardSettings) -> _Tally:
        if len(self._refusals) >= config.audit_max_pending:
            return self._open_overflow(key)
        network = network_of(refusal.client)
        share = max(config.audit_max_pending // NETWORK_SHARE, 1)
        if has_share(network) and self._waiting_of_network.get(network, 0) >= share:
            return self._open_overflow(key)
        now = time()
        tally = _Tally(
            monotonic(),
            now,
            now,
            0,
            network=network,
            client=stored_client(refusal.client, config.audit_client_ip),
            user_agent=tidy_text(refusal.user_agent),
        )
        self._refusals[key] = tally
        self._waiting_of_network[network] = self._waiting_of_network.get(network, 0) + 1
        return tally

    def _open_overflow(self, key: RefusalKey | DifferenceKey) -> _Tally:
        key = key.as_overflow()
        return self._overflow.get(key) or self._overflow.setdefault(key, _Tally(monotonic(), time(), time(), 0))

    def _open_use(self, group: str, origin: str, method: str) -> _Tally:
        key = (group, origin, method[:MAX_METHOD])
        if key not in self._uses and len(self._uses) >= conf.current().audit_max_pending:
            key = (group, "", "")
        now = time()
        return self._uses.setdefault(key, _Tally(monotonic(), now, now, 0))

    def _date_uses(self) -> None:
        """Note which were used since the last time; a rollup begins where the one before it ended."""
        now = time()
        for tally in self._uses.values():
            if tally.count == 0:
                tally.first = now
            elif tally.count != tally.dated:
                tally.last = now
            tally.dated = tally.count

    def _settle(self, config: conf.GuardSettings) -> None:
        """See to it that what was recorded is written in time, without doing it here where a thread can."""
        if conf.in_tests() or config.audit_flush_seconds == 0:
            return
        thread = self._thread
        if thread is None or not thread.is_alive():
            self._start_thread()
        elif not self._thread_ran and monotonic() - self._thread_started > THREAD_GRACE_SECONDS:
            # Threads do not run here (uWSGI without --enable-threads): the next request has to do it.
            self.flush()
        if not self._wake.is_set():
            self._wake.set()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="cors-guard-recorder", daemon=True)
        self._thread, self._thread_started, self._thread_ran = thread, monotonic(), False
        try:
            thread.start()
        except RuntimeError:
            # No threads at this point (interpreter shutting down): the flush at exit writes it.
            self._thread = None

    def _run(self) -> None:
        self._thread_ran = True
        while True:
            self._wake.wait()
            pause = max(conf.current().audit_flush_seconds / 2, 0.05)
            threading.Event().wait(pause)
            self._wake.clear()
            self.flush()
            if self._is_waiting():
                self._wake.set()

    def _is_waiting(self) -> bool:
        with self._lock:
            return bool(self._outbox or self._due or any(self._books()))

    def _books(self) -> tuple[dict[Any, _Tally], ...]:
        return self._refusals, self._overflow, self._uses, self._differences

    @property
    def writes_at_once(self) -> bool:
        """Whether each request has to call ``flush`` itself (AUDIT_FLUSH_SECONDS = 0).

        Never while a test has pinned the policy: such a test may have no database.
        """
        return conf.current().audit_flush_seconds == 0 and not store.is_pinned

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due: first sightings, and repeats whose window has closed. Never raises.

        ``everything`` writes repeats before their time, too, and tries whatever the back-off says.
        """
        if not everything and monotonic() < self._retry_at:
            return
        # At the end of the process, a flush that hangs in the database must not hold it up for ever.
        if not self._flush_lock.acquire(timeout=CLOSE_SECONDS if everything else 0):
            return
        try:
            self._write_out(everything=everything)
        except Exception as error:  # noqa: BLE001 - the rollups wait; audit trouble never reaches a request
            self._back_off(error)
        finally:
            self._flush_lock.release()
            if not conf.in_tests() and threading.current_thread() is self._thread:
                connections.close_all()

    def _write_out(self, *, everything: bool) -> None:
        # What waits from before goes first, whole and under its own number; only then is more taken out of memory.
        self._empty_outbox()
        if self._due:
            self._write_due(everything=everything)
        self._due = self._take(everything=everything)
        self._write_due(everything=everything)
        if self._failures:
            logger.warning("The audit log is written again.")
        self._failures, self._retry_at = 0, 0.0

    def _write_due(self, *, everything: bool) -> None:
        kept, surplus = self._writer.keep_budget(self._due)
        if everything or self.writes_at_once:
            kept, surplus = ledger.merge([*kept, *surplus]), []
        self._due, self._outbox = [], ledger.cut(kept)
        self._put_back(surplus)
        self._empty_outbox()

    def _put_back(self, surplus: list[Entry]) -> None:
        """What exceeds the rows of an hour waits with the other overflow for one row a window."""
        with self._lock:
            for entry in surplus:
                assert not isinstance(entry.key, UseKey)  # noqa: S101 - narrows the type; uses have no budget
                fresh = _Tally(monotonic(), entry.first, entry.last, 0)
                tally = self._overflow.setdefault(entry.key, fresh)
                first = entry.first if not tally.count else min(tally.first, entry.first)
                tally.add(entry.last, entry.times)
                tally.first = first

    def _empty_outbox(self) -> None:
        while self._outbox:
            self._outbox[:1] = self._writer.write(self._outbox[0])

    def _back_off(self, error: Exception) -> None:
        self._failures += 1
        self._retry_at = monotonic() + min(2.0 ** min(self._failures, 10), MAX_BACK_OFF_SECONDS)
        if self._failures == 1:
            # One line per change of state: a traceback would say no more, and the database is not this package's.
            logger.error("The audit log could not be written (%s); it waits in memory.", first_line(error))

    def _take(self, *, everything: bool) -> list[Entry]:
        """Take what is due out of memory; keys stay for their window, so that they write twice in it at most."""
        rollup = conf.current().audit_rollup_seconds
        at_once = self.writes_at_once
        mono = monotonic()
        entries: list[Entry] = []
        with self._lock:
            self._date_uses()
            for book in self._books():
                for key in list(book):
                    tally = book[key]
                    over = mono - tally.opened >= rollup
                    # Overflow waits for its window: one row a group, reason and window.
                    first_sighting = not tally.written and book is not self._overflow
                    if tally.count and (everything or at_once or over or first_sighting):
                        entries.append(_entry_of(key, tally))
                        tally.count, tally.dated, tally.written = 0, 0, True
                        tally.first = tally.last
                    if over or everything or at_once:
                        del book[key]
                        if book is self._refusals:
                            self._leave_network(tally)
        return entries

    def _leave_network(self, tally: _Tally) -> None:
        left = self._waiting_of_network.get(tally.network, 0) - 1
        if left > 0:
            self._waiting_of_network[tally.network] = left
        else:
            self._waiting_of_network.pop(tally.network, None)

    def after_fork(self) -> None:
        """Begin anew in a child: what waits in memory is the parent's to write."""
        self._reset()

    def forget(self) -> None:
        """Drop what waits in memory: between two tests."""
        self._reset()

    def waiting(self) -> list[tuple[RefusalKey, int]]:
        """Return the refusals that no flush has written yet, and how many of each, in the order of their first."""
        with self._lock:
            books = [*self._refusals.items(), *self._overflow.items()]
            return [(key, tally.count) for key, tally in books if tally.count and isinstance(key, RefusalKey)]

    def count_unwritten(self) -> int:
        """Return about how many refusals are in memory only, those of a flush that failed among them."""
        with self._lock:
            books = [*self._refusals.items(), *self._overflow.items()]
        taken = [*self._due, *(entry for batch in list(self._outbox) for entry in batch.entries)]
        fresh = sum(tally.count for key, tally in books if isinstance(key, RefusalKey))
        return fresh + sum(entry.times for entry in taken if isinstance(entry.key, RefusalKey))

    @property
    def failures(self) -> int:
        """How many flushes have failed in a row."""
        return self._failures

    def close(self) -> None:
        """Write everything; the process ends."""
        if self._is_waiting() and not conf.in_tests():
            # A connection of this thread's may have died unnoticed, and there is no second try.
            connections.close_all()
            self.flush(everything=True)


def _entry_of(key: RefusalKey | DifferenceKey | tuple[str, str, str], tally: _Tally) -> Entry:
    named = key if isinstance(key, RefusalKey | DifferenceKey) else _use_key(*key)
    kept = (tally.network, tally.client, tally.user_agent, tally.answers)
    return Entry(named, tally.count, tally.first, tally.last, *kept)


def _use_key(group: str, origin: str, method: str) -> UseKey:
    return UseKey(conf.current().environment, group, tidy_text(origin), tidy_text(method)[:MAX_METHOD])


def _difference_key(environment: str, facts: Facts, difference: Difference) -> DifferenceKey:
    asks = is_preflight(facts)
    return DifferenceKey(
        environment,
        difference.group,
        difference.disparity,
        Kind.PREFLIGHT if asks else Kind.ACTUAL,
        tidy_text(facts.origin or ""),
        tidy_text(facts.method)[:MAX_METHOD],
        tidy_text(facts.host),
        tidy_text(facts.path),
        tidy_text(facts.requested_method or "")[:MAX_METHOD] if asks else "",
        tidy_text(facts.requested_headers or "") if asks else "",
    )


def _tidy_answer(answer: Mapping[str, str]) -> dict[str, str]:
    return {name: tidy_text(value, MAX_VALUE) for name, value in answer.items()}


def tidy_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return ``text`` as it may be stored: printable ASCII, the rest escaped, cut before it becomes a key."""
    cut = text[:limit]
    if cut.isascii() and cut.isprintable():
        return cut
    escaped = cut.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in escaped)[:limit]


def stored_client(client: str, how: str) -> str:
    """Return the address as AUDIT_CLIENT_IP (``none``, ``truncated``, ``full``) lets it be stored."""
    if how == "none":
        return ""
    network = network_of(client)
    # Without the scope of an address, in which anything may stand.
    return network if how == "truncated" or not network else client.partition("%")[0][:50]


recorder: Final = Recorder()
os.register_at_fork(after_in_child=recorder.after_fork)
atexit.register(recorder.close)

__all__ = ["Recorder", "Refusal", "recorder", "tidy_text"]
