"""Which of very many trusted texts are worth a closer look at what was refused: relatives, and look-alikes.

``core.explain.hosts_to_search`` names the nearest by their exact texts; these are the others, that no index can find.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, NamedTuple

from django_cors_guard.core.authority import LOOPBACK_HOSTS, is_ip_host
from django_cors_guard.core.explain import read_raw
from django_cors_guard.core.likeness import find_look_alikes, host_of
from django_cors_guard.core.origins import OriginKind
from django_cors_guard.core.suffixes import registrable_domain

#: Farther relatives of one origin than these explain nothing.
MAX_RELATIVES: Final = 8


class _Text(NamedTuple):
    """A canonical text in pieces."""

    text: str
    scheme: str
    host: str
    port: str

    @classmethod
    def of(cls, text: str) -> _Text:
        scheme, _, rest = text.partition("://")
        # Schemes of apps know no port: what stands behind them is the host.
        host = host_of(text) or rest
        return cls(text, scheme, host, rest.removeprefix("*.").removeprefix(host))

    def family(self) -> str:
        if self.host in LOOPBACK_HOSTS:
            return "localhost"
        return self.host if is_ip_host(self.host) else registrable_domain(self.host)

    def distance_to(self, other: _Text) -> tuple[int, int, str]:
        if self.host == other.host:
            relation = 0
        else:
            relation = 1 if _is_above(self.host, other.host) or _is_above(other.host, self.host) else 2
        return relation, (self.scheme != other.scheme) + (self.port != other.port), other.text


def find_kin(refused: Iterable[str], trusted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return for each of ``refused``, as some client sent it, the canonical texts ``trusted`` that may be near to it.

    Those are the nearest eight of its owner's domain (or of its address), and what it is easily taken for. What nobody
    can read as an origin is left out.
    """
    seen = {raw: found.origin for raw in refused if (found := read_raw(raw)) is not None}
    texts = list(dict.fromkeys(trusted))
    families: dict[str, list[_Text]] = {}
    for piece in map(_Text.of, texts):
        families.setdefault(piece.family(), []).append(piece)
    names = {origin.host for origin in seen.values() if origin.kind is not OriginKind.CUSTOM_SCHEME}
    alike = find_look_alikes(names, texts)
    kin: dict[str, tuple[str, ...]] = {}
    for raw, origin in seen.items():
        piece = _Text.of(origin.text)
        near = nsmallest(MAX_RELATIVES, families.get(piece.family(), ()), key=piece.distance_to)
        others = () if origin.kind is OriginKind.CUSTOM_SCHEME else alike.get(origin.host, ())
        kin[raw] = tuple(dict.fromkeys((*(relative.text for relative in near), *others)))
    return kin


def _is_above(host: str, other: str) -> bool:
    return other.endswith(f".{host}")
