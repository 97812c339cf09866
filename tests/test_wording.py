"""Every code has words, and every word can be filled in."""

import pytest

from django_cors_guard import wording
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.explain import Difference, NullSource
from django_cors_guard.core.problems import Mend, MendCode, Problem, ProblemCode
from django_cors_guard.core.risks import RiskCode


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        pytest.param(list(ProblemCode), wording.PROBLEMS, id="problems"),
        pytest.param(list(MendCode), wording.MENDS, id="mends"),
        pytest.param(list(RiskCode), wording.RISKS, id="risks"),
        pytest.param(list(Reason), wording.REASONS, id="reasons"),
        pytest.param(list(Difference), wording.DIFFERENCES, id="differences"),
        pytest.param(list(NullSource), wording.NULL_SOURCES, id="null sources"),
    ],
)
def test_every_code_has_words(codes: list[str], words: dict[str, object]) -> None:
    assert {str(code) for code in codes} - set(words) == set()


@pytest.mark.parametrize("code", sorted(wording.PROBLEMS))
def test_words_of_a_problem_take_any_value(code: str) -> None:
    text = wording.word_problem(Problem(code, "%s {x} <b>", "%(value)s"))
    assert text
    assert "%(" not in text.replace("%(value)s", "")


@pytest.mark.parametrize("code", sorted(wording.RISKS))
def test_words_of_a_risk_take_any_value(code: str) -> None:
    assert wording.word_risk(Problem(code, "%s", "%d"))


def test_problem_says_what_to_type_instead() -> None:
    text = wording.word_problem(Problem("missing_scheme", "app.example.com", "https://app.example.com"))
    assert text == "The scheme is missing. Type https://app.example.com."


def test_unknown_code_is_shown_as_it_is() -> None:
    assert wording.word_problem(Problem("of_the_future", "x")) == "of_the_future: x"
    assert wording.word_mend(Mend("of_the_future", "a", "b")) == "of_the_future"
    assert wording.word_reason("of_the_future") == "of_the_future"
