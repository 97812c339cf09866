"""What the story says of rows, before and after: JSON, read as a row's own values or not at all.

The guard writes it, and anything else that reaches the database may have: what no parser takes, what is too large or of
a wrong type is *unreadable*, never an error of the page that shows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_cors_guard.models import PolicyChange
from django_cors_guard.models.write import PolicyModel

Side = Literal["before", "after"]
SIDES: Final[tuple[Side, Side]] = ("before", "after")

#: Longest JSON that is parsed. A summary of a bulk write, the longest that the guard writes, stays below half of it.
MAX_JSON: Final = 100_000

#: What a snapshot leaves out, or says only for the record.
_SKIPPED: Final = frozenset({"id", "revision"})


class Unreadable(ValueError):
    """The story holds something that no row says of itself. ``text`` is the beginning of it, if there is any."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


def with_texts(rows: QuerySet[PolicyChange]) -> QuerySet[PolicyChange]:
    """Return ``rows`` with before and after as bounded text, for ``read_side`` to parse with care."""
    texts = {f"{side}_text": Left(Cast(side, TextField()), MAX_JSON + 1) for side in SIDES}
    found: QuerySet[PolicyChange] = rows.defer("before", "after").annotate(**texts)
    return found


def read_side(change: PolicyChange, side: Side) -> Any:
    """Return one side of ``change`` as JSON says it; raises Unreadable."""
    name = f"{side}_text"
    try:
        return _parse(getattr(change, name)) if hasattr(change, name) else getattr(change, side)
    except (ValueError, RecursionError) as error:
        text = getattr(change, name, "") or ""
        raise Unreadable(text[:MAX_JSON]) from error


def read_values(model: type[PolicyModel], side: Any) -> dict[str, Any] | None:
    """Return the values of a snapshot by field, as the model holds them; None where there was no row.

    Raises Unreadable where a value is none that the field could have. Names that are no fields are left out: the story
    outlives columns.
    """
    if side is None:
        return None
    if not isinstance(side, Mapping):
        raise Unreadable
    return {item.name: read_value(item, side[item.name]) for item in told_fields(model) if item.name in side}


def told_fields(model: type[PolicyModel]) -> list[models.Field[Any, Any]]:
    """Return the fields that a snapshot tells of."""
    return [item for item in model._meta.concrete_fields if item.name not in _SKIPPED]


def read_value(field: models.Field[Any, Any], value: Any) -> Any:
    """Return what JSON's ``value`` is in ``field``: a time for its text, the key for a row; raises Unreadable."""
    if value is None and field.null:
        return None
    read = next((read for kind, read in _READERS if isinstance(field, kind)), None)
    return read(field, value) if read is not None else _read_text(value)


def model_of(target: str) -> type[PolicyModel] | None:
    """Return the model of the row that the story calls ``target``, if it is one of the policy's."""
    try:
        model = apps.get_model("cors_guard", target.partition(":")[0])
    except (LookupError, ValueError):
        return None
    return model if issubclass(model, PolicyModel) else None


def _parse(text: str | None) -> Any:
    if text is None:
        return None
    if len(text) > MAX_JSON:
        raise ValueError
    return json.loads(text)


def _require(value: Any, kind: type) -> Any:
    # True is an int to Python, and none to a person.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Unreadable
    return value


def _read_text(value: Any) -> str:
    text: str = _require(value, str)
    # No operator typed these, and not every database takes them.
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Unreadable
    return text


def _read_names(value: Any) -> list[str]:
    return [_read_text(item) for item in _require(value, list)]


def _read_time(value: Any) -> datetime:
    try:
        at = parse_datetime(_read_text(value))
        if at is None:
            raise Unreadable
        if timezone.is_aware(at) == settings.USE_TZ:
            return at
        return timezone.make_aware(at) if settings.USE_TZ else timezone.make_naive(at)
    except (ValueError, OverflowError) as error:
        raise Unreadable from error


def _read_key(field: models.ForeignKey[Any, Any], value: Any) -> Any:
    """A key as the other model has it: a number, or with a project's own users perhaps a UUID."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unreadable
    try:
        return field.target_field.clean(value, None)
    except ValidationError as error:
        raise Unreadable from error


_READERS: Final[tuple[tuple[type[models.Field[Any, Any]], Callable[[Any, Any], Any]], ...]] = (
    (models.DateTimeField, lambda _field, value: _read_time(value)),
    (models.ForeignKey, _read_key),
    (models.JSONField, lambda _field, value: _read_names(value)),
    (models.BooleanField, lambda _field, value: _require(value, bool)),
    (models.IntegerField, lambda _field, value: _require(value, int)),
)
