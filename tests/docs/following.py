"""Pages of the documentation as something to be followed: their marked blocks, and what comes of doing as they say.

A block is followed if a comment before it says what it is: ``<!-- commands -->`` (``<!-- commands: 1 -->`` where they
exit with that code), ``<!-- python -->``, ``<!-- file: NAME -->``, ``<!-- settings -->``, ``<!-- module: NAME -->``,
``<!-- curl -->``.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.http import HttpResponseBase
from django.test import Client

from tests.management.cli import Run, cors_guard
from tests.servers import ROOT

DOCS = ROOT / "docs"


@dataclass(frozen=True, slots=True)
class Block:
    """One marked block: its kind, what the comment says besides, and its text."""

    kind: str
    argument: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines, without the blank ones."""
        return [line for line in self.text.splitlines() if line.strip()]


def read_page(name: str) -> str:
    """Return the text of a page by its path below docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def find_blocks(text: str) -> list[Block]:
    """Return the marked blocks of a page, in order."""
    found = re.findall(r"^<!-- ([a-z]+)(?:: ([^>\n]*?))? -->\n```\w+\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [Block(*groups) for groups in found]


def follow(page: str, folder: Path) -> list[Run]:
    """Do what the page says, in ``folder`` and against the test's database; settings are somebody else's business."""
    return [done for block in find_blocks(read_page(page)) for done in follow_block(block, folder)]


def follow_block(block: Block, folder: Path) -> Iterator[Run]:
    """Do what one block says; yields what its commands made of it."""
    if block.kind == "file":
        (folder / block.argument).write_text(block.text, encoding="utf-8")
    elif block.kind == "python":
        exec(compile(block.text, block.kind, "exec"), {})  # noqa: S102 - it is our own page
    elif block.kind == "commands":
        for line in block.lines:
            yield _run(line, int(block.argument or 0))


def _run(line: str, code: int) -> Run:
    words = shlex.split(line)
    assert words[:3] == ["python", "manage.py", "cors_guard"], line
    done = cors_guard(*words[3:])
    assert done.code == code, f"{line}\n{done.out}\n{done.err}"
    return done


def send(command: str, client: Client, **names: str) -> HttpResponseBase:
    """Send what a curl command says, through the test client; ``names`` are the shell's variables."""
    for name, value in names.items():
        command = command.replace(f"${name}", value)
    assert "$" not in command, command
    words = iter(shlex.split(command)[1:])
    method, data, headers, url = "GET", "", {}, ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            headers[name.strip()] = value.strip()
        elif word == "-d":
            data = next(words)
        elif not word.startswith("-"):
            url = word
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    content_type = headers.pop("Content-Type", "application/octet-stream")
    return client.generic(
        method, path, data, content_type, secure=parts.scheme == "https", headers={"host": parts.netloc, **headers}
    )
