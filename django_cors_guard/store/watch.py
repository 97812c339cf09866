"""A thread that looks after attempts: one that hangs in the only thread of a server would hold it up for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from django_cors_guard import background
from django_cors_guard.store.flights import Flight

#: A watch over nothing for so long ends; the next attempt begins another.
IDLE_SECONDS: Final = 60.0


class Watch:
    """Gives up on each attempt that hangs; where no thread runs, other requests do so when they come by."""

    def __init__(self, give_up: Callable[[Flight], None], seconds: Callable[[], float]) -> None:
        self._give_up, self._seconds = give_up, seconds
        self._begun = threading.Event()
        self._flight: Flight | None = None
        self._lock = threading.Lock()
        self._is_on = False

    def over(self, flight: Flight) -> None:
        """Watch over ``flight``, which begins now. Returns at once."""
        with self._lock:
            self._flight = flight
            self._begun.set()
            if not self._is_on:
                self._is_on = background.start(self._run, name="watch")

    def _run(self) -> None:
        while self._begun.wait(IDLE_SECONDS) or not self._ends():
            self._begun.clear()
            flight = self._flight
            if flight is not None:
                self._wait_for(flight)

    def _ends(self) -> bool:
        """Whether still nothing has begun: then the next attempt begins another watch."""
        with self._lock:
            self._is_on = self._begun.is_set()
            return not self._is_on

    def _wait_for(self, flight: Flight) -> None:
        while flight.ends_in(self._seconds()):
            if flight.landed.done():
                return
        self._give_up(flight)
