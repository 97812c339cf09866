"""How the process that answers stands: which policy it has, and how fresh that is."""

from __future__ import annotations

from typing import Any

from django.db import Error, router
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard import __version__, conf
from django_cors_guard.api.permissions import VIEW_POLICY
from django_cors_guard.api.serializers.status import StatusSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.models import PolicyState
from django_cors_guard.models.revision import Version
from django_cors_guard.store import store


class StatusViewSet(GuardViewSet):
    """The state of one process: behind a load balancer, each answer may be another one's."""

    permissions = {"show": (VIEW_POLICY,)}
    serializer_class = StatusSerializer

    def show(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return how fresh the policy is, and what the database holds."""
        return Response(self.get_serializer(_describe()).data)


def _describe() -> dict[str, Any]:
    policy = store.current()
    fresh = store.freshness()
    version = _read_version()
    config = conf.current()
    return {
        "version": __version__,
        "environment": config.environment,
        "known_environment": fresh.known,
        "mode": policy.own.mode if policy is not None else None,
        "max_mode": config.max_mode,
        "revision": fresh.revision,
        "database_revision": version.revision if version is not None else None,
        "is_current": policy is not None and policy.version == version,
        "age_seconds": fresh.age_seconds,
        "refresh_seconds": config.refresh_seconds,
        "failures": fresh.failures,
        "lapsed": fresh.lapsed,
        "switched_off": fresh.switched_off,
    }


def _read_version() -> Version | None:
    try:
        return PolicyState.read(router.db_for_write(PolicyState))
    except Error:
        # Whoever asks for the status while the database is away should get it.
        return None
