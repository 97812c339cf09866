"""The trials: each kind of change, made in a process of its own while every worker is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import cycle
from typing import Final
from urllib.parse import urlencode

from benchmarks.freshness.asking import PATH, Client, asking
from benchmarks.freshness.board import Board, Trial
from benchmarks.freshness.servers import HOST
from benchmarks.freshness.writer import Writer

#: Most trials under way at once, and the pause between two commits.
MOST_UNDER_WAY: Final = 10
PAUSE_SECONDS: Final = 0.08
#: How long a writer that interleaves leaves the other one time to come first; on SQLite it never can.
LEAD_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Desk:
    """Who writes: two processes beside the servers, and an administrator who is signed in."""

    first: Writer
    second: Writer
    port: int
    session: str


#: What makes the change of one kind: yields by when each of the trials was committed, as soon as it was.
Change = Callable[[Desk, list[Trial]], Iterable[float]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change. ``opens`` has an entry for each trial that it makes."""

    change: Change
    opens: tuple[bool, ...]
    #: Whether the trial is about a path of its own that any origin may call, rather than about an origin.
    by_path: bool = False


def _tell(name: str) -> Change:
    return lambda desk, trials: [desk.first.do(name, origin=trials[0].origin)[0]]


def _bulk_create(desk: Desk, trials: list[Trial]) -> list[float]:
    at, _ = desk.first.do("bulk_create", origins=[trial.origin for trial in trials])
    return [at] * len(trials)


def _delete_group(desk: Desk, trials: list[Trial]) -> list[float]:
    return [desk.first.do("delete_group", path=trials[0].path)[0]]


def _revoke_in_admin(desk: Desk, trials: list[Trial]) -> list[float]:
    """Revoke through the action of the admin's list, as a browser would send it."""
    _, grant = desk.first.do("find_grant", origin=trials[0].origin)
    token = "t" * 32
    body = {"action": "revoke_selected", "_selected_action": grant, "revoke": "1", "reason": "a trial"}
    connection = HTTPConnection(HOST, desk.port, timeout=30)
    try:
        connection.request(
            "POST",
            "/admin/cors_guard/trustedorigin/",
            body=urlencode({**body, "csrfmiddlewaretoken": token}),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": f"sessionid={desk.session}; csrftoken={token}",
            },
        )
        response = connection.getresponse()
        text = response.read()
        if response.status != HTTPStatus.FOUND:
            raise RuntimeError(f"The admin answered {response.status}: {text[:500]!r}")
        return [time.monotonic()]
    finally:
        connection.close()


def _begin_first_commit_last(desk: Desk, trials: list[Trial]) -> Iterator[float]:
    """One transaction begins and has read; another one begins, writes and commits; then the first does the rest."""
    desk.first.do("begin")
    desk.second.send("trust", origin=trials[1].origin)
    # Where the database lets one write at a time (SQLite), the other one waits for the first.
    time.sleep(LEAD_SECONDS)
    desk.first.do("trust", origin=trials[0].origin)
    yield desk.first.do("commit")[0]
    yield desk.second.receive()[0]


def _write_first_commit_first(desk: Desk, trials: list[Trial]) -> Iterator[float]:
    """One transaction has written when another one wants to; that has to wait until the first has committed."""
    desk.first.do("begin")
    desk.first.do("trust", origin=trials[0].origin)
    desk.second.send("trust", origin=trials[1].origin)
    time.sleep(LEAD_SECONDS / 3)
    yield desk.first.do("commit")[0]
    yield desk.second.receive()[0]


KINDS: Final[Mapping[str, Kind]] = {
    "trust": Kind(_tell("trust"), (True,)),
    "revoke": Kind(_tell("revoke"), (False,)),
    "QuerySet.update": Kind(_tell("update"), (False,)),
    "bulk_create": Kind(_bulk_create, (True, True)),
    "cascade": Kind(_delete_group, (False,), by_path=True),
    "loaddata": Kind(_tell("load_fixture"), (True,)),
    "admin action": Kind(_revoke_in_admin, (False,)),
    "began first, committed last": Kind(_begin_first_commit_last, (True, True)),
    "wrote first, committed first": Kind(_write_first_commit_first, (True, True)),
}


def run(desk: Desk, board: Board, count: int, label: str) -> None:
    """Make ``count`` trials or a few more, all kinds in turn, and judge each; ``label`` keeps runs apart."""
    rounds = list(_compose(count, label))
    trials = [trial for _, made in rounds for trial in made]
    _prepare(desk, trials)
    with asking(board, desk.port):
        for kind, made in rounds:
            while board.under_way >= MOST_UNDER_WAY:
                time.sleep(0.01)
            for trial, at in zip(made, kind.change(desk, made), strict=True):
                board.commit(trial, at)
            time.sleep(PAUSE_SECONDS)
        _wait(board)
        board.recheck()
        _wait(board)


def _compose(count: int, label: str) -> Iterator[tuple[Kind, list[Trial]]]:
    made = 0
    for name, kind in cycle(KINDS.items()):
        if made >= count:
            return
        trials = []
        for opens in kind.opens:
            made += 1
            path = f"/api/{label}-{made}" if kind.by_path else PATH
            trials.append(Trial(name, f"https://trial-{made}.{label}.example.com", path, opens))
        yield kind, trials


def _prepare(desk: Desk, trials: list[Trial]) -> None:
    """Bring about what the changes will end, and make sure that each trial can fail: it is as yet the other way."""
    desk.first.do("open_paths", paths=[trial.path for trial in trials if trial.path != PATH])
    closing = [trial.origin for trial in trials if trial.path == PATH and not trial.opens]
    at, _ = desk.first.do("bulk_create", origins=closing)
    time.sleep(max(0.0, at + 2.5 - time.monotonic()))
    client = Client(desk.port)
    for trial in trials:
        if client.ask(trial.origin, trial.path).is_open is trial.opens:
            raise RuntimeError(f"{trial.name} {trial.origin} is what it should become before anything was changed")
    client.close()


def _wait(board: Board) -> None:
    while board.under_way:
        time.sleep(0.02)
