"""The rows that a policy is compiled from, as plain values: what the database says of one environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django_cors_guard.core.decision import Isolation, Mode
from django_cors_guard.core.problems import Problem


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """The environment a process runs in. ``max_trust_days`` None means no limit.

    ``number`` is the row's own, which stays when it is renamed; None for one that is in no database.
    """

    slug: str
    mode: str = Mode.ENFORCE
    allow_insecure_http: bool = False
    allow_insecure_credentials: bool = False
    allow_loopback: bool = False
    allow_subdomain_patterns: bool = False
    allow_custom_schemes: bool = False
    max_trust_days: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """An API group; ``mode`` is the group's own one in this environment, or None. ``number``: as an environment's."""

    slug: str
    any_origin: bool = False
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600
    mode: str | None = None
    trusted_for_csrf: bool = False
    isolate: str = Isolation.OFF
    timing_allow_origin: bool = False
    cross_origin_resource_policy: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A path prefix (and a host, blank for any) that belongs to a group."""

    group: str
    path_prefix: str
    host: str = ""


#: (group slug, origin, expires_at in epoch seconds or None, revoked): a bare tuple, for there may be a million.
GrantRow = tuple[str, str, float | None, bool]


@dataclass(frozen=True, slots=True)
class PolicySource:
    """All rows of one environment. ``environment`` is None where the active environment has no row."""

    slug: str
    environment: EnvironmentRow | None
    groups: tuple[GroupRow, ...]
    routes: tuple[RouteRow, ...]
    grants: Iterable[GrantRow]
    revision: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that compiling refused: ``origin`` is blank where the whole group was."""

    group: str
    origin: str
    problems: tuple[Problem, ...]
