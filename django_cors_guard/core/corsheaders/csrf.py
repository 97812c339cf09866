"""CSRF_TRUSTED_ORIGINS: whether the API group may be trusted for CSRF, too, and what has to stay in the setting.

Trusting for CORS what only CSRF trusts would let it read, and the other way round would let it write: so neither list
is ever made to grow by the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from django_cors_guard.core.corsheaders import values
from django_cors_guard.core.corsheaders.lines import Account, spell
from django_cors_guard.core.corsheaders.values import Values
from django_cors_guard.core.origins import Origin, OriginKind, parse_origin


def read_csrf(given: Values, origins: Mapping[str, Origin], *, credentials: bool) -> bool:
    """Return whether every one of ``origins`` is trusted for CSRF by the setting, so that the group may say so."""
    name, items = given.read_list(values.CSRF)
    entries = {item: parse_origin(item).origin for item in items if isinstance(item, str)}
    for item in items:
        if not isinstance(item, str):
            given.account.note(name, item, "csrf_unread", spell(item))
    if not entries:
        return False
    missing = [text for text, origin in origins.items() if not _is_covered(origin, entries)]
    trusted = credentials and bool(origins) and not missing
    for item, entry in entries.items():
        _tell(given.account, name, item, _is_same(entry, origins), trusted=trusted)
    if not credentials:
        given.account.note(name, list(entries), "csrf_without_credentials")
    elif missing:
        given.account.note(name, list(entries), "csrf_not_for_all", ", ".join(missing))
    return trusted


def _tell(account: Account, name: str, item: str, is_granted: bool, *, trusted: bool) -> None:
    if is_granted and trusted:
        account.take(name, item, "csrf")
    elif not is_granted:
        account.note(name, item, "csrf_stays")


def _is_same(entry: Origin | None, origins: Mapping[str, Origin]) -> bool:
    return entry is not None and entry.text in origins


def _is_covered(origin: Origin, entries: Mapping[str, Origin | None]) -> bool:
    return any(entry is not None and covers(entry, origin) for entry in entries.values())


def covers(entry: Origin, origin: Origin) -> bool:
    """Whether Django trusts ``origin`` because of ``entry``: its ``*.`` stands for the domain itself, too.

    https://docs.djangoproject.com/en/stable/ref/settings/#csrf-trusted-origins
    """
    if entry.text == origin.text:
        return True
    if entry.kind is not OriginKind.SUBDOMAINS or (entry.scheme, entry.port) != (origin.scheme, origin.port):
        return False
    is_name = origin.kind in {OriginKind.EXACT, OriginKind.SUBDOMAINS}
    return is_name and (origin.host == entry.host or origin.host.endswith(f".{entry.host}"))
