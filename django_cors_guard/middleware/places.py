"""Which API group a path belongs to, remembered: finding it takes longer than all the rest of a request.

A path is the sender's to choose, so what is remembered is bounded, and forgotten as a whole when it is too much.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from django.core.signals import setting_changed
from django.http import HttpRequest

from django_cors_guard.core.answers import UNGUARDED
from django_cors_guard.core.decision import Decision
from django_cors_guard.core.policy import GroupPolicy, Policy
from django_cors_guard.facts import RequestFacts

MAX_PATHS: Final = 1000
MAX_LENGTH: Final = 255


class Place(NamedTuple):
    """What a path says of a request: its API group, or None, and the decision if it has no Origin.

    ``quiet`` is None where that takes a look at the request: see ``core.isolation``.
    """

    group: GroupPolicy | None
    quiet: Decision | None


_UNGUARDED: Final = Place(None, UNGUARDED)


class Places:
    """The paths that were asked for under one policy."""

    __slots__ = ("known", "policy")

    def __init__(self, policy: Policy | None) -> None:
        self.policy = policy
        self.known: dict[str, Place] = {}

    def look(self, request: HttpRequest) -> Place:
        """Find the place of ``request``, and remember it if its path alone decides."""
        assert self.policy is not None  # noqa: S101 - narrows the type: without a policy there is nothing to look for
        group = self.policy.find_group(RequestFacts(request))
        place = _UNGUARDED if group is None else _place_of(group)
        path = request.path_info
        if len(path) <= MAX_LENGTH and not self.policy.asks_for_host:
            if len(self.known) >= MAX_PATHS:
                self.known.clear()
            self.known[path] = place
        return place


def _place_of(group: GroupPolicy) -> Place:
    answers = group.answers
    return Place(group, answers.no_origin if answers.cross_site is None else None)


latest: Places = Places(None)


def renew(policy: Policy | None) -> Places:
    """Begin anew, for ``policy``."""
    global latest
    latest = Places(policy)
    return latest


def _forget(**_: object) -> None:
    # Any setting: the guard's own paths depend on the URLconf, and that on whatever the project likes.
    renew(None)


setting_changed.connect(_forget, dispatch_uid="cors_guard.places")
