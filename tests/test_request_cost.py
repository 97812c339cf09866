"""A short form of the benchmark of what a request costs; how long it takes is no business of the tests'."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("no origin", "allowed", "refused", "preflight")


def run(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.request_cost", "--quick", *arguments]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    return finished.stdout.splitlines()


def test_quick_form_times_every_contender_and_draws_the_plot(tmp_path: Path) -> None:
    plot = tmp_path / "speed.png"
    lines = run("--plot", str(plot))
    for server in ("wsgi", "asgi"):
        for scenario in SCENARIOS:
            rows = [line for line in lines if line.startswith(f"{server:6} {scenario} ")]
            assert [row.split("(")[0].split()[-1] for row in rows] == ["1", "10"]
        aims = lines[lines.index(f"aims, {server}, by time") + 1 :][:6]
        assert all("≤" in aim for aim in aims)
        assert [aim.split(":")[0].strip() for aim in aims][:3] == ["allowed", "no origin", "allowed, 10 origins"]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_quick_form_counts_instructions() -> None:
    lines = run("--instructions", "--servers", "wsgi", "--origins", "1")
    (row,) = [line for line in lines if line.startswith("wsgi   no origin")]
    none = row.split("(")[1].split(")")[0]
    assert int(none.split(".")[0].replace(",", "")) > 50_000, "a request through Django is no few instructions"
