"""The example project with the limits of a fault test: what the JSON in FAULTS says is laid over its settings.

Keys: CORS_GUARD, DATABASE_OPTIONS, CACHE (a Redis URL), CACHE_SECONDS (its time-outs), REPLICA_URL, and PATCHES
(constants by their dotted names, see ``shims``).
"""

import json
import os
from typing import Any

import environ
from redis.backoff import NoBackoff
from redis.retry import Retry

from example_project.settings import *  # noqa: F403 - what is not named below stays as it is
from example_project.settings import CORS_GUARD, DATABASES, INSTALLED_APPS, MIDDLEWARE

FAULTS: dict[str, Any] = json.loads(os.environ.get("FAULTS", "{}"))


def _time_outs(seconds: float | None) -> dict[str, Any]:
    """As the docs advise: short, and not tried again (redis-py does so three times, with pauses)."""
    if seconds is None:
        return {}
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": Retry(NoBackoff(), 0)}


INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.shims.Shims"]
MIDDLEWARE = ["tests.faults.shims.sign", *MIDDLEWARE]

DATABASES["default"].setdefault("OPTIONS", {}).update(FAULTS.get("DATABASE_OPTIONS", {}))
if "REPLICA_URL" in FAULTS:
    DATABASES["replica"] = environ.Env.db_url_config(FAULTS["REPLICA_URL"])
    DATABASE_ROUTERS = ["tests.faults.shims.ReadsFromReplica"]

CORS_GUARD.update(FAULTS.get("CORS_GUARD", {}))
if "CACHE" in FAULTS:
    CORS_GUARD["CACHE"] = "default"
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": FAULTS["CACHE"],
            "OPTIONS": _time_outs(FAULTS.get("CACHE_SECONDS")),
        }
    }

# Which process says what, and when: the tests read it.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"told": {"format": "%(created).3f %(process)d %(name)s %(levelname)s %(message)s"}},
    "handlers": {"told": {"class": "logging.StreamHandler", "formatter": "told"}},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django_cors_guard": {"handlers": ["told"], "level": "WARNING", "propagate": False},
    },
}
