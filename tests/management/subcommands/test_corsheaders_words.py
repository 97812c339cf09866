"""Every code of the translation has words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_cors_guard.core import corsheaders
from django_cors_guard.core.corsheaders import Line, Verdict
from django_cors_guard.core.corsheaders.lines import NARROWING, WIDENING
from django_cors_guard.core.problems import Problem
from django_cors_guard.management.subcommands import corsheaders_words as words

FOLDER = Path(corsheaders.__file__).parent


def called_codes(*methods: str) -> set[str]:
    """The literal codes that the package hands to methods of these names."""
    return {
        argument.value
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods
        for argument in (*node.args[:1], *node.args[2:3])
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def regex_codes() -> Iterator[str]:
    for path in FOLDER.glob("*.py"):
        yield from re.findall(r'"(regex_[a-z_]+)"', path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", sorted({*regex_codes()} - {"regex_never"}))
def test_what_is_wrong_with_a_regex_has_words(code: str) -> None:
    assert code in words.REFUSED


def test_what_is_refused_taken_and_noted_has_words() -> None:
    assert len(called_codes("refuse")) > 10
    assert called_codes("refuse") <= words.REFUSED.keys() | {"", "check_request_enabled"}
    assert called_codes("take") <= words.TAKEN.keys() | {"", "check_request_enabled"}
    assert called_codes("note") <= words.NOTED.keys() | {""}
    assert called_codes("add") <= {*words.LOSSES, *words.REFUSED, *words.NOTED}


def test_every_note_has_words_and_says_wider_only_where_it_widens() -> None:
    assert words.NOTES.keys() >= WIDENING | NARROWING
    loud = {code for code, text in words.NOTES.items() if str(text).startswith("WIDER")}
    # Of those that are not shouted one never matched anything, and the others are paths, not origins.
    assert loud == WIDENING - {"spelling", "path_itself", "paths_below"}
    assert {code for code, text in words.NOTES.items() if str(text).startswith("narrower")} <= NARROWING


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(
            Line("CORS_ALLOWED_ORIGINS", "https://app.example.com/x", Verdict.REFUSED, "path", "https://app.example.com"),
            "leave out the path “/x”. Type https://app.example.com.",
            id="origin with a path",
        ),
        pytest.param(
            Line("CORS_ALLOWED_ORIGIN_REGEXES", r"^https://.*\.co\.uk$", Verdict.REFUSED, "public_suffix", "https://*.co.uk"),
            "Anybody can get a name under “co.uk”",
            id="regex for a public suffix",
        ),
        pytest.param(Line("", "x", Verdict.REFUSED, "unheard_of"), "unheard_of", id="unknown code"),
    ],
)  # fmt: skip
def test_origins_are_worded_as_everywhere_else(line: Line, said: str) -> None:
    assert said in words.word_line(line)


def test_words_of_losses_take_their_values() -> None:
    for code in words.LOSSES:
        assert words.word_loss(Problem(code, "VALUE", "DETAIL"))
