"""Environments, API groups and front ends, to be read: they are changed in the admin."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.models import Prefetch, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from django_cors_guard.api.permissions import VIEW_ENVIRONMENTS, VIEW_FRONT_ENDS, VIEW_GROUPS
from django_cors_guard.api.serializers.places import ApiGroupSerializer, EnvironmentSerializer, FrontEndSerializer
from django_cors_guard.api.views.base import GuardViewSet
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, FrontEnd, GroupMode, PolicyState


class PlaceViewSet(GuardViewSet):
    """A list without filters, newest first."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one page."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


class EnvironmentViewSet(PlaceViewSet):
    """Environments with the modes of their groups."""

    permissions = {"list": (VIEW_ENVIRONMENTS,)}
    serializer_class = EnvironmentSerializer

    def get_queryset(self) -> QuerySet[Environment]:
        modes = GroupMode.objects.select_related("api_group").order_by("api_group__slug")
        return Environment.objects.using(_alias()).prefetch_related(Prefetch("group_modes", modes))


class ApiGroupViewSet(PlaceViewSet):
    """API groups with their routes."""

    permissions = {"list": (VIEW_GROUPS,)}
    serializer_class = ApiGroupSerializer

    def get_queryset(self) -> QuerySet[ApiGroup]:
        routes = ApiRoute.objects.order_by("host", "path_prefix")
        return ApiGroup.objects.using(_alias()).prefetch_related(Prefetch("routes", routes))


class FrontEndViewSet(PlaceViewSet):
    """Front ends."""

    permissions = {"list": (VIEW_FRONT_ENDS,)}
    serializer_class = FrontEndSerializer

    def get_queryset(self) -> QuerySet[FrontEnd]:
        return FrontEnd.objects.using(_alias())


def _alias() -> str:
    return router.db_for_write(PolicyState)
