"""What the guard makes of one request: the reason, and everything the shell has to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

Headers = tuple[tuple[str, str], ...]


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


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. Built when the policy is compiled, so that most requests only pick one.

    ``status`` is 0 where the view runs, else the status of the guard's own answer. ``echo_origin`` asks for
    Access-Control-Allow-Origin with the request's origin: true only where that very origin is trusted, so that a
    refused one can never appear in a response. ``strip`` removes the Access-Control-* headers that were set further
    in. ``rejected`` is the reason to record a refusal under, ``used`` whether to count the use of a grant.
    ``problem`` is the coarse reason that an answer may tell its sender.
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

    @property
    def vary_value(self) -> str:
        """``vary`` as a field value."""
        return ", ".join(self.vary)

    @property
    def runs_view(self) -> bool:
        """Whether the request goes on to the view."""
        return self.status == 0

    def response_headers(self, origin: str | None) -> Headers:
        """Return what is set on the response to a request of ``origin``: the CORS headers and ``Vary``."""
        echoed = (("Access-Control-Allow-Origin", origin),) if self.echo_origin and origin is not None else ()
        vary = (("Vary", self.vary_value),) if self.vary else ()
        return (*echoed, *self.headers, *vary)

    @property
    def grants_access(self) -> bool:
        """Whether a browser lets the calling page read the response (of a preflight: send the request)."""
        if self.reason.is_refusal:
            return False
        return self.echo_origin or any(name == "Access-Control-Allow-Origin" for name, _ in self.headers)
