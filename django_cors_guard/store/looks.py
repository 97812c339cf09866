"""One look at the database: whether there is another version, and what the policy of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from django_cors_guard import background, conf
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import PolicyState
from django_cors_guard.store import database
from django_cors_guard.store.loading import follow, heed_revocations, load
from django_cors_guard.store.state import State

#: All rows are read by the request that finds them due if the last time took no longer.
INLINE_SECONDS: Final = 0.25
#: Each of some hundred rows. So many are read to the end however slow the machine is.
FEW_STEPS: Final = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look found: the policy of the database's version, or None where all rows have to be read in a thread.

    Then ``interim`` is the one to go on with: the one at hand, with everything refused that was revoked since.
    ``seconds`` is how long it took to read all rows, or was tried; ``is_aged`` asks for it, in a thread.
    """

    policy: Policy | None
    interim: Policy | None = None
    seconds: float | None = None
    is_aged: bool = False
    changed: bool = False


def look(before: State, spread: float, come_on: Callable[[], None]) -> Finding:
    """Ask for the version, and come to it from what was known ``before``. May raise. ``spread``: see ``State.is_aged``.

    All rows are read here and now where there is no policy to go on with, no thread to read them in, or few of them;
    ``come_on`` is called now and then meanwhile.
    """
    environment, full = conf.current().environment, before.full
    version = PolicyState.read(database.alias())
    if full is None or full.environment != environment or before.provisional:
        return _read_all(environment, version=version, pause=come_on)
    is_aged = before.is_aged(spread)
    # What is soon read is read at once: on a busy machine a thread may get its turn late, and the old policy serves on.
    has_threads = background.threads.run and before.load_seconds > INLINE_SECONDS
    is_current = full.version == version
    if has_threads or not is_aged:
        policy = full if is_current else follow(full, version)
        if policy is not None:
            return Finding(policy, is_aged=is_aged, changed=not is_current)
        if has_threads:
            return _put_off(full, is_aged)
    # A full reload is there for what took no revision (raw SQL), and a cached policy would not know of that either.
    given: dict[str, Any] = {"version": version, "known": full}
    if not background.threads.run:
        return _read_all(environment, **given, cached=not (is_current and is_aged), pause=come_on)
    try:
        # Few rows need no cache, which might not answer while a request waits.
        return _read_all(environment, **given, cached=False, keeps=False, pause=_Patience(come_on))
    except _TakesLong as tried:
        return _put_off(full, is_aged, tried.seconds)


def _put_off(full: Policy, is_aged: bool, seconds: float | None = None) -> Finding:
    return Finding(None, heed_revocations(full), seconds=seconds, is_aged=is_aged)


class _TakesLong(Exception):
    """All rows are more than was expected; ``seconds`` went by on some of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class _Patience:
    """Comes on, and gives up on rows that have become too many to be read while a request waits."""

    def __init__(self, come_on: Callable[[], None]) -> None:
        self._come_on = come_on
        self._begun = monotonic()
        self._steps = 0

    def __call__(self) -> None:
        self._come_on()
        self._steps += 1
        seconds = monotonic() - self._begun
        if self._steps > FEW_STEPS and seconds > INLINE_SECONDS:
            raise _TakesLong(seconds)


def _read_all(environment: str, **given: Any) -> Finding:
    begun = monotonic()
    policy = load(environment, **given)
    return Finding(policy, seconds=monotonic() - begun, changed=True)
