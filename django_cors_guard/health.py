"""A check for django-health-check (extra ``health``): whether the process that answers has a policy to decide by.

Put ``"django_cors_guard.health.CorsPolicy"`` among the ``checks`` of a ``HealthCheckView``. It asks for the policy as a
request does, so that a process which was only idle looks first, and asks the database no more often than requests do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import ngettext

from django_cors_guard import conf
from django_cors_guard.services.overview.standing import Trouble, describe_standing
from django_cors_guard.store import acurrent
from django_cors_guard.wording import word_trouble

try:
    from health_check.base import HealthCheck  # type: ignore[import-untyped]
    from health_check.exceptions import ServiceUnavailable  # type: ignore[import-untyped]
except ImportError as error:
    raise ImproperlyConfigured(
        "django_cors_guard.health needs django-health-check: pip install 'django-cors-guard[health]'"
    ) from error

#: These fail at once; the others are no failure, or one only once the policy is too old.
FAILING: Final = frozenset({Trouble.NO_POLICY, Trouble.LAPSED, Trouble.ENVIRONMENT_MISSING})
#: How old a policy may be that could not be confirmed, where nothing else is said: one look that fails is no alarm.
MAX_AGE_SECONDS: Final = 30.0


@dataclass
class CorsPolicy(HealthCheck):  # type: ignore[misc]  # untyped
    """Fails while the process has no policy, one that has lapsed, one older than ``max_age``, or no environment.

    ``max_age`` defaults to 30 seconds, or three times REFRESH_SECONDS where that is more.
    """

    max_age: timedelta | None = None

    async def run(self) -> None:
        """Ask for the policy as a request does; raise ``ServiceUnavailable`` with what is wrong."""
        await acurrent()
        troubles = list(self._find_troubles())
        if troubles:
            raise ServiceUnavailable(" ".join(troubles))

    def _find_troubles(self) -> Iterator[str]:
        standing = describe_standing(())
        found = {*standing.troubles} & FAILING
        age = standing.age_seconds
        if age is not None and age > self._limit() and Trouble.LAPSED not in found:
            found |= {*standing.troubles} & {Trouble.UNCONFIRMED}
            yield ngettext(
                "The policy was last confirmed %(age)d second ago.",
                "The policy was last confirmed %(age)d seconds ago.",
                int(age),
            ) % {"age": age}
        for trouble in standing.troubles:
            if trouble in found:
                yield word_trouble(trouble, standing.slug)

    def _limit(self) -> float:
        if self.max_age is not None:
            return self.max_age.total_seconds()
        return max(MAX_AGE_SECONDS, 3 * conf.current().refresh_seconds)
