"""Grouping by texts that senders chose: letter by letter, also where the collation would merge them."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import CharField, F, Func, QuerySet


class Binary(Func):
    """The bytes of a text, which MariaDB compares as such."""

    function = "BINARY"
    template = "%(function)s %(expressions)s"
    output_field = CharField()


def group_exactly(rows: QuerySet[Any], column: str) -> QuerySet[Any, dict[str, Any]]:
    """Return ``rows`` grouped by ``column``, whose value stands under ``name``: see ``text_of``."""
    expression = Binary(F(column)) if connections[rows.db].vendor == "mysql" else F(column)
    return rows.values(name=expression)


def text_of(name: str | bytes) -> str:
    """Return the text of a group; it is ASCII, for nothing else is stored."""
    return name.decode("ascii", "backslashreplace") if isinstance(name, bytes) else name
