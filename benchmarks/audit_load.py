"""What the audit log bears, and what it costs a request: ``python -m benchmarks.audit_load`` (PostgreSQL).

A million refused requests of 200,000 random origins, through the middleware, from 8 threads and from an event loop; a
noisy client; and the cost of a refused and of a counted request. Each scenario runs in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from typing import Final

from benchmarks import scratch

DATABASE: Final = "cors_guard_benchmark_load"
SCENARIOS: Final = ("threads", "event-loop", "noisy-client", "cost")


def main() -> None:
    """Run the scenarios that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all, if none is named")
    parser.add_argument("--refusals", type=int, default=1_000_000)
    parser.add_argument("--origins", type=int, default=200_000)
    parser.add_argument("--inside", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names: list[str] = given.scenarios or list(SCENARIOS)
    if given.inside:
        scratch.set_up(given.inside)
        # Models cannot be imported before Django is set up.
        import_module("benchmarks.scenarios").run(names[0], given.refusals, given.origins)
        return
    for name in names:
        with scratch.scratch_database(DATABASE, keep=False) as (url, _is_new):
            sizes = ["--refusals", f"{given.refusals}", "--origins", f"{given.origins}"]
            subprocess.run([sys.executable, "-m", "benchmarks.audit_load", name, "--inside", url, *sizes], check=True)


if __name__ == "__main__":
    main()
