from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.core import books
from django_cors_guard.core.books import Amendment, Layered, NewBook, Recount, UncertainBook, layer, open_recount

LARGE = {f"https://{number}.example": float(number) for number in range(books.SMALL_BOOK + 1)}
FIRST, LAST = "https://0.example", f"https://{books.SMALL_BOOK}.example"

KEYS = st.integers(0, 60).map(str)
BOOKS = st.dictionaries(KEYS, st.floats(-2, 9), max_size=60)


def recount(book: dict[str, float] | Layered, rows: dict[str, float]) -> dict[str, float] | Layered:
    pen = Recount(book)
    for origin, ends in rows.items():
        pen.enter(origin, ends)
    found = pen.close()
    assert isinstance(found, dict | Layered)
    return found


def test_change_of_a_large_book_leaves_its_base_alone() -> None:
    changed = layer(LARGE, {FIRST: -1.0, "https://new.example": 5.0})
    assert isinstance(changed, Layered)
    assert changed.layers[0] is LARGE
    assert LARGE[FIRST] == 0.0
    assert (changed.get(FIRST), changed[LAST], changed["https://new.example"]) == (-1.0, LARGE[LAST], 5.0)
    assert len(changed) == len(LARGE) + 1
    assert changed


def test_change_of_a_small_book_is_a_plain_dict() -> None:
    small = {"a": 1.0}
    assert layer(small, {"b": 2.0}) == {"a": 1.0, "b": 2.0}
    assert small == {"a": 1.0}


def test_no_change_is_the_very_same_book() -> None:
    assert layer(LARGE, {}) is LARGE


def test_overlay_that_grows_is_folded() -> None:
    book = layer(LARGE, {f"https://n{number}.example": 1.0 for number in range(len(LARGE) // books.FOLD_PART)})
    assert isinstance(book, Layered)
    assert isinstance(layer(book, {"https://one-more.example": 1.0}), dict)


def test_rows_that_are_as_known_keep_the_very_same_base() -> None:
    assert recount(LARGE, dict(reversed(LARGE.items()))) is LARGE


def test_recount_touches_no_entry_that_it_need_not() -> None:
    """Each one that is handed out is written to, and with that the memory which processes share is copied."""

    class Untouched(dict[str, float]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("walked along")

    base = Untouched(LARGE)
    assert recount(base, {**LARGE, FIRST: -1.0}).get(FIRST) == -1.0


def test_rows_that_have_gone_leave_tombstones() -> None:
    rows = {origin: ends for origin, ends in LARGE.items() if origin not in {FIRST, LAST}}
    book = recount(LARGE, {**rows, "https://new.example": 5.0})
    assert isinstance(book, Layered)
    assert book.layers[0] is LARGE
    assert FIRST not in book
    assert book.get(FIRST, 7.0) == 7.0
    with pytest.raises(KeyError):
        book[LAST]
    assert dict(book) == {**rows, "https://new.example": 5.0}


def test_recount_forgets_what_the_overlay_said() -> None:
    book = layer(LARGE, {FIRST: -1.0, "https://new.example": 5.0})
    assert isinstance(book, Layered)
    assert recount(book, LARGE) is LARGE


def test_recount_that_cannot_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that has gone may bear the marks of others."""
    pen = Recount({"a": 1.0, "b": 2.0})
    pen.enter("a", 1.0)
    pen._marks[:] = b"\xff" * len(pen._marks)
    with pytest.raises(UncertainBook):
        pen.close()


@given(known=BOOKS, changes=BOOKS, rows=BOOKS)
def test_books_say_what_dicts_say(known: dict[str, float], changes: dict[str, float], rows: dict[str, float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(books, "SMALL_BOOK", 0)
        patch.setattr(books, "FOLD_PART", 2)
        book = layer(known, changes)
        wanted = known | changes
        assert dict(book) == wanted
        assert all(book.get(str(number)) == wanted.get(str(number)) for number in range(61))
        assert all((str(number) in book) == (str(number) in wanted) for number in range(61))
        assert len(book) == len(wanted)
        assert bool(book) == bool(wanted)
        pen = open_recount(book)
        for origin, ends in rows.items():
            pen.enter(origin, ends)
        try:
            counted = pen.close()
        except UncertainBook:
            return  # few places for marks in so small a book
        assert dict(counted) == rows
        assert bool(counted) == bool(rows)


def test_small_books_are_counted_into_new_ones() -> None:
    assert isinstance(open_recount({"a": 1.0}), NewBook)
    assert isinstance(open_recount(None), NewBook)
    assert isinstance(open_recount(LARGE), Recount)


def test_amendment_keeps_what_it_does_not_name() -> None:
    pen = Amendment({"a": 1.0, "b": 2.0})
    pen.enter("b", -1.0)
    assert pen.close() == {"a": 1.0, "b": -1.0}
