"""The table of faults: ``python -m benchmarks.faults`` (PostgreSQL, MariaDB, redis-server, Linux; 6 minutes).

Runs the tests of ``tests/faults`` and prints what they measured; with ``--write`` it goes into
docs/explanation/faults.md. What else is given goes to pytest (``-k cache``). With ``--keep DIRECTORY`` the
measurements stay there, and those of an earlier run that this one does not repeat are told of again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests import probes
from tests.faults.load import Shape
from tests.faults.outcomes import REPORT_VARIABLE, Fault, Outcome

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs/explanation/faults.md"
BEGIN: Final = "<!-- What follows is written by `python -m benchmarks.faults --write`. -->"
END: Final = "<!-- Up to here. -->"

NO_TESTS_COLLECTED: Final = 5  # pytest's exit code

_WORDS: Final = {
    Shape.READABLE: "trusted",
    Shape.HIDDEN: "refused",
    Shape.BROKEN: "no answer",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, print or write the tables, and return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--keep", metavar="DIRECTORY", type=Path, help="keep the measurements there")
    given, passed_on = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        kept: Path = given.keep or Path(directory)
        kept.mkdir(parents=True, exist_ok=True)
        code = _run_tests(kept, passed_on)
        outcomes = [Outcome(**json.loads(path.read_text())) for path in kept.glob("*.json")]
    missing = set(Fault) - {Fault(outcome.fault) for outcome in outcomes}
    tables = render(outcomes)
    if given.write and code == 0 and not missing:
        write(tables)
    print(tables)
    if missing:
        print(f"Not measured: {', '.join(sorted(missing))}", file=sys.stderr)
    return code


def _run_tests(directory: Path, arguments: Sequence[str]) -> int:
    """Run all on PostgreSQL, and on MariaDB, if it is there, what depends on the database; return the worst code."""
    runs = [(probes.POSTGRESQL_URL, "tests/faults")]
    if probes.probe("mariadb") is None:
        runs.append((probes.MARIADB_URL, "tests/faults/test_database.py"))
    codes = []
    for url, tests in runs:
        environ = os.environ | {"DATABASE_URL": url, REPORT_VARIABLE: str(directory)}
        command = [sys.executable, "-m", "pytest", tests, "-q", *arguments]
        codes.append(subprocess.run(command, cwd=ROOT, env=environ, stdout=sys.stderr, check=False).returncode)
    return max(code for code in codes if code != NO_TESTS_COLLECTED) if set(codes) != {NO_TESTS_COLLECTED} else 1


def write(tables: str) -> None:
    """Put the tables into the page, in the place of those of before."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


def render(outcomes: Iterable[Outcome]) -> str:
    """Return the tables in Markdown: what callers see and what is lost, and what the log says."""
    order = list(Fault)
    rows = sorted(outcomes, key=lambda outcome: (order.index(Fault(outcome.fault)), outcome.place))
    first = [
        "| fault | shown on | a trusted page is | answers, wrong | longest | waited | settled | refusals, lost |",
        "|---|---|---|---|---|---|---|---|",
        *(_figures(outcome) for outcome in rows),
    ]
    second = ["| fault | the log says, once in each process |", "|---|---|", *_log_rows(rows)]
    return "\n".join([*first, "", *second])


def _figures(outcome: Outcome) -> str:
    cells = [
        outcome.fault,
        outcome.place,
        describe_fared(outcome.fared),
        f"{outcome.answers}, {outcome.wrong or 'none'}",
        f"{outcome.longest:.2f} s",
        f"{outcome.waited or 'none'}",
        "" if outcome.settled is None else f"{outcome.settled:.1f} s",
        _describe_lost(outcome),
    ]
    return f"| {' | '.join(cells)} |"


def describe_fared(fared: Sequence[Sequence[Any]]) -> str:
    """Return in words how the trusted origin fared; how long the last state lasted was the test's choice."""
    spells = [(_WORDS.get(Shape(shape), shape), seconds) for shape, seconds in fared]
    if not spells:
        return ""
    if len(spells) == 1:
        return f"{spells[0][0]} all the time"
    return ", ".join([*(f"{word} {seconds:.1f} s" for word, seconds in spells[:-1]), spells[-1][0]])


def _describe_lost(outcome: Outcome) -> str:
    if outcome.lost is None:
        return ""
    # A request whose answer was lost with its process may have been counted all the same.
    return f"{outcome.refused}, {'none' if outcome.lost == 0 else outcome.lost}"


def _log_rows(rows: Iterable[Outcome]) -> list[str]:
    said: dict[str, dict[str, None]] = {}
    for outcome in rows:
        said.setdefault(outcome.fault, {}).update(dict.fromkeys(map(shorten, outcome.lines)))
    return [f"| {fault} | {'<br>'.join(lines) or 'nothing'} |" for fault, lines in said.items()]


def shorten(line: str) -> str:
    """Return a line of the log for a table: what the driver said differs from one to the next."""
    level, _, message = line.partition(" ")
    # Of some messages only the first line is at hand: what the driver said has more of them.
    message = re.sub(r"\(.*\)([;.])", r"(…)\1", message, flags=re.DOTALL)
    message = re.sub(r"\([^)]*$", "(…)", message)
    message = re.sub(r"\brevision \d+", "revision N", message)
    return f"`{level}` {message}".replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
