"""Writes that call no ``save``: fixtures and migrations."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections, models, router

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
