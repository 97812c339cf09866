"""A generous limit for each user, so that a client in a loop does not take the site's database with it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

logger: Final = logging.getLogger("django_cors_guard.api")

SCOPE: Final = "cors_guard"
DEFAULT_RATE: Final = "3000/min"


class GuardThrottle(SimpleRateThrottle):
    """Counts a user's requests to the API in fixed windows, in the default cache: one number, whatever the rate.

    ``DEFAULT_THROTTLE_RATES["cors_guard"]`` may set another rate, or None for no limit; the project need not know of
    it. Where the cache fails, nothing is throttled: an outage of the cache is no reason to keep an operator out.
    """

    scope = SCOPE
    num_requests: int | None
    duration: int | None
    now: float

    def get_rate(self) -> str | None:
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        found: str | None = rates.get(SCOPE, DEFAULT_RATE) if isinstance(rates, Mapping) else DEFAULT_RATE
        return found

    def parse_rate(self, rate: str | None) -> tuple[int | None, int | None]:
        try:
            return super().parse_rate(rate)
        except (AttributeError, KeyError, ValueError):
            logger.warning("DEFAULT_THROTTLE_RATES[%r] is no rate; %s applies.", SCOPE, DEFAULT_RATE)
            return super().parse_rate(DEFAULT_RATE)

    def get_cache_key(self, request: Request, view: APIView) -> str:
        user: Any = request.user
        # A digest, for a cache key may neither be long nor hold every character.
        digest = hashlib.sha256(f"{user.pk}".encode("utf-8", "backslashreplace")).hexdigest()
        return f"cors_guard:throttle:{digest}:{self._window()}"

    def allow_request(self, request: Request, view: APIView) -> bool:
        if self.num_requests is None or self.duration is None:
            return True
        self.now = self.timer()
        try:
            return self._count(self.get_cache_key(request, view)) <= self.num_requests
        except Exception:
            logger.exception("The requests could not be counted, so nobody is throttled.")
            return True

    def wait(self) -> float:
        duration = self.duration or 1
        return duration - self.now % duration

    def _window(self) -> int:
        return int(self.now // (self.duration or 1))

    def _count(self, key: str) -> int:
        cache = caches[DEFAULT_CACHE_ALIAS]
        if cache.add(key, 1, timeout=2 * (self.duration or 1)):
            return 1
        try:
            return cache.incr(key)
        except ValueError:
            # It ended between the two calls, or the cache keeps nothing.
            return 1
