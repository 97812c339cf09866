"""Risks of an origin that may be trusted: shells show them as warnings before and after; they never refuse."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from enum import IntEnum, StrEnum
from typing import Final

from ada_url import idna_to_unicode

from django_cors_guard.core.likeness import find_look_alikes
from django_cors_guard.core.origins import Origin, OriginKind, OriginRules
from django_cors_guard.core.problems import Problem
from django_cors_guard.core.suffixes import shared_hosting_suffix, sheltered_suffix

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


class Severity(IntEnum):
    """How much a risk weighs."""

    NOTE = 1  # worth knowing, and the daily case
    CAUTION = 2  # may be right, and wants a second look
    SERIOUS = 3  # opens a door to people whom nobody means; shells ask whether it was read


_CAUTIONS: Final = frozenset({RiskCode.CUSTOM_SCHEME, RiskCode.IP_ADDRESS, RiskCode.SHARED_HOSTING})


def severity_of(risk: Problem, *, credentials: bool = False, protected: bool = False) -> Severity:
    """Return how much ``risk`` weighs, by whether the API group allows credentials and the environment is protected.

    Credentials alone are no serious risk, nor is a developer's own machine: a question that is always asked is no
    longer read.
    """
    if risk.code in {RiskCode.INSECURE_HTTP, RiskCode.LOOK_ALIKE, RiskCode.MIXED_SCRIPT}:
        return Severity.SERIOUS
    if risk.code == RiskCode.PATTERN:
        return Severity.SERIOUS if risk.detail == OriginKind.SUBDOMAINS else Severity.CAUTION
    if risk.code == RiskCode.LOOPBACK:
        return Severity.SERIOUS if protected else Severity.CAUTION
    if risk.code in _CAUTIONS:
        return Severity.SERIOUS if credentials else Severity.CAUTION
    return Severity.NOTE


def find_risks(origin: Origin, *, rules: OriginRules, trusted: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return the risks of trusting ``origin``, for people to weigh.

    ``trusted`` are canonical texts of origins to compare with; the first five look-alikes are listed. Where many
    origins are compared with many, ``find_look_alikes`` does it for all of them at once.
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


def _find_look_alikes(origin: Origin, trusted: Iterable[str]) -> tuple[str, ...]:
    if origin.kind is OriginKind.CUSTOM_SCHEME:
        return ()
    return find_look_alikes([origin.host], trusted).get(origin.host, ())
