"""What the guard adds to one request, beside a hand-written floor and django-cors-headers.

``python -m benchmarks.request_cost`` drives Django's WSGI and ASGI handlers in process. It prints, for each number of
trusted origins, the microseconds of processor time that each contender adds, and which aims are reached; ``--plot``
draws them. ``--instructions`` counts by valgrind's callgrind instead: slow, and the same on a busy machine. With
``--metrics`` the guard counts its decisions.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import scratch

SIZES: Final = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
COUNTED_SIZES: Final = (1, 10, 1_000, 100_000)
QUICK_SIZES: Final = (1, 10)
ROUNDS: Final = 60
BATCH: Final = 100
COUNTED_BATCH: Final = 50


def main() -> None:
    """Measure, print, draw."""
    options = _read_options()
    folder = Path(tempfile.mkdtemp())
    # Registered before Django is set up, so that it runs after what the guard has to write at the end.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    scratch.set_up(f"sqlite:///{folder}/benchmark.sqlite3")
    if options.instructions:
        _count_in_children(options, folder)
        return
    if options.metrics:
        _count_decisions()
    if options.counted:
        # The recorder's thread would write in the middle of somebody's batch.
        _set_guard(AUDIT_FLUSH_SECONDS=3600)
    else:
        scratch.migrate()
    _run(options)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few requests of few origins: to see that it works")
    parser.add_argument("--origins", type=int, nargs="+", help="numbers of trusted origins")
    parser.add_argument("--servers", nargs="+", choices=["wsgi", "asgi"], default=["wsgi", "asgi"])
    parser.add_argument("--rounds", type=int, help=f"turns that each contender takes (default: {ROUNDS})")
    parser.add_argument("--plot", type=Path, help="write the plot to this PNG")
    parser.add_argument("--instructions", action="store_true", help="count instructions by callgrind")
    parser.add_argument("--metrics", action="store_true", help='with CORS_GUARD["METRICS"] = "signal"')
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = COUNTED_SIZES if options.instructions else SIZES
    options.origins = options.origins or list(QUICK_SIZES if options.quick else sizes)
    options.rounds = options.rounds or (3 if options.quick else ROUNDS)
    options.batch = 5 if options.quick else COUNTED_BATCH if options.instructions or options.counted else BATCH
    return options


def _set_guard(**keys: object) -> None:
    from django.conf import settings  # noqa: PLC0415 - imported once Django is set up

    settings.CORS_GUARD = {**settings.CORS_GUARD, **keys}


def _count_decisions() -> None:
    from django_cors_guard import metrics  # noqa: PLC0415 - imported once Django is set up

    _set_guard(METRICS="signal")
    metrics.connect()


def _run(options: argparse.Namespace) -> None:
    from benchmarks import request_cost_report as report  # noqa: PLC0415 - imported once Django is set up
    from benchmarks import request_cost_timing as timing  # noqa: PLC0415
    from benchmarks.request_cost_senders import Senders, Server  # noqa: PLC0415
    from django_cors_guard.recorder import recorder  # noqa: PLC0415

    senders = Senders()
    servers = [Server(name) for name in options.servers]
    found = {}
    for origins in options.origins:
        senders.trust(origins)
        cells = timing.list_cells(servers, origins)
        if options.counted:
            timing.count_all(senders, cells, options.batch)
        else:
            found[origins] = timing.time_all(senders, cells, options.rounds, options.batch)
            print(f"measured with {origins:,} trusted origins", file=sys.stderr, flush=True)
    senders.forget()
    if options.counted:
        recorder.forget()  # there are no tables to write to
    if found:
        report.print_costs("microseconds", found)
        report.print_aims("time", found)
    if found and options.plot:
        from benchmarks.request_cost_plot import draw  # noqa: PLC0415 - matplotlib only where it is wanted

        draw(found, options.plot)


def _count_in_children(options: argparse.Namespace, folder: Path) -> None:
    """Run one child for each number of origins under callgrind, and read what it counted."""
    found = {}
    from benchmarks import request_cost_report as report  # noqa: PLC0415 - imported once Django is set up
    from benchmarks import request_cost_timing as timing  # noqa: PLC0415
    from benchmarks.request_cost_senders import Server  # noqa: PLC0415

    for origins in options.origins:
        parts = folder / str(origins)
        parts.mkdir()
        _run_callgrind(options, origins, parts, quick=options.quick)
        cells = timing.list_cells([Server(name) for name in options.servers], origins)
        found[origins] = timing.read_counts(parts, cells, options.batch)
        print(f"counted with {origins:,} trusted origins", file=sys.stderr, flush=True)
    report.print_costs("instructions", found)
    report.print_aims("instructions", found)


def _run_callgrind(options: argparse.Namespace, origins: int, parts: Path, *, quick: bool) -> None:
    valgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={parts}/out"]
    own = [sys.executable, "-m", "benchmarks.request_cost", "--counted", "--origins", str(origins)]
    command = [
        *valgrind,
        f"--log-file={parts}/log",
        *own,
        "--servers",
        *options.servers,
        *(["--quick"] if quick else []),
        *(["--metrics"] if options.metrics else []),
    ]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})


if __name__ == "__main__":
    main()
