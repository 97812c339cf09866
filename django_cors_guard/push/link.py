"""The way to Redis: a client that waits for nothing long, the channel, and one log line per change of state."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from django_cors_guard.store.words import first_line

logger: Final = logging.getLogger("django_cors_guard.push")

#: Longest wait for a connection, and for each answer.
TIMEOUT_SECONDS: Final = 0.5
#: The first pause after a failure; each further one is twice as long, up to the most.
LEAST_PAUSE_SECONDS: Final = 0.5
MOST_PAUSE_SECONDS: Final = 8.0


@contextmanager
def connected(url: str) -> Iterator[tuple[Any, str]]:
    """Yield a client of the Redis at ``url`` and the name of the channel; close its connections afterwards.

    Connecting waits for the first command. Whatever options the URL has, time-outs are short and nothing is tried
    again: the callers know when to. Redis itself keeps channels of its databases together; the name keeps them apart,
    so that sites on one Redis do not wake each other.
    """
    # Not imported where nothing is pushed: it is an extra, and takes a tenth of a second.
    redis = import_module("redis")
    pool = redis.ConnectionPool.from_url(url)
    options = pool.connection_kwargs
    options.update(
        socket_timeout=TIMEOUT_SECONDS,
        decode_responses=False,
        health_check_interval=0,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )
    if "path" not in options:
        options.update(socket_connect_timeout=TIMEOUT_SECONDS, socket_keepalive=True)
    try:
        yield redis.Redis(connection_pool=pool), f"cors_guard:{options.get('db') or 0}"
    finally:
        pool.disconnect()


def pause_after(failures: int) -> float:
    """Return how many seconds to leave Redis alone after so many failures in a row."""
    return min(LEAST_PAUSE_SECONDS * 2.0 ** min(max(failures - 1, 0), 10), MOST_PAUSE_SECONDS)


class Report:
    """Says when something stops working and when it works again, once each."""

    def __init__(self, lost: str, found: str) -> None:
        self._lost, self._found = lost, found
        self.failures = 0

    def fail(self, error: BaseException) -> None:
        """Count a failure; log the first one of a row, with ``error`` in one line."""
        self.failures += 1
        if self.failures == 1:
            logger.warning("%s (%s).", self._lost, first_line(error))

    def work(self) -> None:
        """Note that it works; log it if it did not before."""
        if self.failures:
            logger.warning("%s.", self._found)
        self.failures = 0
