"""Where the guard is at work: CORS_URLS_REGEX becomes routes if it is a prefix, or a choice of prefixes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from django_cors_guard.core.corsheaders import values
from django_cors_guard.core.corsheaders.lines import Account
from django_cors_guard.core.corsheaders.regexes import ANY_CHARACTER, Run, Shape, join_texts, read_regex
from django_cors_guard.core.corsheaders.values import Values

MAX_PATH_PREFIX: Final = 200

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~!$&'()+,;=:@.\-]+)*/?")


class _Reach(NamedTuple):
    """One alternative: the text paths begin with; ``whole``: they end with it, too."""

    text: str
    whole: bool
    notes: tuple[str, ...] = ()


def read_routes(given: Values, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the path prefixes: ``paths`` if somebody names them, else those of the setting, which may be none."""
    setting = given.find(values.URLS)
    source = setting.value.pattern if isinstance(setting.value, re.Pattern) else setting.value
    named = tuple(dict.fromkeys(paths))
    if named:
        given.account.note(setting.name, source, "paths_named", ", ".join(named))
        return named
    reading = read_regex(setting.value)
    if reading.trouble:
        given.account.refuse(setting.name, source, reading.trouble if reading.trouble == "wrong_type" else "urls_regex")
        return ()
    reaches = [_read_reach(shape, ignores_case=reading.ignores_case) for shape in reading.shapes]
    told = [reach for reach in reaches if reach is not None]
    if len(told) < len(reaches) or not told:
        # Half of a choice would leave the other half open to whatever answers behind the guard.
        given.account.refuse(setting.name, source, "urls_regex")
        return ()
    return tuple(_tell(told, given.account, setting.name, source, ("default",) if setting.is_default else ()))


def _read_reach(shape: Shape, *, ignores_case: bool) -> _Reach | None:
    whole = shape.ends
    last = shape.pieces[-1] if shape.pieces else ""
    pieces = shape.pieces
    notes: tuple[str, ...] = ()
    if isinstance(last, Run) and last.is_endless and last.low <= 1 and last.chars >= ANY_CHARACTER.chars:
        pieces, whole = pieces[:-1], False
        # `/.+` leaves the path itself out, which a route cannot.
        notes = ("path_itself",) if last.low and pieces else ()
    notes = (*notes, "dot_open") if ANY_CHARACTER in pieces else notes
    if ignores_case:
        notes = (*notes, "path_case")
    match tuple(join_texts("." if piece == ANY_CHARACTER else piece for piece in pieces)):
        case []:
            return _Reach("/", whole=False, notes=notes) if not whole else None
        case [str() as text] if is_plain_path(text):
            return _Reach(text, whole, notes)
    return None


def is_plain_path(text: str) -> bool:
    """Whether ``text`` is the plain start of a path, as routes have it."""
    segments = text.strip("/").split("/")
    return (
        text.startswith("/")
        and len(text) <= MAX_PATH_PREFIX
        and _PLAIN_PATH.fullmatch(text) is not None
        and not {".", ".."} & set(segments)
    )


def _tell(
    reaches: list[_Reach], account: Account, name: str, source: object, default: tuple[str, ...]
) -> Iterator[str]:
    """Yield each prefix once, and say how its whole segments differ from a text that paths begin with."""
    by_prefix: dict[str, list[_Reach]] = {}
    for reach in reaches:
        by_prefix.setdefault(reach.text.rstrip("/") or "/", []).append(reach)
    for prefix, alike in by_prefix.items():
        notes = dict.fromkeys(note for reach in alike for note in reach.notes)
        notes |= dict.fromkeys(_compare(prefix, alike))
        account.take(name, source, "route", prefix, (*notes, *default))
        yield prefix


def _compare(prefix: str, reaches: list[_Reach]) -> Iterator[str]:
    if prefix == "/":
        if all(reach.whole for reach in reaches):
            yield "paths_below"
        return
    below = any(not reach.whole for reach in reaches)
    if not below:
        yield "paths_below"
    if any(not reach.whole and not reach.text.endswith("/") for reach in reaches):
        yield "segment"
    elif not any(reach.text == prefix for reach in reaches):
        yield "path_itself"
