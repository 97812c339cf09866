"""What fault tests permit and ask for in the same words."""

import time
from collections.abc import Sequence

from tests.faults.load import TURNED, Kind, Load, Rule, Shape
from tests.faults.stage import MAX_STALE, REFRESH, SLACK, WORKERS, Served, Stage

#: Longest from a database's return to the end of the back-off of these outages.
RECOVERY = 8.0


def permit_outage(load: Load, *, attempt: float = 0.0, turned: Sequence[bool] = (True,)) -> float:
    """The database is away from now on: say what may be answered until it is back, and return when all has lapsed."""
    began = load.permit(Rule.FRESH, turned=turned)
    load.permit(Rule.FRESH, Rule.LAPSED, turned=turned, since=began - REFRESH - SLACK + MAX_STALE)
    return load.permit(Rule.LAPSED, turned=turned, since=began + MAX_STALE + attempt + SLACK)


def await_recovery(load: Load, came_back: float, *, workers: int = WORKERS, seconds: float = RECOVERY) -> float:
    """Return how long it took all processes to trust again; from then on nothing else is permitted."""
    seen = load.wait_for(Shape.READABLE, Kind.ALLOWED, came_back, seconds=seconds, processes=workers)
    load.permit(Rule.FRESH)
    return seen - came_back


def turn(stage: Stage, load: Load, *, trusted: bool, in_full: bool = False, within: float = REFRESH + SLACK) -> None:
    """Trust or revoke TURNED, and permit the former state for ``within`` seconds more; returns after these.

    With ``in_full``, every process is asked to load the whole policy, from the cache if there is one.
    """
    load.permit(Rule.FRESH, turned=(True, False))
    stage.desk("turn", TURNED, trusted, in_full)
    permit_turned(load, trusted=trusted, within=within)


def permit_turned(load: Load, *, trusted: bool, within: float = REFRESH + SLACK) -> None:
    """TURNED has just changed: permit the former state for ``within`` seconds more, and return after these."""
    changed = load.permit(Rule.FRESH, turned=(True, False))
    decided = load.permit(Rule.FRESH, turned=(trusted,), since=changed + within)
    time.sleep(max(decided + 0.4 - time.monotonic(), 0))
    now = Shape.READABLE if trusted else Shape.FORBIDDEN
    answers = [answer for answer in list(load.answers) if answer.kind is Kind.TURNED and answer.sent > changed]
    load.lags.append(max((answer.sent - changed for answer in answers if answer.shape is not now), default=0.0))


def settle(stage: Stage, load: Load, *servers: Served) -> int:
    """Stop load and servers, and return how many refusals the audit has in the end."""
    load.stop()
    for served in servers:
        served.stop()
    counted: int = stage.desk("counted")
    return counted


def assert_right(load: Load, *servers: Served, broken: bool = False) -> None:
    """Every answer was permitted."""
    wrong = load.wrong(broken=broken)
    assert load.answers
    shown = "\n".join(served.text()[-2000:] for served in servers)
    assert not wrong, f"{len(wrong)} of {len(load.answers)}, such as {wrong[:3]}\n{shown}"
