"""Issuing and withdrawing by the origin itself, idempotently: for CI, which knows an address and no id.

An account whose issuer has the origin's shape acts by that right alone, whatever permissions it has besides: what it
gives always ends. Everybody else needs the permissions that trusting and revoking take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from django.db import router
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.errors import ErrorItem, InvalidInput, describe_unknown_name
from django_cors_guard.api.permissions import ADD_ORIGINS, CHANGE_ORIGINS, IssuersToo, may
from django_cors_guard.api.serializers.body import read_body, read_values
from django_cors_guard.api.serializers.by_origin import (
    ByOriginAnswer,
    ByOriginSerializer,
    GrantAnswer,
    IssueSerializer,
    WithdrawSerializer,
)
from django_cors_guard.api.views.base import GuardViewSet, actor_of
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.exceptions import InvalidRequest, RevokedOrigin, UnknownName
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyState, TrustedOrigin, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.services import Outcome

_Found = TypeVar("_Found", Environment, ApiGroup, FrontEnd)

_WITHDRAWING: Final = ("origin", "environment", "api_group", "reason", "revoke")


class ByOriginViewSet(GuardViewSet):
    """One origin, named by itself."""

    permissions = {"issue": (ADD_ORIGINS, CHANGE_ORIGINS), "withdraw": (CHANGE_ORIGINS,)}
    permission_classes = (IssuersToo,)
    bodies = {"issue": IssueSerializer, "withdraw": WithdrawSerializer}
    answers = {"issue": {HTTPStatus.CREATED: ByOriginSerializer, HTTPStatus.OK: ByOriginSerializer}}
    conflicting = frozenset({"issue"})
    taking = {"withdraw": _WITHDRAWING}
    serializer_class = ByOriginSerializer

    def issue(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Trust the origin, or move the end of its grants: 201 if it came to be trusted, 200 if it was already."""
        wanted = read_body(IssueSerializer, request)
        give = self._issue if self._is_by_issuer(request, wanted["origin"]) else _trust
        with writing(Source.API):
            found = give(request, wanted)
        return Response(
            ByOriginSerializer(found).data, status=status.HTTP_201_CREATED if found.is_new else status.HTTP_200_OK
        )

    def withdraw(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End the grants of the origin: an account of CI its own, until it issues them again; an operator revokes."""
        wanted = _read_withdrawal(request)
        # To close for good is an operator's word, also from an account that has an issuer besides.
        by_issuer = self._is_by_issuer(request, wanted["origin"]) and not (
            wanted["revoke"] and may(request, CHANGE_ORIGINS)
        )
        take = self._withdraw if by_issuer else _revoke
        with writing(Source.API):
            found = take(request, wanted)
        return Response(ByOriginSerializer(found).data)

    def _is_by_issuer(self, request: Request, origin: str) -> bool:
        """Who has no permission either is told by the services what the account's issuers allow."""
        is_operator = may(request, *self.permissions[str(self.action)])
        return not is_operator or services.is_covered(origin, actor=request.user)

    def _issue(self, request: Request, wanted: Mapping[str, Any]) -> ByOriginAnswer:
        values = dict(wanted)
        if values.pop("front_end") is not None:
            text = _("Leave the front end out: it is the issuer's.")
            raise InvalidInput([ErrorItem("not_yours", text, "front_end")])
        return ByOriginAnswer.of_issued(services.issue(**values, actor=actor_of(request)))

    def _withdraw(self, request: Request, wanted: Mapping[str, Any]) -> ByOriginAnswer:
        values = dict(wanted)
        group = values.pop("api_group")
        groups = [group] if group is not None else None
        return ByOriginAnswer.of_issued(services.withdraw(**values, api_groups=groups, actor=actor_of(request)))


def _read_withdrawal(request: Request) -> dict[str, Any]:
    """Out of the address or the body: proxies and libraries drop the bodies of DELETE."""
    if not request.query_params:
        return read_body(WithdrawSerializer, request)
    if request.data:
        text = _("Say everything either in the address or in the body.")
        raise InvalidInput([ErrorItem("said_twice", text)])
    return read_values(WithdrawSerializer, request.query_params.dict())


def _trust(request: Request, wanted: Mapping[str, Any]) -> ByOriginAnswer:
    missing = [name for name in ("environment", "api_groups") if wanted[name] is None]
    if missing:
        text = _("This field is required: no issuer of this account says what it shall be.")
        raise InvalidInput([ErrorItem("required", text, name) for name in missing])
    environment = _find(services.find_environment, wanted["environment"], "environment")
    groups = [_find(services.find_api_group, slug, "api_groups") for slug in dict.fromkeys(wanted["api_groups"])]
    front_end = wanted["front_end"]
    owner = _find(services.find_front_end, front_end, "front_end") if front_end is not None else None
    before = _read_ends(wanted["origin"], environment, groups)
    granted = services.trust_many(
        [wanted["origin"]],
        environments=[environment],
        api_groups=groups,
        actor=actor_of(request),
        note=wanted["note"],
        expires_at=_read_end(wanted),
        front_end=owner,
    )
    told = tuple(GrantAnswer.of(grant, _outcome_of(grant, before), own=True) for grant in granted)
    return ByOriginAnswer(granted[0].origin, None, told)


def _read_end(wanted: Mapping[str, Any]) -> datetime | None:
    ttl, expires_at = wanted["ttl"], wanted["expires_at"]
    if ttl is not None and expires_at is not None:
        raise InvalidRequest(_("Give either how long it shall live, or when it shall end."))
    end: datetime | None = timezone.now() + ttl if ttl is not None else expires_at
    return end


def _read_ends(origin: str, environment: Environment, groups: Iterable[ApiGroup]) -> dict[int, datetime | None]:
    """Return when the grants end that are there; raises RevokedOrigin for one that was revoked."""
    parsed = parse_origin(origin)
    text = parsed.origin.text if parsed.origin is not None else ""
    rows = TrustedOrigin.objects.using(router.db_for_write(PolicyState)).filter(
        environment=environment, api_group__in=groups, origin=text
    )
    for grant in rows:
        if grant.revoked_at is not None:
            by, reason = grant.revoked_by_label(), grant.revoke_reason
            raise RevokedOrigin(grant.origin, by=by, at=grant.revoked_at, reason=reason)
    return {grant.pk: grant.expires_at for grant in rows}


def _outcome_of(grant: TrustedOrigin, before: Mapping[int, datetime | None]) -> Outcome:
    if grant.pk not in before:
        return Outcome.ISSUED
    return Outcome.RENEWED if before[grant.pk] != grant.expires_at else Outcome.UNCHANGED


def _revoke(request: Request, wanted: Mapping[str, Any]) -> ByOriginAnswer:
    environment, group = wanted["environment"], wanted["api_group"]
    receipt = services.revoke_origin(
        wanted["origin"],
        environments=[_find(services.find_environment, environment, "environment")]
        if environment is not None
        else None,
        api_groups=[_find(services.find_api_group, group, "api_group")] if group is not None else None,
        actor=actor_of(request),
        reason=wanted["reason"].strip() or _("Withdrawn over the API."),
    )
    return ByOriginAnswer.of_receipt(receipt)


def _find(find: Callable[[str], _Found], slug: str, field: str) -> _Found:
    try:
        return find(slug)
    except UnknownName as error:
        raise InvalidInput([describe_unknown_name(error, field)]) from error
