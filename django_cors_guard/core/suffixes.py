"""Public suffixes: the domains under which strangers live side by side, and what belongs to one owner.

The list (https://publicsuffix.org/list/) comes with the package ``publicsuffixlist``. It is read at the first question,
which takes about a tenth of a second, and kept. Hosts are canonical: lower case, punycode, no trailing dot, no IP.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from publicsuffixlist import PSLFILE, PublicSuffixList


@cache
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _registry_suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


def is_public_suffix(host: str) -> bool:
    """Whether anyone can have a name directly under ``host``: ``co.uk``, ``github.io``, every single label."""
    return _all_suffixes().is_public(host)


def registrable_domain(host: str) -> str:
    """Return the part of ``host`` that one owner holds (``example.co.uk`` of ``a.example.co.uk``), or all of it."""
    return _all_suffixes().privatesuffix(host) or host


def shared_hosting_suffix(host: str) -> str:
    """Return the hosting company's suffix that ``host`` is or lives under (``github.io``), or ""."""
    suffix = _all_suffixes().publicsuffix(host)
    return suffix if suffix and suffix != _registry_suffixes().publicsuffix(host) else ""


def sheltered_suffix(host: str) -> str:
    """Return a public suffix below ``host`` (``execute-api.eu-west-1.amazonaws.com`` of ``amazonaws.com``), or ""."""
    ending = f".{host}"
    return next((rule for rule in _rules() if rule.endswith(ending)), "")


@cache
def _rules() -> tuple[str, ...]:
    lines = Path(PSLFILE).read_text(encoding="utf-8").splitlines()
    return tuple(line.split()[0].removeprefix("*.") for line in lines if line.strip() and line[0] not in "/!")
