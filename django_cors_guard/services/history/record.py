"""One change of the policy as it can be taken back: what it left behind, and what became of that since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Field
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from django_cors_guard.core.problems import show
from django_cors_guard.exceptions import InvalidRequest
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    OriginIssuer,
    PolicyChange,
    TrustedOrigin,
)
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.history.snapshots import Unreadable, model_of, read_side, read_values, with_texts
from django_cors_guard.services.places import alias

#: What a change that took another one back is called. It only points there; what it did stands beside it.
REVERTED: Final = "reverted"

#: Later changes of the same row that are looked at.
MAX_SINCE: Final = 50

#: What tells one row of a model from all others.
_KEYS: Final[Mapping[type[PolicyModel], tuple[str, ...]]] = {
    ApiGroup: ("slug",),
    ApiRoute: ("host", "path_prefix"),
    Environment: ("slug",),
    GroupMode: ("environment", "api_group"),
    TrustedOrigin: ("environment", "api_group", "origin"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """A change that left one row: its values before and after by field (None: there was no row), and what came later.

    ``since`` are later changes of the same row, the oldest first.
    """

    change: PolicyChange
    model: type[PolicyModel]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    since: tuple[PolicyChange, ...]

    @classmethod
    def of(cls, change: PolicyChange) -> Record:
        """Read ``change``; raises InvalidRequest that says why, if it is none that can be taken back."""
        model = require_row(change)
        try:
            before, after = (read_values(model, read_side(change, side)) for side in ("before", "after"))
        except Unreadable as error:
            raise InvalidRequest(_("What the history says of it cannot be read, so it cannot be reverted.")) from error
        if before == after:
            raise InvalidRequest(_("It changed nothing that could be reverted."))
        return cls(change, model, before, after, _list_since(change))

    def list_differing(self) -> list[str]:
        """Return the fields that the change changed; none where a row came or went."""
        before, after = self.before or {}, self.after or {}
        return [name for name in after if name in before and before[name] != after[name]]

    def find_row(self, *, lock: bool) -> Any:
        """Return the row as it is now, or None. A locking read also sees past an older snapshot."""
        values = self.after if self.after is not None else self.before
        names = _KEYS[self.model]
        if values is None or any(name not in values for name in names):
            return None
        wanted = {field_of(self.model, name).attname: values[name] for name in names}
        rows = self.model._base_manager.using(alias()).filter(**wanted)
        if lock:
            return rows.select_for_update().first()
        related = self.model.target_relations
        return (rows.select_related(*related) if related else rows).first()

    def list_conflicts(self, row: PolicyModel, names: Iterable[str]) -> list[str]:
        """Return in words which of ``names`` are not as the change left them, and who changed them since."""
        return [self._say_conflict(name) for name in names if not self.is_kept(row, name)]

    def is_kept(self, row: PolicyModel, name: str) -> bool:
        """Whether a field still is as the change left it."""
        return bool(getattr(row, field_of(self.model, name).attname) == (self.after or {}).get(name))

    def say_gone(self) -> str:
        """Return that there is no such row any more, and who deleted it."""
        later = next((change for change in reversed(self.since) if change.action == "deleted"), None)
        if later is None:
            return _("It is not there any more.")
        return _("It is not there any more: %(who)s deleted it in revision %(revision)d.") % _name(later)

    def say_back(self) -> str:
        """Return that there is such a row again, and who added it."""
        later = next((change for change in reversed(self.since) if _side(change, "before") is None), None)
        if later is None:
            return _("There is one again.")
        return _("There is one again: %(who)s added it in revision %(revision)d.") % _name(later)

    def _say_conflict(self, name: str) -> str:
        label = word_field(field_of(self.model, name))
        later = next((change for change in reversed(self.since) if _touches(change, name)), None)
        if later is None:
            text = _("%(field)s is no longer as this change left it; the history does not say who changed it.")
            return text % {"field": label}
        text = _("%(field)s is no longer as this change left it: %(who)s changed it in revision %(revision)d.")
        return text % {"field": label, **_name(later)}


def require_row(change: PolicyChange) -> type[PolicyModel]:
    """Return the model of the one row that ``change`` changed; raises InvalidRequest where there is no such thing."""
    model = model_of(change.target)
    if change.action == REVERTED:
        text = _("It only says that another change was taken back. Revert what was changed then, in the same revision.")
    elif model is None:
        text = _("It changed no row of the policy, so there is nothing to revert.")
    elif change.target.partition(":")[2] == "*":
        text = _("It is the summary of a bulk write, which does not say what each row was before.")
    elif model is OriginIssuer:
        text = _("What an issuer may have trusted is decided on its own page, where all of it can be seen at once.")
    elif change.action == "loaded":
        text = _("It was loaded from a fixture, over whatever had been there, so nobody knows what was before.")
    else:
        return model
    raise InvalidRequest(text)


def field_of(model: type[PolicyModel], name: str) -> Field[Any, Any]:
    """Return a field of the model by its name."""
    return model._meta.get_field(name)  # type: ignore[return-value]  # snapshots tell of concrete fields only


def word_field(field: Field[Any, Any]) -> str:
    """Return what a field is called at the beginning of a sentence."""
    return capfirst(str(field.verbose_name))


def _list_since(change: PolicyChange) -> tuple[PolicyChange, ...]:
    later = with_texts(PolicyChange.objects.using(alias())).filter(target=change.target, pk__gt=change.pk)
    return tuple(reversed(later.order_by("-pk")[:MAX_SINCE]))


def _touches(change: PolicyChange, name: str) -> bool:
    before, after = (_side(change, side) for side in ("before", "after"))
    if not isinstance(after, Mapping):
        return False
    return not isinstance(before, Mapping) or before.get(name) != after.get(name)


def _side(change: PolicyChange, side: Any) -> Any:
    try:
        return read_side(change, side)
    except Unreadable:
        return ""


def _name(change: PolicyChange) -> dict[str, Any]:
    return {"who": show(change.actor_label) or _("the system"), "revision": change.revision}
