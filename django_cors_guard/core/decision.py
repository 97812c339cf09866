"""What the guard makes of one request: the reason, and everything the shell has to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from django_cors_guard.core import headers

#: One header: its name as it is sent, and its value.
Field = tuple[str, str]
Headers = tuple[Field, ...]


class Mode(StrEnum):
    """How strict an environment, or one of its API groups, is."""

    MONITOR = "monitor"
    ENFORCE = "enforce"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """0 for monitor, 1 for enforce, 2 for block."""
        return _STRICTNESS[self]


_STRICTNESS: Final = {Mode.MONITOR: 0, Mode.ENFORCE: 1, Mode.BLOCK: 2}


class Isolation(StrEnum):
    """What becomes of cross-site requests that carry no Origin, by the rules of a resource isolation policy."""

    OFF = "off"
    MONITOR = "monitor"
    ENFORCE = "enforce"


class ResourcePolicy(StrEnum):
    """Who may load a response without asking: the values of Cross-Origin-Resource-Policy.

    Source: Fetch standard, "Cross-Origin-Resource-Policy header"
    (https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header).
    """

    SAME_ORIGIN = "same-origin"
    SAME_SITE = "same-site"
    CROSS_ORIGIN = "cross-origin"


class Reason(StrEnum):
    """Why a request was let through or refused; the codes are public and stable."""

    TRUSTED = "trusted"
    TRUSTED_PATTERN = "trusted_pattern"
    ANY_ORIGIN = "any_origin"
    SAME_ORIGIN = "same_origin"
    NO_ORIGIN = "no_origin"
    UNGUARDED = "unguarded"

    UNKNOWN_ORIGIN = "unknown_origin"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SWITCHED_OFF = "switched_off"
    OTHER_ENVIRONMENT = "other_environment"
    OTHER_GROUP = "other_group"
    NULL_ORIGIN = "null_origin"
    MALFORMED_ORIGIN = "malformed_origin"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    HEADER_NOT_ALLOWED = "header_not_allowed"
    CROSS_SITE = "cross_site"
    NO_GROUP = "no_group"
    OWN_PATHS = "own_paths"
    NO_POLICY = "no_policy"

    @property
    def is_refusal(self) -> bool:
        """Whether the code says that something was refused."""
        return self not in _ADMISSIONS


_ADMISSIONS: Final = frozenset(
    {
        Reason.TRUSTED,
        Reason.TRUSTED_PATTERN,
        Reason.ANY_ORIGIN,
        Reason.SAME_ORIGIN,
        Reason.NO_ORIGIN,
        Reason.UNGUARDED,
    }
)


class Kind(StrEnum):
    """What sort of request was refused."""

    PREFLIGHT = "preflight"
    ACTUAL = "actual"
    NAVIGATION = "navigation"
    NO_CORS = "no_cors"
    WEBSOCKET = "websocket"


class Outcome(StrEnum):
    """What became of a request, for those who count: few words, and every decision has exactly one of them."""

    #: A trusted page's request, or any page's where a group is open to all; in mode ``monitor`` preflights, too.
    ALLOWED = "allowed"
    #: A preflight that the guard answered with leave; its request is counted for itself.
    PREFLIGHT = "preflight"
    #: Refused, and the view ran: the page cannot read the answer.
    REFUSED = "refused"
    #: Refused, and the guard answered: the view did not run.
    BLOCKED = "blocked"
    #: Would have been refused, but is only recorded.
    WATCHED = "watched"
    SAME_ORIGIN = "same_origin"
    NO_ORIGIN = "no_origin"
    #: The path belongs to no API group.
    UNGUARDED = "unguarded"
    #: There was no policy to decide by, or the guard failed: the view ran, and no CORS header was sent.
    UNDECIDED = "undecided"


class Judged(Protocol):
    """What decisions about requests and those about WebSocket handshakes have in common."""

    @property
    def reason(self) -> Reason: ...
    @property
    def group(self) -> str: ...
    @property
    def mode(self) -> Mode | None: ...
    @property
    def status(self) -> int: ...
    @property
    def rejected(self) -> Reason | None: ...


def label_of(judged: Judged) -> str:
    """Return what ``judged`` counts under: API group (blank: none), outcome and reason, with spaces between.

    Nothing in it comes from the sender. One string, since that knows its own hash.
    """
    return f"{judged.group} {_outcome_of(judged)} {judged.reason}"


def _outcome_of(judged: Judged) -> Outcome:
    if judged.rejected is not None or (judged.status and judged.reason.is_refusal):
        if judged.status:
            return Outcome.BLOCKED
        return Outcome.WATCHED if judged.mode is Mode.MONITOR else Outcome.REFUSED
    if judged.reason.is_refusal:
        return Outcome.UNDECIDED
    return _BESIDE_CORS.get(judged.reason) or (Outcome.PREFLIGHT if judged.status else Outcome.ALLOWED)


_BESIDE_CORS: Final = {
    Reason.SAME_ORIGIN: Outcome.SAME_ORIGIN,
    Reason.NO_ORIGIN: Outcome.NO_ORIGIN,
    Reason.UNGUARDED: Outcome.UNGUARDED,
}


class Facts(Protocol):
    """What the protocol asks of a request. Shells may compute the costly ones only when they are read.

    Header values are None where the header is absent. ``host`` is lower case, without port and trailing dot.
    ``same_origin`` is true only if the request's Host is one the site accepts.
    """

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def origin(self) -> str | None: ...
    @property
    def requested_method(self) -> str | None: ...
    @property
    def requested_headers(self) -> str | None: ...
    @property
    def fetch_site(self) -> str | None: ...
    @property
    def fetch_mode(self) -> str | None: ...
    @property
    def fetch_dest(self) -> str | None: ...
    @property
    def host(self) -> str: ...
    @property
    def same_origin(self) -> bool: ...
    @property
    def own_path(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class PlainFacts:
    """Facts that are known beforehand: for explanations and tests."""

    method: str = "GET"
    path: str = "/"
    origin: str | None = None
    requested_method: str | None = None
    requested_headers: str | None = None
    host: str = ""
    same_origin: bool = False
    own_path: bool = False
    fetch_site: str | None = None
    fetch_mode: str | None = None
    fetch_dest: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. Built when the policy is compiled, so that most requests only pick one.

    ``status`` is 0 where the view runs, else the status of the guard's own answer. ``echo_origin`` asks for
    Access-Control-Allow-Origin with the request's origin: true only where that very origin is trusted, so that a
    refused one can never appear in a response. ``strip`` removes the Access-Control-* headers that were set further
    in. ``rejected`` is the reason to record a refusal under, ``used`` whether to count the use of a grant.
    ``problem`` is the coarse reason that an answer may tell its sender. ``mode`` is the one in force; of a refusal
    that is only recorded it is ``monitor``. ``owns_timing``: Timing-Allow-Origin is the guard's, as the group says;
    with ``echo_origin`` it is sent, otherwise one that was set further in is removed.
    """

    reason: Reason
    group: str = ""
    mode: Mode | None = None
    status: int = 0
    echo_origin: bool = False
    headers: Headers = ()
    vary: tuple[str, ...] = ()
    strip: bool = False
    rejected: Reason | None = None
    used: bool = False
    problem: str = ""
    owns_timing: bool = False
    #: ``vary`` as a field value.
    vary_value: str = field(init=False, repr=False, compare=False)
    #: ``headers`` as they are put on a response: by their names in lower case. Never mutated.
    fields: dict[str, Field] = field(init=False, repr=False, compare=False)
    #: Whether anything but ``Vary`` is put on a response, or taken off one by name.
    dresses: bool = field(init=False, repr=False, compare=False)
    #: What it counts under.
    label: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Word what is constant once, so that no request has to."""
        object.__setattr__(self, "vary_value", ", ".join(self.vary))
        object.__setattr__(self, "fields", {name.lower(): (name, value) for name, value in self.headers})
        object.__setattr__(self, "dresses", self.echo_origin or self.owns_timing or bool(self.headers))
        object.__setattr__(self, "label", label_of(self))

    @property
    def runs_view(self) -> bool:
        """Whether the request goes on to the view."""
        return self.status == 0

    def response_headers(self, origin: str | None) -> Headers:
        """Return what is set on the response to a request of ``origin``: the group's headers and ``Vary``."""
        echoed: Headers = ((headers.ALLOW_ORIGIN, origin),) if self.echo_origin and origin is not None else ()
        if echoed and origin is not None and self.owns_timing:
            echoed = (*echoed, (headers.TIMING_ALLOW_ORIGIN, origin))
        vary = (("Vary", self.vary_value),) if self.vary else ()
        return (*echoed, *self.headers, *vary)

    @property
    def grants_access(self) -> bool:
        """Whether a browser lets the calling page read the response (of a preflight: send the request)."""
        if self.reason.is_refusal:
            return False
        return self.echo_origin or any(name == headers.ALLOW_ORIGIN for name, _ in self.headers)
