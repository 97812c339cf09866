"""One row of a file, as text by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django_cors_guard.core.problems import Problem


class Record(NamedTuple):
    """``number`` is the line it begins in, or its place in the list."""

    number: int
    cells: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
