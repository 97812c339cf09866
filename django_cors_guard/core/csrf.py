"""Whether an origin is trusted to send what changes something with a user's cookies."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django_cors_guard.core.decision import Facts, Mode, Reason
from django_cors_guard.core.policy import GroupPolicy, Policy


class CsrfVerdict(StrEnum):
    """What the list of trusted origins says to a foreign ``Origin``; the codes are public and stable.

    Everything but ``accepted`` leaves the request to Django, which refuses an origin that it does not know itself.
    """

    ACCEPTED = "accepted"
    UNGUARDED = "unguarded"  # no API group covers the path
    OWN_PATHS = "own_paths"  # the admin or this app's API
    NOT_OFFERED = "not_offered"  # the API group is not trusted for CSRF
    MONITORED = "monitored"  # the guard only watches there
    NOT_TRUSTED = "not_trusted"  # unknown, revoked, expired, switched off, or every grant has lapsed
    NO_POLICY = "no_policy"  # none could ever be loaded
    NOT_INSTALLED = "not_installed"  # accepted, had the project put the guard's CSRF middleware into MIDDLEWARE


#: What Django lets pass unasked: it changes nothing (https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1).
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_TRUSTED: Final = frozenset({Reason.TRUSTED, Reason.TRUSTED_PATTERN})


def judge_csrf(facts: Facts, policy: Policy | None, now: float) -> CsrfVerdict:
    """Return whether the request's API group trusts the request's origin for CSRF, or why not.

    Only a grant counts, never ``any_origin``. ``now`` is in seconds since the epoch.
    """
    if policy is None:
        return CsrfVerdict.NO_POLICY
    group = policy.find_group(facts)
    if group is None:
        return CsrfVerdict.UNGUARDED
    if group is policy.own:
        return CsrfVerdict.OWN_PATHS
    return _judge_group(group, facts.origin, now)


def _judge_group(group: GroupPolicy, origin: str | None, now: float) -> CsrfVerdict:
    if not (group.rules.trusted_for_csrf and group.rules.credentials):
        return CsrfVerdict.NOT_OFFERED
    if group.mode is Mode.MONITOR:
        return CsrfVerdict.MONITORED
    if origin is None or group.judge_origin(origin, now) not in _TRUSTED:
        return CsrfVerdict.NOT_TRUSTED
    return CsrfVerdict.ACCEPTED
