"""Which hosts are easily taken for one another: two of them, or a few new ones among a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from ada_url import idna_to_unicode

from django_cors_guard.core.authority import DEFAULT_PORTS, is_ip_host, is_loopback_host
from django_cors_guard.core.spelling import is_one_slip, list_omissions, list_slips, skeleton
from django_cors_guard.core.suffixes import registrable_domain

#: More look-alikes than anybody reads are not listed.
MAX_LOOK_ALIKES: Final = 5
# With more domains than that, what is left without a letter is looked up, instead of what a slip may make of it all:
# that is more to look up, and far less to remember.
_MANY: Final = 100
# One slip apart, shorter names are simply different names.
_MIN_SLIP_LENGTH: Final = 5


def is_look_alike(host: str, other: str) -> bool:
    """Whether two canonical hosts belong to different owners and are easily taken for one another.

    That is: same skeleton, one slip of the hand apart, or the one's domain put in front of the other's
    (``example.com.evil.net``). Addresses and loopback names look like nothing else.
    """
    if not (_is_name(host) and _is_name(other)):
        return False
    domain, other_domain = registrable_domain(host), registrable_domain(other)
    if domain == other_domain:
        return False
    return (
        _is_in_front(domain, other.removesuffix(other_domain))
        or _is_in_front(other_domain, host.removesuffix(domain))
        or _are_confusable(_decode(domain), _decode(other_domain))
        or _squeeze(host) == _squeeze(other)
    )


def find_look_alikes(hosts: Iterable[str], trusted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return for each of ``hosts`` the first five of the canonical texts ``trusted`` that it is easily taken for.

    Made for a few hosts among very many texts, at some microseconds a text: a sieve says which pairs are worth the
    question at all.
    """
    texts_of: dict[str, list[str]] = {}
    for text in trusted:
        texts_of.setdefault(host_of(text), []).append(text)
    found = dict[str, tuple[str, ...]]()
    if not texts_of:
        return found
    for host, others in _sift([host for host in hosts if _is_name(host)], list(texts_of)).items():
        alike = (text for other in others if is_look_alike(host, other) for text in dict.fromkeys(texts_of[other]))
        found[host] = tuple(islice(alike, MAX_LOOK_ALIKES))
    return {host: alike for host, alike in found.items() if alike}


def host_of(text: str) -> str:
    """Return the host of a canonical http(s) text without its port or ``*.``; "" for other schemes."""
    scheme, _, rest = text.partition("://")
    if scheme not in DEFAULT_PORTS:
        return ""
    host, bracket, _ = rest.partition("]")
    return host + bracket if bracket else rest.partition(":")[0].removeprefix("*.")


def _sift(hosts: list[str], others: list[str]) -> dict[str, list[str]]:
    """Return, in the order of ``others``, those that each host may look like: all that do, and few that do not."""
    eye = _Eye(hosts)
    found = {host: dict[str, None]() for host in hosts}
    for other, seen in zip(others, _look_at(others), strict=True):
        for host in eye.recognise(other, seen):
            found[host][other] = None
    return {host: list(maybe) for host, maybe in found.items() if maybe}


class _Eye:
    """A few hosts, by everything that ``is_look_alike`` compares; looked up, not compared one by one."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._squeezed: dict[str, set[str]] = {}
        self._near: dict[str, set[str]] = {}
        self._domains: dict[str, set[str]] = {}
        self._fronts: dict[str, set[str]] = {}
        for host in hosts:
            domain = registrable_domain(host)
            _file(self._domains, [domain], host)
            _file(self._squeezed, [_see(host).replace(".", "")], host)
            _file(self._fronts, _list_runs(host.removesuffix(domain)), host)
        self._has_many = len(self._domains) > _MANY
        for domain in self._domains:
            _file(self._near, (list_omissions if self._has_many else list_slips)(_see(domain)), domain)
        self._shallowest = min((domain.count(".") for domain in self._domains), default=0)

    def recognise(self, other: str, seen: str) -> Iterator[str]:
        """Yield hosts that may look like ``other``, of which the eye keeps ``seen``."""
        yield from self._squeezed.get(seen.replace(".", ""), ())
        for domain in self._list_near(other, seen):
            yield from self._domains[domain]
        if self._fronts:
            for depth in range(other.count(".") + 1):
                yield from self._fronts.get(_cut(other, depth), ())
        if other.count(".") > self._shallowest + 1:
            for run in _list_runs(other):
                yield from self._domains.get(run, ())

    def _list_near(self, other: str, seen: str) -> Iterator[str]:
        """Yield the domains that are one slip apart from an end of ``other``, and not that end."""
        for ending in _list_endings(seen):
            for key in list_omissions(ending) if self._has_many else (ending,):
                if key in self._near:
                    yield from self._near[key] - {_cut(other, ending.count("."))}


def _file(drawers: dict[str, set[str]], labels: Iterable[str], host: str) -> None:
    for label in labels:
        drawers.setdefault(label, set()).add(host)


def _list_endings(host: str) -> Iterator[str]:
    """Yield ``host`` and every end of it that may be a domain: a single label is none, unless it is all there is."""
    yield host
    rest = host.partition(".")[2]
    while "." in rest:
        yield rest
        rest = rest.partition(".")[2]


def _list_runs(subdomains: str) -> Iterator[str]:
    """Yield every run of two and more labels that ends before a dot: a domain that may stand in front of another."""
    labels = subdomains.split(".")[:-1]
    for start in range(len(labels) - 1):
        for end in range(start + 2, len(labels) + 1):
            yield ".".join(labels[start:end])


def _cut(host: str, dots: int) -> str:
    """Return the end of ``host`` with as many dots."""
    return ".".join(host.split(".")[-dots - 1 :])


def _look_at(hosts: list[str]) -> list[str]:
    """As ``_see`` for each; plain names, which are nearly all, in one go."""
    plain = [host for host in hosts if "xn--" not in host]
    lines = skeleton("\n".join(plain)).split("\n")
    if len(lines) != len(plain):  # a stored value with a line break in it
        return [_see(host) for host in hosts]
    seen = iter(lines)
    return [_see(host) if "xn--" in host else next(seen) for host in hosts]


def _see(host: str) -> str:
    """Return what the eye keeps of ``host``, where a letter that stands for no Latin one is as good as another."""
    return skeleton(_decode(host)).encode("ascii", "replace").decode("ascii")


def _is_name(host: str) -> bool:
    return bool(host) and not is_ip_host(host) and not is_loopback_host(host)


def _is_in_front(domain: str, subdomains: str) -> bool:
    return "." in domain and f".{domain}." in f".{subdomains}"


def _are_confusable(domain: str, other: str) -> bool:
    one, two = skeleton(domain), skeleton(other)
    shortest = min(len(name.partition(".")[0]) for name in (domain, other))
    return one == two or (shortest >= _MIN_SLIP_LENGTH and is_one_slip(one, two))


def _squeeze(host: str) -> str:
    """``app-example.com`` passes for ``app.example.com``."""
    return skeleton(_decode(host)).replace(".", "")


def _decode(host: str) -> str:
    return idna_to_unicode(host) if "xn--" in host else host
