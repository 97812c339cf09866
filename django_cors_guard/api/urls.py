"""URLs of the API: ``include("django_cors_guard.api.urls")``."""

from __future__ import annotations

from django.urls import URLPattern, path

from django_cors_guard.api.views.check import CheckViewSet
from django_cors_guard.api.views.rejections import RejectionViewSet
from django_cors_guard.api.views.status import StatusViewSet
from django_cors_guard.api.views.trusted_origins import TrustedOriginViewSet

app_name = "cors_guard"

urlpatterns: list[URLPattern] = [
    path("rejections/", RejectionViewSet.as_view({"get": "list"}), name="rejection-list"),
    path("rejections/<str:pk>/", RejectionViewSet.as_view({"get": "retrieve"}), name="rejection-detail"),
    path(
        "trusted-origins/",
        TrustedOriginViewSet.as_view({"get": "list", "post": "create"}),
        name="trusted-origin-list",
    ),
    path(
        "trusted-origins/revoke-origin/",
        TrustedOriginViewSet.as_view({"post": "revoke_origin"}),
        name="trusted-origin-revoke-origin",
    ),
    path(
        "trusted-origins/<str:pk>/",
        TrustedOriginViewSet.as_view({"get": "retrieve"}),
        name="trusted-origin-detail",
    ),
    path(
        "trusted-origins/<str:pk>/revoke/",
        TrustedOriginViewSet.as_view({"post": "revoke"}),
        name="trusted-origin-revoke",
    ),
    path(
        "trusted-origins/<str:pk>/reinstate/",
        TrustedOriginViewSet.as_view({"post": "reinstate"}),
        name="trusted-origin-reinstate",
    ),
    path("check/", CheckViewSet.as_view({"post": "check"}), name="check"),
    path("status/", StatusViewSet.as_view({"get": "show"}), name="status"),
]
