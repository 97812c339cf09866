"""The URL patterns of the project, and which of them a path prefix covers: for whoever writes routes.

The URLconf is walked and never resolved, so nothing of the project runs. Where a pattern leaves open what a path looks
like (a converter, a regular expression) the answer is *part*: some of its paths, or nobody can tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.urls import URLPattern, URLResolver, get_resolver

from django_cors_guard import conf
from django_cors_guard.own_paths import ADMIN_APP, API_APP, own_paths
from django_cors_guard.url_shapes import OPEN, Shape, Stem, join, read_pattern, shape_of

logger: Final = logging.getLogger("django_cors_guard.url_patterns")

#: Patterns that are looked at; a URLconf that includes itself has no end.
MAX_PATTERNS: Final = 10_000
MAX_DEPTH: Final = 30


class Cover(StrEnum):
    """How much of a URL pattern a path prefix covers."""

    WHOLE = "whole"  # every path that it matches
    PART = "part"  # some of them, depending on what stands in for a converter or a regular expression
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ListedPattern:
    """One URL pattern as the project wrote it, with its includes before it.

    ``is_own`` says that it belongs to the admin or to this app's API, where no route counts; ``is_unread`` that the
    URLconf below it could not be read. ``callback`` is the view as the URLconf has it, where there is one.
    """

    text: str
    shapes: tuple[Shape, ...]
    is_own: bool = False
    is_unread: bool = False
    callback: Any = field(default=None, compare=False, repr=False)

    def cover(self, prefix: str) -> Cover:
        """Return how much of it ``prefix`` covers: on whole segments, case-sensitive, as routes do."""
        wanted = split_prefix(prefix)
        found = {_cover(shape, wanted) for shape in self.shapes}
        return found.pop() if len(found) == 1 else Cover.PART


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix, on one host or (blank) on all, and the slug of the API group that it belongs to."""

    group: str
    prefix: str
    host: str = ""

    @property
    def rank(self) -> tuple[int, bool]:
        """The higher one decides where two routes cover a path: the longer prefix, then the one with a host."""
        return len(self.prefix.rstrip("/")), bool(self.host)

    def outranks(self, other: Route) -> bool:
        """Whether it decides where both cover a path, on some host."""
        meets = not (self.host and other.host) or self.host == other.host
        return meets and self.rank > other.rank


@dataclass(frozen=True, slots=True)
class Claim:
    """A URL pattern that a route covers; ``rival`` is the route of another group that takes it, or some of it."""

    pattern: ListedPattern
    cover: Cover
    rival: Route | None = None
    in_part: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether nothing of it is left to the route."""
        return self.rival is not None and not self.in_part


def list_patterns() -> tuple[ListedPattern, ...]:
    """Return every URL pattern of the project, in the order in which Django tries them. Never raises."""
    return _list_patterns(str(settings.ROOT_URLCONF), conf.current().open_own_api)


def find_claims(route: Route, routes: Sequence[Route]) -> list[Claim]:
    """Return the URL patterns that ``route`` covers, each with the rival among ``routes`` that takes it away."""
    rivals = sorted((other for other in routes if other.outranks(route)), key=lambda other: other.rank, reverse=True)
    claims = []
    for pattern in list_patterns():
        cover = pattern.cover(route.prefix)
        if cover is not Cover.NONE:
            claims.append(_claim(pattern, cover, route, rivals))
    return claims


def list_claimed(group: str, routes: Sequence[Route]) -> list[ListedPattern]:
    """Return the URL patterns that the routes of ``group`` lead to, in whole or in part, where routes count at all."""
    claimed: dict[ListedPattern, None] = {}
    for route in routes:
        if route.group == group:
            found = find_claims(route, routes)
            claimed |= dict.fromkeys(item.pattern for item in found if not (item.is_lost or item.pattern.is_own))
    return list(claimed)


def split_prefix(prefix: str) -> tuple[str, ...]:
    """Return the segments of a path prefix; none for “/”, which covers everything."""
    trimmed = prefix.rstrip("/").removeprefix("/")
    return tuple(trimmed.split("/")) if trimmed else ()


def _claim(pattern: ListedPattern, cover: Cover, route: Route, rivals: Iterable[Route]) -> Claim:
    """Rivals come strongest first: the first one that takes all decides, those before it take some."""
    partial: Route | None = None
    for rival in rivals:
        taken = pattern.cover(rival.prefix)
        if taken is Cover.NONE:
            continue
        if taken is Cover.WHOLE and rival.host in {"", route.host}:
            whole = rival if rival.group != route.group else None
            return Claim(pattern, cover, whole or partial, in_part=whole is None)
        if rival.group != route.group:
            partial = partial or rival
    return Claim(pattern, cover, partial, in_part=True)


def _cover(shape: Shape, wanted: Sequence[str]) -> Cover:
    cover = Cover.WHOLE
    for index, name in enumerate(wanted):
        if index == len(shape.segments):
            fits = shape.rest is not None and name.startswith(shape.rest)
            return Cover.PART if fits else Cover.NONE
        segment = shape.segments[index]
        if not segment.may_be(name):
            return Cover.NONE
        if segment.varies is not None:
            cover = Cover.PART
    return cover


@lru_cache(maxsize=4)
def _list_patterns(urlconf: str, open_own_api: bool) -> tuple[ListedPattern, ...]:
    apps = frozenset({ADMIN_APP} if open_own_api else {ADMIN_APP, API_APP})
    start = _Place("/", ((),))
    found = list(islice(_walk(get_resolver(urlconf), start, apps), MAX_PATTERNS + 1))
    if len(found) > MAX_PATTERNS:
        # What was not looked at may be anything.
        found[MAX_PATTERNS:] = [start.close(is_unread=True)]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the text and the beginnings of paths that lead there."""

    text: str
    stems: tuple[Stem, ...]
    is_own: bool = False
    depth: int = 0

    def step(self, url: URLPattern | URLResolver, apps: frozenset[str]) -> _Place:
        text, stems = read_pattern(url.pattern, is_endpoint=isinstance(url, URLPattern))
        return _Place(
            text=self.text + text,
            stems=join(self.stems, stems),
            is_own=self.is_own or getattr(url, "app_name", None) in apps,
            depth=self.depth + 1,
        )

    def close(self, *, is_unread: bool = False, callback: Any = None) -> ListedPattern:
        stems = join(self.stems, ((OPEN,),)) if is_unread else self.stems
        shapes = tuple(shape_of(stem) for stem in stems)
        is_own = self.is_own or all(shape.begins_below(own_paths().prefixes) for shape in shapes)
        return ListedPattern(self.text, shapes, is_own, is_unread, callback)


def _walk(resolver: URLResolver, place: _Place, apps: frozenset[str]) -> Iterator[ListedPattern]:
    if place.depth == MAX_DEPTH:
        yield place.close(is_unread=True)
        return
    try:
        urls: list[Any] = list(resolver.url_patterns)
    except Exception:
        logger.exception("The URLconf below %s could not be read.", place.text)
        yield place.close(is_unread=True)
        return
    for url in urls:
        try:
            below = place.step(url, apps)
        except Exception:
            logger.exception("A URL pattern below %s could not be read.", place.text)
            yield place.close(is_unread=True)
            continue
        if isinstance(url, URLResolver):
            yield from _walk(url, below, apps)
        else:
            yield below.close(callback=url.callback)


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"ROOT_URLCONF", "LANGUAGES", "LANGUAGE_CODE", conf.SETTING}:
        _list_patterns.cache_clear()


setting_changed.connect(_forget, dispatch_uid="cors_guard.url_patterns")
