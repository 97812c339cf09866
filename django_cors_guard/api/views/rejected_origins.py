"""Rejected origins: the cards that rejections add up to, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.filtersets import RejectedOriginFilterSet
from django_cors_guard.api.permissions import ADD_ORIGINS, CHANGE_CARDS, VIEW_CARDS
from django_cors_guard.api.serializers.body import read_body
from django_cors_guard.api.serializers.rejected_origin import (
    EmptySerializer,
    RejectedOriginSerializer,
    TrustCardSerializer,
)
from django_cors_guard.api.serializers.trusted_origin import GrantedSerializer
from django_cors_guard.api.views.base import GuardViewSet, actor_of, read_id
from django_cors_guard.api.views.trusting import answer_trust, preview_one
from django_cors_guard.models import PolicyState, RejectedOrigin, writing
from django_cors_guard.models.revision import Source


class RejectedOriginViewSet(GuardViewSet):
    """Cards, newest first."""

    permissions = {
        "list": (VIEW_CARDS,),
        "retrieve": (VIEW_CARDS,),
        "trust": (VIEW_CARDS, ADD_ORIGINS),
        "ignore": (VIEW_CARDS, CHANGE_CARDS),
        "reopen": (VIEW_CARDS, CHANGE_CARDS),
    }
    bodies = {"trust": TrustCardSerializer, "ignore": EmptySerializer, "reopen": EmptySerializer}
    answers = {"trust": {HTTPStatus.CREATED: GrantedSerializer, HTTPStatus.OK: GrantedSerializer}}
    conflicting = frozenset({"trust"})
    filterset_class = RejectedOriginFilterSet
    serializer_class = RejectedOriginSerializer

    def get_queryset(self) -> QuerySet[RejectedOrigin]:
        # The write database, as for grants: the status is the operator's own doing.
        return RejectedOrigin.objects.using(router.db_for_write(PolicyState)).select_related("status_by")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page of what the filters leave."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._represent(rows))

    def retrieve(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Return one card."""
        return self._answer(pk)

    def trust(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Trust the card's origin where it was refused: 201 for a new grant, 200 where it stood already."""
        card = self._find(pk)
        wanted = read_body(TrustCardSerializer, request)
        environment = services.find_environment(card.environment)
        group = services.find_api_group(card.api_group)
        services.check_protected(actor_of(request), [environment])
        services.check_card_origin(card.origin)
        preview = preview_one(card.origin, environment, group, wanted["expires_at"])
        with writing(Source.API):
            grant = services.trust_card(card, **wanted, actor=actor_of(request))
        return answer_trust(grant, preview)

    def ignore(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Set the card aside; it goes on counting."""
        card = self._find(pk)
        read_body(EmptySerializer, request)
        services.ignore(card, actor=actor_of(request))
        return self._answer(pk)

    def reopen(self, request: Request, pk: str, *args: Any, **kwargs: Any) -> Response:
        """Take the card back to *new* from where it was set aside."""
        card = self._find(pk)
        read_body(EmptySerializer, request)
        services.reopen(card, actor=actor_of(request))
        return self._answer(pk)

    def _answer(self, pk: str) -> Response:
        return Response(self._represent([self._find(pk)])[0])

    def _represent(self, cards: Sequence[RejectedOrigin]) -> Any:
        return RejectedOriginSerializer(cards, many=True, context=self.get_serializer_context()).data

    def _find(self, pk: str) -> RejectedOrigin:
        card = self.get_queryset().filter(pk=read_id(pk)).first()
        if card is None:
            raise NotFound(_("There is no rejected origin by that id; it may have been pruned."))
        return card
