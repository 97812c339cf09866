"""The ``CORS_GUARD`` setting, resolved once into a frozen object and again whenever the setting changes.

Reading never fails: a value that cannot be used is replaced by its default here and reported by the system checks, so
that a typing error in a settings file cannot take the site down.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.signals import setting_changed
from django.core.validators import validate_slug
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from django_cors_guard.core.decision import Mode

SETTING: Final = "CORS_GUARD"
ENVIRONMENT_VARIABLE: Final = "CORS_GUARD_ENVIRONMENT"
DEFAULT_ENVIRONMENT: Final = "production"
MAX_SLUG: Final = 50
CLIENT_IP_CHOICES: Final = ("none", "truncated", "full")
METRICS_CHOICES: Final = (None, "signal", "prometheus")


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """One resolved ``CORS_GUARD``. Times are in seconds. Field names are the keys in lower case."""

    #: Slug of the environment this process runs in.
    environment: str = DEFAULT_ENVIRONMENT
    #: No group is stricter than this, whatever the database says: the brake that needs no admin.
    max_mode: Mode = Mode.BLOCK
    #: Let routes decide about this app's own API. Never about the admin.
    open_own_api: bool = False
    #: How often a process asks the database for another revision; 0 asks at every request.
    refresh_seconds: float = 1.0
    #: How old a policy may grow before it is read anew in full although the revision stayed.
    full_reload_seconds: float = 300.0
    #: How long the last good policy serves while the database is away.
    max_stale_seconds: float = 900.0
    #: Alias in ``CACHES`` that may hold signed policies; None for none.
    cache: str | None = None
    #: URL of a Redis that carries word of changes, so that other processes look at once; None for none.
    push: str | None = field(default=None, repr=False)
    #: How soon the first sighting of a refusal is written; 0 writes at once, on the request's connection (tests).
    audit_flush_seconds: float = 2.0
    #: How long repeats of a refusal are added up before they are written.
    audit_rollup_seconds: float = 60.0
    #: Most rejection rows an hour, over all processes; one client network gets a tenth of it. Differences from another
    #: CORS middleware get a tenth on top.
    audit_rows_per_hour: int = 5000
    #: Most distinct refusals that wait in memory; what exceeds is only counted.
    audit_max_pending: int = 1000
    #: How many days ``prune`` keeps rejections and usage.
    audit_retention_days: int = 90
    #: How client addresses are stored: ``none``, ``truncated`` (/24, /48) or ``full``.
    audit_client_ip: str = "truncated"
    #: Dotted path of a callable that takes the request and returns the client's address; None for REMOTE_ADDR.
    client_ip: str | None = None
    #: Who is told how many decisions were made: ``signal`` (``decisions_counted``) or ``prometheus``, which is that and
    #: prometheus_client's registry; None counts nothing.
    metrics: str | None = None
    #: The keys that were set by hand (upper case).
    given: frozenset[str] = field(default=frozenset())
    #: Whether a test has replaced the setting, so that what it set is meant.
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class BadValue:
    """A key of ``CORS_GUARD`` whose value cannot be used, and what could."""

    key: str
    value: object
    expected: str


def is_slug(value: object) -> bool:
    """Whether ``value`` may name an environment."""
    if not isinstance(value, str) or len(value) > MAX_SLUG:
        return False
    try:
        validate_slug(value)
    except ValidationError:
        return False
    return True


def _is_number(value: object, *, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < 10**9


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 10**9


def _is_cache_alias(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in settings.CACHES)


def _is_redis_url(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    try:
        url = urlsplit(value)
        # Asking for a port that is none raises.
        usable = url.scheme in {"redis", "rediss"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return usable or (url.scheme == "unix" and url.path.startswith("/"))


def _is_callable_path(value: object) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and callable(import_string(value))
    except ImportError:
        return False


#: key -> (test of a value, what it should be)
RULES: Final[Mapping[str, tuple[Callable[[object], bool], Any]]] = {
    "ENVIRONMENT": (is_slug, _('a slug, such as "production"')),
    "MAX_MODE": (lambda value: value in list(Mode), _('"monitor", "enforce" or "block"')),
    "OPEN_OWN_API": (lambda value: isinstance(value, bool), _("True or False")),
    "REFRESH_SECONDS": (lambda value: _is_number(value, least=0), _("a number of seconds, 0 or more")),
    "FULL_RELOAD_SECONDS": (lambda value: _is_number(value, least=1), _("a number of seconds, 1 or more")),
    "MAX_STALE_SECONDS": (lambda value: _is_number(value, least=0), _("a number of seconds, 0 or more")),
    "CACHE": (_is_cache_alias, _("None or an alias in CACHES")),
    "PUSH": (
        _is_redis_url,
        _('None or the URL of a Redis, such as "redis://127.0.0.1:6379/0"; rediss and unix go, too'),
    ),
    "AUDIT_FLUSH_SECONDS": (lambda value: _is_number(value, least=0), _("a number of seconds, 0 or more")),
    "AUDIT_ROLLUP_SECONDS": (lambda value: _is_number(value, least=1), _("a number of seconds, 1 or more")),
    "AUDIT_ROWS_PER_HOUR": (_is_count, _("a whole number, 1 or more")),
    "AUDIT_MAX_PENDING": (_is_count, _("a whole number, 1 or more")),
    "AUDIT_RETENTION_DAYS": (_is_count, _("a whole number of days, 1 or more")),
    "AUDIT_CLIENT_IP": (lambda value: value in CLIENT_IP_CHOICES, _('"none", "truncated" or "full"')),
    "CLIENT_IP": (_is_callable_path, _("None or the dotted path of a callable that takes the request")),
    "METRICS": (lambda value: value in METRICS_CHOICES, _('None, "signal" or "prometheus"')),
}


def read_given() -> Mapping[str, object]:
    """Return the project's ``CORS_GUARD`` as it stands; an unusable one reads as empty."""
    given = getattr(settings, SETTING, None)
    return given if isinstance(given, Mapping) else {}


def find_bad_values() -> list[BadValue]:
    """Return the known keys whose values cannot be used."""
    given = read_given()
    bad = [
        BadValue(key, given[key], str(RULES[key][1])) for key in RULES if key in given and not RULES[key][0](given[key])
    ]
    from_shell = os.environ.get(ENVIRONMENT_VARIABLE)
    if "ENVIRONMENT" not in given and from_shell and not is_slug(from_shell):
        bad.append(BadValue("ENVIRONMENT", from_shell, str(RULES["ENVIRONMENT"][1])))
    return bad


def resolve(*, replaced: bool = False) -> GuardSettings:
    """Return the setting as it stands now, each unusable value replaced by its default."""
    given = read_given()
    usable: dict[str, Any] = {
        key.lower(): given[key] for key, (accepts, _) in RULES.items() if key in given and accepts(given[key])
    }
    if "environment" not in usable:
        # A name that is no slug has no row, so nothing is trusted: the environment is never guessed.
        from_shell = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_ENVIRONMENT
        usable["environment"] = str(given.get("ENVIRONMENT", from_shell))[:MAX_SLUG]
    if "max_mode" in usable:
        usable["max_mode"] = Mode(usable["max_mode"])
    return GuardSettings(**usable, given=frozenset(map(str, given)), replaced=replaced)


_current: GuardSettings | None = None


def current() -> GuardSettings:
    """Return the resolved setting; the same object until the setting changes."""
    global _current
    if _current is None:
        _current = resolve()
    return _current


def in_tests() -> bool:
    """Whether Django's test environment is set up: then no thread starts and nothing depends on the time of day."""
    return hasattr(mail, "outbox")


def refresh_seconds() -> float:
    """Return REFRESH_SECONDS as it applies: 0 in test suites, unless a test itself has set it."""
    config = current()
    if in_tests() and not (config.replaced and "REFRESH_SECONDS" in config.given):
        return 0.0
    return config.refresh_seconds


def _forget(*, setting: str, **_: object) -> None:
    global _current
    if setting in {SETTING, "CACHES"}:
        _current = resolve(replaced=True)


setting_changed.connect(_forget, dispatch_uid="cors_guard.conf")

KEYS: Final = tuple(RULES)
