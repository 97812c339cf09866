"""Every code has words, and every word can be filled in."""

import pytest

from django_cors_guard import wording
from django_cors_guard.core.csrf import CsrfVerdict
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.explain import Difference, NullSource
from django_cors_guard.core.files import FileProblem
from django_cors_guard.core.policy_files import Finding, PolicyProblem
from django_cors_guard.core.problems import Mend, MendCode, Problem, ProblemCode
from django_cors_guard.core.risks import RiskCode, Severity
from django_cors_guard.core.shapes import ShapeCode
from django_cors_guard.services.consequences.codes import ConsequenceCode
from django_cors_guard.services.consequences.environment_changes import SWITCHES
from django_cors_guard.services.consequences.modes import Effect
from django_cors_guard.services.policy import ConflictCode
from django_cors_guard.services.transfer import Leaving


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        pytest.param(list(ProblemCode), wording.PROBLEMS, id="problems"),
        pytest.param(list(MendCode), wording.MENDS, id="mends"),
        pytest.param(list(RiskCode), wording.RISKS, id="risks"),
        pytest.param(list(Reason), wording.REASONS, id="reasons"),
        pytest.param(list(ShapeCode), wording.SHAPES, id="shapes"),
        pytest.param(list(CsrfVerdict), wording.CSRF, id="csrf"),
        pytest.param(list(Difference), wording.DIFFERENCES, id="differences"),
        pytest.param(list(NullSource), wording.NULL_SOURCES, id="null sources"),
        pytest.param(list(FileProblem), wording.FILE_PROBLEMS, id="files"),
        pytest.param(list(Leaving), wording.LEAVINGS, id="left alone"),
        pytest.param(list(PolicyProblem), wording.POLICY_PROBLEMS, id="policy files"),
        pytest.param(list(ConflictCode), wording.CONFLICTS, id="conflicts"),
        pytest.param(list(ConsequenceCode), wording.CONSEQUENCES, id="consequences"),
        pytest.param(list(SWITCHES), wording.SWITCHES, id="switches"),
        pytest.param(list(Effect), wording.EFFECTS, id="effects"),
    ],
)
def test_every_code_has_words(codes: list[str], words: dict[str, object]) -> None:
    assert {str(code) for code in codes} - set(words) == set()


@pytest.mark.parametrize("code", sorted(wording.PROBLEMS))
def test_words_of_a_problem_take_any_value(code: str) -> None:
    text = wording.word_problem(Problem(code, "%s {x} <b>", "%(value)s"))
    assert text
    assert "%(" not in text.replace("%(value)s", "")


@pytest.mark.parametrize("code", sorted(wording.SHAPES))
def test_words_of_a_shape_take_any_value(code: str) -> None:
    text = wording.word_shape(Problem(code, "%s {x} <b>", "%(value)s"))
    assert "%(" not in text.replace("%(value)s", "")


@pytest.mark.parametrize("code", sorted(wording.FILE_PROBLEMS))
def test_words_of_a_problem_of_a_file_take_any_value(code: str) -> None:
    text = wording.word_file_problem(Problem(code, "%s {x} <b>", "%(value)s"))
    assert "%(" not in text.replace("%(value)s", "")


@pytest.mark.parametrize("code", sorted(wording.POLICY_PROBLEMS))
def test_words_of_a_problem_of_a_policy_file_take_any_value(code: str) -> None:
    text = wording.word_finding(Finding("environments.%s", Problem(code, "%s {x} <b>", "%(value)s")))
    assert text.startswith("environments.%s: ")
    assert "%(" not in text.replace("%(value)s", "")


def test_problem_of_an_origin_in_a_file_has_the_words_it_has_elsewhere() -> None:
    problem = Problem("missing_scheme", "app.example.com", "https://app.example.com")
    assert wording.word_file_problem(problem) == wording.word_problem(problem)


@pytest.mark.parametrize("code", sorted(wording.RISKS))
def test_words_of_a_risk_take_any_value(code: str) -> None:
    assert wording.word_risk(Problem(code, "%s", "%d"))


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_has_a_word(severity: Severity) -> None:
    assert wording.word_severity(severity).isalpha()
    assert wording.word_severity(99) == "99"


def test_problem_says_what_to_type_instead() -> None:
    text = wording.word_problem(Problem("missing_scheme", "app.example.com", "https://app.example.com"))
    assert text == "The scheme is missing. Type https://app.example.com."


def test_unknown_code_is_shown_as_it_is() -> None:
    assert wording.word_problem(Problem("of_the_future", "x")) == "of_the_future: x"
    assert wording.word_mend(Mend("of_the_future", "a", "b")) == "of_the_future"
    assert wording.word_reason("of_the_future") == "of_the_future"


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("code", sorted(wording.CONSEQUENCES))
def test_words_of_a_consequence_take_any_number(code: str, count: int) -> None:
    values = {"front_ends": 1, "patterns": 2, "switch": "allow_loopback", "days": 7, "mode": "%s", "limit": "<b>"}
    values["policy"] = "same-site"
    text = wording.word_consequence(code, count, values)
    assert text
    assert "%(" not in text


def test_consequence_names_its_switch_in_words() -> None:
    assert "“allow loopback”" in wording.word_consequence("switch_off", 1, {"switch": "allow_loopback"})
    assert "“of_the_future”" in wording.word_consequence("switch_off", 1, {"switch": "of_the_future"})
    assert wording.word_consequence("of_the_future", 3) == "of_the_future: 3"
    assert wording.word_effect("of_the_future") == "of_the_future"
