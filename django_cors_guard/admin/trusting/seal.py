"""The seal of a preview: what was asked and what was found, signed, so that only what was shown is ever saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.core import signing
from django.utils.translation import gettext as _

from django_cors_guard.admin.trusting.ask import Asked
from django_cors_guard.admin.trusting.effect import Effect
from django_cors_guard.admin.trusting.preview import EXPIRY_PROBLEMS, Found

_SALT: Final = "django_cors_guard.admin.trust"


@dataclass(frozen=True, slots=True)
class Seal:
    """Fingerprints. With ``stands`` there are grants already, so that what was shown hangs on the ``end`` chosen."""

    user: str
    asked: str
    found: tuple[str, ...]
    end: str
    stands: bool

    def sign(self) -> str:
        """Return the text that travels with the form."""
        return signing.dumps([self.user, self.asked, self.found, self.end], salt=_SALT, compress=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a preview is shown again, and the lines that are not what they were; blank: it is what was shown."""

    reason: str = ""
    moved: frozenset[int] = frozenset()


def seal_of(user: Any, asked: Sequence[Asked], found: Sequence[Sequence[Found]], end: str) -> Seal:
    """Return the seal of what ``user`` is shown."""
    stands = any(one.effect != Effect.NEW for line in found for one in line)
    return Seal(
        user=str(user.pk),
        asked=_digest(_list_asked(asked)),
        found=tuple(_digest(_list_found(line)) for line in found),
        end=end,
        stands=stands,
    )


def compare(token: str, now: Seal, asked: Sequence[Asked]) -> Difference:
    """Return how what was shown and signed as ``token`` differs from what is the case ``now``."""
    try:
        user, was_asked, was_found, end = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return Difference(_("This preview is not one that was shown to you. Look at what it comes to."))
    if user != now.user:
        return Difference(_("Somebody else was shown that preview. Look at what it comes to."))
    if was_asked != now.asked:
        return Difference(_("You changed the origins or places after the preview. Look at what they come to now."))
    moved = frozenset(
        one.line.number for one, before, after in zip(asked, was_found, now.found, strict=True) if before != after
    )
    if now.stands and end != now.end:
        return Difference(_("You chose another end, which changes grants that are there. Look at it once more."))
    if moved:
        return Difference(_("Something changed while you were looking. What is new is marked."), moved)
    return Difference()


def _list_asked(asked: Iterable[Asked]) -> list[Any]:
    return [
        [one.line.number, one.line.text, [[spot.environment.pk, spot.api_group.pk] for spot in one.spots]]
        for one in asked
    ]


def _list_found(line: Iterable[Found]) -> list[Any]:
    return [
        [
            one.preview.origin,
            one.effect,
            [list(problem) for problem in one.preview.problems if problem.code not in EXPIRY_PROBLEMS],
            [list(risk) for risk in one.preview.risks],
            one.preview.existing,
            [one.preview.grant.pk, str(one.preview.grant.expires_at)] if one.preview.grant is not None else [],
            [one.spot.environment.protected, one.spot.api_group.allow_credentials, one.spot.api_group.any_origin],
        ]
        for one in line
    ]


def _digest(found: Any) -> str:
    return sha256(json.dumps(found).encode()).hexdigest()[:24]
