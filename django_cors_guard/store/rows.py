"""Reading the rows of one environment: all of its grants, or those that were written since a revision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import FilteredRelation, Q, QuerySet

from django_cors_guard.core.policy import EnvironmentRow, GrantRow, GroupRow, Policy, PolicySource, RouteRow
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.api_group import as_tokens
from django_cors_guard.models.revision import Version

#: Rows of one statement.
READ_CHUNK: Final = 2000
#: Rows between two calls of ``pause``: about a millisecond of work.
PAUSE_ROWS: Final = 250
#: Whoever is more rows behind than this does not catch up row by row.
MAX_ROWS_BEHIND: Final = 5000

#: API group by id, origin, expires_at, revoked_at.
_Columns = tuple[int, str, datetime | None, datetime | None]

_GROUP_COLUMNS: Final = (
    "slug",
    "any_origin",
    "allow_credentials",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "trusted_for_csrf",
    "isolate",
    "timing_allow_origin",
    "cross_origin_resource_policy",
)


def read_source(
    environment: str,
    version: Version,
    using: str,
    *,
    row: Environment | None = None,
    grants: Collection[TrustedOrigin] | None = None,
    pause: Callable[[], None] | None = None,
) -> PolicySource:
    """Return the rows of ``environment``; its grants are read while they are iterated over, once.

    ``row`` is the environment's, where it is known; ``grants`` are taken instead of all. ``pause`` is called every
    millisecond or so, for work that gives way to others.
    """
    source, slugs = _read_small(environment, version, using, row)
    if source.environment is None:
        return source
    if grants is not None:
        return _with_grants(source, _grant_rows(map(_columns_of, grants), slugs))
    rows = _read_grants(source.environment.number, using, slugs)
    return _with_grants(source, rows if pause is None else _with_pauses(rows, pause))


def read_newer(environment: str, version: Version, using: str, since: int) -> PolicySource | None:
    """Return the small tables, and the grants that were written after revision ``since``; None if they are many."""
    source, slugs = _read_small(environment, version, using, None)
    if source.environment is None:
        return source
    rows = _select(source.environment.number, using).filter(revision__gt=since)
    found = list(rows.values_list("api_group_id", "origin", "expires_at", "revoked_at")[: MAX_ROWS_BEHIND + 1])
    if len(found) > MAX_ROWS_BEHIND:
        return None
    return _with_grants(source, tuple(_grant_rows(found, slugs)))


def read_revoked(policy: Policy, using: str) -> list[GrantRow]:
    """Return the grants that were revoked since ``policy``: at most MAX_ROWS_BEHIND of them, the latest first."""
    slugs = {group.number: group.slug for group in policy.basis.groups if group.number is not None}
    environment = policy.basis.environment
    if environment is None:
        return []
    rows = _select(environment.number, using).filter(revision__gt=policy.revision, revoked_at__isnull=False)
    found = rows.order_by("-revision").values_list("api_group_id", "origin", "expires_at", "revoked_at")
    return list(_grant_rows(found[:MAX_ROWS_BEHIND], slugs))


def _with_grants(source: PolicySource, grants: Iterable[GrantRow]) -> PolicySource:
    return PolicySource(
        source.slug, source.environment, source.groups, source.routes, grants, source.revision, source.token
    )


def _read_small(
    environment: str, version: Version, using: str, row: Environment | None
) -> tuple[PolicySource, dict[int, str]]:
    """Read everything but the grants, in two statements; and return the slugs of the groups."""
    row = row if row is not None else Environment.objects.using(using).filter(slug=environment).first()
    if row is not None and row.slug != environment:
        row = None  # a collation that ignores case is no reason to take another environment's policy
    groups: dict[int, GroupRow] = {}
    routes: dict[int, RouteRow] = {}
    for found in _read_groups(row, using):
        group = groups.get(found["pk"]) or groups.setdefault(found["pk"], _group_row(found))
        if found["routes__pk"] is not None:
            routes[found["routes__pk"]] = RouteRow(group.slug, found["routes__path_prefix"], found["routes__host"])
    source = PolicySource(
        slug=environment,
        environment=_environment_row(row) if row is not None else None,
        groups=tuple(groups.values()),
        routes=tuple(routes[number] for number in sorted(routes)),
        grants=(),
        revision=version.revision,
        token=version.token,
    )
    return source, {number: group.slug for number, group in groups.items()}


def _read_groups(environment: Environment | None, using: str) -> QuerySet[ApiGroup, dict[str, Any]]:
    """Every group beside each of its routes, with its own mode in ``environment``."""
    own = Q(modes__environment=environment.pk if environment is not None else None)
    groups: QuerySet[ApiGroup] = ApiGroup.objects.using(using).annotate(own=FilteredRelation("modes", condition=own))
    joined = ("own__mode", "routes__pk", "routes__path_prefix", "routes__host")
    rows: QuerySet[ApiGroup, dict[str, Any]] = groups.order_by("pk").values("pk", *_GROUP_COLUMNS, *joined)
    return rows


def _group_row(found: dict[str, Any]) -> GroupRow:
    return GroupRow(
        slug=found["slug"],
        any_origin=found["any_origin"],
        allow_credentials=found["allow_credentials"],
        allow_methods=as_tokens(found["allow_methods"]),
        allow_headers=as_tokens(found["allow_headers"]),
        expose_headers=as_tokens(found["expose_headers"]),
        max_age=found["max_age"],
        mode=found["own__mode"],
        trusted_for_csrf=found["trusted_for_csrf"],
        isolate=found["isolate"],
        timing_allow_origin=found["timing_allow_origin"],
        cross_origin_resource_policy=found["cross_origin_resource_policy"],
        number=found["pk"],
    )


def _select(environment: int | None, using: str) -> QuerySet[TrustedOrigin]:
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(using).filter(environment=environment)
    return rows


def _read_grants(environment: int | None, using: str, slugs: dict[int, str]) -> Iterator[GrantRow]:
    """Read chunk by chunk along the primary key: no driver holds a million rows then, and no transaction stays open."""
    rows = _select(environment, using).order_by("pk")
    last = 0
    while True:
        page = rows.filter(pk__gt=last) if last else rows
        chunk = list(page.values_list("api_group_id", "origin", "expires_at", "revoked_at", "pk")[:READ_CHUNK])
        yield from _grant_rows((columns[:4] for columns in chunk), slugs)
        if len(chunk) < READ_CHUNK:
            return
        last = chunk[-1][4]


def _columns_of(grant: TrustedOrigin) -> _Columns:
    return grant.api_group_id, grant.origin, grant.expires_at, grant.revoked_at


def _grant_rows(columns: Iterable[_Columns], slugs: dict[int, str]) -> Iterator[GrantRow]:
    for group, origin, expires_at, revoked_at in columns:
        ends = expires_at.timestamp() if expires_at is not None else None
        yield slugs.get(group, ""), origin, ends, revoked_at is not None


def _with_pauses(rows: Iterable[GrantRow], pause: Callable[[], None]) -> Iterator[GrantRow]:
    for number, row in enumerate(rows):
        if not number % PAUSE_ROWS:
            pause()
        yield row


def _environment_row(row: Environment) -> EnvironmentRow:
    return EnvironmentRow(
        slug=row.slug,
        mode=row.mode,
        allow_insecure_http=row.allow_insecure_http,
        allow_insecure_credentials=row.allow_insecure_credentials,
        allow_loopback=row.allow_loopback,
        allow_subdomain_patterns=row.allow_subdomain_patterns,
        allow_custom_schemes=row.allow_custom_schemes,
        max_trust_days=row.max_trust_days,
        number=row.pk,
    )
