"""Fields that behave the same in every project, and say in the API's own words what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NoReturn

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from django_cors_guard.api.errors import MAX_ECHO, ErrorItem, describe_problem, describe_unknown_name, show
from django_cors_guard.api.times import BadTime, format_time, parse_time
from django_cors_guard.core.lifetimes import parse_lifetime
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.exceptions import UnknownName

#: The code of an error that the field describes itself, through ``describe``.
DESCRIBED: Final = "described"


def refuse(text: str = DESCRIBED) -> NoReturn:
    """Raise what makes the serializer ask the field for its own description."""
    raise ValidationError(text, code=DESCRIBED)


class TimeField(serializers.DateTimeField):
    """A moment: ISO 8601 with a zone on the way in, in UTC on the way out."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_time(value if isinstance(value, str) else "")
        except BadTime:
            refuse()

    def to_representation(self, value: datetime) -> str:
        return format_time(value)

    def describe(self, path: str, value: Any) -> list[ErrorItem]:
        """Return what is wrong with ``value``."""
        try:
            parse_time(value if isinstance(value, str) else "")
        except BadTime as error:
            return [ErrorItem(error.code, str(error), path, show(value))]
        return []


class CodeField(serializers.CharField):
    """One of a fixed list of codes on the way out; ``name`` is what the schema calls the list.

    Whatever is stored comes through: a code of another version must not break the page that shows it.
    """

    def __init__(self, *, name: str, codes: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.codes = tuple(dict.fromkeys(str(code) for code in codes))


class TextField(serializers.CharField):
    """A text: numbers are none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OriginField(TextField):
    """An origin as somebody typed it. It stays so: what is mended is shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, trim_whitespace=False)

    def run_validation(self, data: Any = empty) -> Any:
        if data == "":
            # The parser has better words for it.
            refuse()
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if parse_origin(text).origin is None:
            refuse()
        return text

    def describe(self, path: str, value: Any) -> list[ErrorItem]:
        """Return everything that is wrong with ``value``."""
        return [describe_problem(problem, path) for problem in parse_origin(value).problems]


class LifetimeField(TextField):
    """A span of time, such as ``14d``; the value is the span."""

    def to_internal_value(self, data: Any) -> Any:
        return parse_lifetime(super().to_internal_value(data)) or refuse()

    def describe(self, path: str, value: Any) -> list[ErrorItem]:
        """Return that it is none."""
        text = _("“%(text)s” is no span of time. Write 14d, 12h or 30m.") % {"text": str(value)[:MAX_ECHO]}
        return [ErrorItem("invalid_lifetime", text, path, show(value))]


class NameField(TextField):
    """The slug of something that exists; the value is the thing."""

    def __init__(self, *, find: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.find = find

    def to_internal_value(self, data: Any) -> Any:
        try:
            return self.find(super().to_internal_value(data))
        except UnknownName:
            refuse()

    def describe(self, path: str, value: Any) -> list[ErrorItem]:
        """Return that nothing goes by that name, and what does."""
        try:
            self.find(str(value).strip())
        except UnknownName as error:
            return [describe_unknown_name(error, path)]
        return []
