"""A document in plain values: mappings, lists, texts, whole numbers, true and false; defaults are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Final

from django_cors_guard.core.files import write_moment
from django_cors_guard.core.policy_file import (
    FORMAT,
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)

#: What is keyed by its slug, and so does not repeat it.
_KEYED: Final = (FileEnvironment, FileGroup, FileFrontEnd)


def as_plain(document: PolicyFile) -> dict[str, Any]:
    """Return ``document`` in plain values, in the order in which it is written whatever its own order is."""
    grants = sorted(document.trusted_origins, key=lambda grant: (grant.environment, grant.api_group, grant.origin))
    plain: dict[str, Any] = {
        "format": FORMAT,
        "name": document.name,
        "environments": _by_slug(document.environments),
        "api_groups": _by_slug(document.api_groups),
        "front_ends": _by_slug(document.front_ends),
        "trusted_origins": [_as_mapping(grant) for grant in grants],
    }
    return {key: value for key, value in plain.items() if value}


def _by_slug(entries: Sequence[FileEnvironment | FileGroup | FileFrontEnd]) -> dict[str, Any]:
    return {entry.slug: _as_mapping(entry) for entry in sorted(entries, key=lambda entry: entry.slug)}


def _as_mapping(entry: FileEnvironment | FileGroup | FileRoute | FileFrontEnd | FileGrant) -> dict[str, Any]:
    """Return the fields that say something, in the order in which the class names them."""
    return {
        name: _as_value(name, getattr(entry, name))
        for name, default in _DEFAULTS[type(entry)].items()
        if getattr(entry, name) != default
    }


def _as_value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if name == "group_modes":
        return dict(sorted(value))
    if name == "routes":
        return [_as_mapping(route) for route in sorted(value)]
    return list(value) if isinstance(value, tuple) else value


_DEFAULTS: Final[dict[type[Any], dict[str, Any]]] = {
    kind: {field.name: field.default for field in fields(kind) if not (field.name == "slug" and kind in _KEYED)}
    for kind in (FileEnvironment, FileGroup, FileRoute, FileFrontEnd, FileGrant)
}
