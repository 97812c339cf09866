"""System checks: what is wrong with a project's set-up, under ids that stay, each with a hint that says what to do.

Those that ask the database are tagged ``database`` (``check --database default``) and silent before the tables exist.
None of them raises: a check must not be what keeps a project from migrating.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.db import connections, router
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from django_cors_guard import conf
from django_cors_guard.core.decision import Mode
from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyState

#: Every check carries it: ``check --tag cors_guard`` runs these alone.
TAG: Final = "cors_guard"
MIDDLEWARE: Final = "django_cors_guard.middleware.CorsGuardMiddleware"
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


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: the letter of its id is its severity. ``message`` and ``hint`` have places for named values."""

    id: str
    message: Any
    hint: Any

    def report(self, **values: object) -> CheckMessage:
        """Return the message that Django shows."""
        kind = {"E": Error, "W": Warning}[self.id.partition(".")[2][0]]
        return kind(str(self.message) % values, hint=str(self.hint) % values, id=self.id)


RULES: Final[Mapping[str, Rule]] = {
    "setting_no_dict": Rule(
        "cors_guard.E001",
        _("CORS_GUARD is %(kind)s instead of a dictionary, so every default applies."),
        _('Write it as in CORS_GUARD = {"ENVIRONMENT": "production"}, or leave it out.'),
    ),
    "unknown_key": Rule(
        "cors_guard.E002",
        _("CORS_GUARD has the unknown key %(key)s, which does nothing."),
        _("%(suggestion)s"),
    ),
    "bad_value": Rule(
        "cors_guard.E003",
        _("%(where)s is %(value)s, which cannot be used."),
        _("Give it %(expected)s. Until then %(instead)s."),
    ),
    "middleware_missing": Rule(
        "cors_guard.E004",
        _("The guard's middleware is not in MIDDLEWARE, so no request is guarded."),
        _("Put '%(middleware)s' at the top of MIDDLEWARE."),
    ),
    "middleware_repeated": Rule(
        "cors_guard.E005",
        _("The guard's middleware stands in MIDDLEWARE %(count)d times, so each refusal is recorded as often."),
        _("Keep the first one, and remove the others."),
    ),
    "another_enforced": Rule(
        "cors_guard.E006",
        _("%(others)s sets CORS headers too, and the guard enforces: the two undo each other's answers."),
        _(
            "Remove it from MIDDLEWARE. Or go back to comparing the two: manage.py cors_guard mode monitor, "
            'or CORS_GUARD["MAX_MODE"] = "monitor".'
        ),
    ),
    "middleware_late": Rule(
        "cors_guard.W001",
        _("The guard's middleware comes late: what these answer carries no CORS headers: %(before)s."),
        _("Move '%(middleware)s' up, before them."),
    ),
    "another_present": Rule(
        "cors_guard.W002",
        _("%(others)s sets CORS headers too."),
        _(
            "That is the way to move in while the guard monitors. Remove it from MIDDLEWARE before the guard enforces; "
            "manage.py check --database default tells which of the two it is."
        ),
    ),
    "environment_missing": Rule(
        "cors_guard.W003",
        _("The active environment “%(environment)s” is not in the database, so no origin is trusted."),
        _(
            "Create it with: manage.py cors_guard init --environment %(environment)s. Or name another one in "
            'CORS_GUARD["ENVIRONMENT"] or the environment variable CORS_GUARD_ENVIRONMENT. There is: %(known)s.'
        ),
    ),
    "block_any_host": Rule(
        "cors_guard.W004",
        _("The guard blocks, and ALLOWED_HOSTS takes any host name, so foreign pages can pass for the site's own."),
        _("List the site's own host names in ALLOWED_HOSTS."),
    ),
    "unprotected": Rule(
        "cors_guard.W005",
        _("The active environment “%(environment)s” is not protected, and DEBUG is off: this looks like production."),
        _(
            "Switch “protected” on in the admin. Then only those who have the permission “Can change protected "
            "environments” can trust or revoke origins there."
        ),
    ),
    "two_environments": Rule(
        "cors_guard.W007",
        _('CORS_GUARD["ENVIRONMENT"] is %(setting)s and wins over CORS_GUARD_ENVIRONMENT, which is %(variable)s.'),
        _('Remove the key to choose by the variable: "ENVIRONMENT" in CORS_GUARD is for one that never changes.'),
    ),
    "sqlite_deferred": Rule(
        "cors_guard.W006",
        _("SQLite begins transactions deferred, so a write beside another one fails with “database is locked”."),
        _('Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} in DATABASES["%(alias)s"].'),
    ),
}


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


def check_environment(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """The active environment: there, protected in production, and not open to forged host names where it blocks."""
    return _ask(databases, _judge_environment)


def check_enforcing(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Another CORS middleware while nothing monitors."""
    return _ask(databases, _judge_others)


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


def find_others() -> list[str]:
    """Return what else in MIDDLEWARE goes by the name of CORS."""
    named = [path for path in settings.MIDDLEWARE if "cors" in path.rpartition(".")[2].lower()]
    return [path for path in named if not is_own(path)]


def is_own(path: str) -> bool:
    """Whether ``path`` names the guard's middleware or a subclass of it."""
    if path == MIDDLEWARE:
        return True
    try:
        classes = getattr(import_string(path), "__mro__", ())
    except Exception:  # noqa: BLE001 - Django itself reports a middleware that cannot be imported
        return False
    return any(f"{item.__module__}.{item.__qualname__}" == MIDDLEWARE for item in classes)


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
        return str(_("Did you mean %(key)s?")) % {"key": close[0]}
    return str(_("Remove it. The keys are: %(keys)s.")) % {"keys": ", ".join(conf.KEYS)}


def _report_bad_value(bad: conf.BadValue, given: Mapping[Any, object]) -> CheckMessage:
    instead = str(_("the default applies"))
    if bad.key == "ENVIRONMENT":
        instead = str(_("the active environment is “%(slug)s”")) % {"slug": conf.current().environment}
    return RULES["bad_value"].report(
        where=f"CORS_GUARD[{bad.key!r}]" if bad.key in given else conf.ENVIRONMENT_VARIABLE,
        value=_show(bad.value),
        expected=bad.expected,
        instead=instead,
    )


def _show(value: object) -> str:
    return repr(value)[:MAX_SHOWN]


def register_all() -> None:
    """Register every check."""
    for check in (check_setting, check_middleware, check_other_middleware, check_sqlite):
        register(check, TAG)
    for check in (check_environment, check_enforcing):
        register(check, TAG, Tags.database)
