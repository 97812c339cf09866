"""The row of one process, and what it says at the moment."""

from __future__ import annotations

import logging
import random
from time import monotonic, time
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, router

from django_cors_guard import conf
from django_cors_guard.models import GuardProcess, PolicyState
from django_cors_guard.models.process import moment
from django_cors_guard.models.revision import Version
from django_cors_guard.presence.identity import Identity, as_moment
from django_cors_guard.presence.looks import Looks
from django_cors_guard.store.words import first_line

logger: Final = logging.getLogger("django_cors_guard.presence")

#: How often a process that decides writes its row.
INTERVAL_SECONDS: Final = 10.0
#: How long a row that says *awake* is good for; a look after that waits until it says so again.
KNOWN_SECONDS: Final = 2 * INTERVAL_SECONDS
#: Rows go when they have lapsed that long ago; each process looks for some at a moment of its own in that time.
DEAD_SECONDS: Final = 3600.0
PRUNE_SECONDS: Final = 600.0

#: Until when by the monotonic clock, and by the wall's.
NOT_KNOWN: Final = (0.0, 0.0)


class Row:
    """Written by one thread at a time. Nothing in here raises.

    ``known`` is until when, by either clock, it says that the process is awake; ``is_quiet`` that nothing is left to
    write until somebody looks; ``told`` which confirmation it tells of; ``places`` where rows of the process are.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.known = NOT_KNOWN
        self.is_quiet = True
        self.told = 0.0
        self.tried = -INTERVAL_SECONDS
        self.failures = 0
        self.places: set[str] = set()
        self.prune_at = monotonic() + random.uniform(0, PRUNE_SECONDS)  # noqa: S311 - to spread, not to hide

    def is_known(self) -> bool:
        """Whether it says that the process is awake."""
        mono, wall = self.known
        return monotonic() < mono and time() < wall

    def was_tried_lately(self) -> bool:
        """Whether the last try to write it is less than the interval ago."""
        return monotonic() - self.tried < INTERVAL_SECONDS

    def write(self, looks: Looks, *, idle: bool) -> None:
        """Say what ``looks`` said, and whether the process is idle since now."""
        using, wall, mono = find_alias(), time(), monotonic()
        self.tried, self.is_quiet = mono, False
        confirmed, found_open = looks.confirmed, connections[using].connection is not None
        try:
            values = compose(looks, mono, wall, idle=idle)
            GuardProcess.put(using, self.identity.id, values, birth=self.identity.birth())
            self.places.add(using)
            self._prune(using)
        except Exception as error:  # noqa: BLE001 - decisions go on, and the row says less than is true
            self.fail(error)
            return
        finally:
            if not found_open:
                connections[using].close()
        self.told, self.is_quiet = confirmed, idle
        if not idle:
            self.known = (mono + KNOWN_SECONDS, wall + KNOWN_SECONDS)
        if self.failures:
            logger.warning("This process tells of itself again.")
        self.failures = 0

    def fail(self, error: Exception) -> None:
        """Take it that the row says nothing; the next look tries again."""
        self.known = NOT_KNOWN
        self.failures += 1
        if self.failures == 1:
            # One line per change of state.
            logger.error(
                "This process cannot tell of itself (%s); revocations wait for what it said last.", first_line(error)
            )

    def remove(self) -> None:
        """Delete it wherever it is."""
        self.known, self.is_quiet = NOT_KNOWN, True
        places, self.places = self.places, set()
        for using in places:
            connection = connections[using]
            # One of this thread's may have died unnoticed, and there is no second try.
            connection.close()
            try:
                GuardProcess.objects.using(using).filter(pk=self.identity.id).delete()
            except Exception as error:  # noqa: BLE001 - the row lapses by itself
                logger.warning(
                    "The row of this process could not be deleted (%s); it lapses by itself.", first_line(error)
                )
            finally:
                connection.close()

    def _prune(self, using: str) -> None:
        if monotonic() >= self.prune_at:
            self.prune_at = monotonic() + random.uniform(1, 2) * PRUNE_SECONDS  # noqa: S311 - as above
            GuardProcess.prune(using, DEAD_SECONDS)


def compose(looks: Looks, mono: float, wall: float, *, idle: bool) -> dict[str, Any]:
    """Return what the row says at a moment that is ``mono`` and ``wall`` by the process's clocks."""
    config, version = conf.current(), looks.version or Version(0, "")
    trusts = max(config.max_stale_seconds, 2 * config.refresh_seconds)
    return {
        "environment": config.environment,
        "revision": version.revision,
        "token": version.token,
        "confirmed_at": as_moment(looks.confirmed) if looks.confirmed else None,
        "idle_since": as_moment(wall) if idle else None,
        # Until it is no longer known to be awake, looks may confirm what no row tells of.
        "lapses_at": moment((looks.heard - mono if idle else KNOWN_SECONDS) + trusts),
    }


def find_alias() -> str:
    """Return the database in which processes tell of themselves: that of the policy."""
    return router.db_for_write(PolicyState) or DEFAULT_DB_ALIAS
