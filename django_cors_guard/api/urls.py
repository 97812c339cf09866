"""URLs of the API: ``include("django_cors_guard.api.urls")``."""

from __future__ import annotations

from django.urls import URLPattern, path

from django_cors_guard.api.views.by_origin import ByOriginViewSet
from django_cors_guard.api.views.changes import ChangeViewSet
from django_cors_guard.api.views.check import CheckViewSet
from django_cors_guard.api.views.places import ApiGroupViewSet, EnvironmentViewSet, FrontEndViewSet
from django_cors_guard.api.views.rejected_origins import RejectedOriginViewSet
from django_cors_guard.api.views.rejections import RejectionViewSet
from django_cors_guard.api.views.reviews import ReviewViewSet
from django_cors_guard.api.views.status import StatusViewSet
from django_cors_guard.api.views.trusted_origins import TrustedOriginViewSet
from django_cors_guard.api.views.usage import UsageViewSet

app_name = "cors_guard"

urlpatterns: list[URLPattern] = [
    path("rejections/", RejectionViewSet.as_view({"get": "list"}), name="rejection-list"),
    path("rejections/summary/", RejectionViewSet.as_view({"get": "summary"}), name="rejection-summary"),
    path("rejections/export/", RejectionViewSet.as_view({"get": "export"}), name="rejection-export"),
    path("rejections/<str:pk>/", RejectionViewSet.as_view({"get": "retrieve"}), name="rejection-detail"),
    path("rejected-origins/", RejectedOriginViewSet.as_view({"get": "list"}), name="rejected-origin-list"),
    path(
        "rejected-origins/<str:pk>/",
        RejectedOriginViewSet.as_view({"get": "retrieve"}),
        name="rejected-origin-detail",
    ),
    path(
        "rejected-origins/<str:pk>/trust/",
        RejectedOriginViewSet.as_view({"post": "trust"}),
        name="rejected-origin-trust",
    ),
    path(
        "rejected-origins/<str:pk>/ignore/",
        RejectedOriginViewSet.as_view({"post": "ignore"}),
        name="rejected-origin-ignore",
    ),
    path(
        "rejected-origins/<str:pk>/reopen/",
        RejectedOriginViewSet.as_view({"post": "reopen"}),
        name="rejected-origin-reopen",
    ),
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
        "trusted-origins/by-origin/",
        ByOriginViewSet.as_view({"put": "issue", "delete": "withdraw"}),
        name="trusted-origin-by-origin",
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
    path(
        "trusted-origins/<str:pk>/review/",
        TrustedOriginViewSet.as_view({"post": "review"}),
        name="trusted-origin-review",
    ),
    path("reviews/", ReviewViewSet.as_view({"get": "list"}), name="review-list"),
    path("reviews/export/", ReviewViewSet.as_view({"get": "export"}), name="review-export"),
    path("usage/", UsageViewSet.as_view({"get": "list"}), name="usage-list"),
    path("changes/", ChangeViewSet.as_view({"get": "list"}), name="change-list"),
    path("changes/export/", ChangeViewSet.as_view({"get": "export"}), name="change-export"),
    path("front-ends/", FrontEndViewSet.as_view({"get": "list"}), name="front-end-list"),
    path("environments/", EnvironmentViewSet.as_view({"get": "list"}), name="environment-list"),
    path("api-groups/", ApiGroupViewSet.as_view({"get": "list"}), name="api-group-list"),
    path("check/", CheckViewSet.as_view({"post": "check"}), name="check"),
    path("status/", StatusViewSet.as_view({"get": "show"}), name="status"),
]
