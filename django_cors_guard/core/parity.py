"""Where another CORS middleware's answer and the guard's would differ for a page: while moving from one to the other.

Answers are compared by what a browser makes of them, not by their bytes. These are no differences, since nobody gets
in or stays out by them: ``*`` or an echo where no credentials are allowed, the order and case of lists, ``Vary``, how
long a preflight is kept (``Access-Control-Max-Age``), with which status a refusal comes, and whether a preflight that
fails either way fails for its origin or for its method. Private network access is not the guard's subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.browser import STATUS, Reading, read_answer
from django_cors_guard.core.decision import Facts, Mode, Reason
from django_cors_guard.core.policy import Policy
from django_cors_guard.core.protocol import decide

#: The headers of an answer that browsers go by, lower case.
COMPARED: Final = tuple(
    name.lower()
    for name in (
        headers.ALLOW_ORIGIN,
        headers.ALLOW_CREDENTIALS,
        headers.ALLOW_METHODS,
        headers.ALLOW_HEADERS,
        headers.EXPOSE_HEADERS,
    )
)


class Disparity(StrEnum):
    """What differs; the codes are public and stable. The first that applies is the one that is named."""

    #: The other lets the page in on a path that belongs to no API group, so the guard would add nothing.
    UNGUARDED = "unguarded"
    #: The other lets the page in, and the guard would refuse it.
    GUARD_REFUSES = "guard_refuses"
    #: The other refuses the page, and the guard would let it in.
    GUARD_ADMITS = "guard_admits"
    #: Both let the page in, and only one of them with the user's cookies.
    CREDENTIALS = "credentials"
    #: Both let the page in, and only one of them lets it use the method that it asks for.
    METHOD = "method"
    #: Both let the page in, and only one of them lets it send the headers that it asks for.
    HEADER = "header"
    #: Both let the page read the answer, and not the same of its headers.
    EXPOSED = "exposed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One request that the two would answer differently.

    ``reason`` is the guard's own, ``widens`` says that no page would lose anything. ``theirs`` and ``ours`` are the
    compared headers of both answers by lower-case name; a preflight that was not answered with a 2xx also has its
    status there, as ``:status``.
    """

    disparity: Disparity
    group: str
    reason: Reason
    widens: bool
    theirs: Mapping[str, str]
    ours: Mapping[str, str]


def is_watched(facts: Facts, policy: Policy) -> bool:
    """Whether the two are to be compared on the path: it belongs to no API group, or to one that monitors.

    Where the guard enforces, its answer is the only one. Where the grants are out of reach it has none of its own.
    """
    group = policy.find_group(facts)
    return group is None or (group.mode is Mode.MONITOR and group.closed is not Reason.NO_POLICY)


def compare(facts: Facts, policy: Policy, theirs: Mapping[str, str], now: float) -> Difference | None:
    """Return how ``theirs``, the answer that was given, differs from the guard's in mode ``enforce``, or None.

    ``theirs`` has header values by lower-case name. A page of the site itself needs nobody's leave.
    """
    if not facts.origin or facts.same_origin:
        return None
    decision = decide(facts, policy.enforced, now)
    ours = {name.lower(): value for name, value in decision.response_headers(facts.origin)}
    found = _differ(facts, theirs, ours)
    if found is None:
        return None
    disparity, widens = found
    if decision.reason is Reason.UNGUARDED:
        disparity = Disparity.UNGUARDED
    return Difference(disparity, decision.group, decision.reason, widens, _keep(theirs), _keep(ours))


def _differ(facts: Facts, theirs: Mapping[str, str], ours: Mapping[str, str]) -> tuple[Disparity, bool] | None:
    """Say what differs first, and whether that is only ever to the page's good."""
    pairs = [
        (read_answer(facts, theirs, credentials=credentials), read_answer(facts, ours, credentials=credentials))
        for credentials in (False, True)
    ]
    widens = not any(_loses(their, our) for their, our in pairs)
    for with_credentials, (their, our) in enumerate(pairs):
        if their.passes != our.passes:
            return _name(their, our, with_credentials=bool(with_credentials)), widens
    if any(their.exposed != our.exposed for their, our in pairs):
        return Disparity.EXPOSED, widens
    return None


def _loses(theirs: Reading, ours: Reading) -> bool:
    """Whether the page has something by their answer that it would not have by ours."""
    reads_all = headers.ANY in ours.exposed
    return (theirs.passes and not ours.passes) or not (reads_all or theirs.exposed <= ours.exposed)


def _name(theirs: Reading, ours: Reading, *, with_credentials: bool) -> Disparity:
    """One of the two passes; say where the other fails."""
    if theirs.origin != ours.origin:
        if with_credentials:
            return Disparity.CREDENTIALS
        return Disparity.GUARD_REFUSES if theirs.origin else Disparity.GUARD_ADMITS
    return Disparity.METHOD if theirs.method != ours.method else Disparity.HEADER


def _keep(answer: Mapping[str, str]) -> dict[str, str]:
    return {name: answer[name] for name in (*COMPARED, STATUS) if name in answer}
