"""What trusted origins did, as the API gives it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import StatusField
from django_cors_guard.api.serializers.fields import TimeField


class MethodUsageSerializer(serializers.Serializer[Any]):
    """What was done with one method."""

    method = serializers.CharField()
    count = serializers.IntegerField()
    first_seen = TimeField()
    last_seen = TimeField()


class UsageSerializer(serializers.Serializer[Any]):
    """One grant and the requests that it let in, in the window; ``first_seen`` and ``last_seen`` are null without any.

    It shows use and proves none: anyone with curl can add to it.
    """

    trusted_origin = serializers.IntegerField()
    environment = serializers.CharField()
    api_group = serializers.CharField()
    origin = serializers.CharField()
    unicode = serializers.CharField()
    status = StatusField()
    front_end = serializers.CharField(allow_null=True)
    created_at = TimeField()
    count = serializers.IntegerField()
    first_seen = TimeField(allow_null=True)
    last_seen = TimeField(allow_null=True)
    methods = MethodUsageSerializer(many=True)
