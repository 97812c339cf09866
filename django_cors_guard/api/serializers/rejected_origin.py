"""Cards of rejected origins, and what it takes to settle one."""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers

from django_cors_guard.api import times
from django_cors_guard.api.serializers.body import BodySerializer
from django_cors_guard.api.serializers.codes import CardStatusField, RefusalField
from django_cors_guard.api.serializers.fields import NameField, TextField, TimeField
from django_cors_guard.api.serializers.trusted_origin import MAX_NOTE
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import RejectedOrigin
from django_cors_guard.models.write import label_of
from django_cors_guard.services import find_front_end
from django_cors_guard.wording import word_reason


class DayCountSerializer(serializers.Serializer[Any]):
    """One day, in UTC."""

    day = serializers.DateField(format="iso-8601")
    count = serializers.IntegerField()


class TrendSerializer(serializers.ListSerializer[Any]):
    """The days of a card, oldest first."""

    def get_attribute(self, instance: RejectedOrigin) -> Any:
        return [{"day": day, "count": count} for day, count in instance.trend(times.now().date())]


class RejectedOriginSerializer(serializers.ModelSerializer[RejectedOrigin]):
    """One card: what was refused to one origin in one API group and environment since ``first_seen``.

    ``status_by`` and ``status_at`` say who ignored or trusted it or took it back to new, and when; of a card that is
    new by itself, nothing. ``trend`` is the last seven days, of UTC. A card proves only that somebody sent those bytes.
    """

    unicode = serializers.SerializerMethodField()
    status = CardStatusField()
    status_by = serializers.SerializerMethodField()
    status_at = TimeField(allow_null=True, read_only=True)
    reason = RefusalField(source="last_reason")
    reason_text = serializers.SerializerMethodField()
    trend = TrendSerializer(child=DayCountSerializer())

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {models.DateTimeField: TimeField}

    class Meta:
        model = RejectedOrigin
        fields = (
            "id",
            "environment",
            "api_group",
            "origin",
            "unicode",
            "status",
            "status_by",
            "status_at",
            "count",
            "first_seen",
            "last_seen",
            "reason",
            "reason_text",
            "trend",
        )
        read_only_fields = fields

    def get_unicode(self, card: RejectedOrigin) -> str:
        """Return the origin with its international names spelt out."""
        parsed = parse_canonical(card.origin)
        return parsed.unicode if parsed is not None else card.origin

    def get_status_by(self, card: RejectedOrigin) -> str:
        """Return the user's name; blank for the system, for users who are gone, and where nobody did it."""
        return label_of(card.status_by)

    def get_reason_text(self, card: RejectedOrigin) -> str:
        """Return what the reason code means."""
        return word_reason(card.last_reason)


class TrustCardSerializer(BodySerializer):
    """What is to be said of the grant, and until when it lasts; origin and place are the card's."""

    note = TextField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")
    expires_at = TimeField(required=False, allow_null=True, default=None)
    front_end = NameField(find=find_front_end, required=False, allow_null=True, default=None)


class EmptySerializer(BodySerializer):
    """Nothing but an empty object: the card says it all."""
