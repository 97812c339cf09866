"""Full loads in a thread of their own: requests go on with the policy at hand meanwhile, and looks go on, too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep, time
from typing import Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_cors_guard import background, conf
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import PolicyState
from django_cors_guard.store import database
from django_cors_guard.store.loading import MAX_LOADS, follow, heed_revocations, load
from django_cors_guard.store.state import MAX_BACK_OFF_SECONDS
from django_cors_guard.store.words import first_line

logger: Final = logging.getLogger("django_cors_guard.store")

#: How long a load steps aside every millisecond or so, or requests of this process would wait for the interpreter.
PAUSE_SECONDS: Final = 0.0005
#: A load that has not come on for so long is given up on, and another one may begin.
ABANDONED_SECONDS: Final = 60.0


@dataclass(slots=True)
class Rebuild:
    """One full load under way; ``landed`` is set when it has ended, whichever way."""

    environment: str
    known: Policy
    cached: bool
    started: float = field(default_factory=monotonic)
    landed: Future[None] = field(default_factory=Future)
    #: When it last came on, and what it reads through.
    beat: float = field(default_factory=monotonic)
    connection: BaseDatabaseWrapper | None = None

    def step_aside(self) -> None:
        """Let others of this process run."""
        sleep(PAUSE_SECONDS)
        self.beat = monotonic()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a full load has come to: a policy that was the database's newest when it was asked at ``wall``/``mono``.

    What was revoked since then is refused by it, too. ``beside`` is the policy that was at hand meanwhile.
    """

    policy: Policy
    wall: float
    mono: float
    begun_mono: float
    seconds: float
    beside: Policy | None


class Rebuilds:
    """The full loads of one process, one at a time.

    ``install`` takes a loaded policy, or returns False where a newer one may be at hand: then the database is asked
    again. ``at_hand`` returns the one that is.
    """

    def __init__(self, install: Callable[[Rebuild, Rebuilt], bool], at_hand: Callable[[], Policy | None]) -> None:
        self._install = install
        self._at_hand = at_hand
        self._lock = threading.Lock()
        self._running: Rebuild | None = None
        self._failures = 0
        self._due = 0.0

    def begin(self, known: Policy, *, cached: bool) -> Future[None] | None:
        """Begin one, and return its end; None if one is under way, or the last one failed and the next is not due."""
        with self._lock:
            running = self._running
            if running is not None and monotonic() - running.beat < ABANDONED_SECONDS:
                return None
            if running is not None and running.connection is not None:
                database.sever(running.connection)
            if monotonic() < self._due:
                return None
            self._running = begun = Rebuild(conf.current().environment, known, cached)
        if not background.start(partial(self._run, begun), name="load"):
            self.drop()
            return None
        return begun.landed

    def is_current(self, rebuild: Rebuild) -> bool:
        """Whether anybody still waits for what ``rebuild`` loads."""
        return self._running is rebuild

    def drop(self) -> None:
        """Let nothing come of the one under way."""
        with self._lock:
            self._running = None

    def after_fork(self) -> None:
        """Forget the parent's: its thread has not come along."""
        self._lock = threading.Lock()
        self._running = None

    def _run(self, rebuild: Rebuild) -> None:
        try:
            self._load(rebuild)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, requests go on with the policy at hand
            self._fail(rebuild, error)
        finally:
            with self._lock:
                if self._running is rebuild:
                    self._running = None
            rebuild.landed.set_result(None)

    def _load(self, rebuild: Rebuild) -> None:
        rebuild.connection = connections[database.alias()]
        policy = self._read(rebuild)
        seconds = monotonic() - rebuild.started
        for _ in range(MAX_LOADS):
            # Looks have gone on since, so the version is asked for once more: what is newest then is installed.
            built = self._bring_up(rebuild, policy, seconds)
            policy = built.policy
            if self._install(rebuild, built):
                break
        with self._lock:
            recovered, self._failures, self._due = self._failures, 0, 0.0
        if recovered:
            logger.warning("The policy is loaded anew, at revision %d.", policy.revision)

    def _bring_up(self, rebuild: Rebuild, policy: Policy, seconds: float) -> Rebuilt:
        """Bring what was loaded to the version of the database, or, where that takes all rows once more, no further.

        For rows may be deleted faster than all are read, as by a purge: what has been read is newer in any case.
        """
        beside, began, wall, mono = self._at_hand(), rebuild.started, time(), monotonic()
        version = PolicyState.read(database.alias())
        followed = policy if policy.version == version else follow(policy, version)
        if followed is not None:
            return Rebuilt(followed, wall, mono, began, seconds, beside)
        return Rebuilt(heed_revocations(policy), wall - (mono - began), began, began, seconds, beside)

    def _read(self, rebuild: Rebuild) -> Policy:
        return load(
            rebuild.environment,
            cached=rebuild.cached,
            known=rebuild.known,
            pause=rebuild.step_aside,
        )

    def _fail(self, rebuild: Rebuild, error: Exception) -> None:
        with self._lock:
            if self._running is not rebuild:
                return
            self._failures += 1
            failures = self._failures
            self._due = monotonic() + min(2.0 ** min(failures - 1, 10), MAX_BACK_OFF_SECONDS)
        if failures == 1:
            logger.error(
                "The policy could not be loaded anew (%s); revision %d serves on.",
                first_line(error),
                rebuild.known.revision,
            )
