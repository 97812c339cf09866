"""Texts that begin so: letter by letter, and by an index, on every database."""

from __future__ import annotations

from typing import TypeVar

from django.db import connections
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Substr

_M = TypeVar("_M", bound=Model)


def starting_with(rows: QuerySet[_M], column: str, text: str) -> QuerySet[_M]:
    """Return those of ``rows`` whose ``column`` begins with ``text``, upper and lower case told apart."""
    found = rows.filter(**{f"{column}__startswith": text})
    vendor = connections[rows.db].vendor
    if vendor == "mysql":
        # LIKE BINARY is exact and uses no index; the plain comparison does.
        found = found.filter(**{f"{column}__istartswith": text})
    if vendor == "sqlite":
        # There LIKE takes upper case for lower case, and so uses no index; what lies between does.
        name = f"start_of_{column}"
        found = found.filter(**{f"{column}__gte": text, f"{column}__lt": f"{text}\U0010ffff"})
        found = found.alias(**{name: Substr(column, 1, len(text))}).filter(**{name: Value(text)})
    return found
