"""The story of the policy, as the API gives it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import SourceField
from django_cors_guard.api.serializers.fields import TimeField
from django_cors_guard.models import PolicyChange
from django_cors_guard.wording import word_action


class PolicyChangeSerializer(serializers.Serializer[PolicyChange]):
    """One change. ``actor`` is the name that the user had then, blank for the system.

    ``before`` and ``after`` are the row's own fields, null where there was none; a bulk write leaves one summary.
    """

    id = serializers.IntegerField()
    revision = serializers.IntegerField()
    at = TimeField()
    actor = serializers.CharField(source="actor_label")
    source = SourceField()  # type: ignore[assignment]  # a field of that name; serializers collect them
    batch = serializers.CharField()
    action = serializers.CharField()
    action_text = serializers.SerializerMethodField()
    target = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    reason = serializers.CharField()

    def get_action_text(self, change: Any) -> str:
        """Return what the action means."""
        return word_action(change.action)
