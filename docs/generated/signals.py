"""The signals for projects, as the docstring of their module tells of them."""

import inspect
import re
from typing import Final

from django_cors_guard import signals
from docs.generated.markdown import anchor, escape

_ITEM: Final = re.compile(r"^- ``(\w+)``: (.*?)(?=^- |\n\n)", re.MULTILINE | re.DOTALL)


def find_public() -> dict[str, str]:
    """Return what is said of each signal that is for projects, by its name."""
    text = inspect.getdoc(signals) or ""
    return {name: _tidy(said) for name, said in _ITEM.findall(text)}


def describe() -> str:
    """Return a section for each signal."""
    return "\n\n".join(
        f"{anchor(f'signal-{name}')}\n## {name}\n\n{escape(said)}" for name, said in find_public().items()
    )


def _tidy(said: str) -> str:
    line = " ".join(said.split())
    return line[:1].upper() + line[1:]
