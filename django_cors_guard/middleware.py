"""The middleware: facts in, a decision out, the decision carried out. Thin sync and async shells around one core.

Put it as far up in ``MIDDLEWARE`` as possible: what stands before it answers requests that it never sees.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from time import time
from typing import Final, cast

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_cors_guard.core import headers
from django_cors_guard.core.answers import (
    COLD,
    COLD_PREFLIGHT,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NO_CONTENT,
    ORIGIN_NOT_ALLOWED,
    UNAVAILABLE,
    UNGUARDED,
)
from django_cors_guard.core.decision import Decision
from django_cors_guard.core.policy import Policy
from django_cors_guard.core.protocol import decide, is_preflight, kind_of
from django_cors_guard.facts import RequestFacts
from django_cors_guard.own_paths import is_own_view
from django_cors_guard.recorder import Refusal, recorder
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.middleware")

RETRY_AFTER_SECONDS: Final = 5

_PROBLEM_TYPE: Final = "application/problem+json"
_DETAILS: Final = {
    ORIGIN_NOT_ALLOWED: "The page that sent this request is not trusted to call this API.",
    METHOD_NOT_ALLOWED: "This API does not let pages of other origins use this method.",
}


def _problem_body(status: int, title: str, detail: str, reason: str = "") -> bytes:
    """Return an RFC 9457 problem; it repeats nothing that the sender chose."""
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if reason:
        problem["reason"] = reason
    return json.dumps(problem).encode()


_FORBIDDEN_BODIES: Final = {
    problem: _problem_body(FORBIDDEN, "Forbidden", detail, problem) for problem, detail in _DETAILS.items()
}
_UNAVAILABLE_BODY: Final = _problem_body(
    UNAVAILABLE, "Service Unavailable", "The list of trusted origins cannot be read at the moment. Try again soon."
)

_Response = HttpResponseBase
_GetResponse = Callable[[HttpRequest], _Response]
_AsyncGetResponse = Callable[[HttpRequest], Awaitable[_Response]]


class CorsGuardMiddleware:
    """Enforces the policy on every request whose path belongs to an API group."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _GetResponse | _AsyncGetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> _Response | Awaitable[_Response]:
        if self._is_async:
            return self.__acall__(request)
        facts = RequestFacts(request)
        decision = judge(facts, store.current())
        if decision is UNGUARDED:
            return self.get_response(request)
        if decision.rejected is not None and recorder.writes_at_once:
            recorder.flush()
        response = answer(decision) if decision.status else cast(_Response, self.get_response(request))
        return carry_out(decision, facts.origin or "", request, response)

    async def __acall__(self, request: HttpRequest) -> _Response:
        facts = RequestFacts(request)
        decision = judge(facts, await store.acurrent())
        get_response = cast(_AsyncGetResponse, self.get_response)
        if decision is UNGUARDED:
            return await get_response(request)
        if decision.rejected is not None and recorder.writes_at_once:
            await sync_to_async(recorder.flush)()
        response = answer(decision) if decision.status else await get_response(request)
        return carry_out(decision, facts.origin or "", request, response)


def judge(facts: RequestFacts, policy: Policy | None) -> Decision:
    """Decide and record. Whatever goes wrong in here becomes the most careful decision, never a 500."""
    try:
        decision = decide(facts, policy, time())
    except Exception:
        logger.exception("The guard failed on a request; no CORS header is sent.")
        return COLD_PREFLIGHT if is_preflight(facts) else COLD
    try:
        record(facts, decision)
    except Exception:
        # Trouble of the audit changes no decision.
        logger.exception("A decision could not be recorded.")
    return decision


def record(facts: RequestFacts, decision: Decision) -> None:
    """Count the refusal, or the use of a grant, that ``decision`` is."""
    if decision.rejected is not None:
        recorder.refuse(
            Refusal(
                decision.group,
                decision.mode,
                facts.origin or "",
                decision.rejected,
                kind_of(facts, facts.fetch_mode),
                facts.method,
                facts.path,
                facts.client(),
                facts.user_agent,
            )
        )
    elif decision.used:
        recorder.use(decision.group, facts.origin or "", facts.method)


def answer(decision: Decision) -> HttpResponse:
    """Return the guard's own answer; ``carry_out`` adds the CORS headers."""
    if decision.status == NO_CONTENT:
        response = HttpResponse(status=NO_CONTENT)
        del response.headers["Content-Type"]
        return response
    if decision.status == UNAVAILABLE:
        response = HttpResponse(_UNAVAILABLE_BODY, status=UNAVAILABLE, content_type=_PROBLEM_TYPE)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        response = HttpResponse(_FORBIDDEN_BODIES[decision.problem], status=decision.status, content_type=_PROBLEM_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def carry_out(decision: Decision, origin: str, request: HttpRequest, response: _Response) -> _Response:
    """Put the decision's headers on ``response``, and take off what was set further in."""
    fields = response.headers
    if decision.strip:
        for name in [name for name in fields if name[:15].lower() == headers.OWNED_PREFIX]:
            del fields[name]
    if decision.vary:
        existing = fields.get("Vary")
        fields["Vary"] = headers.extend_vary(existing, decision.vary) if existing else decision.vary_value
    if decision.echo_origin or decision.headers:
        # The last word is the URL resolver's: no origin is ever trusted with a view of the admin.
        if request.resolver_match is not None and is_own_view(request.resolver_match):
            return response
        if decision.echo_origin:
            fields[headers.ALLOW_ORIGIN] = origin
        for name, value in decision.headers:
            fields[name] = value
    return response
