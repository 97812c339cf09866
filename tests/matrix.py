"""Run the suite on every database and Django at hand: `python tests/matrix.py [ROW…] [-- PYTEST ARGUMENTS…]`.

A row whose service or interpreter is absent is skipped and says why; with CI=true that is a failure. Rows go on after
one has failed, and the exit code tells whether any did.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import probes  # noqa: E402 - run as a script, the repository is not on the path before this

LOWEST = ROOT / ".venv/bin/python"
NEWEST = ROOT / ".venv-newest/bin/python"
SQLITE_URL = "sqlite://:memory:"
NO_TESTS_COLLECTED = 5  # pytest's exit code


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the suite: which interpreter, which database, which tests."""

    name: str
    title: str
    python: Path
    database_url: str
    service: str | None = None
    browser: bool = False
    coverage: bool = False


ROWS = (
    Row("sqlite", "SQLite", LOWEST, SQLITE_URL, coverage=True),
    Row("postgresql", "PostgreSQL", LOWEST, probes.POSTGRESQL_URL, service="postgresql"),
    Row("mariadb", "MariaDB", LOWEST, probes.MARIADB_URL, service="mariadb"),
    Row("newest-sqlite", "SQLite", NEWEST, SQLITE_URL),
    Row("newest-postgresql", "PostgreSQL", NEWEST, probes.POSTGRESQL_URL, service="postgresql"),
    Row("browser", "Browser tests", LOWEST, SQLITE_URL, service="chromium", browser=True),
)


def main(arguments: list[str]) -> int:
    """Run the named rows (all, if none is named) and print a summary; return the exit code."""
    names, pytest_arguments = _split(arguments)
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        known = ", ".join(row.name for row in ROWS)
        print(f"No such row: {', '.join(sorted(unknown))}. There are {known}.", file=sys.stderr)
        return 2
    outcomes = [(row, _run(row, pytest_arguments)) for row in ROWS if not names or row.name in names]
    print("\n" + _rule("Summary"))
    for row, outcome in outcomes:
        print(f"  {row.name:<20}{outcome}")
    return int(any(outcome.startswith("FAILED") for _, outcome in outcomes))


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _run(row: Row, pytest_arguments: list[str]) -> str:
    missing = _find_missing(row)
    if missing:
        print("\n" + _rule(row.title), f"\n{missing}", sep="", flush=True)
        # Without a newer Python no newer Django exists for this machine: nothing a CI could have started.
        return f"FAILED: {missing}" if probes.is_ci() and row.python.exists() else f"skipped: {missing}"
    print("\n" + _rule(f"{row.title} · {_describe_versions(row.python)}"), flush=True)
    started = time.monotonic()
    code = _run_pytest(row, pytest_arguments)
    seconds = f"{time.monotonic() - started:.0f} s"
    if code == NO_TESTS_COLLECTED:
        return f"no tests ({seconds})"
    return f"passed ({seconds})" if code == 0 else f"FAILED with exit code {code} ({seconds})"


def _find_missing(row: Row) -> str | None:
    if not row.python.exists():
        return "no Python 3.12 or newer was found, so there is no newer Django to test on"
    return probes.probe(row.service) if row.service else None


def _run_pytest(row: Row, pytest_arguments: list[str]) -> int:
    # Browser tests bring up servers of their own and watch clocks: one at a time, and nothing beside them.
    select = ["-m", "browser"] if row.browser else ["-m", "not browser", "-n", "auto", "--maxprocesses", "4"]
    if row.service and not row.browser and not pytest_arguments:
        # The core knows no database: the rows on SQLite say all there is to say about it.
        select += ["--ignore", "tests/core"]
    # A partial run covers part of the code; only a whole one is worth a report.
    measure = row.coverage and not pytest_arguments
    runner = ["-m", "coverage", "run", "-m", "pytest"] if measure else ["-m", "pytest"]
    environ = os.environ | {"DATABASE_URL": row.database_url}
    if measure:
        _run_python(row, ["-m", "coverage", "erase"], environ)
    code = _run_python(row, [*runner, *select, *pytest_arguments], environ)
    if measure and code == 0:
        _run_python(row, ["-m", "coverage", "combine", "-q"], environ)
        code = _run_python(row, ["-m", "coverage", "report"], environ)
    return code


def _run_python(row: Row, arguments: list[str], environ: dict[str, str]) -> int:
    return subprocess.run([row.python, *arguments], cwd=ROOT, env=environ, check=False).returncode


def _describe_versions(python: Path) -> str:
    code = "import django, platform; print(f'Django {django.__version__} · Python {platform.python_version()}')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _rule(title: str) -> str:
    return f"──── {title} ".ljust(100, "─")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
