"""Saving in two steps what has grave consequences: first the form comes back and says them, then they are confirmed.

What is confirmed is bound to exactly the change that was shown: whoever changes anything else, or finds that somebody
else has saved in between, is asked again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from django.core.signing import Signer
from django.db.models import Model
from django.http import HttpRequest

from django_cors_guard.admin.display import shown
from django_cors_guard.services.consequences.codes import Consequence, ConsequenceCode, Weighed
from django_cors_guard.wording import word_consequence

#: The name of the box to tick, and of no field of any form.
FIELD: Final = "understood"


class Unconfirmed(Exception):
    """Raised before anything is written; the form is shown again with what it asks."""

    def __init__(self, weighed: Weighed, token: str) -> None:
        super().__init__()
        self.weighed = weighed
        self.token = token


#: What is asked in answer to a request.
_asked: WeakKeyDictionary[HttpRequest, Unconfirmed] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Line:
    """One consequence in words, and some of what it concerns."""

    code: str
    text: str
    samples: tuple[str, ...]
    more: int


def require_confirmation(request: HttpRequest, row: Model, weighed: Weighed) -> None:
    """Raise Unconfirmed where ``weighed`` is grave and the request does not confirm just these changes of ``row``."""
    if not weighed.is_grave:
        return
    token = _sign(row, weighed)
    if token not in request.POST.getlist(FIELD):
        raise Unconfirmed(weighed, token)


def ask(request: HttpRequest, question: Unconfirmed) -> None:
    """Remember what the form that is shown next has to ask."""
    _asked[request] = question


def asked_in(request: HttpRequest) -> Unconfirmed | None:
    """Return what has to be confirmed before the request's form is saved."""
    return _asked.get(request)


def list_lines(weighed: Weighed) -> list[Line]:
    """Return the consequences in words."""
    return [_line(consequence) for consequence in weighed.consequences]


def list_harmless_words(weighed: Weighed) -> list[str]:
    """Return what is good to know once it is saved."""
    capped = [item for item in weighed.consequences if item.code is ConsequenceCode.MODE_CAPPED]
    return [_line(item).text for item in capped]


def _line(consequence: Consequence) -> Line:
    text = word_consequence(consequence.code, consequence.count, consequence.values)
    return Line(consequence.code.value, text, tuple(map(shown, consequence.samples)), consequence.more)


def _sign(row: Model, weighed: Weighed) -> str:
    changes = [(change.name, change.before, change.after) for change in weighed.changes]
    told = json.dumps([row._meta.label, row.pk, *changes], default=str, sort_keys=True)
    return Signer(salt="django_cors_guard.confirmation").signature(told)
