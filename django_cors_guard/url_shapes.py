"""What paths a URL pattern of Django matches, segment by segment, as far as its text tells.

``path()`` is read exactly, its ``path`` converter and other converters that may hold a slash excepted. Of a regular
expression the beginning is read, up to what is not plainly text, a slashless group or a slashless class; from there
on it may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.urls.resolvers import LocalePrefixPattern, RoutePattern
from django.utils.functional import Promise
from django.utils.translation import override

#: More ways to write one pattern (languages times optional slashes) than anybody means: then it may be anything.
MAX_STEMS: Final = 64


@dataclass(frozen=True, slots=True)
class Hole:
    """A piece of a path that varies, as a regular expression; None: it may hold slashes, and be anything."""

    expression: str | None


OPEN: Final = Hole(None)

#: The text of a path, in order, as far as it is known.
Stem = tuple[str | Hole, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes: always ``text``, or whatever matches ``varies``."""

    text: str
    varies: re.Pattern[str] | None = None

    def may_be(self, name: str) -> bool:
        """Whether ``name`` can stand there."""
        return name == self.text if self.varies is None else self.varies.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Shape:
    """Paths: these segments, then (unless ``rest`` is None, the end) anything that begins with ``rest``."""

    segments: tuple[Segment, ...]
    rest: str | None

    def begins_below(self, prefixes: tuple[str, ...]) -> bool:
        """Whether all its paths lie below one of ``prefixes``, which end in a slash."""
        fixed = []
        for segment in self.segments:
            if segment.varies is not None:
                break
            fixed.append(segment.text)
        whole = len(fixed) == len(self.segments)
        tail = self.rest if whole and self.rest is not None else ""
        closed = "/".join(fixed) if whole and self.rest is None else "".join(f"{text}/" for text in fixed) + tail
        return f"/{closed}".startswith(prefixes)


def shape_of(stem: Stem) -> Shape:
    """Return ``stem`` cut at its slashes."""
    segments: list[Segment] = []
    current: list[str | Hole] = []
    for piece in stem:
        if isinstance(piece, str):
            first, *others = piece.split("/")
            current.append(first)
            for other in others:
                segments.append(_close(current))
                current = [other]
        elif piece.expression is None:
            return Shape(tuple(segments), _fixed_start(current))
        else:
            current.append(piece)
    return Shape((*segments, _close(current)), None)


def join(stems: Iterable[Stem], others: Iterable[Stem]) -> tuple[Stem, ...]:
    """Return every way to go on from one of ``stems``."""
    ways = tuple(others)
    joined = dict.fromkeys((*stem, *other) for stem in stems for other in ways)
    return tuple(joined) if len(joined) <= MAX_STEMS else ((OPEN,),)


def read_pattern(pattern: Any, *, is_endpoint: bool) -> tuple[str, tuple[Stem, ...]]:
    """Return the text of one step of the URLconf, and the ways to write it."""
    if isinstance(pattern, LocalePrefixPattern):
        return _read_languages(pattern)
    is_route = isinstance(pattern, RoutePattern)
    texts = _spell(pattern, "_route" if is_route else "_regex")
    if is_route:
        return texts[0], tuple(_read_route(text, pattern.converters) for text in texts)
    stems = dict.fromkeys(_read_expression(text, is_endpoint=is_endpoint) for text in texts)
    return texts[0].removeprefix("^"), tuple(stems)


def _close(pieces: list[str | Hole]) -> Segment:
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) == len(pieces):
        return Segment("".join(texts))
    source = "".join(re.escape(piece) if isinstance(piece, str) else f"(?:{piece.expression})" for piece in pieces)
    return Segment("", re.compile(source))


def _fixed_start(pieces: list[str | Hole]) -> str:
    fixed = []
    for piece in pieces:
        if not isinstance(piece, str):
            break
        fixed.append(piece)
    return "".join(fixed)


def _spell(pattern: Any, attribute: str) -> list[str]:
    """Return the pattern's text: in every language, where the project translates it."""
    if not isinstance(vars(pattern).get(attribute), Promise):
        return [str(pattern)]
    texts = {str(pattern): None}
    for code, _name in settings.LANGUAGES:
        with override(code):
            texts[str(pattern)] = None
    return list(texts)


def _read_languages(pattern: LocalePrefixPattern) -> tuple[str, tuple[Stem, ...]]:
    codes = [code for code, _name in settings.LANGUAGES]
    bare: tuple[Stem, ...] = ()
    if not pattern.prefix_default_language:
        codes = [code for code in codes if code != settings.LANGUAGE_CODE]
        bare = ((),)
    if not codes:
        return "", bare
    if len(codes) == 1 and not bare:
        return f"{codes[0]}/", ((f"{codes[0]}/",),)
    return "<language>/", (*bare, (Hole("|".join(map(re.escape, codes))), "/"))


# --- path() -----------------------------------------------------------------------------------------------------------

_PARAMETER: Final = re.compile(r"<(?:[^>:]+:)?([^>]+)>")

#: Pieces of a regular expression none of which matches a slash: ranges between letters or digits, \d, \w, groups,
#: quantifiers, and classes that exclude the slash by name. What is not among them may match one.
_SLASHLESS: Final = re.compile(
    r"(?: \\[dw] | [0-9A-Za-z_](?:-[0-9A-Za-z_])? | \[\^[^\]\\]*/[^\]\\]*\] | \[- | -\] | \(\?: | [\[\]{}()|+*?,] )*",
    re.VERBOSE,
)


def _read_route(text: str, converters: dict[str, Any]) -> Stem:
    pieces: list[str | Hole] = []
    end = 0
    for match in _PARAMETER.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        pieces.append(_hole(str(getattr(converters.get(match[1]), "regex", "."))))
    return (*pieces, text[end:])


def _hole(expression: str) -> Hole:
    return Hole(expression) if _SLASHLESS.fullmatch(expression) else OPEN


# --- re_path() --------------------------------------------------------------------------------------------------------

_ATOM: Final = re.compile(
    r"""
    (?: (?P<text> [^\\.\[\](){}*+?|^$] )
      | \\ (?P<escaped> [^0-9A-Za-z] )
      | (?P<class> \\[dw] | \[ [^\]\\]+ \] )
      | \( (?: \?P<[^>]+> | \?: )? (?P<group> (?![?]) [^()]* ) \)
    )
    (?P<times> (?: [*+?] | \{[0-9,]*\} ) [?+]? )?
    """,
    re.VERBOSE,
)
_ENDS: Final = ("$", r"\Z", r"\z")
_MAYBE_SLASH: Final = ("/?", r"\/?")


def _read_expression(source: str, *, is_endpoint: bool) -> Stem:
    if not source and not is_endpoint:
        return ()
    if not source.startswith("^") or _has_alternatives(source):
        return (OPEN,)
    pieces: list[str | Hole] = []
    position = 1
    while (atom := _ATOM.match(source, position)) is not None:
        if is_endpoint and atom[0] in _MAYBE_SLASH and source[atom.end() :] in _ENDS:
            # No prefix ends in a slash, so that one at the end of a path makes no difference.
            return tuple(pieces)
        piece = _read_atom(atom)
        pieces.append(piece)
        if piece == OPEN:
            return tuple(pieces)
        position = atom.end()
    rest = source[position:]
    # Without an end of its own a view's expression matches whatever follows, too.
    is_closed = rest in _ENDS if is_endpoint else not rest
    return tuple(pieces) if is_closed else (*pieces, OPEN)


def _read_atom(atom: re.Match[str]) -> str | Hole:
    plain = atom["text"] or atom["escaped"]
    times = atom["times"] or ""
    if plain is not None:
        if not times:
            return plain
        return Hole(re.escape(plain) + times) if plain != "/" else OPEN
    inner = f"(?:{atom['group']})" if atom["class"] is None else atom["class"]
    return Hole(inner + times) if _SLASHLESS.fullmatch(inner) else OPEN


def _has_alternatives(source: str) -> bool:
    """Whether there is a “|” outside of every group and class."""
    depth = 0
    for mark in _marks_of(source):
        if mark == "|" and not depth:
            return True
        depth += {"(": 1, ")": -1}.get(mark, 0)
    return False


def _marks_of(source: str) -> Iterator[str]:
    """The parentheses and bars that mean something: neither escaped nor within a class."""
    for match in re.finditer(r"\\.|\[\^?\]?[^\]]*\]|[()|]", source, re.DOTALL):
        if len(match[0]) == 1:
            yield match[0]
