"""Writing a plan: one transaction, one revision, and one entry in the story for each object that it changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models, transaction

from django_cors_guard.core.policy_file import FileEnvironment, FileFrontEnd, FileGroup, FileRoute
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, FrontEnd, GroupMode, policy_write
from django_cors_guard.models.revision import Source
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.places import alias
from django_cors_guard.services.policy.fields import values_of
from django_cors_guard.services.policy.grant_writing import GrantWriter, Rows, moves_policy
from django_cors_guard.services.policy.here import Here
from django_cors_guard.services.policy.plans import Addition, Change, Difference, Kind, PolicyPlan, Removal
from django_cors_guard.services.transfer.writing import Author, NotAsSeen

#: In this order they are written, for each needs those before it.
_ORDER = (Kind.ENVIRONMENT, Kind.API_GROUP, Kind.FRONT_END, Kind.ROUTE, Kind.GROUP_MODE)
_POLICY_FIELDS = {
    Kind.ENVIRONMENT: Environment.policy_fields,
    Kind.API_GROUP: ApiGroup.policy_fields,
    Kind.GROUP_MODE: GroupMode.policy_fields,
    Kind.FRONT_END: frozenset[str](),
}


def write_plan(plan: PolicyPlan, author: Author) -> int | None:
    """Write ``plan`` and return the revision, None if nothing of the policy has changed; raises NotAsSeen."""
    # Read and made before the lock is taken, so that it is not held for it.
    here = Here.read()
    rows = Rows(dict(here.environments), dict(here.groups), dict(here.front_ends))
    grants = GrantWriter.prepare(plan, here, author)
    if not _changes_policy(plan):
        # What rows say of themselves is no policy.
        with transaction.atomic(using=alias()):
            _write_settings(plan, rows)
            grants.write(rows)
        return None
    with policy_write(
        actor=author.actor, reason=author.reason, source=Source.IMPORT, batch=author.batch, using=alias()
    ) as write:
        if write.revision != plan.version.revision + 1:
            raise NotAsSeen
        _write_settings(plan, rows)
        grants.write(rows, write)
        return write.revision


def _changes_policy(plan: PolicyPlan) -> bool:
    """Whether anything of ``plan`` decides about requests."""
    if plan.removals or plan.revocations or plan.reinstatements:
        return True
    if any(step.kind is not Kind.FRONT_END for step in plan.additions):
        return True
    return any(
        moves_policy(step.differences)
        if step.kind is Kind.GRANT
        else any(difference.field in _POLICY_FIELDS[step.kind] for difference in step.differences)
        for step in plan.changes
    )


def _write_settings(plan: PolicyPlan, rows: Rows) -> None:
    """Write all but the grants. What goes, goes first: another API group may get the same route."""
    for removal in plan.removals:
        _find(removal.kind, removal).delete(using=alias())
    for kind in _ORDER:
        for change in plan.changes:
            if change.kind is kind:
                _amend(_find(kind, change), change.differences)
        for addition in plan.additions:
            if addition.kind is kind:
                _add(addition, rows)


def _find(kind: Kind, step: Change | Removal) -> PolicyModel | FrontEnd:
    """Return the row, locked; raises NotAsSeen if it has gone."""
    found: PolicyModel | FrontEnd | None = _select(kind, step.key).using(alias()).select_for_update().first()
    if found is None:
        raise NotAsSeen
    return found


def _select(kind: Kind, key: tuple[str, ...]) -> models.QuerySet[Any]:
    if kind is Kind.ENVIRONMENT:
        return Environment.objects.filter(slug=key[0])
    if kind is Kind.API_GROUP:
        return ApiGroup.objects.filter(slug=key[0])
    if kind is Kind.FRONT_END:
        return FrontEnd.objects.filter(slug=key[0])
    if kind is Kind.GROUP_MODE:
        return GroupMode.objects.filter(environment__slug=key[0], api_group__slug=key[1])
    return ApiRoute.objects.filter(api_group__slug=key[0], host=key[1], path_prefix=key[2])


def _amend(row: models.Model, differences: Iterable[Difference]) -> None:
    """Write the differences; raises NotAsSeen if the row is not any more as the plan has it."""
    for difference in differences:
        if getattr(row, difference.field) != difference.before:
            raise NotAsSeen
        setattr(row, difference.field, difference.after)
    row.save(using=alias())


def _add(addition: Addition, rows: Rows) -> None:
    key, entry = addition.key, addition.after
    if isinstance(entry, FileEnvironment):
        place = rows.environments[key[0]] = Environment(slug=entry.slug, **values_of(entry))
        _insert(place)
    elif isinstance(entry, FileGroup):
        group = rows.groups[key[0]] = ApiGroup(slug=entry.slug, **values_of(entry))
        _insert(group)
    elif isinstance(entry, FileFrontEnd):
        front_end = rows.front_ends[key[0]] = FrontEnd(slug=entry.slug, **values_of(entry))
        _insert(front_end)
    elif isinstance(entry, FileRoute):
        _insert(ApiRoute(api_group=rows.group(key[0]), host=entry.host, path_prefix=entry.path_prefix))
    elif isinstance(entry, str):
        _insert(GroupMode(environment=rows.environment(key[0]), api_group=rows.group(key[1]), mode=entry))


def _insert(row: models.Model) -> None:
    row.save(using=alias(), force_insert=True)
