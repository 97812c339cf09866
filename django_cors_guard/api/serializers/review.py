"""One grant as the access review has it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import DueField, ReviewStatusField, UnsureField
from django_cors_guard.api.serializers.fields import TimeField
from django_cors_guard.services import GrantReview
from django_cors_guard.services.reviewing.sheets import COLUMNS, as_values


class ReviewSerializer(serializers.Serializer[Any]):
    """A grant, all of it as of the moment that was asked for.

    ``unsure`` says what could not be made out; what it names is blank or null, but for the details of front ends, which
    are those of today. ``id`` is null where the grant was deleted since. Owner, contact, use and reason are left out
    for users who may not see front ends, usage and changes.
    """

    id = serializers.IntegerField(allow_null=True)
    environment = serializers.CharField()
    api_group = serializers.CharField()
    origin = serializers.CharField()
    unicode = serializers.CharField()
    status = ReviewStatusField()
    due = serializers.ListField(child=DueField())
    front_end = serializers.CharField()
    front_end_name = serializers.CharField(required=False)
    owner = serializers.CharField(required=False)
    contact = serializers.CharField(required=False)
    external = serializers.BooleanField(allow_null=True, required=False)
    review_by = serializers.DateField(allow_null=True, format="iso-8601", required=False)
    note = serializers.CharField()
    reason = serializers.CharField(required=False)
    trusted_at = TimeField(allow_null=True)
    trusted_by = serializers.CharField()
    reinstated_at = TimeField(allow_null=True, required=False)
    reinstated_by = serializers.CharField(required=False)
    age_days = serializers.IntegerField(allow_null=True)
    expires_at = TimeField(allow_null=True)
    revoked_at = TimeField(allow_null=True)
    revoked_by = serializers.CharField()
    revoke_reason = serializers.CharField()
    last_used = TimeField(allow_null=True, required=False)
    uses = serializers.IntegerField(allow_null=True, required=False)
    reviewed_at = TimeField(allow_null=True)
    reviewed_by = serializers.CharField()
    changed_since_review = serializers.BooleanField()
    managed_by = serializers.CharField()
    unsure = serializers.ListField(child=UnsureField())

    def to_representation(self, instance: GrantReview) -> dict[str, Any]:
        columns = self.context.get("columns", COLUMNS)
        values: dict[str, Any] = super().to_representation(as_values(instance))
        return {name: values[name] for name in columns}
