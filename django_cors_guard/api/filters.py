"""What lists can be narrowed by. Values mean exactly what they say, on every database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.db import connections
from django.db.models import F, QuerySet
from django_filters import rest_framework as django_filters  # type: ignore[import-untyped]  # it ships no types
from rest_framework.request import Request

from django_cors_guard.api import parameters
from django_cors_guard.api.errors import (
    ErrorItem,
    InvalidInput,
    describe_bad_choice,
    describe_unknown_name,
    show,
)
from django_cors_guard.api.exact import Binary
from django_cors_guard.api.numbers import BadNumber
from django_cors_guard.api.times import BadTime
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.models.prefix import starting_with

Read = Callable[[str], Any]


class Refused(forms.ValidationError):
    """A value that a filter cannot take, with the item that the answer lists for it."""

    def __init__(self, item: ErrorItem) -> None:
        super().__init__(item.text, code=item.code)
        self.item = item


class ReadField(forms.Field):
    """A form field whose value is what ``read`` makes of the text."""

    def __init__(self, *, read: Read, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self.read(value)
        except UnknownName as error:
            raise Refused(describe_unknown_name(error)) from error
        except (BadTime, BadNumber) as error:
            raise Refused(ErrorItem(error.code, str(error), value=show(value))) from error


class OneOfField(forms.Field):
    """A form field for one of a fixed list of codes."""

    def __init__(self, *, choices: Sequence[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = [code for code, _label in choices]

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        if value not in self.known:
            raise Refused(describe_bad_choice("", value, self.known))
        return value


class PlainFilter(django_filters.Filter):  # type: ignore[misc]  # as above
    """Compares for equality, where no other look-up is named: django-filter lets a project's settings choose that."""

    def __init__(self, *, lookup_expr: str = "exact", **kwargs: Any) -> None:
        super().__init__(lookup_expr=lookup_expr, **kwargs)


class ReadFilter(PlainFilter):
    """Compares with what ``read`` makes of the parameter."""

    field_class = ReadField


class OneOfFilter(PlainFilter):
    """Compares with one of ``choices``."""

    field_class = OneOfField


class ExactFilter(ReadFilter):
    """Compares texts byte by byte with one of those that ``read`` returns, also where the collation would not."""

    def filter(self, qs: QuerySet[Any], value: Sequence[str] | None) -> QuerySet[Any]:
        if value is None:
            return qs
        rows: QuerySet[Any] = qs.filter(**{f"{self.field_name}__in": value})
        if connections[rows.db].vendor != "mysql":
            return rows
        # MariaDB's usual collations ignore case and trailing spaces. The plain comparison stays, for its index.
        name = f"exact_{self.field_name}"
        exact: QuerySet[Any] = rows.alias(**{name: Binary(F(self.field_name))}).filter(**{f"{name}__in": value})
        return exact


class PrefixFilter(ReadFilter):
    """Compares the beginning of texts with what ``read`` returns, letter by letter on every database."""

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        if value is None:
            return qs
        return starting_with(qs, self.field_name, value)


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # as above
    """A filter set that says what is wrong with its parameters in the API's shape."""

    def find_errors(self) -> list[ErrorItem]:
        """Return what is wrong with the values."""
        return [
            replace(error.item, field=name) if isinstance(error, Refused) else ErrorItem("invalid", str(error), name)
            for name, errors in self.form.errors.as_data().items()
            for error in errors
        ]


class StrictFilterBackend(django_filters.DjangoFilterBackend):  # type: ignore[misc]  # as above
    """Checks every parameter, those of the page too, so that one answer names all that is wrong."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        given = request.query_params
        filterset = self.get_filterset(request, queryset, view)
        known = [] if filterset is None else list(filterset.filters)
        errors = parameters.find_errors(given, (*known, *view.shape.parameters))
        spoilt = {error.field for error in errors}
        values = [] if filterset is None else filterset.find_errors()
        values += view.shape.find_errors(given.dict())
        errors += [error for error in values if error.field not in spoilt]
        if errors:
            raise InvalidInput(errors)
        view.narrowed_by = filterset
        narrowed: QuerySet[Any] = queryset if filterset is None else filterset.qs
        return narrowed
