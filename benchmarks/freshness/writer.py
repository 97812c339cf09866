"""A process that writes the policy as it is told, line by line: whoever tells it never shares a connection with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast

from benchmarks.freshness.databases import ROOT


class Writer:
    """The other end: has a process do one thing after the other."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders, self._answers = orders, answers

    def send(self, name: str, **values: Any) -> None:
        """Have it begin; ``receive`` returns when it has ended."""
        print(json.dumps([name, values]), file=self._orders, flush=True)

    def receive(self) -> tuple[float, Any]:
        """Wait for the end of what was sent: when it had returned, by the monotonic clock, and what it returned."""
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the writer has ended")
        at, returned, error = json.loads(line)
        if error:
            raise RuntimeError(error)
        return at, returned

    def do(self, name: str, **values: Any) -> tuple[float, Any]:
        """Have it do one thing, a function of ``writing``, and wait."""
        self.send(name, **values)
        return self.receive()


@contextmanager
def writing(environ: Mapping[str, str]) -> Iterator[Writer]:
    """Run such a process for the block."""
    command = [sys.executable, "-m", "benchmarks.freshness.writer"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process, cast("IO[str]", process.stdin) as orders:
        yield Writer(orders, cast("IO[str]", process.stdout))


def main() -> None:
    """Do what each line of the input says; answer each with a line."""
    import django  # noqa: PLC0415 - the end that tells has Django set up its own way, if at all

    django.setup()
    from benchmarks.freshness import changes  # noqa: PLC0415 - models cannot be imported before

    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        name, values = json.loads(line)
        returned, error = None, ""
        try:
            returned = getattr(changes, name)(**values)
        except Exception as caught:  # noqa: BLE001 - whoever told us to wants to know
            error = f"{name}: {type(caught).__name__}: {caught}"
        print(json.dumps([time.monotonic(), returned, error]), file=answers, flush=True)


if __name__ == "__main__":
    main()
