"""Bodies of requests, strictly: everything that is wrong with one comes in one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from django_cors_guard.api.errors import MAX_ITEMS, ErrorItem, InvalidInput, describe_unknown_key, show
from django_cors_guard.api.serializers.fields import DESCRIBED


class BodySerializer(serializers.Serializer[Any]):
    """A JSON object with exactly these fields."""

    def find_errors(self) -> list[ErrorItem]:
        """Return everything that is wrong: unknown fields first, then the values."""
        given: Mapping[str, Any] = self.initial_data
        known = list(self.fields)
        unknown = [name for name in given if name not in known][:MAX_ITEMS]
        errors = [describe_unknown_key("unknown_field", name, known) for name in unknown]
        if not self.is_valid():
            for name, details in self.errors.items():
                errors += _describe(self.fields[name], name, given.get(name), details)
        return errors


def read_body(serializer_class: type[BodySerializer], request: Request) -> dict[str, Any]:
    """Return the validated body of ``request``; raises InvalidInput with all that is wrong."""
    if not isinstance(request.data, Mapping):
        raise InvalidInput([ErrorItem("invalid", _("Send a JSON object."))])
    return read_values(serializer_class, request.data)


def read_values(serializer_class: type[BodySerializer], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``given``, validated; raises InvalidInput with all that is wrong."""
    serializer = serializer_class(data=given)
    errors = serializer.find_errors()
    if errors:
        raise InvalidInput(errors)
    found: dict[str, Any] = serializer.validated_data
    return found


def _describe(field: Any, path: str, value: Any, details: Any) -> Iterator[ErrorItem]:
    if isinstance(details, Mapping):
        # The errors of a list's elements, by index.
        for index, below in details.items():
            yield from _describe(field.child, f"{path}.{index}", value[index], below)
        return
    for detail in details:
        if detail.code == DESCRIBED:
            yield from field.describe(path, value)
        else:
            yield ErrorItem(detail.code, str(detail), path, show(value))
