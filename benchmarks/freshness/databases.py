"""A database of the run's own on PostgreSQL or MariaDB, or a file of SQLite's, with the tables in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg

ROOT: Final = Path(__file__).resolve().parent.parent.parent
POSTGRESQL_URL: Final = os.environ.get("POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MARIADB_URL: Final = os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/test")
#: By the names that Django has for them.
DATABASES: Final = ("postgresql", "mysql", "sqlite")


@contextmanager
def scratch_database(vendor: str) -> Iterator[str]:
    """Create a database, yield its URL, and drop it."""
    name = f"cors_guard_freshness_{uuid.uuid4().hex[:12]}"
    if vendor == "sqlite":
        with tempfile.TemporaryDirectory(prefix=name) as directory:
            yield f"sqlite:///{directory}/db.sqlite3"
        return
    server = urlsplit(POSTGRESQL_URL if vendor == "postgresql" else MARIADB_URL)
    execute = _execute_on_postgresql if vendor == "postgresql" else _execute_on_mariadb
    execute(server, f"CREATE DATABASE {name}")
    try:
        yield server._replace(path=f"/{name}").geturl()
    finally:
        execute(server, f"DROP DATABASE {name}" + (" WITH (FORCE)" if vendor == "postgresql" else ""))


def _execute_on_postgresql(server: SplitResult, statement: str) -> None:
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(statement.encode())


def _execute_on_mariadb(server: SplitResult, statement: str) -> None:
    connection = import_module("MySQLdb").connect(
        host=server.hostname or "127.0.0.1",
        port=server.port or 3306,
        user=unquote(server.username or ""),
        password=unquote(server.password or ""),
    )
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def environ_for(database_url: str, **freshness: object) -> dict[str, str]:
    """The environment variables of a process on ``database_url``; ``freshness`` are those of the settings module."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CORS_GUARD_"))}
    return kept | {
        "DATABASE_URL": database_url,
        "DEBUG": "0",
        "DJANGO_SETTINGS_MODULE": "benchmarks.freshness.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **{f"FRESHNESS_{key.upper()}": str(value) for key, value in freshness.items() if value is not None},
    }


def migrate(environ: Mapping[str, str]) -> None:
    """Create the tables."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=dict(environ), check=True, timeout=300)
