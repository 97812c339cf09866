"""What trusted pages may do: credentials, methods, headers and the preflight's lifetime become an API group's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.corsheaders import values
from django_cors_guard.core.corsheaders.values import Values
from django_cors_guard.core.policy import (
    MAX_AGE_LIMIT,
    check_exposed_headers,
    check_methods,
    check_request_headers,
)
from django_cors_guard.core.problems import Problem

#: What browsers keep a preflight for if no header says anything: https://fetch.spec.whatwg.org/#cors-preflight-cache
UNSAID_MAX_AGE: Final = 5
#: A preflight that lives longer than this outlives a revocation by as much, which deserves a word.
LONG_MAX_AGE: Final = 3600
#: For a lifetime that makes no sense.
SENSIBLE_MAX_AGE: Final = 600

_KNOWN_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the API group."""

    any_origin: bool
    credentials: bool
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: int


def read_rules(given: Values) -> Rules:
    """Return the group's rules; what each setting became goes to the account."""
    account = given.account
    credentials = given.read_flag(values.CREDENTIALS)
    if credentials:
        account.take(given.find(values.CREDENTIALS).name, True, "credentials")
    rules = Rules(
        any_origin=_read_any_origin(given, credentials=credentials),
        credentials=credentials,
        methods=_read_names(given, values.METHODS, check_methods, _tidy_method, credentials=credentials),
        headers=_read_names(given, values.HEADERS, check_request_headers, str.lower, credentials=credentials),
        exposed=_read_names(given, values.EXPOSED, _check_exposed, str, credentials=credentials),
        max_age=_read_max_age(given),
    )
    if given.read_flag(values.PRIVATE_NETWORK):
        account.refuse(values.PRIVATE_NETWORK, True, "private_network")
    return rules


def _read_any_origin(given: Values, *, credentials: bool) -> bool:
    if not given.read_flag(values.ALL_ORIGINS):
        return False
    name = given.find(values.ALL_ORIGINS).name
    if credentials:
        given.account.refuse(name, True, "any_origin_with_credentials")
        return False
    given.account.take(name, True, "any_origin")
    return True


def _check_exposed(names: object) -> list[Problem]:
    return check_exposed_headers(names, credentials=False)


def _tidy_method(method: str) -> str:
    return method.upper() if method.upper() in _KNOWN_METHODS else method


def _read_names(
    given: Values,
    setting: str,
    check: Callable[[object], list[Problem]],
    tidy: Callable[[str], str],
    *,
    credentials: bool,
) -> tuple[str, ...]:
    name, items = given.read_list(setting)
    kept: dict[str, str] = {}
    notes: dict[str, None] = {}
    for item in items:
        if not isinstance(item, str) or not headers.is_token(item):
            given.account.refuse(name, item, "not_a_token")
        elif check([item]):
            notes["dropped"] = None
        elif item == headers.ANY and credentials:
            notes["star_with_credentials"] = None
        else:
            kept.setdefault(tidy(item), item)
    is_default = given.find(setting).is_default
    if kept or notes:
        told = (*notes, "default") if is_default else tuple(notes)
        given.account.take(name, items, "names", ", ".join(kept), told)
    return tuple(kept)


def _read_max_age(given: Values) -> int:
    setting = given.find(values.MAX_AGE)
    seconds = setting.value
    account = given.account
    if seconds is None or seconds == 0:
        account.take(setting.name, seconds, "max_age", str(UNSAID_MAX_AGE), ("max_age_unsaid",))
        return UNSAID_MAX_AGE
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
        account.refuse(setting.name, seconds, "bad_max_age", str(SENSIBLE_MAX_AGE))
        return SENSIBLE_MAX_AGE
    kept = min(seconds, MAX_AGE_LIMIT)
    notes = ("cut_to_a_day",) if kept < seconds else ()
    notes = (*notes, "max_age_long") if kept > LONG_MAX_AGE else notes
    notes = (*notes, "default") if setting.is_default else notes
    account.take(setting.name, seconds, "max_age", str(kept), notes)
    return kept
