"""What trusting one origin has in common, from its own address and from a card."""

from __future__ import annotations

from datetime import datetime

from django.db import router
from rest_framework import status
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.serializers.trusted_origin import GrantedSerializer
from django_cors_guard.exceptions import RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, TrustedOriginQuerySet


def grants() -> TrustedOriginQuerySet:
    """Return the grants with all that is shown of them.

    From the write database: whoever has just revoked must not read that it is still open.
    """
    rows = TrustedOrigin.objects.using(router.db_for_write(PolicyState))
    found: TrustedOriginQuerySet = rows.select_related(
        "environment", "api_group", "front_end", "created_by", "revoked_by", "reviewed_by"
    )
    return found


def preview_one(
    origin: str, environment: Environment, api_group: ApiGroup, expires_at: datetime | None
) -> services.Preview:
    """Return what trusting it would mean; raises RefusedOrigin with everything that stands against it."""
    (preview,) = services.preview_trust(
        [origin], environments=[environment], api_groups=[api_group], expires_at=expires_at
    )
    # That it was revoked is the service's to say: who did, and when.
    if preview.problems and preview.existing != Status.REVOKED:
        raise RefusedOrigin(origin, preview.problems)
    return preview


def answer_trust(grant: TrustedOrigin, preview: services.Preview) -> Response:
    """Return the grant, what was mended in what was typed, and what may go wrong; 200 where it stood already."""
    data = GrantedSerializer(grants().get(pk=grant.pk), context={"preview": preview}).data
    return Response(data, status=status.HTTP_200_OK if preview.existing else status.HTTP_201_CREATED)
