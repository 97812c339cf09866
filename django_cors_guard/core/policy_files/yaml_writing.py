"""Plain values to YAML: in blocks, one key a line, so that a diff shows what changed and nothing else.

Texts stand without quotation marks only where no reader of YAML, old or new, takes them for anything but text. What
cannot be seen is escaped. It needs no library: the grammar of a document that only has mappings, lists and short values
is small, and a hundred thousand grants are written in a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

#: What some reader takes for true, false or nothing.
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INDENT: Final = "  "


def write(plain: dict[str, Any]) -> str:
    """Return ``plain`` as a YAML document."""
    return "".join(f"{line}\n" for line in _write_mapping(plain, "")) or "{}\n"


def _write_mapping(values: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        yield from _write_value(f"{indent}{_quote_if_needed(key)}:", value, indent + _INDENT)


def _write_value(head: str, value: Any, indent: str) -> Iterator[str]:
    """Yield the lines of ``value`` behind ``head``; more lines are indented by ``indent``."""
    if isinstance(value, dict) and value:
        yield head
        yield from _write_mapping(value, indent)
    elif isinstance(value, list) and value:
        yield head
        for item in value:
            yield from _write_item(item, indent)
    elif isinstance(value, str) and _fits_block(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (indent + line if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_write_scalar(value)}"


def _write_item(item: Any, indent: str) -> Iterator[str]:
    if not (isinstance(item, dict) and item):
        yield from _write_value(f"{indent}-", item, indent + _INDENT)
        return
    inner = indent + _INDENT
    lines = _write_mapping(item, inner)
    yield f"{indent}- {next(lines).removeprefix(inner)}"
    yield from lines


def _write_scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quote_if_needed(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "[]" if isinstance(value, list) else "{}"


def _quote_if_needed(text: str) -> str:
    return text if _is_plain(text) else _quote(text)


def _is_plain(text: str) -> bool:
    """Whether ``text`` needs no quotation marks, whatever version of YAML the reader knows."""
    return (
        bool(text)
        and (text[0].isalpha() or text[0] == "/")
        and text[-1] not in " :"
        and text.isprintable()
        and ": " not in text
        and " #" not in text
        and text.lower() not in _WORDS
    )


def _fits_block(text: str) -> bool:
    """Whether ``text`` can stand as lines, each as it is, and be seen whole."""
    lines = text.removesuffix("\n").split("\n")
    return (
        "\n" in text
        and bool(lines[0])
        and bool(lines[-1])
        and not lines[0].startswith(" ")
        and all(line.isprintable() and not line.endswith(" ") for line in lines)
    )


def _quote(text: str) -> str:
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - YAML has three lengths
