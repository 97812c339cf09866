"""Issuing and withdrawing by the origin itself: what CI sends and gets.

Names are plain text here: an account without permissions must not learn from a refusal which ones exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.body import BodySerializer
from django_cors_guard.api.serializers.codes import OutcomeOfGrantField, StatusField
from django_cors_guard.api.serializers.fields import LifetimeField, OriginField, TextField, TimeField
from django_cors_guard.api.serializers.trusted_origin import MAX_NAMES, MAX_NOTE
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Issued, Outcome, Receipt


class IssueSerializer(BodySerializer):
    """What to trust and until when. Places are those of the account's issuer where they are left out."""

    origin = OriginField()
    environment = TextField(required=False, allow_null=True, default=None)
    api_groups = serializers.ListField(
        child=TextField(), required=False, allow_null=True, allow_empty=False, max_length=MAX_NAMES, default=None
    )
    ttl = LifetimeField(required=False, allow_null=True, default=None)
    expires_at = TimeField(required=False, allow_null=True, default=None)
    note = TextField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")
    front_end = TextField(required=False, allow_null=True, default=None)


class WithdrawSerializer(BodySerializer):
    """Which origin, and where, if not everywhere that the account may."""

    origin = OriginField()
    environment = TextField(required=False, allow_null=True, default=None)
    api_group = TextField(required=False, allow_null=True, default=None)
    reason = TextField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")
    revoke = serializers.BooleanField(required=False, default=False)


@dataclass(frozen=True, slots=True)
class GrantAnswer:
    """One grant as far as whoever asked is told of it."""

    environment: str
    api_group: str
    outcome: str
    status: str
    expires_at: datetime | None
    own: bool

    @classmethod
    def of(cls, grant: TrustedOrigin, outcome: Outcome, *, own: bool) -> GrantAnswer:
        """Tell of ``grant``."""
        places = (grant.environment.slug, grant.api_group.slug)
        return cls(*places, outcome.value, grant.status().value, grant.expires_at, own)


@dataclass(frozen=True, slots=True)
class ByOriginAnswer:
    """What was done for one origin."""

    origin: str
    issuer: str | None
    grants: tuple[GrantAnswer, ...]

    @classmethod
    def of_issued(cls, issued: Issued) -> ByOriginAnswer:
        """Tell what an issuer did."""
        grants = (GrantAnswer.of(item.grant, item.outcome, own=item.is_own) for item in issued.touched)
        return cls(issued.origin, issued.issuer.slug, tuple(grants))

    @classmethod
    def of_receipt(cls, receipt: Receipt) -> ByOriginAnswer:
        """Tell what a revocation by an operator did."""
        return cls(receipt.origin, None, tuple(_list_closed(receipt)))

    @property
    def is_new(self) -> bool:
        """Whether the origin came to be trusted by it, somewhere."""
        return any(grant.outcome == Outcome.ISSUED for grant in self.grants)


def _list_closed(receipt: Receipt) -> Iterator[GrantAnswer]:
    for place in receipt.closed:
        yield GrantAnswer(
            place.environment, place.api_group, Outcome.REVOKED.value, Status.REVOKED.value, None, own=True
        )


class GrantAnswerSerializer(serializers.Serializer[Any]):
    """One grant: what became of it, what it is worth now, and whether it is the account's own to end."""

    environment = serializers.CharField()
    api_group = serializers.CharField()
    outcome = OutcomeOfGrantField()
    status = StatusField()
    expires_at = TimeField(allow_null=True)
    own = serializers.BooleanField()


class ByOriginSerializer(serializers.Serializer[Any]):
    """What was done for one origin, as it is stored; ``issuer`` is null where an operator's permissions were used.

    ``grants`` are those that were changed or are in force all the same.
    """

    origin = serializers.CharField()
    issuer = serializers.CharField(allow_null=True)
    grants = GrantAnswerSerializer(many=True)
