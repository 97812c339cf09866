"""Compiled policies in the cache: signed JSON under a key that names the version, so that any backend is correct.

A cache is never a reason to fail or to wait: what cannot be used is a miss, and one that does not answer is passed by.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any, Final

from django.core import signing
from django.core.cache import caches

from django_cors_guard import conf
from django_cors_guard.core.policy import EnvironmentRow, GrantRow, GroupRow, PolicySource, RouteRow
from django_cors_guard.models.revision import Version
from django_cors_guard.store import database

logger: Final = logging.getLogger("django_cors_guard.store")

CACHE_SCHEMA: Final = 4
_SALT: Final = "django_cors_guard.policy"

#: A policy of more grants is not kept: to unpack and check it takes longer than the rows do.
MAX_CACHED_GRANTS: Final = 50_000
#: A cache that takes longer to answer is passed by for a while.
SLOW_SECONDS: Final = 1.0
PASS_BY_SECONDS: Final = 60.0


class Patience:
    """Whether the cache is worth asking: not while somebody still waits for it, nor soon after it was slow."""

    def __init__(self) -> None:
        self._asked: dict[object, float] = {}
        self._until = 0.0

    def ask(self) -> object | None:
        """Begin to ask; None if the cache is to be passed by."""
        now = monotonic()
        stuck = [key for key, since in list(self._asked.items()) if now - since >= SLOW_SECONDS]
        if stuck:
            for key in stuck:
                self._asked.pop(key, None)
            self._pass_by(now)
        if now < self._until:
            return None
        key = object()
        self._asked[key] = now
        return key

    def answered(self, key: object) -> None:
        """End what ``ask`` began, whether there was an answer or an error."""
        since, now = self._asked.pop(key, None), monotonic()
        if since is not None and now - since >= SLOW_SECONDS:
            self._pass_by(now)

    def _pass_by(self, now: float) -> None:
        self._until = now + PASS_BY_SECONDS
        logger.warning("The cache takes too long to answer; policies are read from the database for a minute.")


patience: Final = Patience()


def key_of(environment: str, version: Version) -> str:
    """Return the key under which a version lies; what lies there never changes."""
    return f"cors_guard:policy:{CACHE_SCHEMA}:{environment}:{version.revision}:{version.token}"


def fetch(environment: str, version: Version) -> PolicySource | None:
    """Return the rows that are kept of ``version``; None where there are none that can be trusted."""
    alias = conf.current().cache
    asked = patience.ask() if alias is not None else None
    if alias is None or asked is None:
        return None
    try:
        signed = caches[alias].get(key_of(environment, version))
        if signed is None:
            return None
        data = signing.loads(signed, salt=_SALT)
        if data["version"] != [CACHE_SCHEMA, environment, version.revision, version.token]:
            raise signing.BadSignature("the entry is another version's")  # noqa: TRY301 - handled with its kind
        return _from_json(data, environment, version)
    except Exception as error:  # noqa: BLE001 - a cache is never a reason to fail; the database has it all
        logger.warning("A cached policy was not used (%s: %s).", type(error).__name__, error)
        return None
    finally:
        patience.answered(asked)


class Tee:
    """Passes the grants of a source on, and keeps them for the cache as long as they are not too many."""

    def __init__(self, source: PolicySource) -> None:
        self._kept: list[GrantRow] | None = [] if conf.current().cache is not None else None
        self._read = source
        self.source = replace(source, grants=self._pass(source.grants)) if self._kept is not None else source

    def _pass(self, rows: Iterable[GrantRow]) -> Iterator[GrantRow]:
        for row in rows:
            if self._kept is not None:
                self._kept.append(row)
                if len(self._kept) > MAX_CACHED_GRANTS:
                    self._kept = None
            yield row

    def keep(self, using: str) -> None:
        """Put what was passed on into the cache: never what a transaction has not committed."""
        if self._kept is not None and not database.in_transaction(using):
            _put(replace(self._read, grants=tuple(self._kept)))


def _put(source: PolicySource) -> None:
    alias = conf.current().cache
    asked = patience.ask() if alias is not None else None
    if alias is None or asked is None:
        return
    version = Version(source.revision, source.token)
    data = {"version": [CACHE_SCHEMA, source.slug, *version], **_to_json(source)}
    try:
        caches[alias].set(
            key_of(source.slug, version),
            signing.dumps(data, salt=_SALT, compress=True),
            # Long enough for every process to find it; then it makes room by itself.
            timeout=math.ceil(2 * conf.current().full_reload_seconds),
        )
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("The policy could not be cached (%s: %s).", type(error).__name__, error)
    finally:
        patience.answered(asked)


def _to_json(source: PolicySource) -> dict[str, Any]:
    return {
        "environment": _as_dict(source.environment) if source.environment else None,
        "groups": [_as_dict(group) for group in source.groups],
        "routes": [[route.group, route.path_prefix, route.host] for route in source.routes],
        "grants": [list(grant) for grant in source.grants],
    }


def _from_json(data: dict[str, Any], environment: str, version: Version) -> PolicySource:
    row = data["environment"]
    return PolicySource(
        slug=environment,
        environment=EnvironmentRow(**row) if row is not None else None,
        groups=tuple(GroupRow(**{key: _tuple(value) for key, value in group.items()}) for group in data["groups"]),
        routes=tuple(RouteRow(group, prefix, host) for group, prefix, host in data["routes"]),
        grants=tuple((group, origin, ends, revoked) for group, origin, ends, revoked in data["grants"]),
        revision=version.revision,
        token=version.token,
    )


def _as_dict(row: EnvironmentRow | GroupRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
