"""Moments in files: ISO 8601 with a zone, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from django_cors_guard.core.files.problems import FileProblem, problem
from django_cors_guard.core.problems import Problem

#: What every database can store and every zone can be converted to and from.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
SENSIBLE_YEARS: Final = range(FIRST_YEAR, LAST_YEAR + 1)
#: What every database can store: some program may have written it, and what was exported has to be read again.
STORABLE_YEARS: Final = range(1000, 10_000)

_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def read_moment(text: str, years: range = SENSIBLE_YEARS) -> datetime | Problem:
    """Return the moment in UTC, in one of ``years``, that ``text`` names, or what is wrong with it."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return problem(FileProblem.BAD_TIME, text)
    day, time, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or 'Z').upper()}")
    except ValueError:
        return problem(FileProblem.BAD_TIME, text)
    if zone is None:
        return problem(FileProblem.NO_ZONE, text, f"{day}T{time or '00:00'}Z")
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        return problem(FileProblem.YEAR_OUT_OF_RANGE, text)
    return at if at.year in years else problem(FileProblem.YEAR_OUT_OF_RANGE, text)


def write_moment(at: datetime) -> str:
    """Return an aware moment as ``read_moment`` reads it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
