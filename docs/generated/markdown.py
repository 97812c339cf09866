"""Markdown from plain text: what is code in a docstring stays code, and nothing else becomes markup by chance."""

import re
from collections.abc import Iterable, Sequence
from textwrap import indent
from typing import Final

_CODE: Final = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_MARKUP: Final = re.compile(r"([\\<>*\[\]{}$|])")


def escape(text: object) -> str:
    """Return plain text so that Markdown shows it as it is, but for its pieces in backticks, which are code."""
    pieces = _CODE.split(str(text))
    return "".join(piece if index % 2 else _MARKUP.sub(r"\\\1", piece) for index, piece in enumerate(pieces))


def code(text: object) -> str:
    """Return ``text`` as code."""
    return f"`` {text} ``" if "`" in str(text) else f"`{text}`"


def codes(items: Iterable[object]) -> str:
    """Return a list of pieces of code."""
    return ", ".join(map(code, items))


def anchor(name: str) -> str:
    """Return a line that gives what follows a name to link to."""
    return f"({name})="


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def directive(name: str, argument: str, body: str) -> str:
    """Return a directive of Sphinx."""
    return f"`````{{{name}}} {argument}\n{body}\n`````"


def definition(term: str, text: str) -> str:
    """Return an item of a list of terms."""
    return f"{term}\n:{indent(text, '    ')[1:]}"


def _cell(text: str) -> str:
    # Outside of code it is escaped already; in a table code needs it, too.
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
