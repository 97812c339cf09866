"""Clients that ask without a pause to speak of: what is due in the trials, and in between what never changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from time import monotonic
from typing import Final, NamedTuple

from benchmarks.freshness.board import Board, Trial
from benchmarks.freshness.middleware import HEADER
from benchmarks.freshness.servers import HOST

PATH: Final = "/api/public/hello"
STEADY: Final = "https://steady.example.com"
STRANGER: Final = "https://stranger.example.net"
CLIENTS: Final = 8
#: What a client waits between two requests: 8 of them make some 300 requests a second, and leave the machine some room.
PAUSE_SECONDS: Final = 0.02
#: Requests after which a client connects anew, so that it comes to speak with every worker.
MOST_REQUESTS: Final = 20
#: Answers that must not change: method, origin, whether it may read.
ALWAYS: Final = tuple((method, *pair) for method in ("GET", "OPTIONS") for pair in ((STEADY, True), (STRANGER, False)))


class Answer(NamedTuple):
    """What came back, from which worker; ``is_open`` says whether the origin may read it."""

    worker: int
    sent: float
    received: float
    status: int
    is_open: bool


class Client:
    """One connection after the other to a server; a worker answers all that is asked over one."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=30)
        self._requests = 0
        #: Who will answer the next request, where that is known.
        self.worker: int | None = None

    def ask(self, origin: str, path: str = PATH, method: str = "GET") -> Answer:
        """Send one request as a page of ``origin`` would. A connection that the server has closed is opened again."""
        try:
            return self._ask(origin, path, method)
        except (HTTPException, ConnectionError):
            self.close()
            return self._ask(origin, path, method)

    def _ask(self, origin: str, path: str, method: str) -> Answer:
        headers = {"Origin": origin}
        if method == "OPTIONS":
            headers["Access-Control-Request-Method"] = "GET"
        sent = monotonic()
        self._connection.request(method, path, headers=headers)
        response = self._connection.getresponse()
        response.read()
        received = monotonic()
        worker = int(response.headers.get(HEADER, 0))
        allowed = response.headers.get("Access-Control-Allow-Origin")
        self._requests += 1
        self.worker = worker if self._connection.sock is not None else None
        if self._requests >= MOST_REQUESTS:
            self.close()
        return Answer(worker, sent, received, response.status, allowed in {origin, "*"})

    def close(self) -> None:
        """Close the connection; the next request opens another, perhaps to another worker."""
        self._connection.close()
        self._requests, self.worker = 0, None


def find_workers(port: int, count: int, *, seconds: float = 60.0) -> set[int]:
    """Ask until ``count`` workers have answered, and return them."""
    found: set[int] = set()
    deadline = monotonic() + seconds

    def look() -> None:
        client = Client(port)
        while len(found) < count and monotonic() < deadline:
            found.add(client.ask(STRANGER).worker)
            client.close()

    threads = [threading.Thread(target=look) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != count:
        raise RuntimeError(f"{len(found)} of {count} workers answered")
    return found


@contextmanager
def asking(board: Board, port: int) -> Iterator[None]:
    """Ask from several threads until the block ends."""
    end = threading.Event()
    threads = [threading.Thread(target=_ask_on, args=(board, port, end, number)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def _ask_on(board: Board, port: int, end: threading.Event, turn: int) -> None:
    client = Client(port)
    while not end.wait(PAUSE_SECONDS):
        try:
            trial = board.pick(client.worker)
            if trial is not None:
                _ask_in(trial, client, board)
            else:
                turn += 1
                _ask_always(turn, client, board)
        except (HTTPException, OSError, ValueError) as error:
            board.fail(f"no answer: {type(error).__name__}: {error}")
            client.close()
    client.close()


def _ask_in(trial: Trial, client: Client, board: Board) -> None:
    answer = client.ask(trial.origin, trial.path)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        board.fail(f"{trial.name} {trial.origin}: status {answer.status}")
        return
    board.note(trial, answer.worker, answer.sent, answer.received, is_open=answer.is_open)


def _ask_always(turn: int, client: Client, board: Board) -> None:
    method, origin, is_open = ALWAYS[turn % len(ALWAYS)]
    if turn % (len(ALWAYS) * 2) == 0:
        client.close()  # whoever has nothing to ask its worker looks for another one
    answer = client.ask(origin, method=method)
    board.asked += 1
    if answer.is_open is not is_open or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        board.fail(f"{method} of {origin}: status {answer.status}, {'let in' if answer.is_open else 'kept out'}")
