"""Which environments and API groups a subcommand is about."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable

from django.utils.translation import gettext as _

from django_cors_guard import conf, services
from django_cors_guard.exceptions import UnknownName
from django_cors_guard.management.subcommands.console import command, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import TrustedOriginQuerySet


def add_environment(parser: ArgumentParser, *, text: str) -> None:
    """Let ``parser`` take --environment, several times."""
    parser.add_argument("--environment", metavar="SLUG", action="append", default=[], help=text)


def add_group(parser: ArgumentParser, *, text: str) -> None:
    """Let ``parser`` take --group, several times."""
    parser.add_argument("--group", metavar="SLUG", action="append", default=[], help=text)


def find_environment(slug: str) -> Environment:
    """Return the environment; raises CommandError that says how to create it."""
    try:
        return services.find_environment(slug)
    except UnknownName as error:
        raise reject(_hint(error, how_to_create(slug))) from error


def find_group(slug: str) -> ApiGroup:
    """Return the API group; raises CommandError that says how to create it."""
    try:
        return services.find_api_group(slug)
    except UnknownName as error:
        raise reject(_hint(error, command("init", "--group", f"{slug}=/api/{slug}"))) from error


def how_to_create(slug: str) -> str:
    """Return the command that creates the environment, with an API group if there is none yet."""
    groups = [] if ApiGroup.objects.using(alias()).exists() else ["--group", "public=/api/public"]
    return command("init", "--environment", slug, *groups)


def _hint(error: UnknownName, creation: str) -> str:
    return _("%(error)s To create it: %(command)s") % {"error": error.message, "command": creation}


def choose_environments(slugs: Iterable[str]) -> list[Environment]:
    """Return the named environments, or the active one if none is named."""
    return [find_environment(slug) for slug in unique(slugs) or [conf.current().environment]]


def choose_groups(slugs: Iterable[str]) -> list[ApiGroup]:
    """Return the named API groups, or the only one there is if none is named; several have to be named."""
    named = unique(slugs)
    if named:
        return [find_group(slug) for slug in named]
    known = list(ApiGroup.objects.using(alias()).order_by("slug"))
    if len(known) == 1:
        return known
    if not known:
        raise reject(
            _("There is no API group yet. Create one with: %(command)s")
            % {"command": command("init", "--group", "public=/api/public")}
        )
    raise reject(
        _("Say which API group, with --group: %(known)s.") % {"known": ", ".join(group.slug for group in known)}
    )


def find_grant(origin: str, environment: str, api_group: str) -> TrustedOrigin | None:
    """Return the grant of exactly that origin, whatever it is worth now."""
    rows: TrustedOriginQuerySet = TrustedOrigin.objects.using(alias())
    return (
        rows.filter(origin=origin, environment__slug=environment, api_group__slug=api_group)
        .select_related("environment", "api_group", "revoked_by")
        .first()
    )


def unique(slugs: Iterable[str]) -> list[str]:
    """Return each name once, in the order given."""
    # call_command passes a single slug as it is.
    return list(dict.fromkeys([slugs] if isinstance(slugs, str) else slugs))
