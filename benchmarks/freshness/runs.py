"""One run: a server, two processes that write, and as many trials as are wanted."""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.freshness import trials
from benchmarks.freshness.asking import STEADY, find_workers
from benchmarks.freshness.board import Board
from benchmarks.freshness.servers import serving
from benchmarks.freshness.writer import writing

#: What a worker may take beyond REFRESH_SECONDS: to look, and to come to its turn on a busy machine.
MARGIN_SECONDS: Final = float(os.environ.get("FRESHNESS_MARGIN_SECONDS", "0.5"))


def run(server: str, environ: dict[str, str], count: int, workers: int, bound: float) -> Board:
    """Make so many trials on ``server`` and return the board with the answers."""
    with ExitStack() as stack:
        log = Path(stack.enter_context(tempfile.TemporaryDirectory()), "log")
        first, second = (stack.enter_context(writing(environ)) for _ in range(2))
        _, session = first.do("furnish", trusted=[STEADY])
        port = stack.enter_context(serving(server, environ, workers=workers, log=log))
        board = Board(find_workers(port, workers), bound)
        label = f"run-{uuid.uuid4().hex[:8]}"
        trials.run(trials.Desk(first, second, port, session), board, count, label)
        if board.failures and (said := log.read_text(errors="replace").strip()):
            board.failures.append(f"The server said:\n{said[-2000:]}")
        return board
