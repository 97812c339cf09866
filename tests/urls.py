"""URLs of the test suite: the admin, the package's API, and small views for the middleware to guard."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from tests import views

_views: list[URLPattern | URLResolver] = [
    path("hello", views.hello),
    path("own-headers", views.own_headers),
    path("varies-on-all", views.varies_on_all),
    path("missing", views.missing),
    path("broken", views.broken),
    path("redirect", views.redirect),
    path("stream", views.stream),
    path("async-stream", views.async_stream),
    path("file", views.file),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("cors-guard/", include("django_cors_guard.api.urls")),
    path("api/public/", include(_views)),
    path("api/billing/", include(_views)),
    path("elsewhere/", include(_views)),
]
