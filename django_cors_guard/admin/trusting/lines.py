"""Pasted text: one origin a line, with what was left out of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django_cors_guard.core.origins import parse_origin

#: Lines that one page takes; more than anybody reads a preview of.
MAX_LINES: Final = 200
#: Characters that one page takes: as many lines of the longest text that is read at all.
MAX_CHARACTERS: Final = 100_000

# Only what people mean by a new line: other separators are invisible characters, which the parser refuses.
_BREAK: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, by its number in the text; the first is 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """The lines that count. ``repeats`` are numbers of lines that say what an earlier one says, with that one's."""

    lines: tuple[Line, ...]
    blank: int
    repeats: tuple[tuple[int, int], ...]


def read_lines(text: str) -> Pasted:
    """Take the text apart; blank lines and repeats, also in another spelling, are left out."""
    lines: list[Line] = []
    repeats: list[tuple[int, int]] = []
    seen: dict[str, int] = {}
    every = _BREAK.split(text.rstrip("\r\n"))
    for number, line in enumerate(every, start=1):
        if not line.strip():
            continue
        first = seen.setdefault(_meaning_of(line), number)
        if first == number:
            lines.append(Line(number, line))
        else:
            repeats.append((number, first))
    return Pasted(tuple(lines), len(every) - len(lines) - len(repeats), tuple(repeats))


def write_lines(text: str, corrections: dict[int, str]) -> str:
    """Return ``text`` with the lines of these numbers replaced."""
    lines = enumerate(_BREAK.split(text), start=1)
    return "\n".join(corrections.get(number, line) for number, line in lines)


def _meaning_of(line: str) -> str:
    parsed = parse_origin(line)
    return parsed.origin.text if parsed.origin is not None else line.strip()
