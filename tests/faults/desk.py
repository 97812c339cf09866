"""An operator's process beside the servers: does one line of JSON after the other and says when it had committed.

Run as ``python -m tests.faults.desk`` with the environment of a server; each line is ``[NAME, ARGUMENTS]``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ENVIRONMENT = "local"
GROUP = "public"


class Desk:
    """The near end: calls what ``desk_work`` defines."""

    def __init__(self, environ: dict[str, str], directory: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.desk"],
            cwd=directory,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str, *arguments: object) -> Any:
        """Have it done, and return what it returned; it is committed then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The desk ended while it did {name}.")
        done, result = json.loads(line)
        if not done:
            raise RuntimeError(f"{name}: {result}")
        return result

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def attending(environ: dict[str, str], directory: str) -> Iterator[Desk]:
    """Have a desk for the block."""
    desk = Desk(environ, directory)
    try:
        yield desk
    finally:
        desk.close()


def _serve(work: dict[str, Callable[..., Any]]) -> None:
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = [True, work[name](*arguments)]
        except Exception as error:  # noqa: BLE001 - the far end tells it
            answer = [False, f"{type(error).__name__}: {error}"]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Serve standard input."""
    import django  # noqa: PLC0415 - the near end needs none of it

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.settings")
    django.setup()
    from tests.faults.desk_work import WORK  # noqa: PLC0415 - models can be imported only now

    _serve(WORK)


if __name__ == "__main__":
    main()
