"""Writes that call no ``save``: fixtures, migrations, the API groups of an issuer, and what goes with its user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections, models, router

from django_cors_guard.models.api_group import ApiGroup
from django_cors_guard.models.issuer import OriginIssuer
from django_cors_guard.models.revision import PolicyState, new_token
from django_cors_guard.models.write import PolicyModel, policy_write


def count_loaded_row(
    sender: type[models.Model], instance: models.Model, raw: bool, using: str | None, **_: Any
) -> None:
    """Make a row of a fixture a policy write; ``loaddata`` saves it raw, inside its own transaction."""
    if not raw:
        return
    alias = using or DEFAULT_DB_ALIAS
    if isinstance(instance, PolicyState):
        _renew_version(instance, alias)
    elif isinstance(instance, PolicyModel):
        with policy_write(using=alias, rebuild=True) as write:
            if instance.stamped:
                instance.revision = write.revision
            write.record("loaded", f"{sender._meta.model_name}:{instance.pk}", after=instance.snapshot())


def _renew_version(instance: PolicyState, alias: str) -> None:
    """A restored state gets a version of its own: numbers may come again, pairs must not."""
    current = PolicyState.read(alias)
    instance.revision = max(instance.revision, current.revision) + 1
    instance.token = new_token()
    instance.rebuild_revision = instance.revision


def count_migration(sender: AppConfig, using: str, **_: Any) -> None:
    """Make sure of the state row; a data migration may have written anything, so everything is loaded anew."""
    if not router.allow_migrate_model(using, PolicyState):
        return
    if PolicyState._meta.db_table not in connections[using].introspection.table_names():
        return
    PolicyState.ensure(using)
    with policy_write(using=using, rebuild=True, action="migrated"):
        pass


def record_issuer_groups(
    sender: type[models.Model],
    instance: OriginIssuer | ApiGroup,
    action: str,
    reverse: bool,
    pk_set: set[int] | None,
    using: str,
    **_: Any,
) -> None:
    """Make a change of an issuer's API groups a policy write, from whichever side; Django runs it in a transaction."""
    if not action.startswith("pre_"):
        return
    # None: all of them.
    changes: dict[int, set[int] | None] = {instance.pk: pk_set}
    if reverse:
        linked = sender._base_manager.using(using).filter(apigroup=instance.pk).values_list("originissuer", flat=True)
        changes = {pk: {instance.pk} for pk in (pk_set if pk_set is not None else linked)}
    if not any(_list_regrouped(sender, action, changes, using)):
        return
    with policy_write(using=using) as write:
        # Looked at again under the lock.
        for issuer, before, after in _list_regrouped(sender, action, changes, using):
            write.record("changed", issuer.target(), before={"api_groups": before}, after={"api_groups": after})


def record_lost_group(sender: type[ApiGroup], instance: ApiGroup, using: str, **_: Any) -> None:
    """Tell of an API group that issuers lose since it is deleted: of that Django sends no signal."""
    through = OriginIssuer.api_groups.through
    record_issuer_groups(through, instance, "pre_clear", reverse=True, pk_set=None, using=using)


def _list_regrouped(
    through: type[models.Model], action: str, changes: Mapping[int, set[int] | None], using: str
) -> Iterator[tuple[OriginIssuer, list[str], list[str]]]:
    """Yield the issuers whose groups change, with the slugs of those before and after."""
    for issuer in OriginIssuer._base_manager.using(using).filter(pk__in=changes).order_by("pk"):
        links = through._base_manager.using(using).filter(originissuer=issuer.pk)
        before, touched = set(links.values_list("apigroup", flat=True)), changes[issuer.pk]
        after = set() if touched is None else before | touched if action == "pre_add" else before - touched
        if before != after:
            yield issuer, _slugs_of(before, using), _slugs_of(after, using)


def _slugs_of(pks: set[int], using: str) -> list[str]:
    rows = ApiGroup._base_manager.using(using).filter(pk__in=pks).order_by("slug")
    return list(rows.values_list("slug", flat=True))


def record_lost_issuer(
    sender: type[OriginIssuer], instance: OriginIssuer, using: str, origin: Any = None, **_: Any
) -> None:
    """Tell of an issuer that goes with its user or environment; that it is deleted itself, its own model tells."""
    begun_with = origin.model if isinstance(origin, models.QuerySet) else type(origin)
    if begun_with is not OriginIssuer:
        with policy_write(using=using) as write:
            write.record("deleted", instance.target(), before=instance.snapshot())
