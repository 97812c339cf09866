"""The benchmark of WebSockets runs; how long anything takes is nothing that a test can say."""

import re

import pytest

from benchmarks import sockets


def test_benchmark_says_what_sockets_pay(capsys: pytest.CaptureFixture[str]) -> None:
    sockets.main(["--messages", "50", "--sockets", "20"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["a handshake", "a message", "an idle socket"]
    assert all(re.search(r" -?\d+\.\d+ µs", line) for line in lines)
