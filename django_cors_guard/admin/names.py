"""What the story's rows are called: names where people read, slugs where a row has gone or two have one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from django.contrib.auth import get_user_model
from django.db.models import ForeignKey, Model
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard.admin.display import shown
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    PolicyChange,
    PolicyState,
    TrustedOrigin,
)
from django_cors_guard.services.history.snapshots import SIDES, Unreadable, model_of, read_side, read_value, told_fields

#: Longest name that a sentence takes up.
MAX_NAME: Final = 60

_T = TypeVar("_T")


@dataclass(frozen=True)
class Names:
    """Names of environments and API groups by slug, and of all rows that snapshots point at by their key."""

    slugs: Mapping[type[Model], Mapping[str, str]] = field(default_factory=dict)
    keys: Mapping[type[Model], Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, changes: Iterable[PolicyChange] = ()) -> Names:
        """Look up the environments and API groups, and what else ``changes`` point at."""
        slugs: dict[type[Model], dict[str, str]] = {}
        keys: dict[type[Model], dict[str, str]] = {}
        for model in (Environment, ApiGroup):
            rows: list[Any] = list(model._base_manager.order_by("slug"))
            often = Counter(str(row) for row in rows)
            called = {row: f"{row} ({row.slug})" if often[str(row)] > 1 else str(row) for row in rows}
            slugs[model] = {row.slug: name for row, name in called.items()}
            keys[model] = {str(row.pk): name for row, name in called.items()}
        return cls(slugs, keys).with_rows(changes)

    def with_rows(self, changes: Iterable[PolicyChange]) -> Names:
        """Look up, in a query a model, what else ``changes`` point at."""
        wanted = {model: keys for model, keys in _collect_keys(changes).items() if model not in self.keys}
        found = {model: model._base_manager.filter(pk__in=keys) for model, keys in wanted.items()}
        named = {model: {str(row.pk): call(row) for row in rows} for model, rows in found.items()}
        return replace(self, keys={**self.keys, **named})

    def of_slug(self, model: type[Model], slug: str) -> str:
        """Return the name of an environment or API group, or its slug."""
        return shown(self.slugs.get(model, {}).get(slug, slug), MAX_NAME)

    def of_key(self, model: type[Model], key: Any) -> str:
        """Return the name of a row, or its number."""
        name = self.keys.get(model, {}).get(str(key))
        return shown(name, MAX_NAME) if name is not None else shown(f"#{key}", MAX_NAME)

    def of_target(self, target: str) -> str:
        """Return what the story calls a row, in words."""
        model, identity = model_of(target), target.partition(":")[2]
        if model is None:
            is_state = target.startswith(f"{PolicyState._meta.model_name}:")
            return _("the policy as a whole") if is_state else target
        if identity == "*":
            return _("several %(rows)s") % {"rows": model._meta.verbose_name_plural}
        return self._word(model, identity.split("/", 2)) or f"{model._meta.verbose_name} {identity}"

    def _word(self, model: type[Model], parts: list[str]) -> str:
        group, environment = (self.of_slug(kind, parts[place]) for kind, place in _places(model, parts))
        words = {"group": group, "environment": environment, "rest": "/".join(parts[1:]), "origin": parts[-1]}
        if model is TrustedOrigin and len(parts) > 2:  # noqa: PLR2004 - environment, API group, origin
            return _("%(origin)s for %(group)s in %(environment)s") % words
        if model is GroupMode and len(parts) > 1:
            return _("mode of %(group)s in %(environment)s") % words
        if model is ApiRoute and len(parts) > 1:
            return _("route %(rest)s of %(group)s") % words
        if model in self.slugs:
            return f"{model._meta.verbose_name} {self.of_slug(model, '/'.join(parts))}"
        return ""


def once(request: HttpRequest, make: Callable[[], _T]) -> _T:
    """Return what ``make`` returned when it was first called for ``request``: its parts ask for the same things."""
    kept: dict[Any, Any] = request.__dict__.setdefault("_cors_guard_kept", {})
    if make not in kept:
        kept[make] = make()
    found: _T = kept[make]
    return found


def names_of(request: HttpRequest) -> Names:
    """Return the names of environments and API groups, asked for once a request."""
    return once(request, Names.load)


def _places(model: type[Model], parts: list[str]) -> tuple[tuple[type[Model], int], tuple[type[Model], int]]:
    """Where in a target the slugs of the API group and of the environment stand."""
    group = 0 if model is ApiRoute else min(1, len(parts) - 1)
    return (ApiGroup, group), (Environment, 0)


def call(row: Model) -> str:
    """Return what people call a row; users by the name they log in with."""
    return str(row.get_username() if isinstance(row, get_user_model()) else row)


def _collect_keys(changes: Iterable[PolicyChange]) -> dict[type[Model], set[Any]]:
    found: dict[type[Model], set[Any]] = {}
    for change in changes:
        for item, value in _list_pointers(change):
            found.setdefault(item.remote_field.model, set()).add(value)
    return found


def _list_pointers(change: PolicyChange) -> Iterator[tuple[ForeignKey[Any, Any], Any]]:
    model = model_of(change.target)
    pointers = [item for item in told_fields(model) if isinstance(item, ForeignKey)] if model is not None else []
    for side in SIDES:
        for item in pointers:
            try:
                values = read_side(change, side)
                value = read_value(item, values.get(item.name)) if isinstance(values, Mapping) else None
            except Unreadable:
                continue
            if value is not None:
                yield item, value
