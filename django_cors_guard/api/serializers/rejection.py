"""Rejections as the audit API gives them."""

from __future__ import annotations

from typing import Any, Final

from django.db import models
from rest_framework import serializers

from django_cors_guard.api.serializers.codes import AnyModeField, KindField, RefusalField
from django_cors_guard.api.serializers.fields import TimeField
from django_cors_guard.models import Rejection
from django_cors_guard.wording import word_reason

#: Fields about a person; left out for readers without ``view_rejection_pii``.
PII_FIELDS: Final = ("client_ip", "user_agent")


class RejectionSerializer(serializers.ModelSerializer[Rejection]):
    """One rollup: ``count`` refusals of one kind between ``first_seen`` and ``last_seen``.

    A row with ``overflow`` sums up what exceeded the bounds of the audit: its origin, path and method are blank. A
    rejection proves only that somebody sent those bytes. With ``pii`` in the context the client is described, too.
    """

    mode = AnyModeField()
    reason = RefusalField()
    kind = KindField()
    reason_text = serializers.SerializerMethodField()
    client_ip = serializers.CharField(required=False)
    user_agent = serializers.CharField(required=False)

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {models.DateTimeField: TimeField}

    class Meta:
        model = Rejection
        fields = (
            "id",
            "environment",
            "api_group",
            "mode",
            "origin",
            "reason",
            "reason_text",
            "kind",
            "method",
            "path",
            "count",
            "first_seen",
            "last_seen",
            "overflow",
            *PII_FIELDS,
        )
        read_only_fields = fields

    def to_representation(self, rejection: Rejection) -> dict[str, Any]:
        found: dict[str, Any] = super().to_representation(rejection)
        if not self.context.get("pii"):
            for name in PII_FIELDS:
                del found[name]
        return found

    def get_reason_text(self, rejection: Rejection) -> str:
        """Return what the reason code means."""
        return word_reason(rejection.reason)
