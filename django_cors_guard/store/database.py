"""The database that the policy is read from, and the connection that it is read through."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, Error, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from django_cors_guard.models import PolicyState

_T = TypeVar("_T")


def alias() -> str:
    """Return the alias that the policy is written to: a replica may lag."""
    return router.db_for_write(PolicyState) or DEFAULT_DB_ALIAS


def in_transaction(using: str) -> bool:
    """Whether this thread has a transaction open, in which it sees what nobody else does."""
    return connections[using].in_atomic_block


def with_own_connection(using: str, read: Callable[[], _T], *, retry: Callable[[], bool] = lambda: True) -> _T:
    """Run ``read``; try once more on a connection that had died, and close one that had to be opened.

    ``retry`` is asked whether anybody still waits for the result.
    """
    connection = connections[using]
    found_open = connection.connection is not None
    try:
        try:
            return read()
        except Error:
            if not found_open or connection.in_atomic_block:
                raise
            connection.close()
            found_open = False
            if not retry():
                raise
            return read()
    finally:
        if not found_open and not connection.in_atomic_block:
            connection.close()


def sever(connection: BaseDatabaseWrapper) -> None:
    """Break a connection that another thread waits on, which gets an error then instead of no answer for ever.

    Does nothing for a database that has no socket, and inside a transaction, which is not the guard's.
    """
    if connection.connection is None or connection.in_atomic_block:
        return
    # The number is doubled, so that the driver finds its own still open; both ends are told that it is over.
    with suppress(Exception), socket.socket(fileno=os.dup(connection.connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)
