"""The benchmark of a million origins, with few: everything but the times has to hold at any size."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ORIGINS = 30_000


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    """What the command prints, in a process of its own."""
    name = f"cors_guard_million_{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", "--origins", str(ORIGINS), "--database", name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parent.parent,
    )
    found = re.findall(r"^ *(\S.*?) {2,}([0-9.]+) ?(?:ms|s|MB|)(?: .*)?$", done.stdout, re.MULTILINE)
    assert found, done.stderr
    return {text: float(number) for text, number in found}


@pytest.mark.needs("postgresql")
def test_revocation_is_caught_up_with_in_five_queries(figures: dict[str, float]) -> None:
    assert figures["queries, with the look"] <= 5


@pytest.mark.needs("postgresql")
def test_child_that_catches_up_keeps_sharing_what_the_server_loaded(figures: dict[str, float]) -> None:
    """A copy of 30,000 entries would be 1.3 MB, and their texts, once touched, 2.4."""
    answered, caught_up, _ = (
        value for text, value in figures.items() if "a forked child" in text or "after it" in text
    )
    assert caught_up - answered < 1
