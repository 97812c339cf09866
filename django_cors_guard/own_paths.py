"""The guard's own paths: the admin and this app's API, where no origin is ever trusted.

An origin that could read the admin with a user's cookies could trust others as the operator.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import LocalePrefixPattern, RoutePattern

from django_cors_guard import conf

logger: Final = logging.getLogger("django_cors_guard.own_paths")

ADMIN_APP: Final = "admin"
API_APP: Final = "cors_guard"


@dataclass(frozen=True, slots=True)
class OwnPaths:
    """Where the admin and this app's API are mounted, in path_info terms.

    ``prefixes`` are plain and end in a slash. For the rest, ``by_resolver`` names the application namespaces that the
    URL resolver is asked for, path by path: slower, and right however they are mounted.
    """

    prefixes: tuple[str, ...] = ()
    exact: frozenset[str] = frozenset()
    by_resolver: frozenset[str] = frozenset()

    def cover(self, path: str) -> bool:
        """Whether ``path`` is one of them."""
        if path.startswith(self.prefixes) or path in self.exact:
            return True
        return bool(self.by_resolver) and _resolves_to(path, self.by_resolver)


_own_paths: OwnPaths | None = None


def own_paths() -> OwnPaths:
    """Return the guard's own paths; found out once, from the project's URLconf."""
    global _own_paths
    if _own_paths is None:
        apps = frozenset({ADMIN_APP} if conf.current().open_own_api else {ADMIN_APP, API_APP})
        try:
            _own_paths = find_own_paths(settings.ROOT_URLCONF, apps)
        except Exception:
            logger.exception("The URLconf could not be searched for the admin; each path is resolved instead.")
            _own_paths = OwnPaths(by_resolver=apps)
    return _own_paths


def is_own_path(path: str) -> bool:
    """Whether ``path`` is one of the guard's own; asked at every request."""
    own = _own_paths or own_paths()
    if path.startswith(own.prefixes) or path in own.exact:
        return True
    return own.cover(path) if own.by_resolver else False


def is_own_view(match: ResolverMatch) -> bool:
    """Whether the view that ran was the admin's or this app's API's, however its path came about."""
    if not match.app_names:
        return False
    return ADMIN_APP in match.app_names or (API_APP in match.app_names and not conf.current().open_own_api)


def find_own_paths(urlconf: str, apps: frozenset[str]) -> OwnPaths:
    """Walk ``urlconf`` for includes whose application namespace is in ``apps``."""
    prefixes: list[str] = []
    by_resolver: set[str] = set()
    for app, steps in _find_mounts(get_resolver(urlconf).url_patterns, apps, ()):
        literals = _join_literally(steps)
        if literals is None or not all(literal.endswith("/") for literal in literals):
            # Whatever is not plainly a path segment by segment (a regular expression, a converter, the root, a prefix
            # without its slash) is the resolver's to judge: guessing at it is how an admin would be missed.
            by_resolver.add(app)
        else:
            prefixes += [f"/{literal}" for literal in literals]
    return OwnPaths(
        prefixes=tuple(prefixes),
        exact=frozenset(prefix.rstrip("/") for prefix in prefixes),
        by_resolver=frozenset(by_resolver),
    )


def _find_mounts(
    urls: list[URLPattern | URLResolver], apps: frozenset[str], steps: tuple[Any, ...]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for url in urls:
        if not isinstance(url, URLResolver):
            continue
        path = (*steps, url.pattern)
        if url.app_name in apps:
            yield str(url.app_name), path
        else:
            yield from _find_mounts(url.url_patterns, apps, path)


def _join_literally(steps: tuple[Any, ...]) -> list[str] | None:
    """Return every literal prefix that ``steps`` lead to, or None where one of them is no literal."""
    prefixes = [""]
    for step in steps:
        choices = _literals_of(step)
        if choices is None:
            return None
        prefixes = [prefix + choice for prefix in prefixes for choice in choices]
    return prefixes


def _literals_of(step: Any) -> list[str] | None:
    if isinstance(step, LocalePrefixPattern):
        return [f"{code}/" for code, _ in settings.LANGUAGES] + ([] if step.prefix_default_language else [""])
    if isinstance(step, RoutePattern):
        route = str(step)
        return None if "<" in route else [route]
    text = str(step)
    if not text.startswith("^") or set(text[1:]) & set(".^$*+?{}[]\\|()"):
        return None
    return [text[1:]]


@lru_cache(maxsize=1024)
def _resolves_to(path: str, apps: frozenset[str]) -> bool:
    try:
        match = resolve(path, settings.ROOT_URLCONF)
    except Resolver404:
        return False
    return bool(apps & set(match.app_names))


def _forget(*, setting: str, **_: object) -> None:
    global _own_paths
    if setting in {"ROOT_URLCONF", "LANGUAGES", conf.SETTING}:
        _own_paths = None
        _resolves_to.cache_clear()


setting_changed.connect(_forget, dispatch_uid="cors_guard.own_paths")
