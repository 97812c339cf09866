"""The access matrix: which origins of which front ends may call which API groups in one environment, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet

from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.services.access.cells import (
    Cell,
    describe_cell,
    find_cover,
    read_grants,
    read_patterns,
)
from django_cors_guard.services.places import alias, find_environment, tidy
from django_cors_guard.services.revoking.matches import list_patterns_above
from django_cors_guard.services.transfer.grants import label_revokers

#: Rows that are listed; further ones are found by their text.
MAX_ROWS: Final = 2000
ROWS_PER_PAGE: Final = 100
#: Cells on a page: a form has a field for each, and Django takes no more than a thousand.
CELLS_PER_PAGE: Final = 800
#: Longest text to look for.
MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Row:
    """An origin of a front end, or of none; a front end without an origin here has a row with a blank one.

    ``offered``: the origin has no grant here yet. One that is not ``canonical`` can be trusted nowhere.
    """

    origin: str
    front_end: FrontEnd | None
    cells: tuple[Cell, ...]
    canonical: bool
    offered: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """One page of the matrix. ``count`` are the rows of all pages; with ``is_cut`` there are more than are listed.

    ``front_ends`` are all there are, as far as they are listed.
    """

    environment: Environment
    api_groups: tuple[ApiGroup, ...]
    front_ends: tuple[FrontEnd, ...]
    rows: tuple[Row, ...]
    page: int
    pages: int
    first: int
    count: int
    is_cut: bool


def read_matrix(
    environment: Environment | str,
    *,
    text: str = "",
    page: int = 1,
    cells: int = CELLS_PER_PAGE,
    offered: Mapping[int, Iterable[str]] | None = None,
) -> Matrix:
    """Return a page of the rows whose origin or front end contains ``text``, in a few queries however many there are.

    ``offered`` are further origins, by the id of their front end, that are listed though they have no grant here.
    A page has about ``cells`` cells. An environment that is given as an object is taken as it is; raises UnknownName.
    """
    place = place_of(environment)
    groups = tuple(ApiGroup.objects.using(alias()).order_by("name", "slug"))
    front_ends = list(FrontEnd.objects.using(alias()).order_by("name", "pk")[: MAX_ROWS + 1])
    entries, is_cut = _list_entries(place, front_ends, tidy(text).strip()[:MAX_TEXT], offered or {}, len(groups))
    size = max(1, min(ROWS_PER_PAGE, cells // max(1, len(groups))))
    pages = max(1, -(-len(entries) // size))
    page = max(1, min(page, pages))
    start = (page - 1) * size
    return Matrix(
        environment=place,
        api_groups=groups,
        front_ends=tuple(front_ends),
        rows=tuple(_read_rows(place, groups, entries[start : start + size])),
        page=page,
        pages=pages,
        first=start + 1 if entries else 0,
        count=len(entries),
        is_cut=is_cut,
    )


def place_of(given: Environment | str) -> Environment:
    """Return the environment; raises UnknownName. What is read is no more stale than the object that was given."""
    return given if isinstance(given, Environment) else find_environment(given)


_Entry = tuple[FrontEnd | None, str]


def _list_entries(
    environment: Environment,
    front_ends: list[FrontEnd],
    text: str,
    offered: Mapping[int, Iterable[str]],
    columns: int,
) -> tuple[list[_Entry], bool]:
    """Return the rows that are listed, front ends first, and whether there are more."""
    grants = TrustedOrigin.objects.using(alias()).filter(environment=environment)
    named = Q(front_end__name__icontains=text) | Q(front_end__slug__icontains=text)
    grants = grants.filter(Q(origin__icontains=text) | named) if text else grants
    owned, is_cut = _list_owned(grants, columns)
    front_ends = _filter_front_ends(front_ends, text, {*offered, *(pk for pk, _origin in owned)})
    if is_cut:
        last = owned[-1][0]
        known = [front_end.pk for front_end in front_ends]
        front_ends = front_ends[: known.index(last) + 1] if last in known else front_ends
        return list(_merge(front_ends, owned, offered, ()))[:MAX_ROWS], True
    loose = grants.filter(front_end=None).order_by("origin").values_list("origin", flat=True).distinct()
    entries = list(_merge(front_ends, owned, offered, loose[: MAX_ROWS + 1 + len(owned)]))
    return entries[:MAX_ROWS], len(entries) > MAX_ROWS


def _list_owned(grants: QuerySet[TrustedOrigin], columns: int) -> tuple[list[tuple[int, str]], bool]:
    """Return ids of front ends with their origins, in the order of the page, and whether there are more.

    Each pair comes once for every grant; telling them apart here spares the database from sorting all there are.
    """
    rows = grants.filter(front_end__isnull=False).order_by("front_end__name", "front_end_id", "origin")
    limit = (MAX_ROWS + 1) * max(1, columns)
    pairs: list[tuple[int, str]] = list(rows.values_list("front_end_id", "origin")[:limit])
    return list(dict.fromkeys(pairs)), len(pairs) == limit


def _filter_front_ends(front_ends: list[FrontEnd], text: str, wanted: set[int]) -> list[FrontEnd]:
    if not text:
        return front_ends
    if len(front_ends) > MAX_ROWS:
        named = Q(name__icontains=text) | Q(slug__icontains=text) | Q(pk__in=wanted)
        return list(FrontEnd.objects.using(alias()).filter(named).order_by("name", "pk")[: MAX_ROWS + 1])
    part = text.casefold()
    return [row for row in front_ends if row.pk in wanted or part in row.name.casefold() or part in row.slug]


def _merge(
    front_ends: Iterable[FrontEnd],
    owned: Iterable[tuple[int, str]],
    offered: Mapping[int, Iterable[str]],
    loose: Iterable[str],
) -> Iterator[_Entry]:
    """Yield each origin once: with the first front end that a grant of it names, or with none."""
    origins: dict[int, list[str]] = {}
    for pk, origin in owned:
        origins.setdefault(pk, []).append(origin)
    listed = set[str]()
    for front_end in front_ends:
        own = [*origins.get(front_end.pk, ()), *offered.get(front_end.pk, ())]
        fresh = [origin for origin in dict.fromkeys(own) if origin not in listed]
        listed.update(fresh)
        yield from ((front_end, origin) for origin in fresh or [""])
    yield from ((None, origin) for origin in loose if origin not in listed)


def _read_rows(environment: Environment, groups: tuple[ApiGroup, ...], entries: list[_Entry]) -> Iterator[Row]:
    origins = {origin for _front_end, origin in entries if origin}
    grants = read_grants(environment, groups, origins)
    with_grant = {origin for origin, _pk in grants}
    # A database to which upper and lower case are the same has listed one spelling for all of them.
    strays = {grant.origin: grant.front_end for grant in grants.values() if grant.origin not in origins}
    revokers = label_revokers(grants.values())
    patterns = read_patterns(environment, groups) if origins else {}
    for front_end, origin in [*entries, *((owner, origin) for origin, owner in strays.items())]:
        parsed = parse_canonical(origin)
        above = list_patterns_above(parsed) if parsed is not None and patterns else []
        cells = [
            describe_cell(group, grant, revokers)
            if (grant := grants.get((origin, group.pk))) is not None
            else Cell(group, pattern=find_cover(above, group, patterns))
            for group in groups
        ]
        offered = bool(origin) and origin not in with_grant
        yield Row(origin, front_end, tuple(cells) if origin else (), parsed is not None, offered)
