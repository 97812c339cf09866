"""Run the suite on every database and Django at hand: `python tests/matrix.py [ROW…] [-- PYTEST ARGUMENTS…]`.

A row whose service or interpreter is absent is skipped and says why; with CI=true that is a failure. Rows go on after
one has failed; the summary at the end names the tests that failed in each, and the exit code tells whether any did.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import probes  # noqa: E402 - run as a script, the repository is not on the path before this

LOWEST = ROOT / ".venv/bin/python"
NEWEST = ROOT / ".venv-newest/bin/python"
SQLITE_URL = "sqlite://:memory:"
NO_TESTS_COLLECTED = 5  # pytest's exit code
NAMED_FAILURES = 12  # of a row, in the summary: it has to fit on a screen
LINE = 160  # characters of each


@dataclass(frozen=True, slots=True)
class Result:
    """How a row ended: a phrase that begins with ``FAILED`` if it did, and the tests that failed, a line each."""

    phrase: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the suite: which interpreter, which database, which tests."""

    name: str
    title: str
    python: Path
    database_url: str
    service: str | None = None
    #: The marker of the tests that it runs and how many at a time; without one it runs those that have no row of
    #: their own, on every processor.
    marker: str = ""
    at_a_time: int = 0
    #: Whether it leaves out what works on no database, or on one of its own: that says the same in every row.
    database_only: bool = False
    ignored: tuple[str, ...] = ()


#: With the newest Django where there is one; the rows of servers ask PostgreSQL with the oldest.
POSTGRESQL = NEWEST if NEWEST.exists() else LOWEST
#: What is published and what the docs say: once is enough, and takes long.
PUBLISHED = ("tests/docs", "tests/release")
ROWS = (
    Row("sqlite", "SQLite", LOWEST, SQLITE_URL),
    Row("postgresql", "PostgreSQL", POSTGRESQL, probes.POSTGRESQL_URL, service="postgresql", ignored=PUBLISHED),
    Row("mariadb", "MariaDB", LOWEST, probes.MARIADB_URL, service="mariadb", database_only=True, ignored=PUBLISHED),
    # These bring up servers of their own and watch clocks: few at a time, however many processors there are.
    Row("servers", "Servers", LOWEST, probes.POSTGRESQL_URL, service="postgresql", marker="servers", at_a_time=1),
    Row("servers-mariadb", "Servers", LOWEST, probes.MARIADB_URL, service="mariadb", marker="servers", at_a_time=1),
    Row("browser", "Browser tests", LOWEST, SQLITE_URL, service="chromium", marker="browser", at_a_time=2),
)
OWN_ROWS = sorted({row.marker for row in ROWS if row.marker})


def main(arguments: list[str]) -> int:
    """Run the named rows (all, if none is named) and print a summary; return the exit code."""
    names, pytest_arguments = _split(arguments)
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        known = ", ".join(row.name for row in ROWS)
        print(f"No such row: {', '.join(sorted(unknown))}. There are {known}.", file=sys.stderr)
        return 2
    results = [(row, _run(row, pytest_arguments)) for row in ROWS if not names or row.name in names]
    print("\n" + _rule("Summary"))
    for row, result in results:
        print(f"  {row.name:<20}{result.phrase}")
        for failure in result.failures[:NAMED_FAILURES]:
            print(f"    {failure}")
        if len(result.failures) > NAMED_FAILURES:
            print(f"    and {len(result.failures) - NAMED_FAILURES} more")
    return int(any(result.phrase.startswith("FAILED") for _, result in results))


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _run(row: Row, pytest_arguments: list[str]) -> Result:
    missing = probes.probe(row.service) if row.service else None
    if missing:
        print("\n" + _rule(row.title), f"\n{missing}", sep="", flush=True)
        return Result(f"FAILED: {missing}" if probes.is_ci() else f"skipped: {missing}")
    print("\n" + _rule(f"{row.title} · {_describe_versions(row.python)}"), flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.xml")
        code = _run_pytest(row, [f"--junitxml={report}"], pytest_arguments)
        failures = tuple(_read_failures(report))
    seconds = f"{time.monotonic() - started:.0f} s"
    if code == NO_TESTS_COLLECTED:
        return Result(f"no tests ({seconds})")
    return Result(f"passed ({seconds})") if code == 0 else Result(f"FAILED with exit code {code} ({seconds})", failures)


def _read_failures(report: Path) -> Iterator[str]:
    """Yield the name of each test in pytest's report that failed or broke, with the first line of why."""
    if not report.exists():  # pytest did not get as far
        return
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        trouble = case.find("failure")
        trouble = case.find("error") if trouble is None else trouble
        if trouble is not None:
            why = trouble.get("message", "").partition("\n")[0]
            yield f"{case.get('classname')}::{case.get('name')} - {why}"[:LINE]


def _run_pytest(row: Row, options: list[str], pytest_arguments: list[str]) -> int:
    if row.marker:
        select = ["-m", row.marker, "-n", f"{row.at_a_time}"]
    else:
        select = ["-m", f"not ({' or '.join(OWN_ROWS)})", "-n", "auto", "--maxprocesses", "4"]
    if row.database_only:
        select.append("--database-only")
    if not pytest_arguments:
        select += [f"--ignore={path}" for path in row.ignored]
    command: list[str | Path] = [row.python, "-m", "pytest", *options, *select, *pytest_arguments]
    environ = os.environ | {"DATABASE_URL": row.database_url}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


def _describe_versions(python: Path) -> str:
    code = "import django, platform; print(f'Django {django.__version__} · Python {platform.python_version()}')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _rule(title: str) -> str:
    return f"──── {title} ".ljust(100, "─")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
