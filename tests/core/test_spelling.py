"""Skeletons and slips of the hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_guard.core.spelling import is_one_slip, list_omissions, list_slips, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("examp1e.com", "example.com", id="one for l"),
        pytest.param("g00gle.com", "google.com", id="zero for o"),
        pytest.param("exarnple.com", "example.com", id="rn for m"),
        pytest.param("vvork.com", "work.com", id="vv for w"),
        pytest.param("my-shop.com", "myshop.com", id="hyphen"),
        pytest.param("exämple.com", "example.com", id="accent"),
        pytest.param("\u0430\u0440\u0440\u04cf\u0435.com", "apple.com", id="Cyrillic"),
        pytest.param("\u03b1\u03c1\u03c1le.com", "apple.com", id="Greek"),
        pytest.param("ｅxample.com", "example.com", id="full width"),
        pytest.param("Example.com", "example.com", id="case"),
    ],
)
def test_skeleton_confusable_names_are_equal(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("example.com", "example.org", id="other ending"),
        pytest.param("example.com", "sample.com", id="other name"),
        pytest.param("a.bc.com", "ab.c.com", id="other dots"),
    ],
)
def test_skeleton_other_names_differ(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def _is_one_slip_by_trying(one: str, other: str) -> bool:
    letters = set(one + other)
    tries = set()
    for at in range(len(one) + 1):
        tries |= {one[:at] + letter + one[at:] for letter in letters}
        tries |= {one[:at] + letter + one[at + 1 :] for letter in letters}
        tries |= {one[:at] + one[at + 1 :], one[:at] + one[at : at + 2][::-1] + one[at + 2 :]}
    return one != other and other in tries


@given(one=st.text("abc", max_size=6), other=st.text("abc", max_size=6))
def test_is_one_slip_agrees_with_trying_every_slip(one: str, other: str) -> None:
    assert is_one_slip(one, other) == _is_one_slip_by_trying(one, other)


@given(one=st.text("ace", max_size=6), other=st.text("ace", max_size=6))
def test_list_slips_holds_exactly_what_one_slip_makes(one: str, other: str) -> None:
    assert (other in list_slips(one)) == (one == other or is_one_slip(one, other))


@given(one=st.text("ace", max_size=6), other=st.text("ace", max_size=6))
def test_list_omissions_of_names_one_slip_apart_have_something_in_common(one: str, other: str) -> None:
    if is_one_slip(one, other):
        assert list_omissions(one) & list_omissions(other)
