"""Why an origin is let through, or refused."""

from __future__ import annotations

from typing import Any

from django.db import router
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import conf, services
from django_cors_guard.api.permissions import VIEW_ENVIRONMENTS, VIEW_ORIGINS, may, may_view, word_missing
from django_cors_guard.api.serializers.body import read_body
from django_cors_guard.api.serializers.check import CheckSerializer, ExplanationSerializer, ScopedCheckSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.models import Environment, PolicyState


class CheckViewSet(GuardViewSet):
    """Explains one request of a page; nothing is written, and nothing recorded.

    It takes the permission to view the environment asked about: for all environments, or, with an authentication
    backend that knows of single objects, for this one. Grants in others are named to those alone who may view them.
    """

    permissions = {"check": (VIEW_ORIGINS,)}
    bodies = {"check": CheckSerializer}
    serializer_class = ExplanationSerializer

    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return what the request gets back, what decided, and the nearest grant to what was refused."""
        if may(request, VIEW_ENVIRONMENTS):
            wanted = read_body(CheckSerializer, request)
            return Response(self.get_serializer(services.explain(**wanted)).data)
        visible = _list_visible(request)
        if not visible:
            raise PermissionDenied(word_missing([(VIEW_ENVIRONMENTS,)]))
        wanted = read_body(ScopedCheckSerializer, request)
        if (wanted["environment"] or conf.current().environment) not in visible:
            # Whether there is such an environment is nobody's business who may not view it.
            raise PermissionDenied(word_missing([(VIEW_ENVIRONMENTS,)]))
        return Response(self.get_serializer(services.explain(**wanted, nearest_in=visible)).data)


def _list_visible(request: Request) -> set[str]:
    """Return the slugs of the environments that the user may view one by one."""
    rows = Environment.objects.using(router.db_for_write(PolicyState))
    return {row.slug for row in rows if may_view(request, row)}
