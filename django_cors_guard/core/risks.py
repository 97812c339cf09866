"""Risks of an origin that may be trusted: shells show them as warnings before and after; they never refuse."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from ada_url import idna_to_unicode

from django_cors_guard.core.authority import DEFAULT_PORTS, is_ip_host, is_loopback_host
from django_cors_guard.core.origins import Origin, OriginKind, OriginRules
from django_cors_guard.core.problems import Problem
from django_cors_guard.core.spelling import is_one_slip, skeleton
from django_cors_guard.core.suffixes import registrable_domain, shared_hosting_suffix, sheltered_suffix

#: More look-alikes than anybody reads are not listed.
MAX_LOOK_ALIKES: Final = 5
# One slip apart, shorter names are simply different names.
_MIN_SLIP_LENGTH: Final = 5
# Alphabets whose letters pass for one another; Japanese, say, mixes its own and Latin every day.
_CONFUSABLE_SCRIPTS: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})


class RiskCode(StrEnum):
    """Every code of ``find_risks``. The value is the origin; the comment says what the detail is, where it has one."""

    PATTERN = "pattern"  # it matches more than one origin, also future ones. Detail: the kind of the pattern
    CUSTOM_SCHEME = "custom_scheme"  # any app that is installed can claim it. Detail: the scheme
    INSECURE_HTTP = "insecure_http"  # anyone on the network path can speak for it
    LOOPBACK = "loopback"  # any program on the user's machine can speak for it
    IP_ADDRESS = "ip_address"  # whoever gets that address next speaks for it
    SHARED_HOSTING = "shared_hosting"  # strangers have names beside it or below it. Detail: the shared suffix
    CREDENTIALS = "credentials"  # the group allows credentials: it can act as the user
    PUNYCODE = "punycode"  # it reads differently in the address bar. Detail: the Unicode form
    MIXED_SCRIPT = "mixed_script"  # one label mixes alphabets that look alike. Detail: the Unicode form
    LOOK_ALIKE = "look_alike"  # easily confused with another. Detail: the trusted origin it resembles


def find_risks(origin: Origin, *, rules: OriginRules, trusted: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return the risks of trusting ``origin``, for people to weigh.

    ``trusted`` are canonical texts of origins to compare with, at some 30 µs each; the first five look-alikes are
    listed.
    """
    found = [
        *_list_kind_risks(origin),
        *_list_host_risks(origin),
        *([(RiskCode.CREDENTIALS, "")] if rules.credentials else []),
        *_list_script_risks(origin),
        *((RiskCode.LOOK_ALIKE, other) for other in _find_look_alikes(origin, trusted)),
    ]
    return tuple(Problem(code.value, origin.text, detail) for code, detail in found)


def _list_kind_risks(origin: Origin) -> Iterator[tuple[RiskCode, str]]:
    if origin.is_pattern:
        yield RiskCode.PATTERN, origin.kind.value
    if origin.kind is OriginKind.CUSTOM_SCHEME:
        yield RiskCode.CUSTOM_SCHEME, origin.scheme
    elif origin.is_loopback:
        yield RiskCode.LOOPBACK, ""
    elif origin.scheme == "http":
        yield RiskCode.INSECURE_HTTP, ""


def _list_host_risks(origin: Origin) -> Iterator[tuple[RiskCode, str]]:
    if origin.kind is OriginKind.CUSTOM_SCHEME or origin.is_loopback:
        return
    if origin.is_ip:
        yield RiskCode.IP_ADDRESS, ""
        return
    suffix = shared_hosting_suffix(origin.host)
    if not suffix and origin.kind is OriginKind.SUBDOMAINS:
        suffix = sheltered_suffix(origin.host)
    if suffix:
        yield RiskCode.SHARED_HOSTING, suffix


def _list_script_risks(origin: Origin) -> Iterator[tuple[RiskCode, str]]:
    shown = origin.unicode
    if shown == origin.text:
        return
    yield RiskCode.PUNYCODE, shown
    if any(len(_scripts_of(label)) > 1 for label in idna_to_unicode(origin.host).split(".")):
        yield RiskCode.MIXED_SCRIPT, shown


def _scripts_of(label: str) -> frozenset[str]:
    names = {unicodedata.name(char, "").partition(" ")[0] for char in label}
    return _CONFUSABLE_SCRIPTS & names


def _find_look_alikes(origin: Origin, trusted: Iterable[str]) -> list[str]:
    found: list[str] = []
    if origin.kind is OriginKind.CUSTOM_SCHEME:
        return found
    verdicts: dict[str, bool] = {}
    for text in trusted:
        host = _host_of(text)
        if host not in verdicts:
            verdicts[host] = is_look_alike(origin.host, host)
        if verdicts[host]:
            found.append(text)
        if len(found) == MAX_LOOK_ALIKES:
            break
    return found


def _host_of(text: str) -> str:
    """Return the host of a canonical http(s) text without its port or ``*.``; "" for other schemes."""
    scheme, _, rest = text.partition("://")
    if scheme not in DEFAULT_PORTS:
        return ""
    host, bracket, _ = rest.partition("]")
    return host + bracket if bracket else rest.partition(":")[0].removeprefix("*.")


def is_look_alike(host: str, other: str) -> bool:
    """Whether two canonical hosts belong to different owners and are easily taken for one another.

    That is: same skeleton, one slip of the hand apart, or the one's domain put in front of the other's
    (``example.com.evil.net``). Addresses and loopback names look like nothing else.
    """
    if any(not name or is_ip_host(name) or is_loopback_host(name) for name in (host, other)):
        return False
    domain, other_domain = registrable_domain(host), registrable_domain(other)
    if domain == other_domain:
        return False
    return (
        _is_in_front(domain, other.removesuffix(other_domain))
        or _is_in_front(other_domain, host.removesuffix(domain))
        or _are_confusable(idna_to_unicode(domain), idna_to_unicode(other_domain))
        or _squeeze(host) == _squeeze(other)
    )


def _is_in_front(domain: str, subdomains: str) -> bool:
    return "." in domain and f".{domain}." in f".{subdomains}"


def _are_confusable(domain: str, other: str) -> bool:
    one, two = skeleton(domain), skeleton(other)
    shortest = min(len(name.partition(".")[0]) for name in (domain, other))
    return one == two or (shortest >= _MIN_SLIP_LENGTH and is_one_slip(one, two))


def _squeeze(host: str) -> str:
    """``app-example.com`` passes for ``app.example.com``."""
    return skeleton(idna_to_unicode(host)).replace(".", "")
