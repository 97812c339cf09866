"""JSON to plain values and back."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from django_cors_guard.core.policy_files.problems import BadDocument, PolicyProblem, finding
from django_cors_guard.core.policy_files.values import Odd

#: What the longest number that means anything needs is far less.
MAX_DIGITS: Final = 18
#: No policy nests deeper than a handful of levels; the reader gives up long after that.
_TOLD_DEPTH: Final = 20

_OUTSIDE_ASCII: Final = re.compile("[^\n -~]")


def read(text: str) -> Any:
    """Return the plain values of ``text``; raises BadDocument."""
    try:
        return json.loads(
            text,
            object_pairs_hook=_refuse_repeats,
            parse_int=_read_int,
            parse_float=Odd,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise BadDocument(finding("", PolicyProblem.TOO_NESTED, "", str(_TOLD_DEPTH))) from error
    except json.JSONDecodeError as error:
        raise BadDocument(finding("", PolicyProblem.BROKEN_JSON, str(error.lineno), str(error.colno))) from error


def write(plain: Any) -> str:
    """Return JSON, one name or entry a line; what cannot be seen is escaped."""
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    return _OUTSIDE_ASCII.sub(_escape, text) + "\n"


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return char if char.isprintable() else json.dumps(char)[1:-1]


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen = set[str]()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # adds, and goes on
        raise BadDocument(finding("", PolicyProblem.REPEATED_KEY, twice))
    return values


def _read_int(digits: str) -> int | Odd:
    return int(digits) if len(digits) <= MAX_DIGITS else Odd(digits)


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's own; no other program reads them."""
    raise BadDocument(finding("", PolicyProblem.NOT_A_JSON_NUMBER, name))
