"""What this machine has: each probe really connects, and returns None, or in a few words why that failed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from urllib.parse import unquote, urlsplit

import psycopg
import redis

POSTGRESQL_URL = os.environ.get("POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MARIADB_URL = os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/test")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

TIMEOUT_SECONDS = 5


def is_ci() -> bool:
    """Whether a missing service is a failure rather than a reason to skip."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def find_chromium() -> str | None:
    """Return the path of the system's Chromium (the one that CHROMIUM names, if set), or None."""
    named = os.environ.get("CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if (path := shutil.which(name))), None)


@cache
def probe(service: str) -> str | None:
    """Return None if `service` (a key of PROBES) answers, else the reason; each is asked once per process."""
    return PROBES[service]()


def _probe_postgresql() -> str | None:
    try:
        psycopg.connect(POSTGRESQL_URL, connect_timeout=TIMEOUT_SECONDS).close()
    except psycopg.OperationalError as error:
        return _describe(f"PostgreSQL does not answer at {_hide_password(POSTGRESQL_URL)}", error)
    return None


def _probe_mariadb() -> str | None:
    try:
        driver = import_module("MySQLdb")
    except ImportError:
        return "MariaDB's driver is not installed: it needs MariaDB's C headers (Debian: libmariadb-dev)"
    url = urlsplit(MARIADB_URL)
    try:
        driver.connect(
            host=url.hostname or "127.0.0.1",
            port=url.port or 3306,
            user=unquote(url.username or ""),
            password=unquote(url.password or ""),
            connect_timeout=TIMEOUT_SECONDS,
        ).close()
    except driver.OperationalError as error:
        return _describe(f"MariaDB does not answer at {_hide_password(MARIADB_URL)}", error)
    return None


def _probe_redis() -> str | None:
    client = redis.Redis.from_url(REDIS_URL, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS)
    try:
        client.ping()
    except redis.RedisError as error:
        return _describe(f"Redis does not answer at {_hide_password(REDIS_URL)}", error)
    finally:
        client.close()
    return None


def _probe_chromium() -> str | None:
    return None if find_chromium() else "Chromium is not installed, or CHROMIUM names none"


def _probe_openssl() -> str | None:
    return (
        None if shutil.which("openssl") else "openssl, which makes the certificates of test servers, is not installed"
    )


def _probe_shell() -> str | None:
    missing = [tool for tool in ("bash", "curl", "jq") if not shutil.which(tool)]
    return f"{', '.join(missing)}: not installed, and the recipes of the docs use it" if missing else None


def _probe_gettext() -> str | None:
    missing = [tool for tool in ("xgettext", "msgfmt", "msgmerge") if not shutil.which(tool)]
    return f"{', '.join(missing)}: not installed (GNU gettext)" if missing else None


def _probe_index() -> str | None:
    """Ask pip for one small package, from wherever this machine gets its packages."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "sqlparse"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"pip finds no packages: {done.stderr.strip().splitlines()[-1]}"


PROBES: dict[str, Callable[[], str | None]] = {
    "postgresql": _probe_postgresql,
    "mariadb": _probe_mariadb,
    "redis": _probe_redis,
    "chromium": _probe_chromium,
    "openssl": _probe_openssl,
    "shell": _probe_shell,
    "gettext": _probe_gettext,
    "index": _probe_index,
}


def _describe(what: str, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{what} ({lines[0] if lines else type(error).__name__})"


def _hide_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url
