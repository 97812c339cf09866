"""The middleware: facts in, a decision out, the decision carried out. Thin sync and async shells around one core.

Put it as far up in ``MIDDLEWARE`` as possible: what stands before it answers requests that it never sees.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from time import time
from typing import Any, Final

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_cors_guard import metrics
from django_cors_guard.core.answers import COLD, COLD_PREFLIGHT, UNGUARDED
from django_cors_guard.core.decision import Decision, Reason
from django_cors_guard.core.policy import Policy
from django_cors_guard.core.protocol import decide, is_preflight, kind_of
from django_cors_guard.facts import RequestFacts
from django_cors_guard.middleware import places
from django_cors_guard.middleware.answering import answer, carry_out
from django_cors_guard.parity import watch
from django_cors_guard.recorder import Refusal, recorder
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.middleware")

_Response = HttpResponseBase
_GetResponse = Callable[[HttpRequest], _Response]
_AsyncGetResponse = Callable[[HttpRequest], Awaitable[_Response]]


class CorsGuardMiddleware:
    """Enforces the policy on every request whose path belongs to an API group."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _GetResponse | _AsyncGetResponse) -> None:
        # Of either kind, as ``_is_async`` says.
        self.get_response: Callable[[HttpRequest], Any] = watch(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> _Response | Awaitable[_Response]:
        if self._is_async:
            return self.__acall__(request)
        decision = judge(request, store.current())
        if (counters := metrics.live) is not None:
            next(counters[decision.label])
        if decision is UNGUARDED:
            untouched: _Response = self.get_response(request)
            return untouched
        # The one that was judged: what the view makes of META is nobody's origin.
        origin = request.META["HTTP_ORIGIN"] if decision.echo_origin else ""
        if decision.rejected is not None and recorder.writes_at_once:
            recorder.flush()
        response = answer(decision) if decision.status else self.get_response(request)
        return carry_out(decision, origin, request, response)

    async def __acall__(self, request: HttpRequest) -> _Response:
        decision = judge(request, await store.acurrent())
        if (counters := metrics.live) is not None:
            next(counters[decision.label])
        if decision is UNGUARDED:
            untouched: _Response = await self.get_response(request)
            return untouched
        origin = request.META["HTTP_ORIGIN"] if decision.echo_origin else ""
        if decision.rejected is not None and recorder.writes_at_once:
            await sync_to_async(recorder.flush)()
        response = answer(decision) if decision.status else await self.get_response(request)
        return carry_out(decision, origin, request, response)


def judge(request: HttpRequest, policy: Policy | None) -> Decision:
    """Decide and record. Whatever goes wrong in here becomes the most careful decision, never a 500."""
    group = None
    try:
        if policy is not None:
            here = places.latest
            if here.policy is not policy:
                here = places.renew(policy)
            group, quiet = here.known.get(request.path_info) or here.look(request)
            if (group is None or request.META.get("HTTP_ORIGIN") is None) and quiet is not None:
                return quiet
        facts = RequestFacts(request)
        decision = decide(facts, policy, time(), group)
    except Exception:
        logger.exception("The guard failed on a request; no CORS header is sent.")
        return COLD_PREFLIGHT if is_preflight(RequestFacts(request)) else COLD
    try:
        if decision.used:
            recorder.use(decision.group, facts.origin or "", facts.method)
        elif decision.rejected is not None:
            _refuse(facts, decision, decision.rejected)
    except Exception:
        # Trouble of the audit changes no decision.
        logger.exception("A decision could not be recorded.")
    return decision


def _refuse(facts: RequestFacts, decision: Decision, reason: Reason) -> None:
    recorder.refuse(
        Refusal(
            decision.group,
            decision.mode,
            facts.origin or "",
            reason,
            kind_of(facts, facts.fetch_mode),
            facts.method,
            facts.path,
            facts.client(),
            facts.user_agent,
        )
    )
