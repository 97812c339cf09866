"""The columns of a file of trusted origins, and how many rows it may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from django_cors_guard.core.files.problems import MAX_LISTED, FileProblem, problem, suggest
from django_cors_guard.core.problems import Problem

REQUIRED: Final = ("environment", "api_group", "origin")
#: What is read; the rest is told by an export, and passed over.
READ: Final = (*REQUIRED, "front_end", "note", "expires_at", "status")
#: What an export writes, in this order.
COLUMNS: Final = (
    *READ,
    "revoked_at",
    "revoked_by",
    "revoke_reason",
    "created_at",
    "created_by",
    "managed_by",
    "last_used",
)
#: What ``cors_guard list`` tells besides.
_TOLD_ELSEWHERE: Final = ("id", "revision")
KNOWN: Final = frozenset({*COLUMNS, *_TOLD_ELSEWHERE})
MAX_ROWS: Final = 5000


def normalise(name: str) -> str:
    """Return the name of a column without what a spreadsheet may have done to it."""
    return name.strip().lower()


def find_unknown(names: Iterable[str]) -> list[Problem]:
    """Return a problem for each of ``names`` that is no column, with the one that may have been meant."""
    unknown = [name for name in dict.fromkeys(names) if name not in KNOWN]
    return [problem(FileProblem.UNKNOWN_COLUMN, name, _nearest(name)) for name in unknown[:MAX_LISTED]]


def find_repeated(names: Iterable[str]) -> list[Problem]:
    """Return a problem for each of ``names`` that is there more than once."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    return [problem(FileProblem.REPEATED_COLUMN, name) for name in twice[:MAX_LISTED]]


def find_missing(names: Iterable[str]) -> list[Problem]:
    """Return a problem for each required column that is not among ``names``."""
    there = set(names)
    return [problem(FileProblem.MISSING_COLUMN, name) for name in REQUIRED if name not in there]


def _nearest(name: str) -> str:
    return suggest(name.replace(" ", "_").replace("-", "_"), COLUMNS)
