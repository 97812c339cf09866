"""The example project's URLs, with the page of metrics as the guide has it, and one of health."""

from datetime import timedelta

from django.urls import URLPattern, URLResolver, path
from health_check.views import HealthCheckView  # type: ignore[import-untyped]

from example_project.urls import urlpatterns as base_patterns
from tests.monitoring.guide import load

CHECK = ("django_cors_guard.health.CorsPolicy", {"max_age": timedelta(seconds=2)})

urlpatterns: list[URLPattern | URLResolver] = [
    path("metrics", load("metrics_page")["show_metrics"]),
    path("health/", HealthCheckView.as_view(checks=[CHECK])),
    *base_patterns,
]
