"""Rows of a file with their values understood: moments as moments, and what is wrong with them as problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django_cors_guard.core.files.columns import READ
from django_cors_guard.core.files.moments import read_moment
from django_cors_guard.core.files.problems import FileProblem, problem, suggest
from django_cors_guard.core.files.records import Record
from django_cors_guard.core.problems import Problem

#: The longest note; everything else is shorter.
MAX_CELL: Final = 10_000
#: What an expiry says that is to be taken off; a blank cell changes nothing.
NEVER: Final = "never"

#: NUL and halves of characters.
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")


class RowStatus(StrEnum):
    """What a file says a grant is worth. Only an export knows, so most files leave it out."""

    UNSAID = ""
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SWITCHED_OFF = "switched_off"


_STATUSES: Final = {status.value: status for status in RowStatus}


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One row. Blank texts say nothing; ``is_endless`` says that the grant ends only when it is revoked.

    ``origin`` is as it was typed. With ``problems`` the rest may be incomplete.
    """

    number: int
    environment: str = ""
    api_group: str = ""
    origin: str = ""
    front_end: str = ""
    note: str = ""
    expires_at: datetime | None = None
    is_endless: bool = False
    status: RowStatus = RowStatus.UNSAID
    problems: tuple[Problem, ...] = ()


def read_row(record: Record) -> GrantRow:
    """Return ``record`` understood, with everything that is wrong with it."""
    unfit = list(_list_unfit(record))
    cells = {name: record.cells.get(name, "") for name in READ}
    cells |= dict.fromkeys((name for name, _problem in unfit), "")
    problems = [*record.problems, *(found for _name, found in unfit)]
    if not record.problems:
        problems += [
            problem(FileProblem.EMPTY_CELL, name)
            for name in ("environment", "api_group")
            if not cells[name].strip() and name not in dict(unfit)
        ]
    status, expiry = _read_status(cells["status"]), _read_expiry(cells["expires_at"])
    problems += [found for found in (status, expiry) if isinstance(found, Problem)]
    return GrantRow(
        number=record.number,
        environment=cells["environment"].strip(),
        api_group=cells["api_group"].strip(),
        origin=cells["origin"],
        front_end=cells["front_end"].strip(),
        note=cells["note"],
        expires_at=expiry if isinstance(expiry, datetime) else None,
        is_endless=expiry == NEVER,
        status=status if isinstance(status, RowStatus) else RowStatus.UNSAID,
        problems=tuple(problems),
    )


def _list_unfit(record: Record) -> Iterator[tuple[str, Problem]]:
    """Yield the columns whose text no database stores."""
    for name in READ:
        text = record.cells.get(name, "")
        if len(text) > MAX_CELL:
            yield name, problem(FileProblem.TOO_LONG_VALUE, name, str(MAX_CELL))
        elif _UNFIT.search(text):
            yield name, problem(FileProblem.BAD_CHARACTER, name)


def _read_status(text: str) -> RowStatus | Problem:
    said = text.strip().lower()
    status = _STATUSES.get(said)
    if status is not None:
        return status
    return problem(FileProblem.UNKNOWN_STATUS, text, suggest(said, [value for value in _STATUSES if value]))


def _read_expiry(text: str) -> datetime | Problem | str:
    said = text.strip()
    if not said or said.lower() == NEVER:
        return said.lower()
    return read_moment(said)
