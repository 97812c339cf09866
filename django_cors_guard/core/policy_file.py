"""A policy as a document: what ``cors_guard export`` writes and ``import`` reads, with everything that makes it up.

Rows are in plain values: slugs, canonical origins, aware moments. What a document leaves out has its default, so that
the text says what is peculiar and reads well in a diff. Two documents are equal if they mean the same policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

#: What the key ``format`` of a document says; the number goes up when a reader of the old kind would misread the new.
FORMAT: Final = "django-cors-guard/1"


def title_of(slug: str) -> str:
    """Return the name of what has none of its own: a document that leaves it out means this."""
    return slug.replace("-", " ").replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class FileEnvironment:
    """One environment; ``group_modes`` are (API group, mode) pairs in order of the group."""

    slug: str
    name: str = ""
    description: str = ""
    mode: str = "enforce"
    allow_insecure_http: bool = False
    allow_insecure_credentials: bool = False
    allow_loopback: bool = False
    allow_subdomain_patterns: bool = False
    allow_custom_schemes: bool = False
    max_trust_days: int | None = None
    protected: bool = False
    group_modes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class FileRoute:
    """One route of an API group; blank host: every host."""

    path_prefix: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class FileGroup:
    """One API group and its routes."""

    slug: str
    name: str = ""
    description: str = ""
    any_origin: bool = False
    allow_credentials: bool = False
    trusted_for_csrf: bool = False
    allow_methods: tuple[str, ...] = ("GET", "HEAD", "POST")
    allow_headers: tuple[str, ...] = ("authorization", "content-type")
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600
    isolate: str = "off"
    timing_allow_origin: bool = False
    cross_origin_resource_policy: str = ""
    routes: tuple[FileRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFrontEnd:
    """One front end."""

    slug: str
    name: str = ""
    owner: str = ""
    contact: str = ""
    external: bool = False
    review_by: date | None = None


@dataclass(frozen=True, slots=True)
class FileGrant:
    """One trusted origin. It is a revoked one if ``revoked_at`` says when; ``revoked_by`` is a name.

    ``managed_by`` is blank where the document's own ``name`` says it, or where nothing manages the grant.
    """

    environment: str
    api_group: str
    origin: str
    front_end: str = ""
    note: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoke_reason: str = ""
    managed_by: str = ""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A whole document. ``name`` is what its grants are managed by; blank: it manages none."""

    name: str = ""
    environments: tuple[FileEnvironment, ...] = ()
    api_groups: tuple[FileGroup, ...] = ()
    front_ends: tuple[FileFrontEnd, ...] = ()
    trusted_origins: tuple[FileGrant, ...] = ()
