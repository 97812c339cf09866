"""The seal of a plan: what was given and what it came to, signed for one person, so that what was seen is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core import signing

from django_cors_guard.admin.transfer.form import Content
from django_cors_guard.core.files import read_grants
from django_cors_guard.services import ImportPlan, ImportResult

_PLAN: Final = "cors_guard.import.plan"
_RESULT: Final = "cors_guard.import.result"
#: What travels beside it in one request: the reason, the token against forgery, names of fields.
_ROOM: Final = 100_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A plan as it was shown: the digest of the whole, and a fingerprint of each row that it said anything about."""

    digest: str
    rows: Mapping[int, str]

    @classmethod
    def of(cls, plan: ImportPlan) -> Seen:
        """Return what to remember of ``plan``."""
        return cls(plan.digest, plan.fingerprints())


def seal_plan(user: Any, content: Content, seen: Seen) -> str:
    """Return the text that travels with the form; blank if no request could carry it."""
    sealed = [content.name, content.text, seen.digest, list(seen.rows.items())]
    token = signing.dumps(sealed, salt=_salt(_PLAN, user), compress=True)
    limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return token if limit is None or len(token) + _ROOM <= limit else ""


def open_plan(user: Any, token: str) -> tuple[Content, Seen] | None:
    """Return what was given and the plan that was seen, or None for a text that ``user`` was not given."""
    found = _open(_PLAN, user, token)
    if found is None:
        return None
    name, text, digest, rows = found
    return Content(name, text, read_grants(text)), Seen(digest, dict(rows))


def seal_result(user: Any, content: Content, result: ImportResult) -> str:
    """Return what an import did, for the address of the page that tells it."""
    told = [result.batch, result.revision, result.trusted, result.changed, result.unchanged]
    return signing.dumps([content.name, *told, result.left_alone, result.refused], salt=_salt(_RESULT, user))


def open_result(user: Any, token: str) -> tuple[str, ImportResult] | None:
    """Return the name of the file and what became of it, or None for a text that ``user`` was not given."""
    found = _open(_RESULT, user, token)
    return (found[0], ImportResult(*found[1:])) if found is not None else None


def _open(kind: str, user: Any, token: str) -> list[Any] | None:
    try:
        found: list[Any] = signing.loads(token, salt=_salt(kind, user))
    except (signing.BadSignature, ValueError):
        return None
    return found


def _salt(kind: str, user: Any) -> str:
    return f"{kind}.{user.pk}"
