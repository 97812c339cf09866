"""What the looks of a process at the database said."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Final

from django_cors_guard import conf
from django_cors_guard.models.revision import Version

#: How long a process has to be quiet to count as idle.
QUIET_SECONDS: Final = 10.0


@dataclass(slots=True)
class Looks:
    """``version`` was confirmed by the look that began at ``confirmed`` (seconds since the epoch).

    By the monotonic clock: ``heard``, when its answer came, and ``begun``, when the last look began.
    """

    begun: float = 0.0
    version: Version | None = None
    confirmed: float = 0.0
    heard: float = 0.0
    is_failing: bool = False

    def begin(self) -> None:
        """A look is about to read the version."""
        self.begun = monotonic()

    def hear(self, version: tuple[int, str] | None, looked_at: float) -> bool:
        """Take what a look found, None if it failed; return whether the process decides by another version now."""
        self.is_failing = version is None
        if version is None:
            return False
        has_moved = version != self.version
        self.version, self.confirmed, self.heard = Version(*version), looked_at, monotonic()
        return has_moved

    def are_over(self) -> bool:
        """Whether nothing was decided for so long that the next decision needs a look, whatever REFRESH_SECONDS is."""
        if self.is_failing or self.version is None:
            return False  # it may go on by what it knows, until it tries again
        return monotonic() - self.begun >= max(QUIET_SECONDS, 2 * conf.current().refresh_seconds)
