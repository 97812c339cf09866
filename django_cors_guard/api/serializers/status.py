"""How this process stands."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import ModeField, ProcessStandingField
from django_cors_guard.api.serializers.fields import TimeField


class ProcessSerializer(serializers.Serializer[Any]):
    """One process, and how it stands to the revision that was asked for.

    ``confirmed``: it decides by that, or by a later one. ``idle``: it has decided nothing of late, and looks before its
    next decision. ``unconfirmed``: it may decide by an earlier one, until ``lapses_at`` at the latest, in ``lapses_in``
    seconds; then it trusts nobody until it is confirmed.
    """

    host = serializers.CharField()
    pid = serializers.IntegerField()
    environment = serializers.CharField()
    revision = serializers.IntegerField()
    standing = ProcessStandingField()
    confirmed_at = TimeField(allow_null=True)
    idle_since = TimeField(allow_null=True)
    started_at = TimeField()
    lapses_at = TimeField()
    lapses_in = serializers.FloatField()


class CountsSerializer(serializers.Serializer[Any]):
    """How many processes stand how; ``unlisted`` of them are not in the list."""

    confirmed = serializers.IntegerField()
    idle = serializers.IntegerField()
    unconfirmed = serializers.IntegerField()
    unlisted = serializers.IntegerField()


class StatusSerializer(serializers.Serializer[Any]):
    """The process that answered, and whether it is at the revision of the database.

    ``mode`` is the environment's as it applies here (capped by ``max_mode``), null before a policy was loaded.
    ``database_revision`` is null where the database does not answer. Times are in seconds.

    The last four are there only if a revision was asked for: where it is out. ``everywhere`` is null, and so are the
    counts and the processes, where the database does not answer.
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
    asked_revision = serializers.IntegerField(required=False)
    everywhere = serializers.BooleanField(required=False, allow_null=True)
    counts = CountsSerializer(required=False, allow_null=True)
    processes = ProcessSerializer(many=True, required=False, allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        found = super().to_representation(instance)
        return {name: value for name, value in found.items() if name in instance}
