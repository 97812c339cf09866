"""Grants: as the API gives them, and what it takes to trust, revoke and reinstate."""

from __future__ import annotations

from typing import Any, Final

from django.db import models
from rest_framework import serializers

from django_cors_guard.api.serializers.body import BodySerializer
from django_cors_guard.api.serializers.fields import NameField, OriginField, TextField, TimeField
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.core.problems import Mend, Problem
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.write import label_of
from django_cors_guard.services import find_api_group, find_environment, find_front_end
from django_cors_guard.wording import RECEIPT_LIMITS, word_mend, word_problem, word_risk

MAX_NOTE: Final = 4000
MAX_NAMES: Final = 100


class TrustedOriginSerializer(serializers.ModelSerializer[TrustedOrigin]):
    """One grant. ``unicode`` is the origin as an address bar may show it; ``faults`` are the safety rules it breaks."""

    environment = serializers.CharField(source="environment.slug")
    api_group = serializers.CharField(source="api_group.slug")
    front_end = serializers.SerializerMethodField()
    unicode = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    faults = serializers.SerializerMethodField()
    created_by = serializers.SerializerMethodField()
    revoked_by = serializers.SerializerMethodField()
    reviewed_by = serializers.SerializerMethodField()

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {models.DateTimeField: TimeField}

    class Meta:
        model = TrustedOrigin
        fields: tuple[str, ...] = (
            "id",
            "environment",
            "api_group",
            "origin",
            "unicode",
            "status",
            "faults",
            "front_end",
            "note",
            "created_at",
            "created_by",
            "expires_at",
            "revoked_at",
            "revoked_by",
            "revoke_reason",
            "reviewed_at",
            "reviewed_by",
            "managed_by",
            "revision",
        )
        read_only_fields = fields

    def get_front_end(self, grant: TrustedOrigin) -> str | None:
        """Return the slug of the application behind the origin."""
        return grant.front_end.slug if grant.front_end is not None else None

    def get_unicode(self, grant: TrustedOrigin) -> str:
        """Return the origin with its international names spelt out."""
        parsed = parse_canonical(grant.origin)
        return parsed.unicode if parsed is not None else grant.origin

    def get_status(self, grant: TrustedOrigin) -> str:
        """Return ``active``, ``expired``, ``revoked`` or ``switched_off``."""
        return grant.status().value

    def get_faults(self, grant: TrustedOrigin) -> list[dict[str, str]]:
        """Return the safety rules that the grant breaks now; with any, it lets nobody in."""
        return [{"code": problem.code, "text": word_problem(problem)} for problem in grant.find_faults()]

    def get_created_by(self, grant: TrustedOrigin) -> str:
        """Return the user's name; blank for the system, and for users who are gone."""
        return label_of(grant.created_by)

    def get_revoked_by(self, grant: TrustedOrigin) -> str:
        """Return the user's name; blank as above."""
        return label_of(grant.revoked_by)

    def get_reviewed_by(self, grant: TrustedOrigin) -> str:
        """Return the name of whoever marked it as reviewed last; blank as above."""
        return label_of(grant.reviewed_by)


class MendSerializer(serializers.Serializer[Mend]):
    """One correction of a typed origin."""

    code = serializers.CharField()
    text = serializers.SerializerMethodField()
    before = serializers.CharField()
    after = serializers.CharField()

    def get_text(self, mend: Mend) -> str:
        """Return it in words."""
        return word_mend(mend)


class RiskSerializer(serializers.Serializer[Problem]):
    """One thing that may go wrong with an origin that can be trusted."""

    code = serializers.CharField()
    text = serializers.SerializerMethodField()
    value = serializers.CharField()
    detail = serializers.CharField()

    def get_text(self, risk: Problem) -> str:
        """Return it in words."""
        return word_risk(risk)


class PreviewedSerializer(serializers.ListSerializer[Any]):
    """A list that stands in the preview of a grant, not in the grant."""

    def get_attribute(self, instance: Any) -> Any:
        return getattr(self.context["preview"], str(self.field_name))


class GrantedSerializer(TrustedOriginSerializer):
    """A grant as trusting it is answered: with what was ``mended`` in what was typed, and the ``risks``.

    The preview comes in the context.
    """

    mended = PreviewedSerializer(child=MendSerializer())
    risks = PreviewedSerializer(child=RiskSerializer())

    class Meta(TrustedOriginSerializer.Meta):
        fields = (*TrustedOriginSerializer.Meta.fields, "mended", "risks")
        read_only_fields = fields


class TrustSerializer(BodySerializer):
    """What to trust, where, until when."""

    origin = OriginField()
    environment = NameField(find=find_environment)
    api_group = NameField(find=find_api_group)
    note = TextField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")
    expires_at = TimeField(required=False, allow_null=True, default=None)
    front_end = NameField(find=find_front_end, required=False, allow_null=True, default=None)


class ReasonSerializer(BodySerializer):
    """Why."""

    reason = TextField(max_length=MAX_NOTE)


class RevokeOriginSerializer(BodySerializer):
    """Which origin to revoke, why, and where; places that are left out mean everywhere."""

    origin = OriginField()
    reason = TextField(max_length=MAX_NOTE)
    environments = serializers.ListField(
        child=NameField(find=find_environment),
        required=False,
        allow_null=True,
        allow_empty=False,
        max_length=MAX_NAMES,
        default=None,
    )
    api_groups = serializers.ListField(
        child=NameField(find=find_api_group),
        required=False,
        allow_null=True,
        allow_empty=False,
        max_length=MAX_NAMES,
        default=None,
    )


class PlaceSerializer(serializers.Serializer[Any]):
    """One grant by its names."""

    environment = serializers.CharField()
    api_group = serializers.CharField()
    origin = serializers.CharField()


class ReceiptSerializer(serializers.Serializer[Any]):
    """What a revocation did (``services.Receipt``), and in ``limits`` what no revocation does."""

    origin = serializers.CharField()
    revision = serializers.IntegerField()
    at = TimeField()
    closed = PlaceSerializer(many=True)
    refused = PlaceSerializer(many=True)
    already_revoked = PlaceSerializer(many=True)
    patterns = PlaceSerializer(many=True)
    remaining = PlaceSerializer(many=True)
    open_groups = serializers.ListField(child=serializers.CharField())
    preflights_until = TimeField()
    refresh_seconds = serializers.FloatField()
    limits = serializers.SerializerMethodField()

    def get_limits(self, receipt: Any) -> list[dict[str, str]]:
        """Return who is not affected."""
        return [{"code": code, "text": str(text)} for code, text in RECEIPT_LIMITS.items()]
