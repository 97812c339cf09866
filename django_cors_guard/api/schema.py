"""The schema of the views: drf-spectacular's where it is installed (extra ``openapi``), else none."""

from __future__ import annotations

from typing import Any

GUARD_SCHEMA: Any
try:
    from django_cors_guard.api.openapi import GuardSchema
except ModuleNotFoundError as error:
    if error.name != "drf_spectacular":
        raise
    # The API serves without it.
    GUARD_SCHEMA = None
else:
    GUARD_SCHEMA = GuardSchema()
