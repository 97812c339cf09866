"""The services: everything that ``django_cors_guard.services`` exports, by what it is for."""

import ast
import inspect
from collections.abc import Mapping
from typing import Final

from django_cors_guard import services
from docs.generated import described
from docs.generated.markdown import escape

HOME: Final = "django_cors_guard.services"

#: The parts of the package that export something, in the order in which a reader meets them.
TITLES: Final[Mapping[str, str]] = {
    "trusting": "Trust",
    "revoking": "Revoke and reinstate",
    "explanation": "Explain",
    "previews": "What trusting would mean",
    "propagation": "Where a change is out",
    "reviewing": "Review",
    "cards": "Rejected origins",
    "issuing": "Issue, for CI",
    "transfer": "Import",
    "access": "The access matrix",
    "history": "Take a change back",
    "places": "Names and rights",
}


def find_parts() -> dict[str, list[str]]:
    """Return what is exported, by the part of the package that it comes from."""
    parts: dict[str, list[str]] = {}
    for node in ast.parse(inspect.getsource(services)).body:
        if isinstance(node, ast.ImportFrom):
            part = str(node.module).removeprefix(f"{HOME}.").removeprefix("django_cors_guard.").split(".")[0]
            parts.setdefault(part, []).extend(item.asname or item.name for item in node.names)
    exported = set(services.__all__)
    return {part: [name for name in names if name in exported] for part, names in parts.items()}


def describe() -> str:
    """Return a section for each part, those that a reader meets first in front."""
    parts = find_parts()
    order = [*(part for part in TITLES if part in parts), *(part for part in parts if part not in TITLES)]
    return "\n\n".join(_describe_part(part, parts[part]) for part in order)


def _describe_part(part: str, names: list[str]) -> str:
    title = TITLES.get(part, part.replace("_", " ").capitalize())
    ordered = sorted(names, key=lambda name: (not _is_service(name), name))
    items = [described.describe(HOME, name, getattr(services, name)) for name in ordered]
    return "\n\n".join([f"## {escape(title)}", *items])


def _is_service(name: str) -> bool:
    return inspect.isfunction(getattr(services, name))
