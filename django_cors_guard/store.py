"""Rows become one immutable policy a process, and stay fresh: the only module that turns the database into decisions.

A request that finds the policy confirmed less than REFRESH_SECONDS ago gets it without any I/O. Else one request asks
the database for the version, a (revision, token) pair, and the others go on with the policy at hand. It is correct
without any background thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, time
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.core import signing
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, Error, connections, router

from django_cors_guard import conf
from django_cors_guard.core.policy import (
    EnvironmentRow,
    GrantRow,
    GroupRow,
    Policy,
    PolicySource,
    RouteRow,
    compile_policy,
)
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, GroupMode, PolicyState, TrustedOrigin
from django_cors_guard.models.revision import Version
from django_cors_guard.models.write import is_writing

logger: Final = logging.getLogger("django_cors_guard.store")

_T = TypeVar("_T")

#: Longest a request waits for another one's attempt; only one that wakes a long idle process waits at all.
WAIT_SECONDS: Final = 5.0
#: Longest pause between attempts while the database is away.
MAX_BACK_OFF_SECONDS: Final = 30.0
#: An attempt that takes longer is given up on: another request may start one.
ABANDONED_SECONDS: Final = 30.0
#: How often a policy is loaded anew because the version moved while it was read.
MAX_LOADS: Final = 3
READ_CHUNK: Final = 5000

CACHE_SCHEMA: Final = 1
_CACHE_SALT: Final = "django_cors_guard.policy"


@dataclass(frozen=True, slots=True)
class _State:
    """What a process knows. Replaced as a whole; ``policy`` is the one to serve, lapsed or not."""

    policy: Policy | None = None
    full: Policy | None = None
    due_wall: float = 0.0
    due_mono: float = 0.0
    confirmed_wall: float = 0.0
    confirmed_mono: float = 0.0
    loaded_mono: float = 0.0
    failures: int = 0
    #: Read inside an open policy write: what commits under the same version may be something else.
    provisional: bool = False

    def age(self) -> float:
        """Seconds since the database last confirmed the policy, by the clock that says more."""
        return max(time() - self.confirmed_wall, monotonic() - self.confirmed_mono)


@dataclass(slots=True)
class _Flight:
    """One attempt under way; ``landed`` is set when it has ended, whichever way."""

    started: float
    landed: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh this process's policy is. ``age_seconds`` is None before the first one was loaded."""

    environment: str
    known: bool
    revision: int
    age_seconds: float | None
    failures: int
    lapsed: bool
    switched_off: int


class Store:
    """The policy of one process."""

    def __init__(self) -> None:
        self._state = _State()
        self._mutex = threading.Lock()
        self._flight: _Flight | None = None
        self._nudges = 0
        self._tasks: set[asyncio.Future[None]] = set()

    def current(self) -> Policy | None:
        """Return the policy to decide by; None if none could ever be loaded. Never raises."""
        state = self._state
        if monotonic() < state.due_mono and time() < state.due_wall:
            return state.policy
        return self._renew()

    async def acurrent(self) -> Policy | None:
        """As ``current``, without blocking the event loop."""
        state = self._state
        if monotonic() < state.due_mono and time() < state.due_wall:
            return state.policy
        return await self._arenew()

    def nudge(self) -> None:
        """Look at the next request, whatever the time: this process has just written."""
        with self._mutex:
            self._nudges += 1
            self._state = replace(self._state, due_wall=0.0, due_mono=0.0)

    def forget(self) -> None:
        """Drop everything, also what an attempt under way will find: the settings have changed."""
        with self._mutex:
            self._nudges += 1
            self._flight = None
            self._state = _State()

    def after_fork(self) -> None:
        """Take the parent's policy and none of its locks."""
        self._mutex = threading.Lock()
        self._flight = None
        self._tasks = set()

    def preload(self) -> None:
        """Load the policy now and close the connection: for servers that import the application before they fork."""
        self._renew()
        connections[_alias()].close()

    def at_hand(self) -> Policy | None:
        """Return the policy that requests are decided by at this moment; asks nobody."""
        return self._state.policy

    def freshness(self) -> Freshness:
        """Describe the policy at hand; asks nobody."""
        state = self._state
        policy = state.full
        return Freshness(
            environment=conf.current().environment,
            known=policy is not None and policy.known,
            revision=policy.revision if policy is not None else 0,
            age_seconds=state.age() if policy is not None else None,
            failures=state.failures,
            lapsed=policy is not None and state.policy is not policy,
            switched_off=policy.left_out_count if policy is not None else 0,
        )

    def _renew(self) -> Policy | None:
        flight, leads = self._board()
        if leads:
            self._fly(flight)
        elif self._must_wait():
            try:
                flight.landed.result(WAIT_SECONDS)
            except FutureTimeoutError:
                self._give_up_on(flight)
        return self._state.policy

    async def _arenew(self) -> Policy | None:
        flight, leads = self._board()
        if leads:
            # In tests the thread that holds the test's transaction has to ask; elsewhere a slow view must not delay us.
            attempt = sync_to_async(self._fly, thread_sensitive=conf.in_tests())
            task = asyncio.ensure_future(attempt(flight))
            # Shielded, since a client that goes away must not leave a flight that never lands.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.shield(task)
        elif self._must_wait():
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight.landed)), WAIT_SECONDS)
            except TimeoutError:
                self._give_up_on(flight)
        return self._state.policy

    def _board(self) -> tuple[_Flight, bool]:
        """Return the attempt under way, or a new one and True."""
        with self._mutex:
            flight = self._flight
            if flight is not None and monotonic() - flight.started < ABANDONED_SECONDS:
                return flight, False
            self._flight = flight = _Flight(monotonic())
            return flight, True

    def _must_wait(self) -> bool:
        state = self._state
        return state.failures == 0 and state.age() >= 2 * conf.refresh_seconds()

    def _give_up_on(self, flight: _Flight) -> None:
        if not flight.landed.done():
            self._fail(TimeoutError("the database does not answer"), flight)

    def _fly(self, flight: _Flight) -> None:
        try:
            self._attempt(flight)
        finally:
            with self._mutex:
                if self._flight is flight:
                    self._flight = None
            flight.landed.set_result(None)

    def _attempt(self, flight: _Flight) -> None:
        nudges, wall, mono = self._nudges, time(), monotonic()
        try:
            using = _alias()
            if self._must_not_look(using):
                return
            provisional = is_writing(using)
            policy, loaded = _with_own_connection(using, self._read)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, requests go on with the policy at hand
            self._fail(error, flight)
            return
        with self._mutex:
            if self._flight is not flight:
                return  # it took too long, and another attempt has been begun since
            before = self._state
            refresh = conf.refresh_seconds() if nudges == self._nudges and not provisional else 0.0
            self._state = _State(
                policy=policy,
                full=policy,
                due_wall=wall + refresh,
                due_mono=mono + refresh,
                confirmed_wall=wall,
                confirmed_mono=mono,
                loaded_mono=mono if loaded else before.loaded_mono,
                provisional=provisional,
            )
        if before.failures:
            logger.warning("The policy is confirmed again, at revision %d.", policy.revision)
        if loaded:
            _log_left_out(policy)

    def _must_not_look(self, using: str) -> bool:
        """Inside a transaction, what it has written is not committed, and what others commit it may not see."""
        return connections[using].in_atomic_block and not conf.in_tests() and self._state.policy is not None

    def _read(self) -> tuple[Policy, bool]:
        config, state = conf.current(), self._state
        version = PolicyState.read(_alias())
        full = state.full
        aged = monotonic() - state.loaded_mono >= config.full_reload_seconds
        is_current = full is not None and full.version == version and full.environment == config.environment
        if full is not None and is_current and not aged and not state.provisional:
            return full, False
        # A full reload is there for what took no revision (raw SQL), and a cached policy would not know of that either.
        return load(config.environment, version=version, cached=not (is_current and aged)), True

    def _fail(self, error: BaseException, flight: _Flight) -> None:
        with self._mutex:
            if self._flight is not flight:
                return
            state, policy = self._state, self._back_off(self._state)
            failures = self._state.failures
        if failures == 1 or policy is not state.policy:
            # One line per change of state: a traceback would say no more, and the database is not this package's.
            logger.error("The policy could not be confirmed (%s); %s.", error, _describe_service(state.full, policy))

    def _back_off(self, state: _State) -> Policy | None:
        """Put the next attempt off and return the policy to serve until then."""
        failures = state.failures + 1
        refresh = max(conf.refresh_seconds(), 0.05)
        pause = min(refresh * 2 ** min(failures - 1, 10), MAX_BACK_OFF_SECONDS)
        limit = conf.current().max_stale_seconds
        age = state.age()
        policy = state.full
        if policy is not None and age >= limit:
            policy = policy.lapsed
        elif policy is not None:
            # Not to be served past the moment at which it lapses.
            pause = min(pause, limit - age)
        if conf.refresh_seconds() == 0:
            pause = 0.0
        self._state = replace(
            state, policy=policy, due_wall=time() + pause, due_mono=monotonic() + pause, failures=failures
        )
        return policy


def _describe_service(full: Policy | None, policy: Policy | None) -> str:
    if full is None:
        return "there is none yet, so no CORS header is sent"
    if policy is not full:
        return "it is too old now, so every grant has lapsed"
    return f"revision {full.revision} serves on"


def _alias() -> str:
    return router.db_for_write(PolicyState) or DEFAULT_DB_ALIAS


def _with_own_connection(using: str, read: Callable[[], _T]) -> _T:
    """Run ``read``; try once more on a connection that had died, and close one that had to be opened."""
    connection = connections[using]
    found_open = connection.connection is not None
    try:
        try:
            return read()
        except Error:
            if not found_open or connection.in_atomic_block:
                raise
            connection.close()
            found_open = False
            return read()
    finally:
        if not found_open and not connection.in_atomic_block:
            connection.close()


def load(environment: str, *, version: Version | None = None, cached: bool = True) -> Policy:
    """Read and compile the policy of ``environment``, from the cache where it holds the version. May raise.

    With ``cached`` false the rows are read whatever the cache holds, and put there.
    """
    using = _alias()
    wanted = version if version is not None else PolicyState.read(using)
    policy = _load_cached(environment, wanted) if cached else None
    if policy is not None:
        return policy
    for _ in range(MAX_LOADS):
        source = _read_source(environment, wanted, using)
        policy = compile_policy(source, max_mode=conf.current().max_mode, now=time())
        seen = PolicyState.read(using)
        if seen == wanted:
            _store_cached(source, using)
            return policy
        wanted = seen
    # The pair was read before these rows, so the next look finds it outdated and loads again.
    return policy  # type: ignore[return-value]  # the loop ran at least once


def load_about(environment: str, grants: Collection[TrustedOrigin], *, row: Environment | None = None) -> Policy:
    """Read and compile what the policy of ``environment`` makes of ``grants``, some of its own. May raise.

    For explanations: the other grants, of which there may be a million, have no say in them. Such a policy is neither
    cached nor served. ``row`` is the environment's, where it is known.
    """
    using = _alias()
    source = _read_source(environment, PolicyState.read(using), using, row=row, grants=grants)
    return compile_policy(source, max_mode=conf.current().max_mode, now=time())


def _read_source(
    environment: str,
    version: Version,
    using: str,
    *,
    row: Environment | None = None,
    grants: Collection[TrustedOrigin] | None = None,
) -> PolicySource:
    row = row if row is not None else Environment.objects.using(using).filter(slug=environment).first()
    if row is not None and row.slug != environment:
        row = None  # a collation that ignores case is no reason to take another environment's policy
    modes: dict[int, str] = {}
    found: tuple[GrantRow, ...] = ()
    groups = list(ApiGroup.objects.using(using).order_by("pk"))
    slugs = {group.pk: group.slug for group in groups}
    if row is not None:
        modes = dict(GroupMode.objects.using(using).filter(environment=row).values_list("api_group_id", "mode"))
        columns = _read_grants(row, using) if grants is None else map(_columns_of, grants)
        found = tuple(_grant_rows(columns, slugs))
    return PolicySource(
        slug=environment,
        environment=_environment_row(row) if row is not None else None,
        groups=tuple(group.as_row(modes.get(group.pk)) for group in groups),
        routes=tuple(
            RouteRow(slugs.get(group, ""), prefix, host)
            for group, prefix, host in ApiRoute.objects.using(using)
            .order_by("pk")
            .values_list("api_group_id", "path_prefix", "host")
        ),
        grants=found,
        revision=version.revision,
        token=version.token,
    )


#: API group by id, origin, expires_at, revoked_at.
_Columns = tuple[int, str, datetime | None, datetime | None]


def _read_grants(environment: Environment, using: str) -> Iterator[_Columns]:
    rows = TrustedOrigin.objects.using(using).filter(environment=environment)
    columns = rows.values_list("api_group_id", "origin", "expires_at", "revoked_at")
    yield from columns.iterator(chunk_size=READ_CHUNK)


def _columns_of(grant: TrustedOrigin) -> _Columns:
    return grant.api_group_id, grant.origin, grant.expires_at, grant.revoked_at


def _grant_rows(columns: Iterable[_Columns], slugs: dict[int, str]) -> Iterator[GrantRow]:
    for group, origin, expires_at, revoked_at in columns:
        ends = expires_at.timestamp() if expires_at is not None else None
        yield slugs.get(group, ""), origin, ends, revoked_at is not None


def _environment_row(row: Environment) -> EnvironmentRow:
    return EnvironmentRow(
        slug=row.slug,
        mode=row.mode,
        allow_insecure_http=row.allow_insecure_http,
        allow_insecure_credentials=row.allow_insecure_credentials,
        allow_loopback=row.allow_loopback,
        allow_subdomain_patterns=row.allow_subdomain_patterns,
        allow_custom_schemes=row.allow_custom_schemes,
        max_trust_days=row.max_trust_days,
    )


def _cache_key(environment: str, version: Version) -> str:
    return f"cors_guard:policy:{CACHE_SCHEMA}:{environment}:{version.revision}:{version.token}"


def _load_cached(environment: str, version: Version) -> Policy | None:
    alias = conf.current().cache
    if alias is None:
        return None
    try:
        signed = caches[alias].get(_cache_key(environment, version))
        if signed is None:
            return None
        data = signing.loads(signed, salt=_CACHE_SALT)
        if data["version"] != [CACHE_SCHEMA, environment, version.revision, version.token]:
            raise signing.BadSignature("the entry is another version's")  # noqa: TRY301 - handled with its kind
        source = _source_from_json(data, environment, version)
    except Exception as error:  # noqa: BLE001 - a cache is never a reason to fail; the database has it all
        logger.warning("A cached policy was not used (%s: %s).", type(error).__name__, error)
        return None
    return compile_policy(source, max_mode=conf.current().max_mode, now=time())


def _store_cached(source: PolicySource, using: str) -> None:
    alias = conf.current().cache
    if alias is None or _in_transaction(using):
        return
    version = Version(source.revision, source.token)
    data = {"version": [CACHE_SCHEMA, source.slug, *version], **_source_to_json(source)}
    try:
        caches[alias].set(
            _cache_key(source.slug, version),
            signing.dumps(data, salt=_CACHE_SALT, compress=True),
            # Long enough for every process to find it; then it makes room by itself.
            timeout=math.ceil(2 * conf.current().full_reload_seconds),
        )
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("The policy could not be cached (%s: %s).", type(error).__name__, error)


def _in_transaction(using: str) -> bool:
    return connections[using].in_atomic_block


def _source_to_json(source: PolicySource) -> dict[str, Any]:
    return {
        "environment": _as_dict(source.environment) if source.environment else None,
        "groups": [_as_dict(group) for group in source.groups],
        "routes": [[route.group, route.path_prefix, route.host] for route in source.routes],
        "grants": [list(grant) for grant in source.grants],
    }


def _source_from_json(data: dict[str, Any], environment: str, version: Version) -> PolicySource:
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


def _log_left_out(policy: Policy) -> None:
    if not policy.left_out_count:
        return
    shown = "; ".join(
        f"{row.group} {row.origin}: {', '.join(problem.code for problem in row.problems)}"
        for row in policy.left_out[:10]
    )
    logger.warning(
        "Revision %d: %d rows break a safety rule and are switched off: %s",
        policy.revision,
        policy.left_out_count,
        shown,
    )


store: Final = Store()
current = store.current
acurrent = store.acurrent
preload = store.preload

os.register_at_fork(after_in_child=store.after_fork)


def look_again(**_: Any) -> None:
    """Receiver of ``policy_written``: the process that writes looks at its next request."""
    store.nudge()


def forget_settings(*, setting: str, **_: Any) -> None:
    """Receiver of ``setting_changed``: another setting may mean another policy."""
    if setting in {conf.SETTING, "CACHES", "DATABASE_ROUTERS"}:
        store.forget()
