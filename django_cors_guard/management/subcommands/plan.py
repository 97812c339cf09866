"""What ``cors_guard init`` was asked for, compared with what is there: nothing in here writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from django_cors_guard.csrf import token_header
from django_cors_guard.management.subcommands.console import command, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.models import ApiGroup, ApiRoute, Environment
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.validators import canonical_path_prefix, validate_path_prefix


class Route(NamedTuple):
    """One --group: a path prefix that belongs to an API group."""

    group: str
    path_prefix: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for. ``mode`` and ``name`` are blank where nothing was said."""

    environment: str
    name: str = ""
    mode: str = ""
    routes: tuple[Route, ...] = ()
    credentials: frozenset[str] = frozenset()
    csrf: frozenset[str] = frozenset()
    allow_loopback: bool = False
    protected: bool = False

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the API groups named, each once."""
        return tuple(dict.fromkeys(route.group for route in self.routes))


@dataclass(slots=True)
class Plan:
    """What is missing, and what is to be told about what is there. ``problems`` keep everything from being written."""

    missing: list[models.Model] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, row: models.Model, *, exclude: Sequence[str] = ()) -> None:
        """Add a row that is missing, or what is wrong with it."""
        try:
            row.full_clean(exclude=exclude)
        except ValidationError as error:
            self.problems += [f"{row._meta.verbose_name} {identity_of(row)!r}: {text}" for text in error.messages]
        else:
            self.missing.append(row)

    def refuse_problems(self) -> None:
        """Raise CommandError with all of them, if there are any."""
        if self.problems:
            raise reject("\n".join([_("Nothing was written:"), *(f"  {problem}" for problem in self.problems)]))


def read_route(text: str) -> Route:
    """Return ``public=/api/public`` as a route; raises CommandError."""
    slug, equals, prefix = text.partition("=")
    if not (equals and slug.strip() and prefix.strip()):
        raise reject(
            _("%(text)r is no API group with its paths. Write SLUG=PATH_PREFIX, such as public=/api/public.")
            % {"text": text[:200]}
        )
    try:
        validate_path_prefix(prefix.strip())
    except ValidationError as error:
        raise reject(f"{text[:200]!r}: {' '.join(error.messages)}") from error
    return Route(slug.strip(), canonical_path_prefix(prefix.strip()))


def make_plan(wish: Wish) -> Plan:
    """Compare what was asked for with what is there."""
    plan = Plan()
    _plan_environment(plan, wish)
    groups = {group.slug: group for group in ApiGroup.objects.using(alias())}
    if not wish.routes and not groups:
        plan.problems.append(
            _("Say which paths to guard, for there is no API group yet: --group public=/api/public (repeatable).")
        )
    for option, slugs in (("--credentials", wish.credentials), ("--csrf", wish.csrf)):
        plan.problems += [
            _("%(option)s %(slug)s: there is no such API group. Add --group %(slug)s=PATH_PREFIX.")
            % {"option": option, "slug": slug}
            for slug in sorted(slugs - {*wish.groups, *groups})
        ]
    plan.problems += [
        _("--csrf %(slug)s needs --credentials %(slug)s: without cookies there is nothing to forge.") % {"slug": slug}
        for slug in sorted(wish.csrf - wish.credentials - set(groups))
    ]
    _plan_groups(plan, wish, groups)
    _plan_routes(plan, wish, groups)
    return plan


def _plan_environment(plan: Plan, wish: Wish) -> None:
    row = Environment.objects.using(alias()).filter(slug=wish.environment).first()
    if row is None or row.slug != wish.environment:
        plan.add(
            Environment(
                slug=wish.environment,
                name=wish.name or title_of(wish.environment),
                mode=wish.mode or ModeChoice.ENFORCE,
                allow_loopback=wish.allow_loopback,
                protected=wish.protected,
            )
        )
        return
    plan.there.append(_("environment %(slug)s (%(mode)s)") % {"slug": row.slug, "mode": row.mode})
    if wish.mode and wish.mode != row.mode:
        plan.differences.append(
            _("%(slug)s stays in mode %(mode)s. To change that: %(command)s")
            % {"slug": row.slug, "mode": row.mode, "command": command("mode", wish.mode, "--environment", row.slug)}
        )
    asked = {"allow_loopback": wish.allow_loopback, "protected": wish.protected}
    plan.differences += [
        _("%(slug)s keeps “%(switch)s” off. Switch it on in the admin.")
        % {"slug": row.slug, "switch": Environment._meta.get_field(switch).verbose_name}  # type: ignore[union-attr]  # fields have one
        for switch, wanted in asked.items()
        if wanted and not getattr(row, switch)
    ]


def _plan_groups(plan: Plan, wish: Wish, groups: dict[str, ApiGroup]) -> None:
    for slug in wish.groups:
        if slug not in groups:
            plan.add(_make_group(slug, wish))
            continue
        plan.there.append(_("API group %(slug)s") % {"slug": slug})
    for slug in sorted(wish.credentials & set(groups)):
        if not groups[slug].allow_credentials:
            plan.differences.append(
                _("The API group %(slug)s still allows no credentials. Switch them on in the admin.") % {"slug": slug}
            )
    plan.differences += [
        _("The API group %(slug)s is still not trusted for CSRF. Switch that on in the admin.") % {"slug": slug}
        for slug in sorted(wish.csrf & set(groups))
        if not groups[slug].trusted_for_csrf
    ]


def _make_group(slug: str, wish: Wish) -> ApiGroup:
    group = ApiGroup(slug=slug, name=title_of(slug), allow_credentials=slug in wish.credentials)
    if group.allow_credentials and slug in wish.csrf:
        group.trusted_for_csrf = True
        # Pages send the token in a header, which browsers ask about first.
        group.allow_headers = [*group.allow_headers, token_header()]
    return group


def _plan_routes(plan: Plan, wish: Wish, groups: dict[str, ApiGroup]) -> None:
    taken = {
        route.path_prefix: route.api_group.slug
        for route in ApiRoute.objects.using(alias()).filter(host="").select_related("api_group")
    }
    known = frozenset(taken)
    for route in dict.fromkeys(wish.routes):
        owner = taken.setdefault(route.path_prefix, route.group)
        if owner != route.group:
            plan.problems.append(
                _("%(path)s belongs to the API group %(owner)s, so it cannot belong to %(group)s, too.")
                % {"path": route.path_prefix, "owner": owner, "group": route.group}
            )
        elif route.path_prefix in known:
            plan.there.append(_("route %(path)s of %(group)s") % {"path": route.path_prefix, "group": route.group})
        else:
            group = groups.get(route.group) or ApiGroup(slug=route.group)
            plan.add(ApiRoute(api_group=group, path_prefix=route.path_prefix), exclude=["api_group"])


def title_of(slug: str) -> str:
    """Return a name for people, made of a slug."""
    return slug.replace("-", " ").replace("_", " ").capitalize()


def identity_of(row: models.Model) -> str:
    """Return what tells ``row`` from others of its kind."""
    if isinstance(row, ApiRoute):
        return f"{row.path_prefix} ({row.api_group.slug})"
    return str(getattr(row, "slug", row))
