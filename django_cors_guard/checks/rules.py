"""The rules that the system checks report under: ids that stay, and a hint each that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name
from django.utils.translation import gettext_lazy as _


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
    "csrf_twice": Rule(
        "cors_guard.E007",
        _("%(djangos)s stands in MIDDLEWARE beside %(ours)s, and refuses what that would accept."),
        _("Remove '%(djangos)s': the guard's does all that it does."),
    ),
    "push_without_redis": Rule(
        "cors_guard.E008",
        _('CORS_GUARD["PUSH"] names a Redis, but the package “redis” is not installed, so nothing is pushed.'),
        _("Install it: pip install 'django-cors-guard[redis]'. Or remove the key."),
    ),
    "metrics_without_prometheus": Rule(
        "cors_guard.E009",
        _(
            'CORS_GUARD["METRICS"] is "prometheus", but the package “prometheus_client” is not installed, so nothing '
            "is exported."
        ),
        _("Install it: pip install 'django-cors-guard[prometheus]'. Or set the key to \"signal\" or None."),
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
    "csrf_missing": Rule(
        "cors_guard.W008",
        _("The API group “%(group)s” is trusted for CSRF, but Django alone judges what its trusted pages send."),
        _("Put '%(ours)s' into MIDDLEWARE, in place of '%(djangos)s'. Or switch “trusted for CSRF” off."),
    ),
    "csrf_of_rest_framework": Rule(
        "cors_guard.W009",
        _(
            "The API group “%(group)s” is trusted for CSRF, but the session authentication of %(views)s has Django "
            "alone judge what its trusted pages send."
        ),
        _(
            "Use '%(ours)s' there, in place of REST framework's SessionAuthentication: for all views in "
            'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"].'
        ),
    ),
    "csrf_header": Rule(
        "cors_guard.W011",
        _("The API group “%(group)s” is trusted for CSRF, but its pages may not send the header %(header)s."),
        _("Add it to the group's request headers: pages send the CSRF token in it, unless they send a form."),
    ),
    "csrf_cookie_insecure": Rule(
        "cors_guard.W010",
        _("CSRF_COOKIE_SECURE is off: the CSRF cookie goes over plain HTTP too, and never to another site's pages."),
        _("Set CSRF_COOKIE_SECURE = True. Django's own check of it (security.W016) knows Django's middleware alone."),
    ),
}
