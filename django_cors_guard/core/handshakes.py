"""WebSocket handshakes: the same policy, decided as strictly as nothing else would.

CORS does not apply to WebSockets: a browser connects any page to any server and sends the server's cookies along, and
the page may read and write. All that stands between a stranger's page and a signed-in user's socket is the server that
reads ``Origin``. Sources: RFC 6455, section 10.2 (https://www.rfc-editor.org/rfc/rfc6455#section-10.2), and WebSockets
standard, "opening handshake" (https://websockets.spec.whatwg.org/#websocket-opening-handshake).

The rows named in comments are those of the table in the documentation.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from django_cors_guard.core.answers import FORBIDDEN, UNAVAILABLE
from django_cors_guard.core.decision import Facts, Mode, Reason
from django_cors_guard.core.origins import pattern_candidates
from django_cors_guard.core.policy import GroupPolicy, Policy

#: What a browser says of the site's own pages, or of what no page began; all else is another site.
_OWN_SITES: Final = frozenset({"", "same-origin", "none"})


class Handshake(NamedTuple):
    """What to do about one handshake, and about the socket that it has opened.

    ``status`` is 0 where the application gets it, else that of the refusal. ``anonymous``: it gets it without the
    visitor's credentials. ``rejected`` is the reason to record a refusal under, ``used`` whether to count the use of a
    grant. ``binding``: it was the policy that let it in, so that another policy may end the socket.
    """

    reason: Reason
    group: str = ""
    mode: Mode | None = None
    status: int = 0
    anonymous: bool = False
    rejected: Reason | None = None
    used: bool = False
    binding: bool = True

    @property
    def opens(self) -> bool:
        """Whether the application gets the socket."""
        return self.status == 0


NO_ORIGIN: Final = Handshake(Reason.NO_ORIGIN, binding=False)
OWN_ORIGIN: Final = Handshake(Reason.SAME_ORIGIN, binding=False)
COLD: Final = Handshake(Reason.NO_POLICY, status=UNAVAILABLE, rejected=Reason.NO_POLICY)
#: The guard itself has failed.
FAILED: Final = Handshake(Reason.NO_POLICY, status=FORBIDDEN)


def decide_handshake(facts: Facts, policy: Policy | None, now: float, group: GroupPolicy | None = None) -> Handshake:
    """Return what to do with the handshake that ``facts`` describe.

    ``policy`` is None before any policy could be loaded. ``now`` is in seconds since the epoch; only expiry reads it.
    ``group`` is what ``find_group`` returns for these facts, where that is known already.
    """
    origin = facts.origin
    if origin is None:
        if (facts.fetch_site or "") in _OWN_SITES:
            return NO_ORIGIN  # row 1: no browser, for those always send one
        origin = ""  # row 2: a browser whose Origin was lost on the way
    elif facts.same_origin:
        return OWN_ORIGIN  # row 3
    if policy is None:
        return COLD  # row 11
    group = group or find_group(facts, policy)
    if group is None:
        return _refuse("", _mode_without_group(facts, policy), Reason.NO_GROUP)  # row 9
    reason = group.judge_origin(origin, now)
    if reason.is_refusal:
        return _refuse(group.rules.slug, group.mode, reason)  # rows 2, 7, 8, 10 and 11
    return _admit(group, reason)


def find_group(facts: Facts, policy: Policy) -> GroupPolicy | None:
    """Return the API group that the handshake belongs to, or None.

    A path that routers may read in another way belongs to none (see ``_is_ambiguous``).
    """
    return None if _is_ambiguous(facts.path) else policy.find_group(facts)


def _is_ambiguous(path: str) -> bool:
    """Whether a router may lead ``path`` elsewhere than its prefix says.

    Channels' router drops all slashes at the beginning of what is left, at each level: ``//api/billing`` and
    ``/api//billing`` would lead to the application of ``/api/billing`` under the rules of ``/`` and of ``/api``. It
    also cuts ``root_path`` off wherever that ends, so that under ``/app`` the same goes for ``/appapi/billing``.
    """
    return "//" in path or (path != "" and path[0] != "/")


def _mode_without_group(facts: Facts, policy: Policy) -> Mode:
    """The environment's mode; but a path that is ambiguous may mean any group, so there the strictest one counts."""
    modes = [policy.own.mode]
    if _is_ambiguous(facts.path):
        modes += [group.mode for group in policy.groups.values()]
    return max(modes, key=lambda mode: mode.strictness)


def _refuse(group: str, mode: Mode, reason: Reason) -> Handshake:
    # In mode monitor it is only recorded.
    return Handshake(reason, group, mode, 0 if mode is Mode.MONITOR else FORBIDDEN, rejected=reason)


def _admit(group: GroupPolicy, reason: Reason) -> Handshake:
    """Rows 4 to 6. A browser sends cookies whatever the group allows, so the group's word is kept here."""
    return Handshake(
        reason,
        group.rules.slug,
        group.mode,
        anonymous=not group.rules.credentials and group.mode is not Mode.MONITOR,
        used=reason is not Reason.ANY_ORIGIN,
    )


def holds_until(facts: Facts, policy: Policy | None, found: Handshake) -> float:
    """Return when ``policy`` would decide otherwise than ``found``, in seconds since the epoch: grants expire."""
    origin = facts.origin
    group = find_group(facts, policy) if policy is not None and origin is not None else None
    if group is None or origin is None:
        return inf
    if found.reason is Reason.TRUSTED:
        return group.grants.get(origin, inf)
    if found.reason is Reason.TRUSTED_PATTERN:
        # The first that there is has the last word.
        return next((group.patterns[text] for text in pattern_candidates(origin) if text in group.patterns), inf)
    return inf


def ends_socket(admitted: Handshake, found: Handshake) -> bool:
    """Whether a socket that was let in as ``admitted`` must be closed, now that ``found`` is what would be decided.

    One that was opened with the visitor's credentials does not outlive the group's leave to use them.
    """
    return not found.opens or (found.anonymous and not admitted.anonymous)
