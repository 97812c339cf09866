"""The shape of every error, for the schema; ``handler`` writes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class ErrorItemSerializer(serializers.Serializer[Any]):
    """One error: a stable code, the parameter or the path in the body, a sentence; and, where there is, the value.

    ``known`` lists what could stand there instead.
    """

    code = serializers.CharField()
    field = serializers.CharField(allow_blank=True)
    text = serializers.CharField()
    value = serializers.CharField(required=False, allow_blank=True)
    known = serializers.ListField(child=serializers.CharField(), required=False)


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem with the list of its parts."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = ErrorItemSerializer(many=True)  # type: ignore[assignment]  # a field of that name; serializers collect them
