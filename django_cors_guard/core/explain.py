"""Why was this origin refused? The nearest trusted thing, and how it differs.

Shells look up ``hosts_to_search`` in their database, by index, make candidates of what they find, and ask
``find_nearest``. What is explained may be anything a client sent: it is bounded before it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from itertools import product
from typing import Final, Literal, NamedTuple

from ada_url import idna_to_unicode

from django_cors_guard.core.authority import DEFAULT_PORTS, LOOPBACK_HOSTS, is_ip_host
from django_cors_guard.core.likeness import is_look_alike
from django_cors_guard.core.origins import Origin, OriginKind, parse_canonical, parse_origin
from django_cors_guard.core.patterns import pattern_candidates
from django_cors_guard.core.problems import ProblemCode
from django_cors_guard.core.spelling import skeleton
from django_cors_guard.core.suffixes import registrable_domain

_MAX_PARENTS: Final = 3
_WWW: Final = "www."
# Farther than a parent that also differs in scheme and port.
_FARTHER: Final = 3

# What the hand or the eye most often makes of a letter, the other way round.
_MISREADINGS: Final = (("0", "o"), ("1", "l"), ("1", "i"), ("rn", "m"), ("vv", "w"), ("5", "s"), ("-", ""))

Status = Literal["active", "revoked", "expired", "switched_off"]


class Difference(StrEnum):
    """How the nearest trusted thing differs from what was refused; declared from the nearest to the farthest."""

    REVOKED = "revoked"  # the same origin, here: an operator said no (by, at)
    EXPIRED = "expired"  # the same origin, here, until then (at)
    SWITCHED_OFF = "switched_off"  # the same origin, here, but it breaks a safety rule that now holds
    OTHER_GROUP = "other_group"  # the same origin, for another API group of this environment
    OTHER_ENVIRONMENT = "other_environment"  # the same origin, in another environment
    TRAILING_DOT = "trailing_dot"  # https://app.example.com.
    SPELLING = "spelling"  # not as browsers write it: upper case, a default port, a slash, a respelt address
    SCHEME = "scheme"  # http and https
    PORT = "port"
    WWW = "www"
    LOOPBACK_NAME = "loopback_name"  # localhost, 127.0.0.1 and [::1]: one machine, three origins
    SUBDOMAIN = "subdomain"  # above, below or beside it, within one owner's domain
    LOOK_ALIKE = "look_alike"  # another owner's domain that is easily taken for it


_RANKS: Final = {difference: rank for rank, difference in enumerate(Difference)}
_ENDED: Final = {
    "revoked": Difference.REVOKED,
    "expired": Difference.EXPIRED,
    "switched_off": Difference.SWITCHED_OFF,
}


class NullSource(StrEnum):
    """Where requests with ``Origin: null`` come from (https://fetch.spec.whatwg.org/#append-a-request-origin-header)."""

    SANDBOXED_FRAME = "sandboxed_frame"  # <iframe sandbox> without allow-same-origin, CSP sandbox
    FILE_URL = "file_url"  # a page opened from the disk, file:///…
    CROSS_ORIGIN_REDIRECT = "cross_origin_redirect"  # a request that was redirected from one origin to another
    NO_REFERRER_FORM = "no_referrer_form"  # a form or navigation under Referrer-Policy: no-referrer
    DATA_URL = "data_url"  # a document or worker loaded from data:
    LOCAL_HTML = "local_html"  # HTML that an app shows in a web view without giving it a base address


NULL_SOURCES: Final = tuple(NullSource)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grant that a refused request might have meant. ``at`` is when its status began (for expired: ended)."""

    origin: str
    environment: str
    api_group: str
    status: Status = "active"
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest grant, and how what was refused differs from it."""

    candidate: Candidate
    difference: Difference


class Seen(NamedTuple):
    """What was refused, as a browser would have sent it, and how what was sent differs from that."""

    origin: Origin
    respelt: Difference | None
    #: The canonical origin and patterns that match it.
    covering: frozenset[str]


def find_nearest(
    raw: str,
    *,
    environment: str,
    api_group: str,
    candidates: Iterable[Candidate],
) -> Nearest | None:
    """Return the candidate nearest to ``raw``, which was refused in ``environment`` for ``api_group``, or None.

    Near is first what is trusted now, or was trusted right here; then what differs least. A grant that is active here
    and covers ``raw`` explains no refusal and is passed over.
    """
    seen = read_raw(raw)
    if seen is None:
        return None
    ranked: list[tuple[tuple[int, ...], str, Nearest]] = []
    compare_texts = cache(partial(_compare_texts, seen))
    for candidate in candidates:
        place = _rank_place(candidate, environment, api_group)
        compared = _compare(seen, candidate, place, compare_texts)
        if compared is not None:
            difference, further = compared
            is_live = candidate.status == "active" or difference in _ENDED.values()
            key = (0 if is_live else 1, _RANKS[difference], further, place)
            ranked.append((key, candidate.origin, Nearest(candidate, difference)))
    return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def read_raw(raw: str) -> Seen | None:
    """Return what a browser would have sent for ``raw``; None where nobody can tell."""
    parsed = parse_origin(raw)
    if parsed.origin is not None:
        return _see(parsed.origin, Difference.SPELLING if parsed.mended else None)
    # One suggestion for the whole text stands in each problem.
    suggested = parse_canonical(parsed.problems[0].detail)
    if suggested is None:
        return None
    has_dot = any(problem.code == ProblemCode.TRAILING_DOT for problem in parsed.problems)
    return _see(suggested, Difference.TRAILING_DOT if has_dot else Difference.SPELLING)


def _see(origin: Origin, respelt: Difference | None) -> Seen:
    return Seen(origin, respelt, frozenset((origin.text, *pattern_candidates(origin.text))))


def _rank_place(candidate: Candidate, environment: str, api_group: str) -> int:
    if candidate.environment != environment:
        return 2
    return 0 if candidate.api_group == api_group else 1


def _compare(
    seen: Seen, candidate: Candidate, place: int, compare_texts: Callable[[str], tuple[Difference, int] | None]
) -> tuple[Difference, int] | None:
    """Return how they differ, and a number that is smaller the less they differ besides; None if unrelated."""
    if candidate.origin in seen.covering:
        if seen.respelt is not None:
            return seen.respelt, 0
        difference = _compare_places(candidate, place)
        return (difference, 0) if difference is not None else None
    return compare_texts(candidate.origin)


def _compare_places(candidate: Candidate, place: int) -> Difference | None:
    if place == 0:
        return _ENDED.get(candidate.status)
    return Difference.OTHER_GROUP if place == 1 else Difference.OTHER_ENVIRONMENT


def _compare_texts(refused: Seen, text: str) -> tuple[Difference, int] | None:
    trusted = parse_canonical(text)
    return _compare_origins(refused.origin, trusted) if trusted is not None else None


def _compare_origins(seen: Origin, trusted: Origin) -> tuple[Difference, int] | None:
    same_scheme = seen.scheme == trusted.scheme
    same_port = seen.port == trusted.port or trusted.kind is OriginKind.LOOPBACK_PORTS
    if _covers_host(trusted, seen.host):
        return (Difference.PORT, 0) if same_scheme else (Difference.SCHEME, 0 if same_port else 1)
    if OriginKind.CUSTOM_SCHEME in {seen.kind, trusted.kind}:
        return None
    related = _compare_hosts(seen.host, trusted.host)
    return (related[0], related[1] + (not same_scheme) + (not same_port)) if related is not None else None


def _compare_hosts(seen: str, trusted: str) -> tuple[Difference, int] | None:
    if LOOPBACK_HOSTS.issuperset((seen, trusted)):
        return Difference.LOOPBACK_NAME, 0
    return None if is_ip_host(seen) or is_ip_host(trusted) else _compare_names(seen, trusted)


def _compare_names(seen: str, trusted: str) -> tuple[Difference, int] | None:
    if _WWW + seen == trusted or seen == _WWW + trusted:
        return Difference.WWW, 0
    # Of names above and below each other, too, only those of one owner: ``com`` is nobody's.
    if registrable_domain(seen) == registrable_domain(trusted):
        # The base of a pattern is a relative as well: the pattern does not match it.
        is_near = seen == trusted or seen.endswith(f".{trusted}") or trusted.endswith(f".{seen}")
        return Difference.SUBDOMAIN, 0 if is_near else _FARTHER
    return (Difference.LOOK_ALIKE, 0) if is_look_alike(seen, trusted) else None


def _covers_host(trusted: Origin, host: str) -> bool:
    return host.endswith(f".{trusted.host}") if trusted.kind is OriginKind.SUBDOMAINS else host == trusted.host


def hosts_to_search(raw: str) -> tuple[str, ...]:
    """Return the canonical origins and patterns to look up for ``raw``: exact texts, at most 64, the nearest first.

    The same host, with and without ``www.``, its parents up to the domain that one owner holds, each with both schemes,
    with the port as sent and without; the patterns above them; and what a misread letter may have been.
    """
    seen = read_raw(raw)
    if seen is None:
        return ()
    if seen.origin.kind is OriginKind.CUSTOM_SCHEME:
        return (seen.origin.text,)
    return tuple(dict.fromkeys(_list_searches(seen.origin)))


def _list_searches(origin: Origin) -> Iterator[str]:
    for name in _list_relatives(origin.host):
        for scheme, port in _list_endings(origin):
            yield f"{scheme}://{name}{port}"
            if name in LOOPBACK_HOSTS:
                yield f"{scheme}://{name}:*"
            elif not is_ip_host(name):
                yield f"{scheme}://*.{name}{port}"
    if not origin.is_ip and not origin.is_loopback:
        for name in _list_misread(origin.host):
            yield f"{origin.scheme}://{name}"


def _list_relatives(host: str) -> Iterator[str]:
    yield host
    if host in LOOPBACK_HOSTS:
        yield from sorted(LOOPBACK_HOSTS)
    elif not is_ip_host(host):
        yield host.removeprefix(_WWW) if host.startswith(_WWW) else _WWW + host
        yield from _list_parents(host)


def _list_parents(host: str) -> Iterator[str]:
    """Yield the nearest three parents of ``host``, and the domain that its owner holds."""
    domain = registrable_domain(host)
    parent = host
    for _ in range(_MAX_PARENTS):
        if parent == domain:
            return
        parent = parent.partition(".")[2]
        yield parent
    yield domain


def _list_misread(host: str) -> Iterator[str]:
    for written, meant in _MISREADINGS:
        yield host.replace(written, meant)
    shown = idna_to_unicode(host)
    if shown != host:
        yield skeleton(shown)


def _list_endings(origin: Origin) -> list[tuple[str, str]]:
    """Schemes and ports, those of ``origin`` first."""
    schemes = sorted(DEFAULT_PORTS, key=lambda scheme: scheme != origin.scheme)
    ports = [""] if origin.port is None else [f":{origin.port}", ""]
    return list(product(schemes, ports))
