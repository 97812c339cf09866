"""Which network an address belongs to: what floods are bounded by, and what is stored of an address."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


def network_of(client: str) -> str:
    """Return the network of an address: /24 of IPv4, /48 of IPv6; blank for what is no address.

    It stands in the path of every request of a flood, so the parsing is the C library's.
    """
    try:
        if ":" not in client:
            return _network_of_ipv4(inet_pton(AF_INET, client))
        packed = inet_pton(AF_INET6, client.partition("%")[0])
    except (OSError, ValueError):
        return ""
    if packed.startswith(_MAPPED):
        return _network_of_ipv4(packed[12:])
    return f"{inet_ntop(AF_INET6, packed[:6] + bytes(10))}/48"


def _network_of_ipv4(packed: bytes) -> str:
    return f"{packed[0]}.{packed[1]}.{packed[2]}.0/24"
