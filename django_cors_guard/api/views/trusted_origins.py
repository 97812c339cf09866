"""Grants over HTTP: list, trust, revoke, reinstate. Every write goes through the services."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.filters import TrustedOriginFilterSet, find_keep
from django_cors_guard.api.permissions import ADD_ORIGINS, CHANGE_ORIGINS, VIEW_ORIGINS
from django_cors_guard.api.serializers.body import read_body
from django_cors_guard.api.serializers.trusted_origin import (
    ReasonSerializer,
    ReceiptSerializer,
    RevokeOriginSerializer,
    TrustedOriginSerializer,
    TrustSerializer,
    represent_mend,
    represent_risk,
)
from django_cors_guard.api.views.base import GuardViewSet, actor_of, read_id
from django_cors_guard.exceptions import RefusedOrigin
from django_cors_guard.models import PolicyState, TrustedOrigin, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status


class TrustedOriginViewSet(GuardViewSet):
    """Grants, newest first."""

    permissions = {
        "list": (VIEW_ORIGINS,),
        "retrieve": (VIEW_ORIGINS,),
        "create": (ADD_ORIGINS,),
        "revoke": (CHANGE_ORIGINS,),
        "reinstate": (CHANGE_ORIGINS,),
        "revoke_origin": (CHANGE_ORIGINS,),
    }
    filterset_class = TrustedOriginFilterSet
    serializer_class = TrustedOriginSerializer

    def get_queryset(self) -> QuerySet[TrustedOrigin]:
        # The write database: whoever has just revoked must not read that it is still open.
        rows = TrustedOrigin.objects.using(router.db_for_write(PolicyState))
        found: QuerySet[TrustedOrigin] = rows.select_related(
            "environment", "api_group", "front_end", "created_by", "revoked_by"
        )
        return found

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of what the filters leave."""
        narrowed = self.filter_queryset(self.get_queryset())
        keep = find_keep(request.query_params.get("status"))
        rows = self.pager.paginate_queryset(narrowed, request, view=self, keep=keep)
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def retrieve(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Return one grant."""
        return Response(self.get_serializer(self._find(pk)).data)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Trust an origin: 201 for a new grant, 200 where it stood already."""
        wanted = read_body(TrustSerializer, request)
        services.check_protected(actor_of(request), [wanted["environment"]])
        preview = _preview(wanted)
        with writing(Source.API):
            grant = services.trust(**wanted, actor=actor_of(request))
        data = {
            **self.get_serializer(self._find(str(grant.pk))).data,
            "mended": [represent_mend(mend) for mend in preview.mended],
            "risks": [represent_risk(risk) for risk in preview.risks],
        }
        return Response(data, status=status.HTTP_200_OK if preview.existing else status.HTTP_201_CREATED)

    def revoke(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Close one grant, for a reason."""
        grant = self._find(pk)
        wanted = read_body(ReasonSerializer, request)
        with writing(Source.API):
            services.revoke(grant, actor=actor_of(request), reason=wanted["reason"])
        return Response(self.get_serializer(self._find(pk)).data)

    def reinstate(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Undo a revocation, for a reason."""
        grant = self._find(pk)
        wanted = read_body(ReasonSerializer, request)
        with writing(Source.API):
            services.reinstate(grant, actor=actor_of(request), reason=wanted["reason"])
        return Response(self.get_serializer(self._find(pk)).data)

    def revoke_origin(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Close every grant of an origin in the named places, or everywhere, and return the receipt."""
        wanted = read_body(RevokeOriginSerializer, request)
        with writing(Source.API):
            receipt = services.revoke_origin(**wanted, actor=actor_of(request))
        return Response(ReceiptSerializer(receipt).data)

    def _find(self, pk: str) -> TrustedOrigin:
        grant = self.get_queryset().filter(pk=read_id(pk)).first()
        if grant is None:
            raise NotFound(_("There is no trusted origin by that id."))
        return grant


def _preview(wanted: dict[str, Any]) -> services.Preview:
    """Return what trusting it would mean; raises RefusedOrigin with everything that stands against it."""
    (preview,) = services.preview_trust(
        [wanted["origin"]],
        environments=[wanted["environment"]],
        api_groups=[wanted["api_group"]],
        expires_at=wanted["expires_at"],
    )
    # That it was revoked is the service's to say: who did, and when.
    if preview.problems and preview.existing != Status.REVOKED:
        raise RefusedOrigin(wanted["origin"], preview.problems)
    return preview
