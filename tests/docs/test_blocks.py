"""What the pages show as code is code: Python, JSON and YAML that parse, and command lines that the command takes."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest
import yaml

from django_cors_guard.management.commands.cors_guard import Command
from tests.docs.sources import DOCS, README, list_pages

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND: Final = re.compile(r"manage\.py cors_guard (?!SUBCOMMAND)([a-z-]+[^\n|>&`]*)")
PAGES: Final = [README, *list_pages()]


def list_blocks(language: str) -> list[tuple[Path, str]]:
    return [
        (page, dedent(block["text"]))
        for page in PAGES
        for block in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        if block["language"] == language
    ]


def list_commands() -> Iterator[tuple[str, str]]:
    """Return every call of the command that stands in a block or in a line's code, with its page."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for found in _COMMAND.finditer(text):
            yield page.relative_to(DOCS.parent).as_posix(), found[1].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_its_language(page: Path) -> None:
    assert [block["text"] for block in _BLOCK.finditer(page.read_text(encoding="utf-8")) if not block["language"]] == []


def test_python_is_python() -> None:
    blocks = list_blocks("python")
    assert len(blocks) > 20
    for page, text in blocks:
        ast.parse(text, filename=str(page))


@pytest.mark.parametrize(("language", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_is_data(language: str, read: object) -> None:
    assert callable(read)
    blocks = list_blocks(language)
    assert blocks
    for _page, text in blocks:
        read(text)


@pytest.mark.parametrize(("page", "line"), sorted(set(list_commands())))
def test_command_line_is_one_that_the_command_takes(page: str, line: str) -> None:
    parser = Command().create_parser("manage.py", "cors_guard")
    parser.parse_args(shlex.split(line, comments=True))
