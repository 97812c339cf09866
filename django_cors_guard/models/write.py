"""Every write of the policy goes through ``policy_write``: one transaction, one revision, one entry in the story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router, transaction
from django.utils import timezone

from django_cors_guard.models.revision import PolicyChange, PolicyState, Source, Version
from django_cors_guard.signals import announce, policy_changed, policy_written

_M = TypeVar("_M", bound="PolicyModel")

#: How many targets a summary of a bulk write names.
SUMMARY_TARGETS: Final = 50


@dataclass(slots=True)
class _Transaction:
    """What all nested writes of one transaction share."""

    using: str
    version: Version
    rebuild: bool = False
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class PolicyWrite:
    """An open policy write. ``revision`` and ``token`` are those the write will commit as."""

    opened: _Transaction
    actor: AbstractBaseUser | None = None
    reason: str = ""
    action: str = ""
    source: str = Source.ORM
    batch: str = ""
    _silent: list[None] = field(default_factory=list)

    @property
    def using(self) -> str:
        return self.opened.using

    @property
    def revision(self) -> int:
        return self.opened.version.revision

    @property
    def token(self) -> str:
        return self.opened.version.token

    def require_rebuild(self) -> None:
        """Say that processes have to load everything anew, since rows went or moved."""
        self.opened.rebuild = True

    def record(self, action: str, target: str, *, before: Any = None, after: Any = None) -> None:
        """Add one entry to the story. ``action`` gives way to the one that the write was opened with."""
        if self._silent:
            return
        self.opened.recorded = True
        change = PolicyChange(
            revision=self.revision,
            token=self.token,
            at=timezone.now(),
            actor_id=self.actor.pk if self.actor is not None else None,
            actor_label=label_of(self.actor),
            source=self.source,
            batch=self.batch,
            action=self.action or action,
            target=target[:512],
            before=before,
            after=after,
            reason=self.reason,
        )
        change.save(using=self.using, force_insert=True)
        tell = partial(announce, policy_changed, PolicyChange, change.as_event, change=change, using=self.using)
        transaction.on_commit(tell, using=self.using, robust=True)

    @contextmanager
    def summarised(self) -> Iterator[None]:
        """Keep single rows out of the story while a bulk call, which records itself, runs."""
        self._silent.append(None)
        try:
            yield
        finally:
            self._silent.pop()


def label_of(user: AbstractBaseUser | None) -> str:
    """Return the name that outlives the user's row; blank for the system."""
    return user.get_username()[:150] if user is not None else ""


_writes: ContextVar[Mapping[str, PolicyWrite]] = ContextVar("cors_guard_writes", default={})  # noqa: B039 - never mutated
_defaults: ContextVar[tuple[str, str]] = ContextVar("cors_guard_write_defaults", default=(Source.ORM, ""))


@contextmanager
def writing(source: str, *, batch: str = "") -> Iterator[None]:
    """Name where the policy writes of this block come from (a ``Source``) and what binds them together."""
    reset = _defaults.set((source, batch))
    try:
        yield
    finally:
        _defaults.reset(reset)


@contextmanager
def policy_write(
    *,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
    action: str = "",
    source: str | None = None,
    batch: str | None = None,
    using: str | None = None,
    rebuild: bool = False,
) -> Iterator[PolicyWrite]:
    """Open a policy write: a transaction that begins by taking the lock and the next revision.

    Nested ones share revision and transaction; what they leave out they take from the one around them. Rows saved in
    the block are stamped and recorded by themselves. Other processes look within REFRESH_SECONDS after the commit.
    """
    alias = using or router.db_for_write(PolicyState)
    outer = _writes.get().get(alias)
    with transaction.atomic(using=alias):
        if outer is None:
            write = _open_write(alias, actor, reason, action, source, batch)
        else:
            write = replace(
                outer,
                actor=actor if actor is not None else outer.actor,
                reason=reason or outer.reason,
                action=action or outer.action,
                source=source or outer.source,
                batch=batch or outer.batch,
            )
        if rebuild:
            write.require_rebuild()
        reset = _writes.set({**_writes.get(), alias: write})
        try:
            yield write
        finally:
            _writes.reset(reset)
        if outer is None:
            _close_write(write)


def _open_write(
    alias: str, actor: AbstractBaseUser | None, reason: str, action: str, source: str | None, batch: str | None
) -> PolicyWrite:
    default_source, default_batch = _defaults.get()
    # Asked for first, so that whoever is told of a change afterwards finds it in force.
    look = partial(policy_written.send_robust, sender=None, using=alias, committed=True)
    transaction.on_commit(look, using=alias, robust=True)
    return PolicyWrite(
        _Transaction(alias, PolicyState.bump(alias)),
        actor=actor,
        reason=reason,
        action=action,
        source=source or default_source,
        batch=default_batch if batch is None else batch,
    )


def _close_write(write: PolicyWrite) -> None:
    if not write.opened.recorded:
        # Each version stands in the story, so that a process can tell that it has come all the way.
        write.record("bumped", "policystate:1")
    if write.opened.rebuild:
        PolicyState.mark_rebuild(write.using, write.revision)
    policy_written.send_robust(sender=None, using=write.using, committed=False)


class PolicyQuerySet(models.QuerySet[_M]):
    """Bulk writes that count as policy writes, too; each leaves one summary in the story."""

    def update(self, **kwargs: Any) -> int:
        model = self.model
        touched = {model._meta.get_field(name).name for name in kwargs if name != "pk"}
        if not touched & model.policy_fields:
            return super().update(**kwargs)
        with policy_write(using=self._write_alias()) as write:
            if touched & model.fixed_fields:
                write.require_rebuild()
            if model.stamped:
                kwargs.setdefault("revision", write.revision)
            targets = self._describe_targets()
            count = super().update(**kwargs)
            values = {name: _plain(value) for name, value in kwargs.items() if name != "revision"}
            write.record("changed", model.bulk_target(), before=targets, after={"count": count, "values": values})
            return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's marker for templates

    def delete(self) -> tuple[int, dict[str, int]]:
        with policy_write(using=self._write_alias(), rebuild=True) as write:
            targets = self._describe_targets()
            with write.summarised():
                result = super().delete()
            write.record("deleted", self.model.bulk_target(), before=targets, after={"count": result[0]})
            return result

    delete.alters_data = True  # type: ignore[attr-defined]  # as above
    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's marker: not on managers

    def bulk_create(self, objs: Iterable[_M], *args: Any, **kwargs: Any) -> list[_M]:
        rows = list(objs)
        if not rows:
            return rows
        with policy_write(using=self._write_alias()) as write:
            if self.model.stamped:
                for row in rows:
                    row.revision = write.revision
                if kwargs.get("update_conflicts") and kwargs.get("update_fields"):
                    kwargs["update_fields"] = [*kwargs["update_fields"], "revision"]
            created = super().bulk_create(rows, *args, **kwargs)
            names = [row.target() for row in rows[:SUMMARY_TARGETS]]
            write.record("added", self.model.bulk_target(), after={"count": len(rows), "targets": names})
            return created

    def bulk_update(self, objs: Iterable[_M], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        rows, names = list(objs), list(fields)
        if not rows or not set(names) & self.model.policy_fields:
            return super().bulk_update(rows, names, *args, **kwargs)
        with policy_write(using=self._write_alias()) as write:
            if set(names) & self.model.fixed_fields:
                write.require_rebuild()
            if self.model.stamped:
                for row in rows:
                    row.revision = write.revision
                names = [*names, "revision"]
            with write.summarised():
                count = super().bulk_update(rows, names, *args, **kwargs)
            targets = [row.target() for row in rows[:SUMMARY_TARGETS]]
            write.record("changed", self.model.bulk_target(), after={"count": count, "targets": targets})
            return count

    def _write_alias(self) -> str:
        self._for_write = True
        return self.db

    def _describe_targets(self) -> dict[str, Any]:
        clone = self.all()
        if clone.query.is_sliced:
            return {"targets": []}
        related = self.model.target_relations
        rows = clone.order_by("pk").select_related(*related)[:SUMMARY_TARGETS] if related else clone[:SUMMARY_TARGETS]
        return {"targets": [row.target() for row in rows]}


PolicyManager = models.Manager.from_queryset(PolicyQuerySet)


class RowManager(PolicyManager[_M]):
    """Manager of models without a natural key."""


class SlugManager(PolicyManager[_M]):
    """Manager of models whose natural key is their slug."""

    def get_by_natural_key(self, slug: str) -> _M:
        return self.get(slug=slug)


class PolicyModel(models.Model):
    """Base of the models that make up the policy.

    ``policy_fields`` are those whose change takes a revision, ``fixed_fields`` those that move a row (a full rebuild),
    ``stamped`` says that the row carries the revision it was last written in.
    """

    policy_fields: ClassVar[frozenset[str]] = frozenset()
    fixed_fields: ClassVar[frozenset[str]] = frozenset()
    target_relations: ClassVar[tuple[str, ...]] = ()
    stamped: ClassVar[bool] = False

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        kwargs["using"] = using
        before = self._stored(using)
        update_fields = kwargs.get("update_fields")
        if before is not None and not self._changes_policy(before, update_fields):
            # Only what is no policy is written: a stale instance must not undo a change it never saw.
            kwargs["update_fields"] = self._other_fields(update_fields)
            super().save(*args, **kwargs)
            return
        with policy_write(using=using) as write:
            before = self._stored(using)
            if before is not None:
                self.check_rewrite(before, write)
                if any(
                    getattr(before, _attname(self, n)) != getattr(self, _attname(self, n)) for n in self.fixed_fields
                ):
                    write.require_rebuild()
            if self.stamped:
                self.revision = write.revision
                if update_fields is not None:
                    kwargs["update_fields"] = [*update_fields, "revision"]
            super().save(*args, **kwargs)
            action = "added" if before is None else "changed"
            write.record(
                action, self.target(), before=before.snapshot() if before is not None else None, after=self.snapshot()
            )

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with policy_write(using=using, rebuild=True) as write:
            target, before = self.target(), self.snapshot()
            result = super().delete(*args, **{**kwargs, "using": using})
            write.record("deleted", target, before=before)
            return result

    @classmethod
    def bulk_target(cls) -> str:
        """What a summary names as its target."""
        return f"{cls._meta.model_name}:*"

    def identity(self) -> str:
        """Return the natural key in one line."""
        raise NotImplementedError

    def target(self) -> str:
        """Return what the story calls this row."""
        return f"{self._meta.model_name}:{self.identity()}"

    def snapshot(self) -> dict[str, Any]:
        """Return the row's own fields as JSON values, for the story."""
        skipped = {"id", "revision"}
        return {
            item.name: _plain(getattr(self, item.attname))
            for item in self._meta.concrete_fields
            if item.name not in skipped
        }

    def check_rewrite(self, before: Self, write: PolicyWrite) -> None:
        """Refuse a change of the stored row ``before`` into this one; for models that know such changes."""

    def _stored(self, using: str) -> Self | None:
        if self.pk is None:
            return None
        return type(self)._base_manager.using(using).filter(pk=self.pk).first()

    def _changes_policy(self, before: Self, update_fields: Iterable[str] | None) -> bool:
        names = self.policy_fields if update_fields is None else self.policy_fields & set(update_fields)
        return any(getattr(before, _attname(self, name)) != getattr(self, _attname(self, name)) for name in names)

    def _other_fields(self, update_fields: Iterable[str] | None) -> list[str]:
        skipped = self.policy_fields | {"id", "revision"}
        own = [item.name for item in self._meta.concrete_fields if item.name not in skipped]
        return own if update_fields is None else [name for name in own if name in set(update_fields)]


def _attname(model: models.Model, name: str) -> str:
    return str(model._meta.get_field(name).attname)  # type: ignore[union-attr]  # policy fields are concrete


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, models.Model):
        return value.pk
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return str(value)
