"""The guide's modules, as they are written there."""

from typing import Any

from tests.docs.following import find_blocks, read_page

BLOCKS = find_blocks(read_page("how-to/metrics.md"))


def text_of(kind: str, name: str = "") -> str:
    (text,) = [block.text for block in BLOCKS if (block.kind, block.argument) == (kind, name)]
    return text


def load(name: str) -> dict[str, Any]:
    """Run one of them, and return what it defines."""
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text_of("module", name), name, "exec"), space)  # noqa: S102 - it is our own page
    return space
