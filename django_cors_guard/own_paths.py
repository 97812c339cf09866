"""The guard's own paths: the admin and this app's API, where no origin is ever trusted.

An origin that could read the admin with a user's cookies could trust others as the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, RoutePattern

from django_cors_guard import conf

ADMIN_APP: Final = "admin"
API_APP: Final = "cors_guard"


@dataclass(frozen=True, slots=True)
class OwnPaths:
    """Where the admin and this app's API are mounted, in path_info terms."""

    prefixes: tuple[str, ...] = ()
    exact: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    at_root: frozenset[str] = frozenset()
    is_dynamic: bool = False

    def cover(self, path: str) -> bool:
        """Whether ``path`` is one of them."""
        if path.startswith(self.prefixes) or path in self.exact:
            return True
        return self.is_dynamic and self._cover_dynamically(path)

    def _cover_dynamically(self, path: str) -> bool:
        if any(pattern.match(path) for pattern in self.patterns):
            return True
        return bool(self.at_root) and _resolves_to(path, self.at_root)


_own_paths: OwnPaths | None = None


def own_paths() -> OwnPaths:
    """Return the guard's own paths; found out once, from the project's URLconf."""
    global _own_paths
    if _own_paths is None:
        apps = {ADMIN_APP} if conf.current().open_own_api else {ADMIN_APP, API_APP}
        _own_paths = find_own_paths(settings.ROOT_URLCONF, frozenset(apps))
    return _own_paths


def is_own_path(path: str) -> bool:
    """Whether ``path`` is one of the guard's own; asked at every request."""
    return (_own_paths or own_paths()).cover(path)


def is_own_view(match: ResolverMatch) -> bool:
    """Whether the view that ran was the admin's or this app's API's, however its path came about."""
    if not match.app_names:
        return False
    return ADMIN_APP in match.app_names or (API_APP in match.app_names and not conf.current().open_own_api)


def find_own_paths(urlconf: str, apps: frozenset[str]) -> OwnPaths:
    """Walk ``urlconf`` for includes whose application namespace is in ``apps``."""
    prefixes: list[str] = []
    patterns: list[re.Pattern[str]] = []
    at_root: set[str] = set()
    for app, steps in _find_mounts(get_resolver(urlconf).url_patterns, apps, ()):
        literal = _join_literally(steps)
        if literal is None:
            patterns.append(re.compile("/" + "".join(_as_regex(step) for step in steps)))
        elif not any(literal):
            at_root.add(app)
        else:
            prefixes += [f"/{prefix}" for prefix in literal if prefix]
    return OwnPaths(
        prefixes=tuple(prefix if prefix.endswith("/") else f"{prefix}/" for prefix in prefixes),
        exact=frozenset(prefix.rstrip("/") for prefix in prefixes),
        patterns=tuple(patterns),
        at_root=frozenset(at_root),
        is_dynamic=bool(patterns or at_root),
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
    text = str(step).removeprefix("^")
    return None if set(text) & set(".^$*+?{}[]\\|()") else [text]


def _as_regex(step: Any) -> str:
    if isinstance(step, LocalePrefixPattern):
        return "(?:[a-zA-Z0-9-]+/)?"
    source = step.regex.pattern if isinstance(step, RegexPattern | RoutePattern) else str(step)
    return re.sub(r"\(\?P<[^>]+>", "(?:", str(source).removeprefix("^")).replace("\\Z", "").replace("\\z", "")


@lru_cache(maxsize=1024)
def _resolves_to(path: str, apps: frozenset[str]) -> bool:
    """For an admin that is mounted at the root: only resolving tells its paths from others."""
    try:
        match = resolve(path, settings.ROOT_URLCONF)
    except Resolver404:
        return True
    return bool(apps & set(match.app_names))


def _forget(*, setting: str, **_: object) -> None:
    global _own_paths
    if setting in {"ROOT_URLCONF", "LANGUAGES", conf.SETTING}:
        _own_paths = None
        _resolves_to.cache_clear()


setting_changed.connect(_forget, dispatch_uid="cors_guard.own_paths")
