"""Databases for real servers, and a Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from django.db import connection

from benchmarks.freshness.databases import environ_for, migrate, scratch_database
from tests.faults.stage import Redis, own_redis

VENDOR = connection.vendor


@pytest.fixture(scope="session")
def database_of() -> Iterator[Callable[[str], str]]:
    """Gives the URL of a database of a vendor's, with the tables in it."""
    with ExitStack() as stack:

        @cache
        def create(vendor: str) -> str:
            url = stack.enter_context(scratch_database(vendor))
            migrate(environ_for(url))
            return url

        yield create


@pytest.fixture
def database(database_of: Callable[[str], str]) -> str:
    """The URL of a database on the server of the row that runs."""
    return database_of(VENDOR)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with own_redis(tmp_path) as redis:
        yield redis
