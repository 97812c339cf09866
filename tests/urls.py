"""URLs of the test suite: the admin, the package's API, and small views for the middleware to guard."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("cors-guard/", include("django_cors_guard.api.urls")),
]
