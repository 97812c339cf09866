"""Grants over HTTP: list, trust, revoke, reinstate, mark as reviewed. Every write goes through the services."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.filtersets import TrustedOriginFilterSet, find_keep
from django_cors_guard.api.permissions import ADD_ORIGINS, CHANGE_ORIGINS, VIEW_ORIGINS
from django_cors_guard.api.serializers.body import read_body
from django_cors_guard.api.serializers.trusted_origin import (
    GrantedSerializer,
    ReasonSerializer,
    ReceiptSerializer,
    RevokeOriginSerializer,
    TrustedOriginSerializer,
    TrustSerializer,
)
from django_cors_guard.api.views.base import GuardViewSet, actor_of, read_id
from django_cors_guard.api.views.trusting import answer_trust, grants, preview_one
from django_cors_guard.models import TrustedOrigin, writing
from django_cors_guard.models.revision import Source


class TrustedOriginViewSet(GuardViewSet):
    """Grants, newest first."""

    permissions = {
        "list": (VIEW_ORIGINS,),
        "retrieve": (VIEW_ORIGINS,),
        "create": (ADD_ORIGINS,),
        "revoke": (CHANGE_ORIGINS,),
        "reinstate": (CHANGE_ORIGINS,),
        "review": (CHANGE_ORIGINS,),
        "revoke_origin": (CHANGE_ORIGINS,),
    }
    bodies = {
        "create": TrustSerializer,
        "revoke": ReasonSerializer,
        "reinstate": ReasonSerializer,
        "review": ReasonSerializer,
        "revoke_origin": RevokeOriginSerializer,
    }
    answers = {
        "create": {HTTPStatus.CREATED: GrantedSerializer, HTTPStatus.OK: GrantedSerializer},
        "revoke_origin": {HTTPStatus.OK: ReceiptSerializer},
    }
    conflicting = frozenset({"create"})
    filterset_class = TrustedOriginFilterSet
    serializer_class = TrustedOriginSerializer

    def get_queryset(self) -> QuerySet[TrustedOrigin]:
        return grants()

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
        preview = preview_one(wanted["origin"], wanted["environment"], wanted["api_group"], wanted["expires_at"])
        with writing(Source.API):
            grant = services.trust(**wanted, actor=actor_of(request))
        return answer_trust(grant, preview)

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

    def review(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Say that somebody has looked at the grant and that it may stay, for a reason."""
        grant = self._find(pk)
        wanted = read_body(ReasonSerializer, request)
        with writing(Source.API):
            services.review([grant], actor=actor_of(request), reason=wanted["reason"])
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
