"""The README is followed as a newcomer would: its settings, its URLconf and its commands, in a new project."""

import re
import sys
from pathlib import Path

from tests.following import environ_for_reader, follow, named_blocks, start_project
from tests.servers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def lines_of(page: str, name: str) -> list[str]:
    return [line for block in named_blocks(page, name) for line in block.strip().splitlines()]


def test_installation_runs_as_written(tmp_path: Path) -> None:
    reader = environ_for_reader()
    start_project(tmp_path, sys.executable, reader)
    printed = follow(tmp_path, sys.executable, lines_of("README.md", "commands"), reader)
    assert "Access-Control-Allow-Origin: https://app.example.com" in printed[3]
    assert "revoked" in printed[4]
    assert "Nothing to change" in printed[6], printed[6]
    (refused,) = follow(tmp_path, sys.executable, ["python manage.py cors_guard list"], reader)
    assert re.search(r"https://app\.example\.com\s+production\s+api\s+revoked", refused)


def test_command_for_moving_in_is_one_that_the_guide_is_followed_by() -> None:
    followed = set(lines_of("docs/how-to/moving-in.md", "commands"))
    assert set(lines_of("README.md", "moving in")) <= followed


def test_first_line_says_what_it_is_for() -> None:
    first = "Trust and revoke browser origins for your Django APIs without a deploy. See who was refused, and why."
    assert README.splitlines()[0] == first
