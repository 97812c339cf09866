"""How this process stands."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import ModeField


class StatusSerializer(serializers.Serializer[Any]):
    """The process that answered, and whether it is at the revision of the database.

    ``mode`` is the environment's as it applies here (capped by ``max_mode``), null before a policy was loaded.
    ``database_revision`` is null where the database does not answer. Times are in seconds.
    """

    version = serializers.CharField()
    environment = serializers.CharField()
    known_environment = serializers.BooleanField()
    mode = ModeField(allow_null=True)
    max_mode = ModeField()
    revision = serializers.IntegerField()
    database_revision = serializers.IntegerField(allow_null=True)
    is_current = serializers.BooleanField()
    age_seconds = serializers.FloatField(allow_null=True)
    refresh_seconds = serializers.FloatField()
    failures = serializers.IntegerField()
    lapsed = serializers.BooleanField()
    switched_off = serializers.IntegerField()
