"""Which patterns a request's origin matches, without a parser: the request path asks for every unknown origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django_cors_guard.core.authority import (
    DEFAULT_PORTS,
    HOST_CHARACTERS,
    LOOPBACK_HOSTS,
    MAX_HOST_LENGTH,
    MAX_LABEL_LENGTH,
    MAX_PORT,
    is_ip_host,
)

#: ``https://``, the longest host, ``:65535``.
MAX_WEB_ORIGIN_LENGTH: Final = len("https://") + MAX_HOST_LENGTH + len(":65535")


def pattern_candidates(raw: str) -> Iterator[str]:
    """Yield the canonical texts of the patterns that match ``raw``, a request's Origin, the most specific first.

    ``https://a.b.example.com:8443`` gives ``https://*.b.example.com:8443``, ``https://*.example.com:8443`` and
    ``https://*.com:8443``; ``http://localhost:3000`` gives ``http://localhost:*``. Only what a browser could have sent
    gives anything. At most 126 texts, whatever is sent; the caller looks them up and stops at the first hit.
    """
    if len(raw) > MAX_WEB_ORIGIN_LENGTH:
        return
    scheme, separator, rest = raw.partition("://")
    if not separator or scheme not in DEFAULT_PORTS:
        return
    host, port = _split_port(rest)
    if not _is_sent_port(port, scheme):
        return
    if host in LOOPBACK_HOSTS:
        yield f"{scheme}://{host}:*"
    elif _is_sent_name(host):
        yield from _cover(scheme, host, port)


def _split_port(rest: str) -> tuple[str, str]:
    """Split host from ``:port``; a port of "" is an absent one."""
    if rest.startswith("[::1]"):
        return "[::1]", rest[len("[::1]") :]
    host, colon, digits = rest.partition(":")
    return host, colon + digits


def _is_sent_port(port: str, scheme: str) -> bool:
    if not port:
        return True
    digits = port[1:]
    if not (port.startswith(":") and digits.isascii() and digits.isdigit()) or digits.startswith("0"):
        return False
    return int(digits) <= MAX_PORT and int(digits) != DEFAULT_PORTS[scheme]


def _is_sent_name(host: str) -> bool:
    if not 0 < len(host) <= MAX_HOST_LENGTH or not HOST_CHARACTERS.issuperset(host):
        return False
    sizes = [len(label) for label in host.split(".")]
    return min(sizes) > 0 and max(sizes) <= MAX_LABEL_LENGTH and not is_ip_host(host)


def _cover(scheme: str, host: str, port: str) -> Iterator[str]:
    base = host.partition(".")[2]
    while base:
        yield f"{scheme}://*.{base}{port}"
        base = base.partition(".")[2]
