"""What ``request_cost`` found, as text: the costs, and which aims are reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.request_cost_senders import Cell, Contender, Scenario, Server
from benchmarks.request_cost_timing import Costs

#: For each number of trusted origins, what each cell costs.
Found = Mapping[int, Costs]

FLOOR_AIM: Final = 1.5
SPREAD_AIM: Final = 0.15
#: Trusted origins, and how many times the guard's cost the peer's is at least.
PEER_AIMS: Final = {10: 8.0, 1000: 300.0}


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim: ``figure`` has to be at most ``limit``."""

    name: str
    figure: float
    limit: float

    @property
    def outcome(self) -> str:
        """``reached``, or by how much it is missed; a cost of less than nothing is the machine's noise."""
        if self.figure <= 0:
            return "lost in noise"
        return "reached" if self.figure <= self.limit else f"missed by {self.figure - self.limit:.2f}"


def list_aims(server: Server, found: Found) -> Iterator[Aim]:
    """Yield every aim that ``found`` says something about."""
    first = found[min(found)]
    ten = found.get(10, first)
    for scenario in (Scenario.ALLOWED, Scenario.NO_ORIGIN):
        ratio = _cost(ten, server, Contender.GUARD, scenario) / _cost(ten, server, Contender.FLOOR, scenario)
        yield Aim(f"{scenario}: guard ÷ floor", ratio, FLOOR_AIM)
    for origins, times in PEER_AIMS.items():
        if origins in found:
            costs = found[origins]
            peer = _cost(costs, server, Contender.PEER, Scenario.ALLOWED)
            ratio = _cost(costs, server, Contender.GUARD, Scenario.ALLOWED) / peer
            yield Aim(f"allowed, {origins:,} origins: {times:g} guards ÷ peer", ratio * times, 1.0)
    for scenario in (Scenario.ALLOWED, Scenario.NO_ORIGIN):
        own = [_cost(costs, server, Contender.GUARD, scenario) for costs in found.values()]
        yield Aim(
            f"{scenario}: most ÷ least, {min(found):,} to {max(found):,} origins", max(own) / min(own), 1 + SPREAD_AIM
        )
    none = _cost(ten, server, Contender.NONE, Scenario.PREFLIGHT)
    whole = none + _cost(ten, server, Contender.GUARD, Scenario.PREFLIGHT)
    yield Aim("preflight: with the guard ÷ without any middleware", whole / none, 1.0)


def print_costs(unit: str, found: Found) -> None:
    """Print one line for each server, scenario and number of origins: what every contender adds, in ``unit``."""
    print(f"\n{unit} added to a request, over no middleware (in brackets: the whole request without any)")
    columns = f"{'(none)':>11} {'floor':>9} {'guard':>9} {'÷ floor':>8} {'peer':>13}"
    print(f"{'server':6} {'request':10} {'origins':>9} {columns}")
    for origins, costs in sorted(found.items()):
        for server in sorted({cell.server for cell in costs}):
            for scenario in Scenario:
                print(_word_line(server, scenario, origins, costs))


def _word_line(server: Server, scenario: Scenario, origins: int, costs: Costs) -> str:
    none, floor, guard = (
        costs[Cell(server, contender, scenario)] for contender in (Contender.NONE, Contender.FLOOR, Contender.GUARD)
    )
    peer = costs.get(Cell(server, Contender.PEER, scenario))
    # A preflight is answered early: what is added is less than nothing, and a ratio would say nothing.
    ratio = f"{guard / floor:8.2f}" if floor > 0 else f"{'':8}"
    last = f"{'cut off':>13}" if peer is None else f"{peer:13,.1f}"
    return f"{server:6} {scenario:10} {origins:9,} {f'({none:,.1f})':>11} {floor:9,.1f} {guard:9,.1f} {ratio} {last}"


def print_aims(unit: str, found: Found) -> None:
    """Print whether each aim is reached, by ``unit``."""
    for server in sorted({cell.server for costs in found.values() for cell in costs}):
        print(f"\naims, {server}, by {unit}")
        for aim in list_aims(server, found):
            print(f"  {aim.name:62} {aim.figure:6.2f}  ≤ {aim.limit:4.2f}  {aim.outcome}")


def _cost(costs: Costs, server: Server, contender: Contender, scenario: Scenario) -> float:
    return costs[Cell(server, contender, scenario)]
