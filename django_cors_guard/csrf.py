"""Cross-site request forgery: the list of trusted origins beside ``CSRF_TRUSTED_ORIGINS``.

``CsrfViewMiddleware`` takes the place of Django's in ``MIDDLEWARE``. It asks Django first and the list only about an
``Origin`` that Django has refused. The cookie, the token and the ``Referer`` are Django's business, before and after.
"""

from __future__ import annotations

import asyncio
import logging
from time import time
from typing import Any, Final

from django.conf import settings
from django.http import HttpHeaders, HttpRequest, HttpResponse
from django.middleware import csrf
from django.utils.decorators import decorator_from_middleware

from django_cors_guard.core.csrf import CsrfVerdict, judge_csrf
from django_cors_guard.core.policy import Policy
from django_cors_guard.facts import RequestFacts
from django_cors_guard.own_paths import is_own_view
from django_cors_guard.store import store

logger: Final = logging.getLogger("django_cors_guard.csrf")


class CsrfViewMiddleware(csrf.CsrfViewMiddleware):
    """Django's, which also accepts origins that are trusted for the request's API group, if the group says so.

    The group says so by ``trusted_for_csrf``. Where it only monitors, nothing is opened: the guard watches, and Django
    decides alone. So it does on the admin, on this app's own API, and whenever no policy can be had.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        return bool(super()._origin_verified(request)) or is_trusted(request)  # type: ignore[misc]  # not in the stubs


class _Check(CsrfViewMiddleware):
    """The middleware outside its stack: a refusal is its reason instead of a response."""

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def find_refusal(request: HttpRequest) -> str:
    """Return why the middleware would refuse ``request``, blank if it would not.

    For frameworks whose views are exempt from it and that check by themselves, such as REST framework.
    """
    check: Any = _Check(_no_response)
    check.process_request(request)
    return str(check.process_view(request, None, (), {}) or "")


def _no_response(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError("the check runs outside the middleware stack")


def is_trusted(request: HttpRequest) -> bool:
    """Whether the list trusts the request's ``Origin`` for CSRF. Never raises: whatever goes wrong is a no."""
    try:
        verdict = judge_csrf(RequestFacts(request), _policy(), time())
        if verdict is not CsrfVerdict.ACCEPTED:
            return False
        # As with CORS, the last word is the URL resolver's: no origin is ever trusted with a view of the admin.
        match = request.resolver_match
        return match is None or not is_own_view(match)
    except Exception:
        logger.exception("The list of trusted origins could not be asked; Django's answer about the origin stands.")
        return False


def _policy() -> Policy | None:
    """Return the policy; as it is at hand where a look at the database would block the event loop.

    Django runs the middleware in a thread, but the decorator of an async view on the loop itself. The guard's own
    middleware has asked for the version by then.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return store.current()
    return store.at_hand()


def token_header() -> str:
    """Return the request header that carries the token, lower case: what an API group has to allow."""
    name = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken"
    return name.lower()


#: Django's decorator of the same name, with this middleware in it: for a view that no middleware has looked at.
csrf_protect = decorator_from_middleware(CsrfViewMiddleware)
