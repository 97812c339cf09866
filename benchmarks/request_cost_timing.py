"""Microseconds of processor time a request, in runs that take turns; and instructions, counted by valgrind."""

from __future__ import annotations

import gc
import os
import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from time import process_time_ns
from typing import Final

from benchmarks.request_cost_senders import Cell, Contender, Scenario, Senders, Server

Costs = dict[Cell, float]

#: No batch of requests takes much longer than this, however slow a contender is.
BATCH_SECONDS: Final = 0.2
#: The peer reads its whole list at each request with an Origin; beyond this it would take minutes.
PEER_LIMIT: Final = 100_000


def list_cells(servers: Iterable[Server], origins: int) -> list[Cell]:
    """Return what is measured for so many trusted origins."""
    return [
        Cell(server, contender, scenario)
        for server in servers
        for contender in Contender
        for scenario in Scenario
        if contender is not Contender.PEER or origins <= PEER_LIMIT
    ]


def time_all(senders: Senders, cells: Sequence[Cell], rounds: int, batch: int) -> Costs:
    """Return the median cost of each cell over and above the same request without any middleware, in microseconds.

    The cells take turns in an order drawn anew each round, and each is compared with what no middleware took in that
    same round. For no middleware at all the cost is the whole request's.
    """
    # One request through the ASGI handler takes as long as many through the other.
    sizes = {cell: _fit(senders, cell, batch if cell.server is Server.WSGI else batch // 5) for cell in cells}
    gc.collect()
    gc.freeze()
    taken = [_time_round(senders, cells, sizes) for _ in range(rounds)]
    gc.unfreeze()
    return {cell: median(_compare(cell, costs) for costs in taken) for cell in cells}


def _compare(cell: Cell, costs: Costs) -> float:
    if cell.contender is Contender.NONE:
        return costs[cell]
    return costs[cell] - costs[Cell(cell.server, Contender.NONE, cell.scenario)]


def _fit(senders: Senders, cell: Cell, batch: int) -> int:
    """Warm up, and return how many requests make a batch."""
    senders.prepare(cell, 2)()
    took = _time(senders.prepare(cell, 1)) / 1e6
    return max(min(batch, int(BATCH_SECONDS / took)), 1)


def _time_round(senders: Senders, cells: Sequence[Cell], sizes: dict[Cell, int]) -> Costs:
    order = random.sample(cells, len(cells))
    return {cell: _time(senders.prepare(cell, sizes[cell])) / sizes[cell] for cell in order}


def _time(send: Callable[[], None]) -> float:
    """Return the microseconds of processor time that ``send`` takes, in whichever of the process's threads."""
    began = process_time_ns()
    send()
    return (process_time_ns() - began) / 1000


# --- instructions -----------------------------------------------------------------------------------------------------

#: callgrind writes what it has counted whenever the C library's function of this name is called.
MARK: Final = "getppid"
WARM_UP: Final = 20


def count_all(senders: Senders, cells: Sequence[Cell], batch: int) -> None:
    """Send ``batch`` requests of each cell between two marks: for a process that runs under callgrind."""
    gc.collect()
    gc.freeze()
    gc.disable()
    for cell in cells:
        slow = cell.contender is Contender.PEER
        senders.prepare(cell, 2 if slow else WARM_UP)()
        send = senders.prepare(cell, batch)
        os.getppid()
        send()
        os.getppid()
    gc.enable()
    gc.unfreeze()


def read_counts(folder: Path, cells: Sequence[Cell], batch: int) -> Costs:
    """Return the instructions of each cell over and above no middleware, from the files that callgrind wrote."""
    parts = {int(path.suffix[1:]): _read_total(path) for path in folder.glob("out.*")}
    # Part 1 is everything before the first mark; from there on each second one is a batch.
    costs = {cell: parts[2 * number + 2] / batch for number, cell in enumerate(cells)}
    return {cell: _compare(cell, costs) for cell in cells}


def _read_total(path: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
    assert found is not None, path  # noqa: S101 - callgrind's own format
    return int(found[1])
