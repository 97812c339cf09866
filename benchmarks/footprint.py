"""What processes weigh over time (Linux), and whether they grow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment, in MB: resident, and its proportional share of what it shares with others."""

    at: float
    process: int
    rss: float
    pss: float


class Scales:
    """Weighs the processes that ``find`` names, every ``seconds``, until it is stopped."""

    def __init__(self, find: Callable[[], Sequence[int]], *, seconds: float) -> None:
        self.samples: list[Sample] = []
        self._find = find
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            for process in self._find():
                sample = weigh(process)
                if sample is not None:
                    self.samples.append(sample)


def weigh(process: int) -> Sample | None:
    """Weigh one process now; None where it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return Sample(monotonic(), process, sizes["Rss"] * 1024 / MEGABYTE, sizes["Pss"] * 1024 / MEGABYTE)


@dataclass(frozen=True, slots=True)
class Growth:
    """How one process fared: what it weighed (RSS, PSS) at the beginning, in the middle and at the end, in MB."""

    process: int
    rss: tuple[float, float, float]
    pss: tuple[float, float, float]
    #: By the straight line that fits the PSS of the second half best.
    slope_a_minute: float
    #: What that line has gained over the second half.
    gained: float


def measure_growth(samples: Sequence[Sample]) -> list[Growth]:
    """Return the growth of each process that was weighed at least four times."""
    processes = dict.fromkeys(sample.process for sample in samples)
    series = {process: [sample for sample in samples if sample.process == process] for process in processes}
    return [_measure(process, line) for process, line in series.items() if len(line) >= 4]  # noqa: PLR2004 - two halves


def _measure(process: int, line: Sequence[Sample]) -> Growth:
    marks = (line[0], line[len(line) // 2], line[-1])
    half = line[len(line) // 2 :]
    slope = fit_slope([(sample.at, sample.pss) for sample in half])
    return Growth(
        process,
        rss=(marks[0].rss, marks[1].rss, marks[2].rss),
        pss=(marks[0].pss, marks[1].pss, marks[2].pss),
        slope_a_minute=slope * 60,
        gained=slope * (half[-1].at - half[0].at),
    )


def fit_slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the straight line with the least squares through ``points``."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
