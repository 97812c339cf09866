"""The policy as it stands, as a document: a few queries, however many grants there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from django.contrib.auth import get_user_model

from django_cors_guard.core.policy_file import (
    FileEnvironment,
    FileFrontEnd,
    FileGrant,
    FileGroup,
    FileRoute,
    PolicyFile,
)
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, FrontEnd, GroupMode, PolicyState, TrustedOrigin
from django_cors_guard.services.places import alias
from django_cors_guard.services.policy.fields import as_aware, entry_of
from django_cors_guard.services.transfer.grants import find_story_labels

#: How often a policy is read anew because somebody has written meanwhile.
TRIES: Final = 5
#: Rows that the database hands over at a time.
BLOCK: Final = 2000


def read_policy(*, name: str = "", environments: Collection[str] = ()) -> PolicyFile:
    """Return the policy; with ``environments`` (slugs) only these and their grants.

    It is all of one revision, unless somebody writes without a pause.

    ``name`` becomes the document's: of grants that it manages the entry does not repeat that. The order is that in
    which documents are written.
    """
    version = PolicyState.read(alias())
    document = _read(name, environments)
    for _try in range(TRIES):
        before, version = version, PolicyState.read(alias())
        if version == before:
            break
        document = _read(name, environments)
    return document


def _read(name: str, chosen: Collection[str]) -> PolicyFile:
    places = {row.pk: row for row in Environment.objects.using(alias()) if not chosen or row.slug in chosen}
    groups = {row.pk: row for row in ApiGroup.objects.using(alias())}
    front_ends = {row.pk: row for row in FrontEnd.objects.using(alias())}
    return PolicyFile(
        name=name,
        environments=tuple(_read_environments(places, groups)),
        api_groups=tuple(_read_groups(groups)),
        front_ends=tuple(
            FileFrontEnd(slug=row.slug, **entry_of(row)) for row in sorted(front_ends.values(), key=_slug_of)
        ),
        trusted_origins=tuple(sorted(_read_grants(name, places, groups, front_ends), key=key_of)),
    )


def key_of(grant: FileGrant) -> tuple[str, str, str]:
    """Return what tells ``grant`` from all others, and orders them."""
    return grant.environment, grant.api_group, grant.origin


def _slug_of(row: Environment | ApiGroup | FrontEnd) -> str:
    return row.slug


def _read_environments(places: Mapping[int, Environment], groups: Mapping[int, ApiGroup]) -> Iterator[FileEnvironment]:
    modes = dict[int, list[tuple[str, str]]]()
    for place, group, mode in GroupMode.objects.using(alias()).values_list("environment_id", "api_group_id", "mode"):
        if group in groups:
            modes.setdefault(place, []).append((groups[group].slug, mode))
    for row in sorted(places.values(), key=_slug_of):
        yield FileEnvironment(slug=row.slug, group_modes=tuple(sorted(modes.get(row.pk, ()))), **entry_of(row))


def _read_groups(groups: Mapping[int, ApiGroup]) -> Iterator[FileGroup]:
    routes = dict[int, list[FileRoute]]()
    for group, host, prefix in ApiRoute.objects.using(alias()).values_list("api_group_id", "host", "path_prefix"):
        routes.setdefault(group, []).append(FileRoute(path_prefix=prefix, host=host))
    for row in sorted(groups.values(), key=_slug_of):
        yield FileGroup(slug=row.slug, routes=tuple(sorted(routes.get(row.pk, ()))), **entry_of(row))


def _read_grants(
    name: str,
    places: Mapping[int, Environment],
    groups: Mapping[int, ApiGroup],
    front_ends: Mapping[int, FrontEnd],
) -> Iterator[FileGrant]:
    rows = TrustedOrigin.objects.using(alias()).order_by().values_list(*_columns())
    orphans = list[tuple[Any, ...]]()
    for row in rows.iterator(chunk_size=BLOCK):
        place, group, _origin, *_rest, revoked_at, revoked_by, _label = row
        if place not in places or group not in groups:
            continue
        if revoked_at is not None and revoked_by is None:
            orphans.append(row)
            continue
        yield _as_grant(row, name, places, groups, front_ends)
    targets = {_target(row, places, groups): row for row in orphans}
    labels = find_story_labels(targets)
    for target, row in targets.items():
        yield _as_grant((*row[:-1], labels.get(target, "")), name, places, groups, front_ends)


def _columns() -> tuple[str, ...]:
    return (
        "environment_id",
        "api_group_id",
        "origin",
        "front_end_id",
        "note",
        "expires_at",
        "revoke_reason",
        "managed_by",
        "revoked_at",
        "revoked_by_id",
        f"revoked_by__{get_user_model().USERNAME_FIELD}",
    )


def _target(row: tuple[Any, ...], places: Mapping[int, Environment], groups: Mapping[int, ApiGroup]) -> str:
    return f"trustedorigin:{places[row[0]].slug}/{groups[row[1]].slug}/{row[2]}"[:512]


def _as_grant(
    row: tuple[Any, ...],
    name: str,
    places: Mapping[int, Environment],
    groups: Mapping[int, ApiGroup],
    front_ends: Mapping[int, FrontEnd],
) -> FileGrant:
    place, group, origin, front_end, note, expires_at, reason, managed_by, revoked_at, _revoked_by, label = row
    return FileGrant(
        environment=places[place].slug,
        api_group=groups[group].slug,
        origin=origin,
        front_end=front_ends[front_end].slug if front_end in front_ends else "",
        note=note,
        expires_at=as_aware(expires_at),
        revoked_at=as_aware(revoked_at),
        revoked_by=(label or "")[:150] if revoked_at is not None else "",
        revoke_reason=reason if revoked_at is not None else "",
        managed_by="" if managed_by == name else managed_by,
    )
