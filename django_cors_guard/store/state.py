"""What a process knows of its policy, and how long that is good for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Final

from django_cors_guard import conf
from django_cors_guard.core.policy import Policy

#: Longest pause between attempts while the database is away.
MAX_BACK_OFF_SECONDS: Final = 30.0
#: A full load may take up at most this part of the time.
LOAD_PART: Final = 100


@dataclass(frozen=True, slots=True)
class State:
    """What a process knows. Replaced as a whole; ``policy`` is the one to serve, lapsed or not.

    ``full`` is that policy before it lapses. The database *confirmed* it when it last said that this is the version it
    is at; it *answered* when it last said anything: while all rows are read anew, it answers and confirms nothing. Both
    are when the question began; ``heard_mono`` is when the answer had come that confirmed the policy.
    """

    policy: Policy | None = None
    full: Policy | None = None
    due_wall: float = 0.0
    due_mono: float = 0.0
    confirmed_wall: float = 0.0
    confirmed_mono: float = 0.0
    answered_wall: float = 0.0
    answered_mono: float = 0.0
    heard_mono: float = 0.0
    loaded_mono: float = 0.0
    load_seconds: float = 0.0
    failures: int = 0
    #: Read inside an open policy write: what commits under the same version may be something else.
    provisional: bool = False

    def age(self) -> float:
        """Seconds since the database last confirmed the policy, by the clock that says more."""
        return max(time() - self.confirmed_wall, monotonic() - self.confirmed_mono)

    def silence(self) -> float:
        """Seconds since the database last answered, by the clock that says more."""
        return max(time() - self.answered_wall, monotonic() - self.answered_mono)

    def is_aged(self, spread: float) -> bool:
        """Whether all rows are to be read anew, for what took no revision; ``spread`` (0 to 1) brings it forward."""
        interval = max(conf.current().full_reload_seconds, LOAD_PART * self.load_seconds)
        return monotonic() - self.loaded_mono >= interval * (1 - spread / 10)

    def has_to_lapse(self) -> bool:
        """Whether the policy has been served unconfirmed for as long as it may be."""
        if self.full is None or self.policy is not self.full:
            return False
        limit = conf.current().max_stale_seconds
        # A process that has looked in time and was told nothing bad is not to lapse between two looks.
        return self.age() >= (limit if self.failures else max(limit, 2 * conf.refresh_seconds()))

    def amended(self, full: Policy) -> State:
        """Return the state in which ``full``, of the same version, is in the place of the policy at hand."""
        return replace(self, full=full, policy=full if self.policy is self.full else full.lapsed)

    def lapsed(self) -> State:
        """Return the state in which every grant is gone."""
        return replace(self, policy=self.full.lapsed if self.full is not None else None)

    def failed(self) -> State:
        """Return the state after an attempt that failed: the next one is put off, but not past the lapse."""
        failures = self.failures + 1
        refresh = max(conf.refresh_seconds(), 0.05)
        pause = min(refresh * 2 ** min(failures - 1, 10), MAX_BACK_OFF_SECONDS)
        left = conf.current().max_stale_seconds - self.age()
        if self.full is not None and left > 0:
            pause = min(pause, left)
        if conf.refresh_seconds() == 0:
            pause = 0.0
        after = replace(self, due_wall=time() + pause, due_mono=monotonic() + pause, failures=failures)
        return after.lapsed() if after.has_to_lapse() else after


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh this process's policy is. ``age_seconds`` is None before the first one was loaded."""

    environment: str
    known: bool
    revision: int
    age_seconds: float | None
    failures: int
    lapsed: bool
    switched_off: int

    @classmethod
    def of(cls, state: State) -> Freshness:
        """Describe ``state``."""
        policy = state.full
        return cls(
            environment=conf.current().environment,
            known=policy is not None and policy.known,
            revision=policy.revision if policy is not None else 0,
            age_seconds=state.age() if policy is not None else None,
            failures=state.failures,
            lapsed=policy is not None and state.policy is not policy,
            switched_off=policy.left_out_count if policy is not None else 0,
        )
