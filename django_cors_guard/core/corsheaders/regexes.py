"""Regular expressions, read and never run: what texts one matches, as a few shapes of literals and runs.

Python's own parser takes them apart (https://docs.python.org/3/library/re.html), so that nothing here guesses at
syntax. Only characters that a browser can put into an origin or a path count. Everything is bounded: length, number of
alternatives, and what cannot be told as shapes is given up, with the reason.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from re import _parser  # type: ignore[attr-defined]  # private, and the only true reader of the syntax
from typing import Any, Final, NamedTuple

from django_cors_guard.core.authority import MAX_LABEL_LENGTH

MAX_REGEX_LENGTH: Final = 500
MAX_SHAPES: Final = 64
MAX_UNROLLED: Final = 16

#: Printable ASCII without the space.
ALPHABET: Final = frozenset(map(chr, range(0x21, 0x7F)))
DIGITS: Final = frozenset("0123456789")
_WORD: Final = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
#: A class of no more members than this is a list of alternatives: app[12] is app1 and app2.
_MAX_MEMBERS: Final = 10


class Run(NamedTuple):
    """From ``low`` to ``high`` characters out of ``chars``."""

    chars: frozenset[str]
    low: int
    high: int

    @property
    def is_endless(self) -> bool:
        """Whether it has no upper bound."""
        return self.high >= ENDLESS


ENDLESS: Final = int(_parser.MAXREPEAT)
ANY_CHARACTER: Final = Run(ALPHABET, 1, 1)

Piece = str | Run


class _Anchor(Enum):
    BEGIN = "^"
    END = "$"


_Item = str | Run | _Anchor
_Items = tuple[_Item, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """One alternative: literal texts and runs in turn. ``ends``: nothing may follow."""

    pieces: tuple[Piece, ...]
    ends: bool

    def drop_open_end(self) -> Shape:
        """Return ``…`` and an open end for ``….*$``, which mean the same."""
        last = self.pieces[-1] if self.pieces else ""
        if isinstance(last, Run) and last.is_endless and last.low == 0 and last.chars >= ALPHABET - {"/"}:
            return Shape(self.pieces[:-1], ends=False)
        return self


@dataclass(frozen=True, slots=True)
class Reading:
    """The shapes of a regular expression, or the code of why it has none."""

    shapes: tuple[Shape, ...] = ()
    ignores_case: bool = False
    trouble: str = ""


class _TooHardError(Exception):
    """It cannot be told as a few shapes; the argument is the code that says why."""


def read_regex(regex: object) -> Reading:
    """Read a pattern, as text or compiled; nothing raises, and nothing is matched."""
    source, flags = (regex.pattern, regex.flags) if isinstance(regex, re.Pattern) else (regex, 0)
    if not isinstance(source, str):
        return Reading(trouble="wrong_type")
    if len(source) > MAX_REGEX_LENGTH:
        return Reading(trouble="regex_too_long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that a later Python may read differently
            parsed = _parser.parse(source, flags & ~re.DEBUG)
        ignores_case = bool(parsed.state.flags & re.IGNORECASE)
        shapes = tuple(dict.fromkeys(map(_shape, _expand(parsed, ignores_case=ignores_case))))
    except _TooHardError as error:
        return Reading(trouble=str(error))
    except (re.error, RecursionError, OverflowError, ValueError):
        return Reading(trouble="regex_invalid")
    return Reading(shapes, ignores_case)


def _shape(items: _Items) -> Shape:
    begin = 0
    while begin < len(items) and items[begin] is _Anchor.BEGIN:
        begin += 1
    end = len(items)
    while end > begin and items[end - 1] is _Anchor.END:
        end -= 1
    return Shape(tuple(join_texts(_without_anchors(items[begin:end]))), ends=end < len(items))


def _without_anchors(items: _Items) -> Iterator[Piece]:
    for item in items:
        if isinstance(item, _Anchor):
            raise _TooHardError("regex_anchor_inside")
        yield item


def join_texts(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield ``pieces`` with neighbouring texts as one."""
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
        text = ""
        yield piece
    if text:
        yield text


def _expand(parsed: Any, *, ignores_case: bool) -> list[_Items]:
    """Return the alternatives of a parsed sequence."""
    found: list[_Items] = [()]
    for operation, value in parsed:
        options = _expand_one(str(operation), value, ignores_case=ignores_case)
        if len(found) * len(options) > MAX_SHAPES:
            raise _TooHardError("regex_too_many")
        found = [(*before, *after) for before in found for after in options]
        if found and max(map(len, found)) > MAX_REGEX_LENGTH:
            raise _TooHardError("regex_too_long")
    return found


_GIVEN_UP: Final = {
    "ASSERT": "regex_look_around",
    "ASSERT_NOT": "regex_look_around",
    "GROUPREF": "regex_back_reference",
    "GROUPREF_EXISTS": "regex_back_reference",
}
_ANCHORS: Final = {
    "AT_BEGINNING": _Anchor.BEGIN,
    "AT_BEGINNING_STRING": _Anchor.BEGIN,
    "AT_END": _Anchor.END,
    "AT_END_STRING": _Anchor.END,
}


def _expand_one(operation: str, value: Any, *, ignores_case: bool) -> list[_Items]:
    match operation:
        case "BRANCH":
            return _expand_branches(value[1], ignores_case=ignores_case)
        case "SUBPATTERN":
            if value[2] & re.IGNORECASE:
                # ``(?-i:APP)`` within ``(?i)``: what a browser never sends would be trusted in lower case.
                raise _TooHardError("regex_syntax")
            return _expand(value[3], ignores_case=ignores_case)
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, repeated = value
            return _expand_repeat(int(low), int(high), _expand(repeated, ignores_case=ignores_case))
        case "IN":
            return _expand_class(value, ignores_case=ignores_case)
        case "LITERAL" if ignores_case and not chr(value).isascii():
            # Python and the rules of domain names do not fold these alike: it might become another domain.
            raise _TooHardError("regex_syntax")
    return [(_read_item(operation, value),)]


def _read_item(operation: str, value: Any) -> _Item:
    match operation:
        case "LITERAL":
            return chr(value)
        case "ANY":
            return ANY_CHARACTER
        case "NOT_LITERAL":
            return Run(ALPHABET - {chr(value)}, 1, 1)
        case "AT" if str(value) in _ANCHORS:
            return _ANCHORS[str(value)]
    raise _TooHardError(_GIVEN_UP.get(operation, "regex_syntax"))


def _expand_branches(branches: Iterable[Any], *, ignores_case: bool) -> list[_Items]:
    found = [items for branch in branches for items in _expand(branch, ignores_case=ignores_case)]
    if len(found) > MAX_SHAPES:
        raise _TooHardError("regex_too_many")
    return found


def _expand_class(members: Iterable[Any], *, ignores_case: bool) -> list[_Items]:
    chars: frozenset[str] = frozenset()
    negated = False
    for operation, value in members:
        if str(operation) == "NEGATE":
            negated = True
        else:
            chars |= _members(str(operation), value)
    if ignores_case:
        chars |= {char.swapcase() for char in chars}
    chars = (ALPHABET - chars if negated else chars) & ALPHABET
    if len(chars) <= _MAX_MEMBERS:
        return [(char,) for char in sorted(chars)]
    return [(Run(chars, 1, 1),)]


def _members(operation: str, value: Any) -> frozenset[str]:
    match operation:
        case "LITERAL":
            return frozenset(chr(value))
        case "RANGE":
            return frozenset(char for char in ALPHABET if value[0] <= ord(char) <= value[1])
    name = str(value).removeprefix("CATEGORY_")
    chars = {"DIGIT": DIGITS, "WORD": _WORD, "SPACE": frozenset[str]()}[name.removeprefix("NOT_")]
    return ALPHABET - chars if name.startswith("NOT_") else chars


def _expand_repeat(low: int, high: int, options: list[_Items]) -> list[_Items]:
    if high <= 1:
        return ([()] if low == 0 else []) + (options if high else [])
    is_short = low == high <= MAX_UNROLLED and len(options) ** high <= MAX_UNROLLED
    if is_short and not any(isinstance(item, Run) for items in options for item in items):
        return [tuple(item for items in chosen for item in items) for chosen in product(options, repeat=high)]
    chars = _single_characters(options)
    if chars is not None:
        return [(Run(chars, low, high),)]
    if high >= ENDLESS and low <= 1:
        return ([()] if low == 0 else []) + [_repeat_label(options)]
    raise _TooHardError("regex_repeat")


def _single_characters(options: list[_Items]) -> frozenset[str] | None:
    """Return what may be repeated if every alternative is one character."""
    chars: frozenset[str] = frozenset()
    for items in options:
        item = items[0] if len(items) == 1 else None
        if isinstance(item, str):
            chars |= {item}
        elif isinstance(item, Run) and item.low == item.high == 1:
            chars |= item.chars
        else:
            return None
    return chars


def _repeat_label(options: list[_Items]) -> _Items:
    r"""``([a-z0-9-]+\.)+``, labels with their dots, is any text of those characters and dots that ends with a dot."""
    match options:
        case [(Run() as label, ".")] if label.low <= 1:
            # However long the whole: only each label is counted.
            high = ENDLESS if label.high >= MAX_LABEL_LENGTH else label.high
            return (label._replace(chars=label.chars | {"."}, high=high), ".")
    raise _TooHardError("regex_repeat")
