"""The keeper of a process's policy: hands it to requests, and sees to it that it is fresh.

A request that finds the policy confirmed less than REFRESH_SECONDS ago gets it without any I/O. Else one request asks
the database for the version, a (revision, token) pair, and the others go on with the policy at hand. It is correct
without any background thread; where threads run, they do what would hold a request up: reading all rows, and asking a
database that did not answer the last time.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from dataclasses import replace
from functools import partial
from time import monotonic, time
from typing import Final

from asgiref.sync import sync_to_async
from django.db import connections

from django_cors_guard import background, conf
from django_cors_guard.core.policy import Policy
from django_cors_guard.models.revision import Version
from django_cors_guard.models.write import is_writing
from django_cors_guard.signals import policy_looked, policy_looking
from django_cors_guard.store import database, words
from django_cors_guard.store.flights import Flight, wait, wait_async
from django_cors_guard.store.looks import Finding, look
from django_cors_guard.store.rebuilds import Rebuild, Rebuilds, Rebuilt
from django_cors_guard.store.state import Freshness, State
from django_cors_guard.store.watch import Watch

#: Longest a request waits for another one's attempt; only in a process that wakes after an idle time does any wait.
WAIT_SECONDS: Final = 5.0
#: An attempt that takes longer is given up on: another request may start one.
ABANDONED_SECONDS: Final = 30.0
#: The same while several attempts have not come back: no more threads are to hang.
HUNG_SECONDS: Final = 600.0
MAX_HUNG: Final = 2
#: How long the request that found all rows to be due waits for them: a small policy is there by then.
PATIENCE_SECONDS: Final = 0.25


class Store:
    """The policy of one process."""

    def __init__(self) -> None:
        self._state = State()
        self._mutex = threading.Lock()
        self._flight: Flight | None = None
        self._hung: list[Flight] = []
        self._nudges = 0
        self._tasks: set[asyncio.Future[None]] = set()
        self._rebuilds = Rebuilds(self._install, lambda: self._state.full)
        self._watch = Watch(self._give_up_on, lambda: WAIT_SECONDS)
        #: What the process knows by itself while a test has pinned another policy on top; else None.
        self._beneath: State | None = None
        #: Children of one server, which share the age of their policy, do not all read it anew at once.
        self._spread = 0.0

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
            if self._beneath is not None:
                self._beneath = replace(self._beneath, due_wall=0.0, due_mono=0.0)
            else:
                self._state = replace(self._state, due_wall=0.0, due_mono=0.0)

    def forget(self) -> None:
        """Drop everything, also what an attempt under way will find: the settings have changed."""
        with self._mutex:
            self._nudges += 1
            self._rebuilds.drop()
            if self._beneath is not None:
                self._beneath = State()
            else:
                self._flight = None
                self._state = State()

    def pin(self, policy: Policy) -> None:
        """Serve ``policy`` to every thread until ``unpin``, and ask nobody: for tests. Another pin takes its place."""
        with self._mutex:
            if self._beneath is None:
                self._beneath = self._state
            self._rebuilds.drop()
            # Whoever found the former state outdated joins an attempt that has landed; one under way will be dropped.
            self._flight = Flight(math.inf)
            self._flight.landed.set_result(None)
            # Due at no time, so that the way of every request needs no question about pins.
            now, mono = time(), monotonic()
            self._state = State(policy, policy, math.inf, math.inf, now, mono, now, mono, mono)

    def unpin(self) -> None:
        """Go on with what was there before ``pin``, or with nothing if the settings have changed since."""
        with self._mutex:
            if self._beneath is not None:
                self._state, self._beneath, self._flight = self._beneath, None, None

    @property
    def is_pinned(self) -> bool:
        """Whether a test has pinned the policy: then the database is not looked at, nor written to unasked."""
        return self._beneath is not None

    def after_fork(self) -> None:
        """Take the parent's policy and none of its locks."""
        self._mutex = threading.Lock()
        self._rebuilds.after_fork()
        self._watch = Watch(self._give_up_on, lambda: WAIT_SECONDS)
        if self._beneath is None:
            self._flight = None
        self._hung = []
        self._tasks = set()
        self._spread = random.random()  # noqa: S311 - nothing to guess

    def preload(self) -> None:
        """Load the policy now and close the connection: for servers that import the application before they fork.

        Nobody is told, for the server's own process decides nothing.
        """
        flight, leads = self._board()
        if leads:
            flight.tells = False
            self._fly(flight)
        connections[database.alias()].close()

    def look(self) -> None:
        """Look at the database in this thread, however fresh the policy is; a look that began before does not count."""
        for _ in range(2):
            flight, leads = self._board()
            if leads:
                self._fly(flight)
                return
            wait(flight.landed, WAIT_SECONDS)

    def has_to_look(self) -> bool:
        """Whether nobody decides before a look that has not begun yet: none is under way, and none has failed."""
        # In this order: one that lands in between puts the next one off.
        is_free, state = self._flight is None, self._state
        is_due = monotonic() >= state.due_mono or time() >= state.due_wall
        return is_free and is_due and not state.failures

    def at_hand(self) -> Policy | None:
        """Return the policy that requests are decided by at this moment; asks nobody."""
        return self._state.policy

    def freshness(self) -> Freshness:
        """Describe the policy at hand; asks nobody."""
        return Freshness.of(self._state)

    def _renew(self) -> Policy | None:
        flight, leads = self._board()
        if leads:
            if not self._hand_over(flight):
                self._watch.over(flight)
                self._fly(flight)
            elif self._has_none():
                wait(flight.landed, PATIENCE_SECONDS)
        elif self._must_wait(flight) and not flight.ends_in(WAIT_SECONDS):
            self._give_up_on(flight)
        return self._serve()

    async def _arenew(self) -> Policy | None:
        flight, leads = self._board()
        if leads:
            if not self._hand_over(flight):
                self._watch.over(flight)
                await self._afly(flight)
            elif self._has_none():
                await wait_async(flight, PATIENCE_SECONDS)
        elif self._must_wait(flight) and not await flight.ends_in_async(WAIT_SECONDS):
            self._give_up_on(flight)
        return self._serve()

    async def _afly(self, flight: Flight) -> None:
        # In tests the thread that holds the test's transaction has to ask; elsewhere a slow view must not delay us.
        attempt = sync_to_async(self._fly, thread_sensitive=conf.in_tests())
        task = asyncio.ensure_future(attempt(flight))
        # Shielded, since a client that goes away must not leave a flight that never lands.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    def _board(self) -> tuple[Flight, bool]:
        """Return the attempt under way, or a new one and True."""
        flight = self._flight
        if flight is not None and flight.silence() >= WAIT_SECONDS:
            self._give_up_on(flight)
        with self._mutex:
            flight = self._flight
            if flight is not None and flight.silence() < self._patience_with(flight):
                return flight, False
            if flight is not None:
                self._hung = [*(hung for hung in self._hung if not hung.landed.done()), flight]
            state = self._state
            wakes = state.failures == 0 and state.silence() >= 2 * conf.refresh_seconds()
            self._flight = flight = Flight(monotonic(), wakes)
            return flight, True

    def _patience_with(self, flight: Flight) -> float:
        """Return after how many seconds another attempt may begin beside ``flight``."""
        if not flight.has_begun and not background.threads.run:
            return WAIT_SECONDS  # it was handed to a thread, and none runs here
        hung = sum(1 for other in self._hung if not other.landed.done())
        return HUNG_SECONDS if hung >= MAX_HUNG else ABANDONED_SECONDS

    def _must_wait(self, flight: Flight) -> bool:
        return flight.wakes and self._state.failures == 0

    def _hand_over(self, flight: Flight) -> bool:
        """Let a thread ask a database that has not answered the last time: it may hang, and nobody has to wait."""
        return self._state.failures > 0 and background.start(partial(self._fly, flight), name="look")

    def _has_none(self) -> bool:
        """Whether there is no policy that trusts anybody: then one request in each step of the back-off waits."""
        state = self._state
        return state.full is None or state.policy is not state.full

    def _give_up_on(self, flight: Flight) -> None:
        """Count an attempt that has not landed in time as failed, and let go whoever waits for the database in it."""
        with self._mutex:
            if flight.landed.done() or flight.given_up:
                return
            flight.given_up = True
            if flight.connection is not None:
                database.sever(flight.connection)
        if self._fail(TimeoutError("the database does not answer"), flight) and flight.tells:
            self._tell(time())

    def _serve(self) -> Policy | None:
        """Return the policy to serve. Only those come here who found it due, so the question costs no other request."""
        if not self._state.has_to_lapse() or self.is_pinned:
            return self._state.policy
        with self._mutex:
            if not self._state.has_to_lapse() or self.is_pinned:
                return self._state.policy
            self._state = state = self._state.lapsed()
        words.log_unconfirmed(None, state.full, state.policy)
        return state.policy

    def _fly(self, flight: Flight) -> None:
        flight.has_begun = True
        wall = time()
        looked = False
        try:
            looked = self._attempt(flight)
        finally:
            with self._mutex:
                if self._flight is flight:
                    self._flight = None
            flight.landed.set_result(None)
        if looked and flight.tells:
            self._tell(wall)

    def _tell(self, looked_at: float) -> None:
        """Send ``policy_looked``; nobody waits for what its receivers do but the request that looked."""
        state = self._state
        version = Version(*state.full.version) if state.full is not None and not state.failures else None
        policy_looked.send_robust(sender=None, version=version, looked_at=looked_at)

    def _attempt(self, flight: Flight) -> bool:
        """Look, and keep what was found; return whether the database was asked and the answer counts."""
        nudges, wall, mono, before = self._nudges, time(), monotonic(), self._state
        try:
            using = database.alias()
            if self._must_not_look(using):
                return False
            provisional = is_writing(using)
            found = self._ask(flight, using, before)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, requests go on with the policy at hand
            return self._fail(error, flight)
        with self._mutex:
            if self._flight is not flight:
                return False  # it took too long, and another attempt has been begun since
            if self._state.full is not before.full:
                # All rows have come meanwhile, and nobody knows which of the two is newer.
                self._state = replace(self._state, due_wall=0.0, due_mono=0.0)
                return False
            refresh = conf.refresh_seconds() if nudges == self._nudges and not provisional else 0.0
            self._state = replace(
                self._keep(found, wall, mono),
                due_wall=wall + refresh,
                due_mono=mono + refresh,
                answered_wall=wall,
                answered_mono=mono,
                failures=0,
                provisional=provisional,
            )
        self._report(found, before)
        return True

    def _ask(self, flight: Flight, using: str, before: State) -> Finding:
        def read() -> Finding:
            if flight.tells:
                policy_looking.send_robust(sender=None)
            return look(before, self._spread, flight.come_on)

        flight.connection = connections[using]
        try:
            return database.with_own_connection(using, read, retry=lambda: not flight.given_up)
        finally:
            with self._mutex:
                flight.connection = None  # from here on it is the request's own again

    def _keep(self, found: Finding, wall: float, mono: float) -> State:
        """Return the state with the policy that was found, as confirmed by a question that began then."""
        state, policy = self._state, found.policy
        if policy is None:
            state = state if found.seconds is None else replace(state, load_seconds=found.seconds)
            return state if found.interim is None else state.amended(found.interim)
        state = replace(
            state, policy=policy, full=policy, confirmed_wall=wall, confirmed_mono=mono, heard_mono=monotonic()
        )
        return state if found.seconds is None else replace(state, loaded_mono=mono, load_seconds=found.seconds)

    def _report(self, found: Finding, before: State) -> None:
        policy = found.policy if found.policy is not None else before.full
        if policy is None:
            return
        if before.failures:
            words.log_answer(found.policy)
        if found.changed:
            words.log_left_out(policy)
        if found.policy is None or found.is_aged:
            landing = self._rebuilds.begin(policy, cached=not found.is_aged)
            if landing is not None and found.policy is None:
                wait(landing, PATIENCE_SECONDS)

    def _must_not_look(self, using: str) -> bool:
        """Inside a transaction, what it has written is not committed, and what others commit it may not see."""
        return database.in_transaction(using) and not conf.in_tests() and self._state.policy is not None

    def _install(self, rebuild: Rebuild, built: Rebuilt) -> bool:
        """Take a policy that was loaded in a thread; False if a newer one may be at hand."""
        with self._mutex:
            if not self._rebuilds.is_current(rebuild):
                return True  # nobody waits for it any more
            state, policy = self._state, built.policy
            at_hand = state.full.version if state.full is not None else None
            if state.full is not built.beside or (state.heard_mono > built.mono and at_hand != policy.version):
                return False
            confirmed = replace(
                state,
                policy=policy,
                full=policy,
                confirmed_wall=max(built.wall, state.confirmed_wall) if at_hand == policy.version else built.wall,
                confirmed_mono=max(built.mono, state.confirmed_mono) if at_hand == policy.version else built.mono,
                loaded_mono=built.begun_mono,
                load_seconds=built.seconds,
                failures=0,
                provisional=False,
            )
            # Those rows came in spite of a back-off: what has been committed since then is not to wait for its end.
            self._state = replace(confirmed, due_wall=0.0, due_mono=0.0) if state.failures else confirmed
        if state.failures:
            words.log_answer(policy)
        words.log_left_out(policy)
        self._tell(built.wall)
        return True

    def _fail(self, error: BaseException, flight: Flight) -> bool:
        """Put the next attempt off; return whether this one counted."""
        with self._mutex:
            if self._flight is not flight:
                return False
            before = self._state
            self._state = after = before.failed()
        if after.failures == 1 or after.policy is not before.policy:
            words.log_unconfirmed(error, after.full, after.policy)
        return True
