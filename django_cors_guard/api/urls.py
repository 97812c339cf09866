"""URLs of the API: ``include("django_cors_guard.api.urls")``."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "cors_guard"
urlpatterns: list[URLPattern] = []
