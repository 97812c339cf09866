"""Copying access: what a front end, or another environment, would give to the rows of a matrix. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet

from django_cors_guard.core.origins import Problem, check_rules, parse_canonical
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services.access.cells import Cell, settle
from django_cors_guard.services.access.matrix import MAX_TEXT, Matrix, Row, place_of
from django_cors_guard.services.places import alias, find_front_end, tidy

#: Grants that are looked at where access is copied from.
MAX_COPIED: Final = 3000


@dataclass(frozen=True, slots=True)
class Refusal:
    """An origin that is trusted there and cannot be trusted here."""

    origin: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Access that is in force in another environment, in ids of API groups.

    ``front_ends`` by the id of a front end; ``origins`` by the origin itself, where that is trusted there alone.
    ``offered`` are those of them that could be trusted here as well, by front end; ``refused`` those that could not.
    """

    environment: Environment
    front_ends: Mapping[int, frozenset[int]]
    origins: Mapping[str, frozenset[int]]
    offered: Mapping[int, tuple[str, ...]]
    refused: tuple[Refusal, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """What copying comes to, in pairs of an origin and the slug of an API group.

    ``ticks`` may be trusted. Left alone are ``revoked`` ones, which somebody shut out on purpose, and ``refused`` ones,
    which a safety rule forbids. What is trusted already, and more than the source has, stays as it is.
    """

    ticks: frozenset[tuple[str, str]] = frozenset()
    revoked: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


def copy_front_end(matrix: Matrix, front_end: FrontEnd | str, origins: Collection[str]) -> Copy:
    """Return what the rows of ``origins`` get if they may call what ``front_end`` may in the matrix's environment."""
    owner = front_end if isinstance(front_end, FrontEnd) else find_front_end(front_end)
    rows = _rows_of(matrix.environment).filter(front_end=owner)
    held = settle(rows.order_by("pk")[:MAX_COPIED], matrix.environment, matrix.api_groups)
    groups = _groups_of(grant for grant in held if grant.status() == Status.ACTIVE)
    return _copy(matrix, lambda row: groups if row.origin in origins else ())


def copy_environment(matrix: Matrix, source: Source, *, offered: bool = False) -> Copy:
    """Return what the rows get if each front end may call here what it may call there.

    An origin without a front end gets what the same origin has there. Rows that are trusted only there are ticked as
    they are there, if ``offered`` says so.
    """
    loose = [row.origin for row in matrix.rows if row.front_end is None]
    rows = _rows_of(source.environment).filter(origin__in=loose) if loose else TrustedOrigin.objects.none()
    own = _by_origin(
        grant for grant in settle(rows, source.environment, matrix.api_groups) if grant.status() == Status.ACTIVE
    )

    def want(row: Row) -> Collection[int]:
        if row.offered:
            return source.origins.get(row.origin, ()) if offered else ()
        if row.front_end is None:
            return own.get(row.origin, ())
        return source.front_ends.get(row.front_end.pk, ())

    return _copy(matrix, want)


def read_source(source: Environment | str, target: Environment | str, *, text: str = "") -> Source:
    """Return what front ends may call in ``source``, for copying it to ``target``; ``text`` as in ``read_matrix``."""
    there, here = place_of(source), place_of(target)
    text = tidy(text).strip()[:MAX_TEXT]
    rows = _rows_of(there).filter(front_end__isnull=False)
    if text:
        named = Q(front_end__name__icontains=text) | Q(front_end__slug__icontains=text)
        rows = rows.filter(named | Q(origin__icontains=text))
    rows = rows.select_related("api_group").order_by("front_end__name", "front_end_id", "origin")
    read = list(rows[: MAX_COPIED + 1])
    for grant in read:
        grant.environment = there
    held = [grant for grant in read[:MAX_COPIED] if grant.status() == Status.ACTIVE]
    known = TrustedOrigin.objects.using(alias()).filter(environment=here, origin__in={grant.origin for grant in held})
    here_too = set(known.values_list("origin", flat=True))
    fresh = [grant for grant in held if grant.origin not in here_too]
    groups = {grant.api_group_id: grant.api_group for grant in fresh}
    own = _by_origin(fresh)
    verdicts = {origin: _check(origin, here, [groups[pk] for pk in ids]) for origin, ids in own.items()}
    offered: dict[int, dict[str, None]] = {}
    for grant in fresh:
        if grant.front_end_id is not None and not verdicts[grant.origin]:
            offered.setdefault(grant.front_end_id, {})[grant.origin] = None
    return Source(
        environment=there,
        front_ends=_by_front_end(held),
        origins=own,
        offered={pk: tuple(origins) for pk, origins in offered.items()},
        refused=tuple(Refusal(origin, problems) for origin, problems in verdicts.items() if problems),
        is_cut=len(read) > MAX_COPIED,
    )


def _rows_of(environment: Environment) -> QuerySet[TrustedOrigin]:
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias()).filter(environment=environment)
    return rows.filter(revoked_at=None)


def _check(origin: str, environment: Environment, groups: Iterable[ApiGroup]) -> tuple[Problem, ...]:
    """What stands against trusting an origin here; nothing if any of its API groups could have it."""
    parsed = parse_canonical(origin)
    if parsed is None:
        return (Problem("not_canonical", origin[:255]),)
    found = [check_rules(parsed, rules_for(environment, group)) for group in groups]
    return min(found, key=len, default=())


def _copy(matrix: Matrix, want: Callable[[Row], Collection[int]]) -> Copy:
    ticks, revoked, refused = set[tuple[str, str]](), list[tuple[str, str]](), list[tuple[str, str]]()
    for row in matrix.rows:
        wanted = want(row)
        for cell in row.cells:
            if cell.api_group.pk not in wanted or cell.api_group.any_origin or cell.is_active or cell.pattern:
                continue
            pair = (row.origin, cell.api_group.slug)
            if cell.status == Status.REVOKED:
                revoked.append(pair)
            elif _is_refused(row, cell, matrix.environment):
                refused.append(pair)
            else:
                ticks.add(pair)
    return Copy(frozenset(ticks), tuple(revoked), tuple(refused))


def _is_refused(row: Row, cell: Cell, environment: Environment) -> bool:
    parsed = parse_canonical(row.origin)
    return parsed is None or bool(check_rules(parsed, rules_for(environment, cell.api_group)))


def _groups_of(grants: Iterable[TrustedOrigin]) -> frozenset[int]:
    return frozenset(grant.api_group_id for grant in grants)


def _by_origin(grants: Iterable[TrustedOrigin]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for grant in grants:
        found.setdefault(grant.origin, set()).add(grant.api_group_id)
    return {origin: frozenset(groups) for origin, groups in found.items()}


def _by_front_end(grants: Iterable[TrustedOrigin]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for grant in grants:
        if grant.front_end_id is not None:
            found.setdefault(grant.front_end_id, set()).add(grant.api_group_id)
    return {front_end: frozenset(groups) for front_end, groups in found.items()}
