"""Why an origin is let through, or refused."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import services
from django_cors_guard.api.permissions import VIEW_ENVIRONMENTS, VIEW_ORIGINS
from django_cors_guard.api.serializers.body import read_body
from django_cors_guard.api.serializers.check import CheckSerializer, ExplanationSerializer
from django_cors_guard.api.views.base import GuardViewSet


class CheckViewSet(GuardViewSet):
    """Explains one request of a page; nothing is written, and nothing recorded."""

    # It names grants and environments that the asker may not have known of.
    permissions = {"check": (VIEW_ORIGINS, VIEW_ENVIRONMENTS)}
    serializer_class = ExplanationSerializer

    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return what the request gets back, what decided, and the nearest grant to what was refused."""
        wanted = read_body(CheckSerializer, request)
        return Response(self.get_serializer(services.explain(**wanted)).data)
