"""What is wrong with one piece of a request, as the API says it: a stable code, where it stands, and a sentence.

Whatever a sender chose is cut before it is repeated; the renderer escapes everything that is not ASCII.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException

from django_cors_guard.core.problems import Problem
from django_cors_guard.exceptions import RefusedOrigin, UnknownName
from django_cors_guard.wording import word_problem

#: Longest piece of a request that an answer repeats.
MAX_ECHO: Final = 255
#: Longest sentence; what is longer lists more than anybody reads.
MAX_TEXT: Final = 2000
#: Most errors that one answer lists.
MAX_ITEMS: Final = 50
INVALID_INPUT: Final = "invalid_input"

_EXPIRY_PROBLEMS: Final = frozenset({"trusted_too_long", "invalid_expiry"})


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """One error. ``field`` is the parameter or the path in the body, ``known`` what could stand there instead.

    ``kind`` is the code of the whole answer if all of its items are of that kind.
    """

    code: str
    text: str
    field: str = ""
    value: str | None = None
    known: tuple[str, ...] = ()
    kind: str = INVALID_INPUT

    def as_dict(self) -> dict[str, Any]:
        """Return the item as it stands in an answer."""
        found: dict[str, Any] = {"code": self.code, "field": self.field[:MAX_ECHO], "text": self.text[:MAX_TEXT]}
        if self.value is not None:
            found["value"] = self.value[:MAX_ECHO]
        if self.known:
            found["known"] = list(self.known)
        return found


class InvalidInput(APIException):
    """A request that cannot be understood, with everything that is wrong with it."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = INVALID_INPUT

    def __init__(self, items: Iterable[ErrorItem]) -> None:
        self.items = tuple(items)[:MAX_ITEMS]
        kinds = {item.kind for item in self.items}
        self.code = kinds.pop() if len(kinds) == 1 else INVALID_INPUT
        super().__init__(" ".join(item.text for item in self.items)[:MAX_TEXT], self.code)


def show(value: object) -> str | None:
    """Return ``value`` as an answer may repeat it; None for what is no single value."""
    if isinstance(value, str | int | float):
        return str(value)[:MAX_ECHO]
    return None


def describe_problem(problem: Problem, field: str = "origin") -> ErrorItem:
    """Return the item of one thing that is wrong with an origin or a grant."""
    cut = Problem(problem.code, problem.value[:MAX_ECHO], problem.detail[:MAX_ECHO])
    return ErrorItem(
        code=problem.code,
        text=word_problem(cut),
        field="expires_at" if problem.code in _EXPIRY_PROBLEMS else field,
        value=cut.value,
        kind=RefusedOrigin.code,
    )


def describe_unknown_name(error: UnknownName, field: str = "") -> ErrorItem:
    """Return the item of a name that nothing goes by."""
    return ErrorItem(
        code=error.code, text=error.message, field=field, value=error.slug, known=error.known, kind=error.code
    )


def describe_unknown_key(code: str, name: str, known: Sequence[str]) -> ErrorItem:
    """Return the item of a parameter or body field that does not exist, with the nearest one that does."""
    close = get_close_matches(name[:MAX_ECHO].lower(), known, n=1)
    shown = name[:MAX_ECHO]
    if not known:
        text = _("There is no “%(name)s”: nothing is expected here.") % {"name": shown}
    elif close:
        text = _("There is no “%(name)s”; did you mean “%(close)s”? Known: %(known)s.") % {
            "name": shown,
            "close": close[0],
            "known": ", ".join(known),
        }
    else:
        text = _("There is no “%(name)s”. Known: %(known)s.") % {"name": shown, "known": ", ".join(known)}
    return ErrorItem(code=code, text=text, field=shown, known=tuple(known))


def describe_bad_choice(field: str, value: str, known: Sequence[str]) -> ErrorItem:
    """Return the item of a value outside a fixed list."""
    text = _("“%(value)s” is none of those that exist: %(known)s.") % {
        "value": value[:MAX_ECHO],
        "known": ", ".join(known),
    }
    return ErrorItem(code="unknown_value", text=text, field=field, value=show(value), known=tuple(known))
