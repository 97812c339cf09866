"""Environments and API groups as they were at a moment: their safety rules say what was switched off then."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django_cors_guard.models import ApiGroup, Environment, PolicyChange
from django_cors_guard.services.history.snapshots import Unreadable, read_side, read_values, with_texts
from django_cors_guard.services.places import alias
from django_cors_guard.services.reviewing.trails import Cut

_P = TypeVar("_P", Environment, ApiGroup)

#: Changes of the two small tables that are followed back.
MAX_CHANGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The rows at the moment, by key and by the slug that they had then.

    ``is_sure``: none was changed in bulk since, or at a time in doubt, and the story of each can be read.
    """

    environments: dict[int, Environment]
    groups: dict[int, ApiGroup]
    environments_by_slug: dict[str, Environment]
    groups_by_slug: dict[str, ApiGroup]
    is_sure: bool = True

    @classmethod
    def read(cls, cut: Cut) -> Rules:
        """Return them as of ``cut``. Four queries, two for now."""
        environments, sure = _take_back(Environment, cut)
        groups, also = _take_back(ApiGroup, cut)
        return cls(
            {row.pk: row for row in environments},
            {row.pk: row for row in groups},
            _by_slug(environments),
            _by_slug(groups),
            sure and also,
        )


def _by_slug(rows: Iterable[_P]) -> dict[str, _P]:
    return {row.slug: row for row in rows}


def _take_back(model: type[_P], cut: Cut) -> tuple[list[_P], bool]:
    """Undo what came after the moment, or may have, the latest first, in memory."""
    rows: list[_P] = list(model._base_manager.using(alias()).order_by("pk"))
    if cut.first is None:
        return rows, True
    by_slug: dict[str, _P] = {row.slug: copy(row) for row in rows}
    now = {row.slug: row.pk for row in rows}
    story = with_texts(PolicyChange.objects.using(alias())).filter(
        target__startswith=f"{model._meta.model_name}:", pk__gte=cut.first
    )
    changes = list(story.order_by("-pk")[: MAX_CHANGES + 1])
    sure = len(changes) <= MAX_CHANGES and not any(cut.is_doubtful(change.pk) for change in changes)
    found = {slug: (row, now[slug]) for slug, row in by_slug.items()}
    for change in changes:
        if change.target == model.bulk_target():
            sure = False
            continue
        try:
            before = read_values(model, read_side(change, "before"))
            after = read_values(model, read_side(change, "after"))
        except Unreadable:
            sure = False
            continue
        _undo(model, found, before, after)
    for row, pk in found.values():
        row.pk = pk
    return [row for row, _pk in found.values()], sure


def _undo(
    model: type[_P], found: dict[str, tuple[_P, Any]], before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    slug = (after or before or {}).get("slug")
    if not isinstance(slug, str):
        return
    row, pk = found.pop(slug, (model(slug=slug), None))
    if before is None:
        return
    for name, value in before.items():
        setattr(row, model._meta.get_field(name).attname, value)  # type: ignore[union-attr]  # snapshots tell of concrete fields
    found[row.slug] = (row, pk)
