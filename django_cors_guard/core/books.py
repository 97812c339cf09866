"""The book of one API group: origin to the time its grant ends, and how a book of a million entries changes.

A large book is never copied for a change: the base stays as it was read, shared by the policies before and after and by
the processes that a server forked, and a small overlay says what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, Protocol, TypeVar

_D = TypeVar("_D")

#: A book up to this size is copied as a whole: a plain dict is the fastest to ask.
SMALL_BOOK: Final = 20_000
#: An overlay beyond this part of its base is folded into a new one.
FOLD_PART: Final = 8

#: Stands in an overlay for an entry of the base that is gone. No value of a book compares equal to it.
_GONE: Final = float("nan")

#: A hash has 64 bits, and a mark takes some 26 of them in a book of a million.
_STEP: Final = 18


class Layered(Mapping[str, float]):
    """A base that nobody changes any more, under the entries that differ from it."""

    __slots__ = ("_base", "_find_in_base", "_find_in_overlay", "_overlay")

    def __init__(self, base: dict[str, float], overlay: dict[str, float]) -> None:
        self._base, self._overlay = base, overlay
        self._find_in_base, self._find_in_overlay = base.get, overlay.get

    @property
    def layers(self) -> tuple[dict[str, float], dict[str, float]]:
        """The base and the overlay; neither is the caller's to change."""
        return self._base, self._overlay

    def get(self, key: str, default: _D = None) -> float | _D:  # type: ignore[assignment]  # as dict's
        found = self._find_in_overlay(key)
        if found is None:
            return self._find_in_base(key, default)
        return default if found is _GONE else found

    def __getitem__(self, key: str) -> float:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        overlay = self._overlay
        kept = (key for key in self._base if key not in overlay)
        return chain(kept, (key for key, value in overlay.items() if value is not _GONE))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True  # the overlay is too small to take the whole base away


def layer(book: Mapping[str, float], changes: Mapping[str, float]) -> Mapping[str, float]:
    """Return ``book`` with ``changes`` entered; ``book`` itself stays as it is."""
    if not changes:
        return book
    base, overlay = _split(book)
    return _join(base, {**overlay, **changes})


def _split(book: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    if isinstance(book, Layered):
        return book.layers
    return (book if isinstance(book, dict) else dict(book)), {}


def _join(base: dict[str, float], overlay: dict[str, float]) -> Mapping[str, float]:
    if not overlay:
        return base
    if len(overlay) <= len(base) // FOLD_PART and len(base) > SMALL_BOOK:
        return Layered(base, overlay)
    folded = base | overlay
    for key in [key for key, value in overlay.items() if value is _GONE]:
        del folded[key]
    return folded


class Pen(Protocol):
    """What enters the rows of one book, in any order, each at most once."""

    def enter(self, origin: str, ends: float) -> None:
        """Enter a row."""

    def close(self) -> Mapping[str, float]:
        """Return the book."""


class NewBook:
    """Enters rows into a book of their own."""

    __slots__ = ("_entries", "enter")

    def __init__(self) -> None:
        self._entries: dict[str, float] = {}
        # A million calls: straight to the dict's own.
        self.enter = self._entries.__setitem__

    def close(self) -> Mapping[str, float]:
        return self._entries


class Amendment:
    """Enters some rows over a book: those that are not entered stay."""

    __slots__ = ("_book", "_changes")

    def __init__(self, book: Mapping[str, float]) -> None:
        self._book = book
        self._changes: dict[str, float] = {}

    def enter(self, origin: str, ends: float) -> None:
        self._changes[origin] = ends

    def close(self) -> Mapping[str, float]:
        return layer(self._book, self._changes)


class UncertainBook(Exception):
    """Of a recount: rows of the base have gone, and it cannot tell which. They have to be entered into a new book."""


class Recount:
    """Enters all rows over a large book that holds nearly all of them: those that are not entered go.

    The base is only asked, never walked along: that would touch each of its entries, and so copy the memory that
    processes share after a fork. Three marks a row, in eight bytes a row, tell which entries are missing if any are.
    """

    __slots__ = ("_base", "_changes", "_marks", "_mask", "_seen")

    def __init__(self, book: Mapping[str, float]) -> None:
        self._base, _ = _split(book)
        self._changes: dict[str, float] = {}
        self._mask = (1 << (len(self._base) * 64).bit_length()) - 1
        self._marks = bytearray((self._mask >> 3) + 1)
        self._seen = 0

    def enter(self, origin: str, ends: float) -> None:
        known = self._base.get(origin)
        if known != ends:
            self._changes[origin] = ends
        if known is not None:
            self._seen += 1
            number, mask, marks = hash(origin), self._mask, self._marks
            marks[(number & mask) >> 3] |= 1 << (number & 7)
            number >>= _STEP
            marks[(number & mask) >> 3] |= 1 << (number & 7)
            number >>= _STEP
            marks[(number & mask) >> 3] |= 1 << (number & 7)

    def close(self) -> Mapping[str, float]:
        """Return the book. Raises ``UncertainBook``, which is rare."""
        if self._seen == len(self._base):
            return _join(self._base, self._changes)
        gone = [origin for origin in self._base if not self._is_marked(origin)]
        # What was entered is marked, so these have gone; if they are as many as have gone, they are those.
        if len(gone) != len(self._base) - self._seen:
            raise UncertainBook
        return _join(self._base, self._changes | dict.fromkeys(gone, _GONE))

    def _is_marked(self, origin: str) -> bool:
        number = hash(origin)
        places = ((number >> shift) & self._mask for shift in (0, _STEP, 2 * _STEP))
        return all(self._marks[place >> 3] >> (place & 7) & 1 for place in places)


def open_recount(book: Mapping[str, float] | None) -> Pen:
    """Return a pen for all rows of a book that was known as ``book``: one that keeps its base where that is large."""
    if book is not None and len(_split(book)[0]) > SMALL_BOOK:
        return Recount(book)
    return NewBook()
