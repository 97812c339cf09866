"""The example project, whose answers tell which worker gave them. FRESHNESS_* in the environment set the rest."""

from example_project.settings import *  # noqa: F403 - what is not named below stays as it is
from example_project.settings import CORS_GUARD, MIDDLEWARE, env

MIDDLEWARE = ["benchmarks.freshness.middleware.tell_worker", *MIDDLEWARE]
# So high up on purpose: preflights tell, too.
SILENCED_SYSTEM_CHECKS = ["cors_guard.W001"]

CORS_GUARD = {
    **CORS_GUARD,
    "ENVIRONMENT": "production",
    "REFRESH_SECONDS": env.float("FRESHNESS_REFRESH_SECONDS", default=1.0),
    "PUSH": env.str("FRESHNESS_PUSH", default=None),
}
