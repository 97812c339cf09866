"""Every write of the policy goes through ``policy_write``: one transaction, one revision, one entry in the story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from django_cors_guard.models.revision import PolicyChange, PolicyState, Source, Version
from django_cors_guard.signals import announce, policy_changed, policy_written

_M = TypeVar("_M", bound="PolicyModel")

_SAVE_ARGUMENTS: Final = ("force_insert", "force_update", "using", "update_fields")
_BULK_CREATE_ARGUMENTS: Final = ("batch_size", "ignore_conflicts", "update_conflicts", "update_fields", "unique_fields")

#: How many targets a summary of a bulk write names.
SUMMARY_TARGETS: Final = 50
#: Entries of the story that are written in one statement.
STORY_BATCH: Final = 500


@dataclass(slots=True)
class _Transaction:
    """What all nested writes of one transaction share."""

    using: str
    version: Version
    connection: BaseDatabaseWrapper
    is_open: bool = True
    rebuild: bool = False
    recorded: bool = False

    def holds(self) -> bool:
        """Whether its transaction is still open, here: a copied context may outlive the block or leave the thread."""
        connection = connections[self.using]
        return self.is_open and self.connection is connection and connection.in_atomic_block


class Entry(NamedTuple):
    """One entry of the story: what happened to what, with its fields before and after."""

    action: str
    target: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class PolicyWrite:
    """An open policy write. ``revision`` and ``token`` are those the write will commit as."""

    opened: _Transaction
    actor: AbstractBaseUser | None = None
    reason: str = ""
    action: str = ""
    source: str = Source.ORM
    batch: str = ""
    label: str = ""
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
        self.record_all([Entry(action, target, before, after)])

    def record_all(self, entries: Iterable[Entry]) -> None:
        """Add ``entries`` to the story, in their order and in few statements."""
        changes = [self._make_change(entry) for entry in entries] if not self._silent else []
        if not changes:
            return
        self.opened.recorded = True
        if len(changes) > 1 and connections[self.using].features.can_return_rows_from_bulk_insert:
            PolicyChange._base_manager.using(self.using).bulk_create(changes, batch_size=STORY_BATCH)
        else:
            # Whoever is told of a change wants to know its id.
            for change in changes:
                change.save(using=self.using, force_insert=True)
        for change in changes:
            tell = partial(announce, policy_changed, PolicyChange, change.as_event, change=change, using=self.using)
            transaction.on_commit(tell, using=self.using, robust=True)

    def _make_change(self, entry: Entry) -> PolicyChange:
        return PolicyChange(
            revision=self.revision,
            token=self.token,
            at=timezone.now(),
            actor_id=self.actor.pk if self.actor is not None else None,
            actor_label=label_of(self.actor) or self.label[:150],
            source=self.source,
            batch=self.batch,
            action=self.action or entry.action,
            target=entry.target[:512],
            before=entry.before,
            after=entry.after,
            reason=self.reason,
        )

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
_defaults: ContextVar[tuple[str, str, str]] = ContextVar("cors_guard_write_defaults", default=(Source.ORM, "", ""))


@contextmanager
def writing(source: str, *, batch: str = "", label: str = "") -> Iterator[None]:
    """Name where the policy writes of this block come from (a ``Source``) and what binds them together.

    ``label`` names whoever writes where no user of the project does, such as an account of the system.
    """
    reset = _defaults.set((source, batch, label))
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
    outer = _find_open(alias)
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
        around = _writes.get()
        _writes.set({**around, alias: write})
        try:
            yield write
        finally:
            _writes.set(around)
            if outer is None:
                write.opened.is_open = False
        if outer is None:
            _close_write(write)


def is_writing(using: str) -> bool:
    """Whether a policy write is open here, so that more may be written under its version."""
    return _find_open(using) is not None


def _find_open(alias: str) -> PolicyWrite | None:
    write = _writes.get().get(alias)
    return write if write is not None and write.opened.holds() else None


def _open_write(
    alias: str, actor: AbstractBaseUser | None, reason: str, action: str, source: str | None, batch: str | None
) -> PolicyWrite:
    default_source, default_batch, label = _defaults.get()
    # Asked for first, so that whoever is told of a change afterwards finds it in force.
    look = partial(policy_written.send_robust, sender=None, using=alias, committed=True)
    transaction.on_commit(look, using=alias, robust=True)
    return PolicyWrite(
        _Transaction(alias, PolicyState.bump(alias), connections[alias]),
        actor=actor,
        reason=reason,
        action=action,
        source=source or default_source,
        batch=default_batch if batch is None else batch,
        label=label,
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
                kwargs["revision"] = write.revision
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
        kwargs = {**dict(zip(_BULK_CREATE_ARGUMENTS, args, strict=False)), **kwargs}
        with policy_write(using=self._write_alias()) as write:
            if self.model.stamped:
                for row in rows:
                    row.revision = write.revision
                if kwargs.get("update_conflicts") and kwargs.get("update_fields"):
                    kwargs["update_fields"] = [*kwargs["update_fields"], "revision"]
            created = super().bulk_create(rows, **kwargs)
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
        ids = list(clone.order_by("pk").values_list("pk", flat=True)[:SUMMARY_TARGETS])
        rows = self.model._base_manager.using(self.db).filter(pk__in=ids).order_by("pk")
        if self.model.target_relations:
            rows = rows.select_related(*self.model.target_relations)
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
        given = {**dict(zip(_SAVE_ARGUMENTS, args, strict=False)), **kwargs}
        using = given["using"] = given.get("using") or router.db_for_write(type(self), instance=self)
        if given.get("update_fields") is not None:
            given["update_fields"] = self._names_of(given["update_fields"])
        if given.get("force_insert"):
            self._save_policy(given, using)
            return
        before = self._stored(using)
        if before is None or self._changes_policy(before, given.get("update_fields")):
            self._save_policy(given, using)
            return
        # Only what is no policy is written: a stale instance must not undo a change it never saw.
        given["update_fields"] = self._other_fields(given.get("update_fields"))
        super().save(**given)

    def _save_policy(self, given: dict[str, Any], using: str) -> None:
        with policy_write(using=using) as write:
            # Read under the lock: the row may have changed since, and a snapshot may be older than that.
            before = None if given.get("force_insert") else self._stored(using, lock=True)
            if before is not None:
                self.check_rewrite(before, write)
                if self._differs(before, self.fixed_fields):
                    write.require_rebuild()
            if self.stamped:
                self.revision = write.revision
                if given.get("update_fields") is not None:
                    given["update_fields"] = [*given["update_fields"], "revision"]
            super().save(**given)
            action = "added" if before is None else "changed"
            story = before.snapshot() if before is not None else None
            write.record(action, self.target(), before=story, after=self._tell(story, given.get("update_fields")))

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

    def _tell(self, before: dict[str, Any] | None, update_fields: Iterable[str] | None) -> dict[str, Any]:
        """What the row is after it was saved: what was not written is as it was, whatever this instance holds."""
        after = self.snapshot()
        if before is None or update_fields is None:
            return after
        return {**before, **{name: after[name] for name in update_fields if name in after}}

    def check_rewrite(self, before: Self, write: PolicyWrite) -> None:
        """Refuse a change of the stored row ``before`` into this one; for models that know such changes."""

    def _stored(self, using: str, *, lock: bool = False) -> Self | None:
        if self.pk is None:
            return None
        rows = type(self)._base_manager.using(using).filter(pk=self.pk)
        return (rows.select_for_update() if lock else rows).first()

    def _names_of(self, update_fields: Iterable[str]) -> list[str]:
        """Field names for what may also be column names (``api_group_id``)."""
        return [self._meta.get_field(name).name for name in update_fields]

    def _differs(self, before: Self, names: Iterable[str]) -> bool:
        return any(getattr(before, _attname(self, name)) != getattr(self, _attname(self, name)) for name in names)

    def _changes_policy(self, before: Self, update_fields: Iterable[str] | None) -> bool:
        names = self.policy_fields if update_fields is None else self.policy_fields & set(update_fields)
        return self._differs(before, names)

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
