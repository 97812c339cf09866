"""Origins: the strict parser for what people write, the quick one for stored rows, and the safety rules.

An origin is what browsers send in the ``Origin`` header (https://fetch.spec.whatwg.org/#origin-header): scheme, host
and port as in https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin. Requests are compared as raw text, so
what is stored must be exactly what browsers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ada_url import idna_to_unicode

from django_cors_guard.core import written
from django_cors_guard.core.authority import (
    DEFAULT_PORTS,
    LOOPBACK_HOSTS,
    MAX_HOST_LENGTH,
    MAX_PORT,
    is_ip_host,
    is_loopback_host,
    lower_ascii,
    read_host,
    read_opaque_host,
    read_port,
)
from django_cors_guard.core.patterns import pattern_candidates
from django_cors_guard.core.problems import Findings, Mend, MendCode, Problem, ProblemCode, show
from django_cors_guard.core.suffixes import is_public_suffix

__all__ = [
    "MAX_INPUT_LENGTH",
    "MAX_STORED_LENGTH",
    "Mend",
    "MendCode",
    "Origin",
    "OriginKind",
    "OriginRules",
    "Parsed",
    "Problem",
    "ProblemCode",
    "check_rules",
    "is_plain_https",
    "parse_canonical",
    "parse_origin",
    "pattern_candidates",
]

#: What is longer is not read at all.
MAX_INPUT_LENGTH: Final = 512
#: The longest text that ``parse_origin`` accepts: a custom scheme, ``://``, the longest host, ``:65535``.
MAX_STORED_LENGTH: Final = written.MAX_SCHEME_LENGTH + len("://") + MAX_HOST_LENGTH + len(":65535")

_ANY_SUBDOMAIN: Final = "*."


class OriginKind(StrEnum):
    """What a stored origin matches."""

    EXACT = "exact"  # one http(s) origin
    SUBDOMAINS = "subdomains"  # https://*.example.com: one or more labels before the base, never the base itself
    LOOPBACK_PORTS = "loopback_ports"  # http://localhost:*: any port, also none
    CUSTOM_SCHEME = "custom_scheme"  # capacitor://localhost, chrome-extension://…: one origin


@dataclass(frozen=True, slots=True)
class Origin:
    """One canonical origin or pattern.

    ``host`` is the base without ``*.`` for subdomains, and has brackets for IPv6. ``port`` is None where there is none
    in ``text`` and where it is ``*``.
    """

    text: str
    kind: OriginKind
    scheme: str
    host: str
    port: int | None

    @property
    def is_pattern(self) -> bool:
        """Whether it matches more than the one origin it spells."""
        return self.kind is OriginKind.SUBDOMAINS or self.kind is OriginKind.LOOPBACK_PORTS

    @property
    def is_loopback(self) -> bool:
        """Whether pages from there come from the browser's own machine. A custom scheme's localhost is an app."""
        return self.kind is not OriginKind.CUSTOM_SCHEME and is_loopback_host(self.host)

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address."""
        return self.kind is not OriginKind.CUSTOM_SCHEME and is_ip_host(self.host)

    @property
    def unicode(self) -> str:
        """The text with punycode decoded: for eyes only, never for comparing."""
        if "xn--" not in self.host or self.kind is OriginKind.CUSTOM_SCHEME:
            return self.text
        return self.text.replace(self.host, idna_to_unicode(self.host), 1)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a written text is: either an origin and what was mended, or all the problems."""

    origin: Origin | None
    problems: tuple[Problem, ...] = ()
    mended: tuple[Mend, ...] = ()


def parse_origin(text: str) -> Parsed:
    """Read what a person wrote, strictly; every problem is listed, and nothing raises.

    Mended and reported: spaces around it, one trailing slash, upper case, an international name, a default port. All
    else is refused. Where one correction of the whole text is evident each problem's ``detail`` is that correction,
    which then parses without being mended; it never matches more origins than the text did.
    """
    if len(text) > MAX_INPUT_LENGTH:
        return Parsed(None, (Problem(ProblemCode.TOO_LONG.value, show(text)),))
    found = Findings()
    pieces = written.split_origin(text, found)
    origin = _assemble(pieces, found) if pieces is not None else None
    if pieces is None or origin is None or found.problems:
        suggestion = origin.text if origin is not None and not found.hopeless else ""
        return Parsed(None, found.suggest(suggestion))
    return Parsed(origin, (), tuple(_list_mends(text, pieces, origin)))


def _assemble(pieces: written.Pieces, found: Findings) -> Origin | None:
    if pieces.scheme not in DEFAULT_PORTS:
        return _read_custom(pieces, found)
    if "*" in pieces.host:
        return _read_subdomains(pieces, found)
    host = read_host(pieces.host, found)
    if pieces.port is not None and "*" in pieces.port:
        if host in LOOPBACK_HOSTS and pieces.port == "*":
            return Origin(
                f"{pieces.scheme}://{host}:*",
                OriginKind.LOOPBACK_PORTS,
                pieces.scheme,
                host,
                None,
            )
        found.refuse(ProblemCode.WILDCARD_PORT, f":{pieces.port}")
        pieces = pieces._replace(port=None)
    return _spell(OriginKind.EXACT, pieces, host, found)


def _spell(kind: OriginKind, pieces: written.Pieces, host: str | None, found: Findings) -> Origin | None:
    port = read_port(pieces.port, pieces.scheme, found)
    if host is None:
        return None
    prefix = _ANY_SUBDOMAIN if kind is OriginKind.SUBDOMAINS else ""
    suffix = "" if port is None else f":{port}"
    return Origin(f"{pieces.scheme}://{prefix}{host}{suffix}", kind, pieces.scheme, host, port)


def _read_subdomains(pieces: written.Pieces, found: Findings) -> Origin | None:
    base = pieces.host.removeprefix(_ANY_SUBDOMAIN)
    if base == "*":
        found.give_up(ProblemCode.ANY_ORIGIN, pieces.host)
        return None
    if "*" in base:
        found.refuse(ProblemCode.WILDCARD_HOST, pieces.host)
        # `**.example.com` and `*example.com` become narrower; to widen `pr-*.example.com` is not ours to suggest.
        base = base.lstrip("*.")
        found.hopeless = found.hopeless or "*" in base or base.startswith("-") or not pieces.host.startswith("*")
    if pieces.port is not None and "*" in pieces.port:
        found.refuse(ProblemCode.WILDCARD_PORT, f":{pieces.port}")
        pieces = pieces._replace(port=None)
    host = read_host(base, found) if "*" not in base else None
    if host is not None:
        _check_base(host, found)
    return _spell(OriginKind.SUBDOMAINS, pieces, host, found)


def _check_base(host: str, found: Findings) -> None:
    if is_ip_host(host):
        found.give_up(ProblemCode.PATTERN_BASE_IP, host)
    elif "." not in host:
        found.give_up(ProblemCode.PATTERN_BASE_SHORT, host)
    elif is_public_suffix(host):
        found.give_up(ProblemCode.PUBLIC_SUFFIX, host)
    if len(host) + len(_ANY_SUBDOMAIN) > MAX_HOST_LENGTH:
        found.give_up(ProblemCode.HOST_TOO_LONG, _ANY_SUBDOMAIN + host)


def _read_custom(pieces: written.Pieces, found: Findings) -> Origin | None:
    if "*" in pieces.host or "*" in (pieces.port or ""):
        found.give_up(ProblemCode.PATTERN_SCHEME, pieces.scheme)
        return None
    host = read_opaque_host(pieces.host, found)
    return _spell(OriginKind.CUSTOM_SCHEME, pieces, host, found)


def _list_mends(text: str, pieces: written.Pieces, origin: Origin) -> Iterator[Mend]:
    """Tell the corrections as a chain of whole texts, from what was typed to what is stored."""
    stripped = text.strip(" ")
    bare = stripped.removesuffix("/")
    lowered = lower_ascii(bare)
    prefix = _ANY_SUBDOMAIN if origin.kind is OriginKind.SUBDOMAINS else ""
    port = "" if pieces.port is None else f":{pieces.port}"
    steps = (
        (MendCode.SPACES, stripped),
        (MendCode.TRAILING_SLASH, bare),
        (MendCode.CASE, lowered),
        (MendCode.IDN, f"{origin.scheme}://{prefix}{origin.host}{port}"),
        (MendCode.DEFAULT_PORT, origin.text),
    )
    for code, after in steps:
        if after != text:
            yield Mend(code.value, text, after)
            text = after


# No label of punycode and no number last: those need the real parser. Possessive, so linear on any text.
_PLAIN = re.compile(
    r"""
    (https?)://
    (
        (?: (?!xn--) [a-z0-9_-]{1,63}+ \. )*+
        (?!xn--) (?! (?: [0-9]+ | 0x[0-9a-f]* ) (?: : | \Z ) ) [a-z0-9_-]{1,63}+
    )
    (?: : ( [1-9][0-9]{0,4} ) )?
    """,
    re.VERBOSE | re.ASCII,
)


def parse_canonical(text: str) -> Origin | None:
    """Return the origin if ``text`` is exactly what ``parse_origin`` stores, else None.

    Made for compiling a million stored rows: plain http(s) hosts take one regular expression and no parser.
    """
    if len(text) > MAX_STORED_LENGTH:
        return None
    match = _PLAIN.fullmatch(text)
    if match is None:
        parsed = parse_origin(text)
        return None if parsed.mended else parsed.origin
    scheme, host, digits = match.groups()
    if len(text) > MAX_HOST_LENGTH and len(host) > MAX_HOST_LENGTH:
        return None
    if digits is None:
        return Origin(text, OriginKind.EXACT, scheme, host, None)
    port = int(digits)
    if port > MAX_PORT or port == DEFAULT_PORTS[scheme]:
        return None
    return Origin(text, OriginKind.EXACT, scheme, host, port)


# A part of the above: https, no port, a last label that begins with a letter, and so no address; no loopback host.
_PLAIN_HTTPS = re.compile(
    r"""
    https://
    (?: (?!xn--) [a-z0-9_-]{1,63}+ \. )*+
    (?!xn--) (?! localhost \Z ) [a-z] [a-z0-9_-]{0,62}+
    """,
    re.VERBOSE | re.ASCII,
).fullmatch
_MAX_PLAIN_HTTPS: Final = len("https://") + MAX_HOST_LENGTH


def is_plain_https(text: str) -> bool:
    """Whether ``text`` is canonical, exact and https beyond doubt, and of no loopback host: no safety switch is needed.

    False says nothing. Made for compiling: it is the quick way through nearly all of a million rows.
    """
    return len(text) <= _MAX_PLAIN_HTTPS and _PLAIN_HTTPS(text) is not None


@dataclass(frozen=True, slots=True)
class OriginRules:
    """The safety switches of an environment, and whether the API group allows credentials."""

    allow_insecure_http: bool = False
    allow_insecure_credentials: bool = False
    allow_loopback: bool = False
    allow_subdomain_patterns: bool = False
    allow_custom_schemes: bool = False
    credentials: bool = False


def check_rules(origin: Origin, rules: OriginRules) -> tuple[Problem, ...]:
    """Return a problem for each safety switch that ``origin`` needs and ``rules`` have off; ``detail`` names it."""
    if origin.kind is OriginKind.EXACT and origin.scheme == "https" and not is_loopback_host(origin.host):
        return ()  # nearly all of a million rows
    return tuple(
        Problem(code.value, origin.text, switch)
        for code, switch in _list_needs(origin, credentials=rules.credentials)
        if not getattr(rules, switch)
    )


def _list_needs(origin: Origin, *, credentials: bool) -> Iterator[tuple[ProblemCode, str]]:
    if origin.kind is OriginKind.CUSTOM_SCHEME:
        yield ProblemCode.NEEDS_CUSTOM_SCHEMES, "allow_custom_schemes"
        return
    if origin.kind is OriginKind.SUBDOMAINS:
        yield ProblemCode.NEEDS_SUBDOMAIN_PATTERNS, "allow_subdomain_patterns"
    if origin.is_loopback:
        yield ProblemCode.NEEDS_LOOPBACK, "allow_loopback"
    elif origin.scheme == "http":
        yield ProblemCode.NEEDS_INSECURE_HTTP, "allow_insecure_http"
        if credentials:
            yield ProblemCode.NEEDS_INSECURE_CREDENTIALS, "allow_insecure_credentials"
