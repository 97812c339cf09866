"""A database of the benchmark's own, and Django set up on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import django
import psycopg
from django.core.management import call_command

POSTGRESQL_URL: Final = os.environ.get("POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MEGABYTE: Final = 1_000_000


def url_of(name: str) -> str:
    """Return the URL of the database ``name`` on the server that POSTGRESQL_URL names."""
    return urlsplit(POSTGRESQL_URL)._replace(path=f"/{name}").geturl()


@contextmanager
def scratch_database(name: str, *, keep: bool) -> Iterator[tuple[str, bool]]:
    """Yield the URL of the database ``name``, and whether it is new; drop it afterwards unless ``keep``."""
    with psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield url_of(name), found is None
    finally:
        if not keep:
            with psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def set_up(database_url: str) -> None:
    """Set Django up as a server process would be, with the example project's settings."""
    os.environ.update(
        DATABASE_URL=database_url,
        DJANGO_SETTINGS_MODULE="example_project.settings",
        DEBUG="0",
        CORS_GUARD_ENVIRONMENT="production",
    )
    django.setup()


def migrate() -> None:
    """Create the tables."""
    call_command("migrate", verbosity=0)


def memory() -> int:
    """Return the bytes of memory that this process has resident."""
    return _read_status("VmRSS")


def peak_memory() -> int:
    """Return the most that this process has had resident since ``forget_peak``."""
    return _read_status("VmHWM")


def forget_peak() -> None:
    """Begin anew to look for the peak (Linux: proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _read_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
