"""Databases for fault tests, on the server of the row that runs; none of them is the suite's own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from django.db import connection

from tests import probes
from tests.faults.desk import attending
from tests.faults.stage import Redis, Stage, furnish, own_redis, settings_environ, staging
from tests.servers import ROOT

VENDOR = connection.vendor


def new_name() -> str:
    return f"cors_guard_faults_{uuid.uuid4().hex[:12]}"


def url_of(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL database that the others are copied from: the name."""
    name = new_name()
    with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        with attending(settings_environ(url_of(probes.POSTGRESQL_URL, name)), str(ROOT)) as desk:
            furnish(desk)
        yield name
    finally:
        with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def postgresql(template: str | None) -> Iterator[str]:
    """Yield the URL of a database, a copy of ``template`` or empty."""
    name = new_name()
    with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    try:
        yield url_of(probes.POSTGRESQL_URL, name)
    finally:
        with psycopg.connect(probes.POSTGRESQL_URL, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def mariadb() -> Iterator[str]:
    """Yield the URL of an empty database."""
    name, parts = new_name(), urlsplit(probes.MARIADB_URL)
    driver = import_module("MySQLdb")

    def run(statement: str) -> None:
        server = driver.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )
        try:
            server.cursor().execute(statement)
        finally:
            server.close()

    run(f"CREATE DATABASE {name}")
    try:
        yield url_of(probes.MARIADB_URL, name)
    finally:
        run(f"DROP DATABASE {name}")


@pytest.fixture
def stage(furnished: str, tmp_path: Path) -> Iterator[Stage]:
    """On PostgreSQL."""
    with postgresql(furnished) as url, staging(url, tmp_path) as stage:
        yield stage


@pytest.fixture
def empty_stage(tmp_path: Path) -> Iterator[Stage]:
    """On PostgreSQL, before the first migration."""
    with postgresql(None) as url, staging(url, tmp_path) as stage:
        yield stage


@pytest.fixture
def row_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """On the database of the row: PostgreSQL or MariaDB."""
    if VENDOR == "postgresql":
        yield request.getfixturevalue("stage")
        return
    with mariadb() as url, staging(url, tmp_path) as stage:
        furnish(stage.desk)
        yield stage


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A redis-server of the test's own."""
    with own_redis(tmp_path) as redis:
        yield redis
