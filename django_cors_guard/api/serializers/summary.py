"""What the audit log adds up to, as the API gives it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from django_cors_guard.api.serializers.codes import IntervalField, RefusalField
from django_cors_guard.api.serializers.fields import TimeField
from django_cors_guard.wording import word_reason


class OverflowSerializer(serializers.Serializer[Any]):
    """What the bounds of the audit left of ``count`` refusals: how many there were, of which reason, in which group."""

    count = serializers.IntegerField()
    rows = serializers.IntegerField()
    text = serializers.SerializerMethodField()

    def get_text(self, overflow: Any) -> str:
        """Return what it means."""
        if not overflow["count"]:
            return _("Nothing exceeded the bounds of the audit: every refusal is counted under its origin and path.")
        text = _(
            "%(count)d refusals exceeded the bounds of the audit. Their origins and paths were not kept, so “origins” "
            "and “paths” do not count them; everything else does."
        )
        return text % {"count": overflow["count"]}


class OriginCountSerializer(serializers.Serializer[Any]):
    """One origin: when it was first and last refused, by the rollups of the window."""

    origin = serializers.CharField()
    count = serializers.IntegerField(source="total")
    first_seen = TimeField(source="first")
    last_seen = TimeField(source="last")


class ReasonCountSerializer(serializers.Serializer[Any]):
    """One reason."""

    reason = RefusalField()
    reason_text = serializers.SerializerMethodField()
    count = serializers.IntegerField(source="total")

    def get_reason_text(self, found: Any) -> str:
        """Return what the reason code means."""
        return word_reason(found["reason"])


class GroupCountSerializer(serializers.Serializer[Any]):
    """One API group in one environment."""

    environment = serializers.CharField()
    api_group = serializers.CharField()
    count = serializers.IntegerField(source="total")


class PathCountSerializer(serializers.Serializer[Any]):
    """One path."""

    path = serializers.CharField()
    count = serializers.IntegerField(source="total")


class IntervalCountSerializer(serializers.Serializer[Any]):
    """One interval of the time series; ``overflow`` is the part of ``count`` that exceeded the bounds."""

    start = TimeField()
    count = serializers.IntegerField(source="total")
    overflow = serializers.SerializerMethodField()

    def get_overflow(self, bucket: Any) -> int:
        """Return how many of them overflow rows hold."""
        return bucket["swallowed"] or 0


class SummarySerializer(serializers.Serializer[Any]):
    """The window that was looked at (``since`` is null for all that is kept), and what was refused in it.

    Lists hold the most frequent first. The series has every interval of the window, in UTC; a rollup counts where it
    was last seen.
    """

    since = TimeField(allow_null=True)
    until = TimeField()
    total = serializers.IntegerField()
    overflow = OverflowSerializer()
    origins = OriginCountSerializer(many=True)
    reasons = ReasonCountSerializer(many=True)
    groups = GroupCountSerializer(many=True)
    paths = PathCountSerializer(many=True)
    interval = IntervalField()
    series = IntervalCountSerializer(many=True)
