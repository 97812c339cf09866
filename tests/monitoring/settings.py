"""The example project with metrics for Prometheus, and the pages of the guide."""

from example_project.settings import *  # noqa: F403 - all of it, and a little more
from example_project.settings import CORS_GUARD as GIVEN
from example_project.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "health_check"]
ROOT_URLCONF = "tests.monitoring.urls"
CORS_GUARD = {**GIVEN, "METRICS": "prometheus", "REFRESH_SECONDS": 0.25}
METRICS_TOKEN = "for-tests-alone"
