"""The host and the port of an origin, as browsers write them.

``ada-url`` runs the algorithm of browsers (https://url.spec.whatwg.org/#host-parsing), between checks of our own: alone
it accepts ``a..b``, ``=.com`` and punycode that stands for nothing, and turns ``1.1`` into ``1.0.0.1``.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

from ada_url import URL, HostType

from django_cors_guard.core.problems import Findings, ProblemCode

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: The only hosts whose pattern may leave the port open.
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")

MAX_LABEL_LENGTH: Final = 63
MAX_HOST_LENGTH: Final = 253
MAX_PORT: Final = 65_535

_PUNYCODE: Final = "xn--"
_UPPER_TO_LOWER: Final = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def lower_ascii(text: str) -> str:
    """Lower A to Z only: ``str.lower`` also turns the Kelvin sign into ``k``, which is the IDN mapping's business."""
    return text.translate(_UPPER_TO_LOWER)


def is_ip_host(host: str) -> bool:
    """Whether a canonical http(s) host is an address: only those end in a number."""
    return host.startswith("[") or host.rpartition(".")[2].isdigit()


def is_loopback_host(host: str) -> bool:
    """Whether a canonical http(s) host is the machine itself: localhost and below it, 127/8, [::1] (also mapped)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if host.startswith("["):
        address = IPv6Address(host[1:-1])
        return address.is_loopback or (address.ipv4_mapped is not None and address.ipv4_mapped.is_loopback)
    return host.startswith("127.") and is_ip_host(host)


def read_host(raw: str, found: Findings) -> str | None:
    """Return the canonical form of an http(s) host without wildcards, or None; what is wrong goes to ``found``."""
    host = lower_ascii(raw)
    if host.startswith("["):
        return _read_ipv6(host, found)
    return _read_name(host, found) if _has_host_characters(host, found) else None


def read_opaque_host(raw: str, found: Findings) -> str | None:
    """Return the host of another scheme in lower case, or None: browsers give it no meaning, so neither do we."""
    host = lower_ascii(raw)
    return host if _are_labels_sound(host, found) else None


def _has_host_characters(host: str, found: Findings) -> bool:
    if not host:
        found.give_up(ProblemCode.EMPTY_HOST, "")
        return False
    strange = {char for char in host if char.isascii()} - HOST_CHARACTERS
    # Others are the IDN mapping's to judge. A percent sign has been reported for the text as a whole.
    if strange - {"%"}:
        found.give_up(ProblemCode.BAD_HOST, "".join(sorted(strange - {"%"})))
    return not strange


def _read_ipv6(host: str, found: Findings) -> str | None:
    if "%" in host:  # a zone, reported for the text as a whole
        return None
    canonical = _host_of(host) if host.endswith("]") else None
    if canonical is None:
        found.give_up(ProblemCode.BAD_IP, host)
    elif canonical[0] != host:
        found.refuse(ProblemCode.RESPELT_IP, host)
    return canonical[0] if canonical else None


def _read_name(name: str, found: Findings) -> str | None:
    parsed = _host_of(name)
    if parsed is None:
        code = ProblemCode.BAD_IP if _ends_in_number(name) else ProblemCode.BAD_IDN
        found.give_up(code, name)
        return None
    host, is_ipv4 = parsed
    if is_ipv4:
        if host != name:
            found.refuse(ProblemCode.RESPELT_IP, name)
        return host
    if host.endswith("."):
        found.refuse(ProblemCode.TRAILING_DOT, name)
        host = host[:-1]
    return host if _are_labels_sound(host, found) else None


def _ends_in_number(name: str) -> bool:
    """https://url.spec.whatwg.org/#ends-in-a-number-checker."""
    last = name.removesuffix(".").rpartition(".")[2]
    return last.isdecimal() or last.startswith("0x")


def _are_labels_sound(host: str, found: Findings) -> bool:
    # Once more, for what the IDN mapping makes may contain others, "=" for one; none but ASCII is left by then.
    if not _has_host_characters(host, found):
        return False
    if not host.isascii():
        found.give_up(ProblemCode.BAD_HOST, "".join(sorted(char for char in set(host) if not char.isascii())))
        return False
    labels = host.split(".")
    before = len(found.problems)
    if "" in labels:
        found.give_up(ProblemCode.EMPTY_LABEL, host)
    for label in labels:
        if len(label) > MAX_LABEL_LENGTH:
            found.give_up(ProblemCode.LABEL_TOO_LONG, label)
    if len(host) > MAX_HOST_LENGTH:
        found.give_up(ProblemCode.HOST_TOO_LONG, host)
    if any(label.startswith(_PUNYCODE) for label in labels) and not _is_true_punycode(labels):
        found.give_up(ProblemCode.BAD_IDN, host)
    return len(found.problems) == before


def _is_true_punycode(labels: list[str]) -> bool:
    """Whether decoding and encoding again gives the same; browsers disagree about anything else."""
    try:
        decoded = [_decode_label(label) for label in labels]
    except UnicodeError:
        return False
    return _host_of(".".join(decoded)) == (".".join(labels), False)


def _decode_label(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    return label.removeprefix(_PUNYCODE).encode("ascii").decode("punycode")


def _host_of(text: str) -> tuple[str, bool] | None:
    """Return what a browser makes of a host, and whether that is an IPv4 address; None where it makes nothing."""
    try:
        url = URL(f"https://{text}/")
    except ValueError:
        return None
    return url.hostname, url.host_type == HostType.IPV4


def read_port(raw: str | None, scheme: str, found: Findings) -> int | None:
    """Return the port as a number, None where there is none or it is the scheme's default; problems go to ``found``."""
    if raw is None:
        return None
    if raw == "":
        found.refuse(ProblemCode.EMPTY_PORT, ":")
        return None
    if not (raw.isascii() and raw.isdigit()):
        found.give_up(ProblemCode.BAD_PORT, raw)
        return None
    number = int(raw)
    if not 1 <= number <= MAX_PORT:
        found.give_up(ProblemCode.PORT_OUT_OF_RANGE, raw)
        return None
    if raw.startswith("0"):
        found.refuse(ProblemCode.BAD_PORT, raw)
    return None if number == DEFAULT_PORTS.get(scheme) else number
