"""Which fields of the policy a document has, and how a row and a document's entry say the same in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from django_cors_guard.core.policy_file import FileEnvironment, FileFrontEnd, FileGroup, title_of
from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.models.api_group import tidy_headers, tidy_methods, tidy_tokens

ENVIRONMENT: Final = (
    "name",
    "description",
    "mode",
    "allow_insecure_http",
    "allow_insecure_credentials",
    "allow_loopback",
    "allow_subdomain_patterns",
    "allow_custom_schemes",
    "max_trust_days",
    "protected",
)
API_GROUP: Final = (
    "name",
    "description",
    "any_origin",
    "allow_credentials",
    "trusted_for_csrf",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "isolate",
    "timing_allow_origin",
    "cross_origin_resource_policy",
)
FRONT_END: Final = ("name", "owner", "contact", "external", "review_by")

_TIDY: Final = {"allow_methods": tidy_methods, "allow_headers": tidy_headers, "expose_headers": tidy_tokens}


def values_of(entry: FileEnvironment | FileGroup | FileFrontEnd) -> dict[str, Any]:
    """Return what ``entry`` says, by field of its model, as it would be stored."""
    values = {name: getattr(entry, name) for name in _names_of(entry)}
    values["name"] = values["name"] or title_of(entry.slug)
    return values | {name: tidy(list(values[name])) for name, tidy in _TIDY.items() if name in values}


def entry_of(row: Environment | ApiGroup | FrontEnd) -> dict[str, Any]:
    """Return what ``row`` says, as a document's entry takes it, but for what it lists."""
    values = {name: getattr(row, name) for name in _names_of(row)}
    if values["name"] == title_of(row.slug):
        values["name"] = ""
    return {name: _as_tuple(value) if name in _TIDY else value for name, value in values.items()}


def list_differences(
    row: Environment | ApiGroup | FrontEnd, values: Mapping[str, Any]
) -> tuple[tuple[str, Any, Any], ...]:
    """Return (field, before, after) for each of ``values`` that ``row`` has otherwise."""
    return tuple((name, getattr(row, name), after) for name, after in values.items() if getattr(row, name) != after)


def as_aware(moment: datetime | None) -> datetime | None:
    """Return a ``moment`` of the database as documents have it."""
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())


def _names_of(entry: object) -> Sequence[str]:
    if isinstance(entry, FileEnvironment | Environment):
        return ENVIRONMENT
    if isinstance(entry, FileGroup | ApiGroup):
        return API_GROUP
    return FRONT_END


def _as_tuple(value: Any) -> tuple[str, ...]:
    """A column of JSON may hold anything; what is no text is no name of a method or header."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
