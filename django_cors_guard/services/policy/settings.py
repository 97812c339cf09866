"""Judging environments, modes, API groups, routes and front ends of a document against those that are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from django_cors_guard.core.files import FileProblem, problem, suggest
from django_cors_guard.core.policy import check_group, normalise_host
from django_cors_guard.core.policy_file import FileEnvironment, FileFrontEnd, FileGroup, FileRoute
from django_cors_guard.core.policy_files.problems import Finding, PolicyProblem, finding
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, FrontEnd
from django_cors_guard.services.policy.fields import list_differences, values_of
from django_cors_guard.services.policy.here import Here
from django_cors_guard.services.policy.plans import (
    Addition,
    Change,
    Conflict,
    ConflictCode,
    Difference,
    Kind,
    Removal,
)
from django_cors_guard.validators import canonical_path_prefix

Row: TypeAlias = Environment | ApiGroup | FrontEnd
#: What judging yields: what is to be done, what is wrong, or None for what is here already.
Verdict: TypeAlias = Addition | Change | Removal | Conflict | Finding | None
_R = TypeVar("_R", Environment, ApiGroup, FrontEnd)


def judge_environments(
    listed: Iterable[FileEnvironment], groups: Iterable[str], here: Here, *, kept: str
) -> Iterator[Verdict]:
    """Judge environments and the modes of API groups in them; ``kept`` is one whose own settings stay."""
    known = set(groups)
    for entry in listed:
        if entry.slug != kept:
            yield from _judge_row(Kind.ENVIRONMENT, entry, here.environments.get(entry.slug), Environment)
        yield from _judge_modes(entry, known, here)


def _judge_modes(entry: FileEnvironment, known: set[str], here: Here) -> Iterator[Verdict]:
    wanted = dict(entry.group_modes)
    for group, mode in wanted.items():
        key = (entry.slug, group)
        if group not in known:
            place = f"environments.{entry.slug}.group_modes.{group}"
            yield Finding(place, problem(FileProblem.UNKNOWN_API_GROUP, group, suggest(group, sorted(known))))
        elif key not in here.modes:
            yield Addition(Kind.GROUP_MODE, key, mode)
        elif here.modes[key] != mode:
            yield Change(Kind.GROUP_MODE, key, (Difference("mode", here.modes[key], mode),))
        else:
            yield None
    for place, group in here.modes:
        if place == entry.slug and group not in wanted:
            yield Removal(Kind.GROUP_MODE, (place, group))


def judge_groups(listed: Iterable[FileGroup], here: Here) -> Iterator[Verdict]:
    """Judge API groups and their routes: those of a listed group are exactly those that are listed with it."""
    entries = list(listed)
    slugs = {entry.slug for entry in entries}
    wanted = dict[tuple[str, str], str]()
    for entry in entries:
        yield from _judge_row(Kind.API_GROUP, entry, here.groups.get(entry.slug), ApiGroup)
        for number, route in enumerate(entry.routes):
            yield from _judge_route(entry.slug, number, route, wanted, slugs, here)
    for (host, prefix), group in here.routes.items():
        if group in slugs and wanted.get((host, prefix)) != group:
            yield Removal(Kind.ROUTE, (group, host, prefix))


def _judge_route(
    group: str, number: int, route: FileRoute, wanted: dict[tuple[str, str], str], slugs: set[str], here: Here
) -> Iterator[Verdict]:
    place = f"api_groups.{group}.routes[{number}]"
    faults = list(_check(ApiRoute(host=route.host, path_prefix=route.path_prefix), place, exclude={"api_group"}))
    yield from faults
    if faults:
        return
    route = FileRoute(path_prefix=canonical_path_prefix(route.path_prefix.strip()), host=normalise_host(route.host))
    at = (route.host, route.path_prefix)
    first = wanted.setdefault(at, group)
    if first != group:
        yield finding(place, PolicyProblem.REPEATED_ROUTE, first)
        return
    owner = here.routes.get(at)
    if owner == group:
        yield None
    elif owner is not None and owner not in slugs:
        yield Conflict(Kind.ROUTE, (group, *at), ConflictCode.ROUTE_TAKEN, owner)
    else:
        yield Addition(Kind.ROUTE, (group, *at), route)


def judge_front_ends(listed: Iterable[FileFrontEnd], here: Here) -> Iterator[Verdict]:
    """Judge front ends."""
    for entry in listed:
        yield from _judge_row(Kind.FRONT_END, entry, here.front_ends.get(entry.slug), FrontEnd)


_PLACES = {Kind.ENVIRONMENT: "environments", Kind.API_GROUP: "api_groups", Kind.FRONT_END: "front_ends"}


def _judge_row(
    kind: Kind, entry: FileEnvironment | FileGroup | FileFrontEnd, row: Row | None, model: type[_R]
) -> Iterator[Verdict]:
    values = values_of(entry)
    faults = list(_check(model(slug=entry.slug, **values), f"{_PLACES[kind]}.{entry.slug}"))
    yield from faults
    if faults:
        return
    if row is None:
        yield Addition(kind, (entry.slug,), entry)
        return
    found = tuple(Difference(name, before, after) for name, before, after in list_differences(row, values))
    yield Change(kind, (entry.slug,), found) if found else None


def _check(row: Row | ApiRoute, place: str, *, exclude: Iterable[str] = ()) -> Iterator[Finding]:
    """Say what is wrong with the row that an entry would become."""
    known = set[str]()
    if isinstance(row, ApiGroup):
        for fault in check_group(row.as_row()):
            yield Finding(place, fault)
        # Said just now, in codes.
        known = {"allow_methods", "allow_headers", "expose_headers", "max_age"}
        known |= {"isolate", "cross_origin_resource_policy"}
    try:
        row.clean_fields(exclude={*exclude, *known})
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            yield from (finding(f"{place}.{name}", PolicyProblem.INVALID_VALUE, text) for text in messages)


def final_settings(
    entries: Iterable[FileEnvironment | FileGroup],
    rows: Mapping[str, Any],
    model: type[models.Model],
    *,
    kept: str = "",
) -> dict[str, Any]:
    """Return the rows as they will be, unsaved where the document changes them: what rules are judged by."""
    found = dict(rows)
    for entry in entries:
        if entry.slug != kept:
            found[entry.slug] = model(slug=entry.slug, **values_of(entry))
    return found
