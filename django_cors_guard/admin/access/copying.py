"""Copying access: ticks that another front end, or another environment, suggests. Nothing is saved by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.admin.access.lookup import Lookup
from django_cors_guard.admin.display import show_origin, shown
from django_cors_guard.services import Copy, Matrix, Source
from django_cors_guard.wording import word_problem

#: Front ends to choose from.
MAX_CHOICES: Final = 500
#: What is left alone is named so often.
MAX_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Target:
    """A row that access can be copied to, by the id of one of its grants."""

    id: int
    name: Any
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class CopyPanel:
    """The two forms, and what came of one of them: what was ticked, and what was left alone."""

    front_ends: tuple[tuple[str, str], ...]
    environments: tuple[tuple[str, str], ...]
    targets: tuple[Target, ...]
    ticks: frozenset[tuple[str, str]] = frozenset()
    summary: str = ""
    notes: tuple[str, ...] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class _Copied:
    ticks: frozenset[tuple[str, str]] = frozenset()
    summary: str = ""
    notes: list[str] = field(default_factory=list)


def find_source(lookup: Lookup) -> Source | None:
    """Return what the other environment holds, if access is to be copied from one."""
    there = lookup.find(lookup.source) if lookup.source else None
    if there is None or lookup.environment is None or there == lookup.environment:
        return None
    return services.read_source(there, lookup.environment, text=lookup.text)


def lay_panel(lookup: Lookup, matrix: Matrix, source: Source | None) -> CopyPanel:
    """Return the panel of a page of the matrix."""
    copied = _copy(lookup, matrix, source)
    return CopyPanel(
        front_ends=tuple((row.slug, shown(str(row))) for row in matrix.front_ends[:MAX_CHOICES]),
        environments=tuple((row.slug, shown(str(row))) for row in lookup.environments if row != lookup.environment),
        targets=tuple(_list_targets(lookup, matrix)),
        ticks=copied.ticks,
        summary=copied.summary,
        notes=tuple(copied.notes),
        is_open=bool(lookup.front_end or lookup.source),
    )


def _copy(lookup: Lookup, matrix: Matrix, source: Source | None) -> _Copied:
    if lookup.front_end:
        return _copy_front_end(lookup, matrix)
    if source is not None:
        return _copy_environment(lookup, matrix, source)
    if lookup.source:
        return _Copied(summary=_("Choose another environment to copy from."))
    return _Copied()


def _copy_front_end(lookup: Lookup, matrix: Matrix) -> _Copied:
    chosen = {row.origin for row in matrix.rows if any(_id_of(cell) in lookup.targets for cell in row.cells)}
    front_end = next((row for row in matrix.front_ends if row.slug == lookup.front_end), None)
    if front_end is None:
        return _Copied(summary=_("There is no front end “%(slug)s”.") % {"slug": shown(lookup.front_end)})
    if not chosen:
        return _Copied(summary=_("Choose the rows that access is to be copied to."))
    copied = services.copy_front_end(matrix, front_end, chosen)
    return _Copied(copied.ticks, _summarise(copied, shown(str(front_end))), _list_left(copied))


def _copy_environment(lookup: Lookup, matrix: Matrix, source: Source) -> _Copied:
    copied = services.copy_environment(matrix, source, offered=lookup.also)
    notes = _list_left(copied)
    if source.refused:
        notes.append(
            _("Trusted there only, and not to be trusted here: %(list)s") % {"list": "; ".join(_name_refused(source))}
        )
    if source.is_cut:
        notes.append(_("There is more in that environment than was looked at. Copy part of it, with the filter."))
    return _Copied(copied.ticks, _summarise(copied, shown(str(source.environment))), notes)


def _summarise(copied: Copy, name: str) -> str:
    if not copied.ticks:
        return _("Nothing on this page was ticked: whatever %(name)s may call is trusted here, or is left alone.") % {
            "name": name
        }
    count = len(copied.ticks)
    return ngettext(
        "Copied from %(name)s: %(count)d box was ticked. Nothing is saved yet.",
        "Copied from %(name)s: %(count)d boxes were ticked. Nothing is saved yet.",
        count,
    ) % {"name": name, "count": count}


def _list_left(copied: Copy) -> list[str]:
    notes = []
    if copied.revoked:
        words = _("Revoked here, so left alone. Tick what is to be reinstated by hand: %(list)s")
        notes.append(words % {"list": "; ".join(_name_pairs(copied.revoked))})
    if copied.refused:
        words = _("Forbidden here by a safety rule, so left alone: %(list)s")
        notes.append(words % {"list": "; ".join(_name_pairs(copied.refused))})
    return notes


def _name_pairs(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for origin, group in pairs[:MAX_NAMED]:
        yield _("%(origin)s for %(group)s") % {"origin": shown(origin), "group": shown(group)}
    if len(pairs) > MAX_NAMED:
        yield _("and %(count)d more") % {"count": len(pairs) - MAX_NAMED}


def _name_refused(source: Source) -> Iterator[str]:
    for refusal in source.refused[:MAX_NAMED]:
        why = " ".join(word_problem(problem._replace(value=shown(problem.value))) for problem in refusal.problems)
        yield f"{shown(refusal.origin)} ({why})"
    if len(source.refused) > MAX_NAMED:
        yield _("and %(count)d more") % {"count": len(source.refused) - MAX_NAMED}


def _list_targets(lookup: Lookup, matrix: Matrix) -> Iterator[Target]:
    for row in matrix.rows:
        own = [found for cell in row.cells if (found := _id_of(cell))]
        if own and row.canonical:
            owner = f" ({shown(str(row.front_end))})" if row.front_end is not None else ""
            name = format_html("{}{}", show_origin(row.origin), owner)
            yield Target(own[0], name, not lookup.targets.isdisjoint(own))


def _id_of(cell: services.Cell) -> int:
    return cell.grant.pk if cell.grant is not None else 0
