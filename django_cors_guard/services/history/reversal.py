"""What taking a change back would do to its row, planned without writing anything.

A change goes back only where its fields still are as it left them: taking it back must not undo, unknowingly, what
somebody else did since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Field, ForeignKey
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyChange
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.history.record import Record, field_of, word_field
from django_cors_guard.services.places import alias

#: Rows that depend on one that would be deleted are counted up to this.
MAX_COUNTED: Final = 100


class Deed(StrEnum):
    """What happens to the row."""

    REVOKE = "revoke"
    REINSTATE = "reinstate"
    CHANGE = "change"
    ADD = "add"
    DELETE = "delete"


#: What it takes beyond the permission to change rows of the model.
_VERBS: Final = {Deed.ADD: "add", Deed.DELETE: "delete"}


@dataclass(frozen=True, slots=True)
class Step:
    """One field, from what it is now to what it would be; rows by their key."""

    field: Field[Any, Any]
    now: Any
    then: Any


@dataclass(frozen=True, slots=True)
class Reversal:
    """What taking ``change`` back would do. ``obstacles`` say in words why it cannot be; without any, it can.

    ``row`` is the row as it is now; for ``Deed.ADD``, as it would be. ``notes`` say what stays or does not come back,
    ``risks`` what trusting an origin again means. ``since`` are later changes of the same row.
    """

    change: PolicyChange
    model: type[PolicyModel] | None = None
    deed: Deed | None = None
    row: Any = None
    steps: tuple[Step, ...] = ()
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    risks: tuple[Problem, ...] = ()
    since: tuple[PolicyChange, ...] = field(default=(), compare=False)

    def list_permissions(self) -> list[str]:
        """Return the codenames of the permissions that it takes, beside that for protected environments."""
        if self.model is None:
            return []
        verbs = ["change", *([_VERBS[self.deed]] if self.deed in _VERBS else [])]
        return [f"{verb}_{self.model._meta.model_name}" for verb in verbs]

    def switches_block_on(self) -> bool:
        """Whether an API group or environment would begin to block: not before it is sure that the admin stays open."""
        if self.deed is Deed.CHANGE:
            return any(step.field.name == "mode" and step.then == ModeChoice.BLOCK for step in self.steps)
        if self.deed is Deed.DELETE and isinstance(self.row, GroupMode):
            # What had a mode of its own falls back on the environment's.
            return self.row.environment.mode == ModeChoice.BLOCK != self.row.mode
        return self.deed is Deed.ADD and getattr(self.row, "mode", "") == ModeChoice.BLOCK


def plan_shared(record: Record, *, lock: bool) -> Reversal:
    """Plan for an environment, an API group, or a route or mode of one."""
    if record.after is None:
        return _plan_addition(record)
    row = record.find_row(lock=lock)
    if row is None:
        return Reversal(record.change, obstacles=(record.say_gone(),))
    return _plan_deletion(record, row, lock=lock) if record.before is None else _plan_change(record, row)


def _plan_change(record: Record, row: PolicyModel) -> Reversal:
    before, touched = record.before or {}, record.list_differing()
    policy = [name for name in touched if name in record.model.policy_fields]
    kept = [name for name in touched if name in policy or record.is_kept(row, name)]
    left = [word_field(field_of(record.model, name)) for name in touched if name not in kept]
    steps, candidate = [], copy(row)
    for item in (field_of(record.model, name) for name in kept):
        steps.append(Step(item, getattr(row, item.attname), before[item.name]))
        setattr(candidate, item.attname, before[item.name])
    return Reversal(
        record.change,
        deed=Deed.CHANGE,
        row=row,
        steps=tuple(steps),
        obstacles=tuple(record.list_conflicts(row, policy) or list_faults(candidate)),
        notes=tuple(_("%(field)s stays: it was rewritten since.") % {"field": label} for label in left),
    )


def _plan_addition(record: Record) -> Reversal:
    row = record.model()
    try:
        fill(row, record)
    except InvalidRequest as error:
        return Reversal(record.change, deed=Deed.ADD, obstacles=(error.message,))
    return Reversal(
        record.change,
        deed=Deed.ADD,
        row=row,
        steps=list_all(row),
        obstacles=tuple(list_faults(row, [item.name for item in row._meta.concrete_fields if item.is_relation])),
        notes=tuple(_list_lost(record.model)),
    )


def _plan_deletion(record: Record, row: PolicyModel, *, lock: bool) -> Reversal:
    names = [name for name in record.after or () if name in record.model.policy_fields]
    return Reversal(
        record.change,
        deed=Deed.DELETE,
        row=row,
        obstacles=(*record.list_conflicts(row, names), *_list_dependents(row, lock=lock)),
    )


def fill(row: PolicyModel, record: Record) -> None:
    """Give a new row the values that its predecessor had; raises InvalidRequest where a row it needs has gone.

    Environment and API group are found by the slugs in the target, since those made anew have other keys. Front ends
    and users who have gone are left out.
    """
    places = _find_places(record)
    for name, value in (record.before or {}).items():
        item = field_of(record.model, name)
        if name not in places:
            setattr(row, name, _find_pointed_at(item, value) if isinstance(item, ForeignKey) else value)
    for name, place in places.items():
        setattr(row, name, place)


def list_all(row: PolicyModel) -> tuple[Step, ...]:
    """Return what a new row would say, field by field; blank ones left out."""
    own = [item for item in row._meta.concrete_fields if item.name not in {"id", "revision"}]
    values = [(item, getattr(row, item.attname)) for item in own]
    return tuple(Step(item, None, value) for item, value in values if value not in (None, "", []))


def list_faults(row: PolicyModel, read: Iterable[str] = ()) -> list[str]:
    """Return in words what stands against saving ``row``; what the fields ``read`` point at is known to be there."""
    checks: list[Callable[[], None]] = [
        partial(row.clean_fields, exclude=list(read)),
        row.clean,
        row.validate_unique,
        row.validate_constraints,
    ]
    return list(dict.fromkeys(text for check in checks for text in _word_faults(row, check)))


def _word_faults(row: PolicyModel, check: Callable[[], None]) -> list[str]:
    try:
        check()
    except ValidationError as error:
        found = error.update_error_dict({})
        return [
            _word_fault(row, name, text) for name, errors in found.items() for text in ValidationError(errors).messages
        ]
    return []


def _word_fault(row: PolicyModel, name: str, text: str) -> str:
    return text if name == NON_FIELD_ERRORS else f"{word_field(field_of(type(row), name))}: {text}"


def _find_places(record: Record) -> dict[str, PolicyModel]:
    slugs = record.change.target.partition(":")[2].split("/")
    wanted: dict[str, type[ApiGroup | Environment]] = {"environment": Environment, "api_group": ApiGroup}
    names = [name for name in wanted if name in record.model.policy_fields]
    return {name: _find_place(wanted[name], slug) for name, slug in zip(names, [*slugs, ""], strict=False)}


def _find_place(model: type[ApiGroup | Environment], slug: str) -> PolicyModel:
    found = model._base_manager.using(alias()).filter(slug=slug).first()
    if found is None:
        names = {"noun": model._meta.verbose_name, "slug": slug}
        raise InvalidRequest(_("There is no %(noun)s “%(slug)s” any more. Revert its deletion first.") % names)
    return found


def _find_pointed_at(item: ForeignKey[Any, Any], key: Any) -> Any:
    return item.remote_field.model._base_manager.filter(pk=key).first() if key is not None else None


def _list_lost(model: type[PolicyModel]) -> Iterator[str]:
    if issubclass(model, ApiGroup):
        yield _("Its routes and modes do not come back with it. Until it has a route it guards nothing.")
    if issubclass(model, Environment):
        yield _("The modes that API groups had of their own in it do not come back with it.")


def _list_dependents(row: PolicyModel, *, lock: bool) -> Iterable[str]:
    found = []
    for relation in row._meta.related_objects:
        model: Any = relation.related_model
        if issubclass(model, PolicyModel):
            rows = model._base_manager.using(alias()).filter(**{relation.field.name: row}).values_list("pk", flat=True)
            number = len((rows.select_for_update() if lock else rows)[: MAX_COUNTED + 1])
            found += [_word_number(number, model)] if number else []
    if found:
        text = _("It cannot be deleted while something belongs to it: %(rows)s.")
        yield text % {"rows": ", ".join(found)}


def _word_number(number: int, model: type[PolicyModel]) -> str:
    noun = model._meta.verbose_name if number == 1 else model._meta.verbose_name_plural
    count = str(number) if number <= MAX_COUNTED else _("more than %(limit)d") % {"limit": MAX_COUNTED}
    return f"{count} {noun}"
