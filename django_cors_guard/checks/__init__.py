"""System checks: what is wrong with a project's set-up, under ids that stay, each with a hint that says what to do.

Those that ask the database are tagged ``database`` (``check --database default``) and silent before the tables exist.
None of them raises: a check must not be what keeps a project from migrating.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.db import connections, router
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.checks import csrf
from django_cors_guard.checks.rules import RULES
from django_cors_guard.core.decision import Mode
from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyState
from django_cors_guard.neighbours import MIDDLEWARE, find_others, is_own

#: Every check carries it: ``check --tag cors_guard`` runs these alone.
TAG: Final = "cors_guard"
#: What may stand before the guard: none of these gives an answer that a page of another origin waits for.
MAY_STAND_BEFORE: Final = frozenset(
    {
        "django.middleware.security.SecurityMiddleware",  # redirects to https, which no preflight may follow anyway
        "django.middleware.gzip.GZipMiddleware",  # compresses what the guard has finished
        "whitenoise.middleware.WhiteNoiseMiddleware",  # answers for static files alone
        "django_prometheus.middleware.PrometheusBeforeMiddleware",  # looks at a clock
    }
)
MAX_SHOWN: Final = 100


def check_setting(**_kwargs: Any) -> list[CheckMessage]:
    """The ``CORS_GUARD`` setting: a dictionary of known keys with usable values."""
    given = getattr(settings, conf.SETTING, {})
    if not isinstance(given, Mapping):
        return [RULES["setting_no_dict"].report(kind=type(given).__name__)]
    unknown = [RULES["unknown_key"].report(key=_show(key), suggestion=_suggest(key)) for key in _unknown_keys(given)]
    found = unknown + [_report_bad_value(bad, given) for bad in conf.find_bad_values()]
    setting, variable = given.get("ENVIRONMENT"), os.environ.get(conf.ENVIRONMENT_VARIABLE)
    if setting and variable and setting != variable:
        found.append(RULES["two_environments"].report(setting=_show(setting), variable=_show(variable)))
    return found


def check_middleware(**_kwargs: Any) -> list[CheckMessage]:
    """The guard's middleware: once, and as far up as possible."""
    standing = list(settings.MIDDLEWARE)
    own = [place for place, path in enumerate(standing) if is_own(path)]
    if not own:
        return [RULES["middleware_missing"].report(middleware=MIDDLEWARE)]
    found = []
    if len(own) > 1:
        found.append(RULES["middleware_repeated"].report(count=len(own)))
    before = [path for path in standing[: own[0]] if path not in MAY_STAND_BEFORE]
    if before:
        found.append(RULES["middleware_late"].report(before=", ".join(before), middleware=standing[own[0]]))
    return found


def check_other_middleware(**_kwargs: Any) -> list[CheckMessage]:
    """Another CORS middleware: a warning, for without the database nobody knows whether the guard enforces."""
    others = find_others()
    return [RULES["another_present"].report(others=", ".join(others))] if others else []


def check_sqlite(**_kwargs: Any) -> list[CheckMessage]:
    """SQLite: a transaction that will write has to say so when it begins."""
    alias = router.db_for_write(PolicyState)
    connection = connections[alias]
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]  # SQLite's own
        return []
    mode = str(connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "")
    return [] if mode.upper() in {"IMMEDIATE", "EXCLUSIVE"} else [RULES["sqlite_deferred"].report(alias=alias)]


def check_push(**_kwargs: Any) -> list[CheckMessage]:
    """Push: the package that speaks with Redis is an extra."""
    if conf.current().push is None or find_spec("redis") is not None:
        return []
    return [RULES["push_without_redis"].report()]


def check_metrics(**_kwargs: Any) -> list[CheckMessage]:
    """Metrics: the package that speaks with Prometheus is an extra."""
    if conf.current().metrics != "prometheus" or find_spec("prometheus_client") is not None:
        return []
    return [RULES["metrics_without_prometheus"].report()]


def check_environment(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """The active environment: there, protected in production, and not open to forged host names where it blocks."""
    return _ask(databases, _judge_environment)


def check_enforcing(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Another CORS middleware while nothing monitors."""
    return _ask(databases, _judge_others)


def check_csrf_groups(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """API groups that are trusted for CSRF, in a project that does not ask the guard about it."""
    return _ask(databases, csrf.judge_groups)


def _ask(databases: Sequence[str] | None, judge: Callable[[str], Iterator[CheckMessage]]) -> list[CheckMessage]:
    """Return what ``judge`` finds in the policy's database; nothing where it is not to be asked, or cannot be."""
    alias = router.db_for_write(PolicyState)
    if alias not in (databases or ()):
        return []
    try:
        if PolicyState._meta.db_table not in connections[alias].introspection.table_names():
            return []
        return list(judge(alias))
    except Exception:  # noqa: BLE001 - a database that is down or half migrated says so itself, and better
        return []


def _judge_environment(alias: str) -> Iterator[CheckMessage]:
    environment = find_active(alias)
    if environment is None:
        known = Environment.objects.using(alias).order_by("slug").values_list("slug", flat=True)[:20]
        yield RULES["environment_missing"].report(
            environment=conf.current().environment, known=", ".join(known) or _("none yet")
        )
        return
    if not (environment.protected or settings.DEBUG):
        yield RULES["unprotected"].report(environment=environment.slug)
    if "*" in settings.ALLOWED_HOSTS and Mode.BLOCK in modes_in_force(environment, alias):
        yield RULES["block_any_host"].report()


def _judge_others(alias: str) -> Iterator[CheckMessage]:
    others = find_others()
    # Without any API group nothing is guarded, so nothing clashes.
    if not others or not ApiGroup.objects.using(alias).exists():
        return
    if Mode.MONITOR not in modes_in_force(find_active(alias), alias):
        yield RULES["another_enforced"].report(others=", ".join(others))


def find_active(alias: str) -> Environment | None:
    """Return the active environment's row, if there is one."""
    slug = conf.current().environment
    found = Environment.objects.using(alias).filter(slug=slug).first()
    # A collation that ignores case is no reason to take another environment.
    return found if found is not None and found.slug == slug else None


def modes_in_force(environment: Environment | None, alias: str) -> set[Mode]:
    """Return the modes of ``environment`` and of its API groups, none stricter than MAX_MODE."""
    modes = {Mode.ENFORCE}
    if environment is not None:
        own = GroupMode.objects.using(alias).filter(environment=environment).values_list("mode", flat=True)
        modes = {Mode(environment.mode), *map(Mode, own)}
    return {min(mode, conf.current().max_mode, key=lambda item: item.strictness) for mode in modes}


def _unknown_keys(given: Mapping[Any, object]) -> list[Any]:
    return [key for key in given if key not in conf.RULES]


def _suggest(key: object) -> str:
    close = get_close_matches(str(key).upper(), conf.KEYS, n=1)
    if close:
        return _("Did you mean %(key)s?") % {"key": close[0]}
    return _("Remove it. The keys are: %(keys)s.") % {"keys": ", ".join(conf.KEYS)}


def _report_bad_value(bad: conf.BadValue, given: Mapping[Any, object]) -> CheckMessage:
    instead = _("the default applies")
    if bad.key == "ENVIRONMENT":
        instead = _("the active environment is “%(slug)s”") % {"slug": conf.current().environment}
    return RULES["bad_value"].report(
        where=f"CORS_GUARD[{bad.key!r}]" if bad.key in given else conf.ENVIRONMENT_VARIABLE,
        value=_show(bad.value) if bad.key != "PUSH" else _show_scheme(bad.value),
        expected=bad.expected,
        instead=instead,
    )


def _show(value: object) -> str:
    return repr(value)[:MAX_SHOWN]


def _show_scheme(value: object) -> str:
    """Return what a URL begins with, and no more: a password may stand anywhere in one that cannot be used."""
    scheme = re.match(r"(rediss?|unix|https?|tcp)://", value) if isinstance(value, str) else None
    return f"'{scheme[0]}…'" if scheme else f"a {type(value).__name__}"


def register_all() -> None:
    """Register every check."""
    setting = (check_setting, check_middleware, check_other_middleware, check_sqlite, check_push, check_metrics)
    for check in (*setting, csrf.check_csrf_middleware):
        register(check, TAG)
    for check in (check_environment, check_enforcing, check_csrf_groups):
        register(check, TAG, Tags.database)
    register(csrf.check_csrf_cookie, TAG, deploy=True)
