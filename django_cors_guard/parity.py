"""While another CORS middleware runs behind the guard: where the two would have answered differently is recorded.

It is there for moving in: the other one answers, the guard monitors, and ``manage.py cors_guard parity`` tells what
would change if the guard enforced. Without another one in ``MIDDLEWARE`` nothing here runs at any request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from time import time
from typing import Final, TypeVar, cast

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_cors_guard.core.browser import STATUS
from django_cors_guard.core.decision import Kind
from django_cors_guard.core.parity import COMPARED, compare, is_watched
from django_cors_guard.core.protocol import is_preflight, kind_of
from django_cors_guard.facts import RequestFacts
from django_cors_guard.neighbours import find_inner
from django_cors_guard.recorder import recorder
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.parity")

_OK: Final = range(200, 300)
#: For these alone browsers look at CORS headers: a navigation, say, goes where it goes.
_COMPARED_KINDS: Final = frozenset({Kind.PREFLIGHT, Kind.ACTUAL})

_GetResponse = Callable[[HttpRequest], HttpResponseBase]
_AsyncGetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
_Any = TypeVar("_Any", bound=_GetResponse | _AsyncGetResponse)


def watch(get_response: _Any) -> _Any:
    """Return ``get_response``, watched if another CORS middleware stands behind the guard, else as it is.

    What it returns takes the same requests and returns the same responses, untouched, whatever goes wrong here.
    """
    if not find_inner():
        return get_response
    look = _Look()
    if iscoroutinefunction(get_response):
        return cast(_Any, _watch_async(get_response, look))
    return cast(_Any, _watch_sync(cast(_GetResponse, get_response), look))


def _watch_sync(get_response: _GetResponse, look: _Look) -> _GetResponse:
    def watched(request: HttpRequest) -> HttpResponseBase:
        facts = RequestFacts(request)
        response = get_response(request)
        if look(facts, response) and recorder.writes_at_once:
            recorder.flush()
        return response

    return watched


def _watch_async(get_response: _AsyncGetResponse, look: _Look) -> _AsyncGetResponse:
    async def watched(request: HttpRequest) -> HttpResponseBase:
        facts = RequestFacts(request)
        response = await get_response(request)
        if look(facts, response) and recorder.writes_at_once:
            await sync_to_async(recorder.flush)()
        return response

    return watched


class _Look:
    """Compares one response with what the guard would have answered; says whether there was something to record."""

    def __init__(self) -> None:
        self._has_failed = False

    def __call__(self, facts: RequestFacts, response: HttpResponseBase) -> bool:
        if not facts.origin:
            return False
        try:
            return self._compare(facts, response)
        except Exception:
            # Once: what fails here would fail at every request.
            if not self._has_failed:
                self._has_failed = True
                logger.exception("A response could not be compared with the guard's; there may be more of them.")
            return False

    def _compare(self, facts: RequestFacts, response: HttpResponseBase) -> bool:
        # The one that the middleware has just decided by; asking for it anew could take a query.
        policy = store.at_hand()
        if policy is None or kind_of(facts, facts.fetch_mode) not in _COMPARED_KINDS or not is_watched(facts, policy):
            return False
        found = compare(facts, policy, _read_answer(facts, response), time())
        if found is None:
            return False
        recorder.differ(facts, found)
        return True


def _read_answer(facts: RequestFacts, response: HttpResponseBase) -> dict[str, str]:
    fields = response.headers
    answer = {name: str(fields[name]) for name in COMPARED if name in fields}
    if is_preflight(facts) and response.status_code not in _OK:
        answer[STATUS] = str(response.status_code)
    return answer
