"""``cors_guard init``: an environment, API groups and their routes, so that the first origin is one command away.

It only ever adds. What is there stays as it is, and where that differs from what was asked for it says so.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from django_cors_guard import conf, services
from django_cors_guard.management.subcommands import findings
from django_cors_guard.management.subcommands.console import Console, command
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.interview import interview
from django_cors_guard.management.subcommands.notices import say_revision
from django_cors_guard.management.subcommands.plan import Plan, Wish, identity_of, make_plan, read_route
from django_cors_guard.management.subcommands.questions import Questions, is_terminal
from django_cors_guard.models import ApiGroup, ApiRoute, policy_write
from django_cors_guard.models.environment import ModeChoice


def add_arguments(parser: ArgumentParser) -> None:
    """Take the environment, its switches, and the API groups."""
    parser.add_argument("--environment", metavar="SLUG", help=_("default: the active environment"))
    parser.add_argument("--name", default="", help=_("the environment's name for people"))
    parser.add_argument("--mode", choices=ModeChoice.values, default="", help=_("default: enforce"))
    parser.add_argument(
        "--group",
        metavar="SLUG=PATH_PREFIX",
        action="append",
        default=[],
        help=_("an API group and the paths it covers: public=/api/public (repeatable)"),
    )
    parser.add_argument(
        "--credentials",
        metavar="SLUG",
        action="append",
        default=[],
        help=_("trusted pages call that API group with the user's cookies (repeatable)"),
    )
    parser.add_argument(
        "--csrf",
        metavar="SLUG",
        action="append",
        default=[],
        help=_("they may also send changes with these cookies; needs --credentials SLUG (repeatable)"),
    )
    parser.add_argument("--allow-loopback", action="store_true", help=_("for development: pages on localhost"))
    parser.add_argument("--protected", action="store_true", help=_("changes need a permission of their own"))
    parser.add_argument(
        "--no-input",
        "--noinput",
        action="store_false",
        dest="interactive",
        help=_("ask nothing, not even at a terminal"),
    )


def run(
    console: Console,
    *,
    environment: str | None,
    name: str,
    mode: str,
    group: Sequence[str],
    credentials: Sequence[str],
    csrf: Sequence[str],
    allow_loopback: bool,
    protected: bool,
    interactive: bool,
    **_options: Any,
) -> None:
    """Write what is missing, in one revision, and say what to do next. Asks if nothing was said by flags."""
    flags = (environment, name, mode, group, credentials, csrf, allow_loopback, protected)
    if interactive and not any(flags) and is_terminal():
        wish = interview(Questions(console))
    else:
        wish = Wish(
            environment=environment or conf.current().environment,
            name=name,
            mode=mode,
            routes=tuple(map(read_route, [group] if isinstance(group, str) else group)),
            credentials=frozenset([credentials] if isinstance(credentials, str) else credentials),
            csrf=frozenset([csrf] if isinstance(csrf, str) else csrf),
            allow_loopback=allow_loopback,
            protected=protected,
        )
    plan = make_plan(wish)
    plan.refuse_problems()
    if plan.missing:
        plan = _carry_out(wish)
    _report(console, plan)
    _say_next(console, wish)


@services.retry_deadlocks
def _carry_out(wish: Wish) -> Plan:
    with policy_write(reason="cors_guard init", using=alias()):
        # Planned again under the lock: replicas that start together all run init.
        plan = make_plan(wish)
        plan.refuse_problems()
        for row in plan.missing:
            if isinstance(row, ApiRoute):
                row.api_group = ApiGroup.objects.using(alias()).get(slug=row.api_group.slug)
            row.save(using=alias())
    return plan


def _report(console: Console, plan: Plan) -> None:
    for text in plan.there:
        console.say(_("There already: %(what)s.") % {"what": text})
    for row in plan.missing:
        console.say(
            _("Added: %(what)s.") % {"what": f"{row._meta.verbose_name} {identity_of(row)}"}, console.style.SUCCESS
        )
    for text in plan.differences:
        console.warn(text)
    if plan.missing:
        say_revision(console)
    else:
        console.say(_("Nothing to add."))


def _say_next(console: Console, wish: Wish) -> None:
    for finding in findings.find():
        console.warn(finding)
    active = conf.current().environment
    if wish.environment != active:
        # The setting wins over the variable, so naming the variable alone would send somebody the wrong way.
        fixed = "ENVIRONMENT" in conf.current().given
        console.say(
            (
                _('It runs in %(active)s here, for CORS_GUARD["ENVIRONMENT"] says so; %(slug)s needs another.')
                if fixed
                else _("This process runs in %(active)s; those of %(slug)s start with CORS_GUARD_ENVIRONMENT=%(slug)s.")
            )
            % {"active": active, "slug": wish.environment}
        )
    groups = wish.groups or tuple(ApiGroup.objects.using(alias()).order_by("slug").values_list("slug", flat=True)[:1])
    origin = "http://localhost:5173" if wish.allow_loopback else "https://app.example.com"
    console.say(_("Next, trust the first origin:"), console.style.MIGRATE_HEADING)
    console.say("  " + command("trust", origin, "--environment", wish.environment, "--group", groups[0]))
