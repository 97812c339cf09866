"""Signals of the guard, and the log records that say the same to a SIEM.

For projects; each is sent with ``send_robust``, those that tell of a row after the commit and by whoever wrote: the
audit's own thread, never a guarded request (but for ``AUDIT_FLUSH_SECONDS = 0``), or the one that changed the policy.

- ``rejection_recorded``: one rollup of refusals was written. ``sender`` is the model ``Rejection``, ``rejection`` the
  row (N refusals: see its ``count``; without a primary key on databases that do not return it), ``using`` the database
  alias.
- ``policy_changed``: one policy change was written. ``sender`` is the model ``PolicyChange``, ``change`` the row,
  ``using`` the database alias. Of several processes the one that wrote sends it; the others send nothing.
- ``decisions_counted``: so many decisions were made since it was sent the last time. ``sender`` is None, ``counts`` a
  tuple of ``metrics.Count`` (``group``, ``outcome``, ``reason``, ``times``), which may be empty, and ``freshness`` says
  by which policy the process decides (``environment``, ``revision``, ``age_seconds``, ``failures``, ``lapsed``,
  ``known``). Of each process, every two seconds while it has requests and a while after, and at its end; only where
  ``CORS_GUARD["METRICS"]`` is set, and not from test suites, which call ``metrics.flush()``. A thread of its own sends
  it, or where no thread runs a request. Nothing is sent twice, so what a receiver fails on is lost to it.

Each of the first two comes with a record of the logger ``django_cors_guard.audit``, level INFO: its message is one line
of JSON, its attribute ``cors_guard`` the same as a dict of plain JSON values. What a sender chose (origin, path, user
agent) stands in it escaped, and client addresses as AUDIT_CLIENT_IP lets them be stored. A process that is killed
between the commit and the signal has written a row that nobody was told of: the database is the record, these are its
echo.

Between the guard's own modules: ``policy_written`` is sent with ``sender`` the model class or None, ``using`` (database
alias) and ``committed``: False right after a write inside its transaction, True once that has been committed.
``policy_looking`` is sent by ``store`` before each look at the database reads the version, by the thread that looks;
what its receiver commits can be seen by whoever commits a change that this look misses.
``policy_looked`` is sent by ``store`` after each look at the database, by the thread that looked: ``version`` is the
(revision, token) that the process decides by from now on, or None if the look failed; ``looked_at`` is when it began,
in seconds since the epoch. Its receivers are on the way of one request a REFRESH_SECONDS, and return at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.dispatch import Signal

audit_logger: Final = logging.getLogger("django_cors_guard.audit")
logger: Final = logging.getLogger("django_cors_guard.signals")

rejection_recorded: Final = Signal()
policy_changed: Final = Signal()
decisions_counted: Final = Signal()
policy_written: Final = Signal()
policy_looking: Final = Signal()
policy_looked: Final = Signal()


def announce(signal: Signal, sender: type, describe: Callable[[], Mapping[str, Any]], **arguments: Any) -> None:
    """Send ``signal`` and log what ``describe`` returns. Never raises: a receiver or handler that fails is logged."""
    signal.send_robust(sender=sender, **arguments)
    if not audit_logger.isEnabledFor(logging.INFO):
        return
    try:
        line = json.dumps(describe(), cls=DjangoJSONEncoder, separators=(",", ":"))
        # Read back, so that whoever takes the dict finds in it what the line says, and nothing but JSON.
        audit_logger.info("%s", line, extra={"cors_guard": json.loads(line)})
    except Exception:
        logger.exception("A record of the audit could not be logged; it is in the database.")
