"""The questions that ``cors_guard init`` asks at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from django.db import models
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.plan import Route, Wish, read_route, title_of
from django_cors_guard.management.subcommands.questions import Questions
from django_cors_guard.models import ApiGroup, Environment


def interview(questions: Questions) -> Wish:
    """Ask for an environment, if it is new for its switches, and for API groups."""
    environment = questions.ask(_("Environment"), _reader(Environment, "slug"), default=conf.current().environment)
    wish = Wish(environment)
    if not Environment.objects.using(alias()).filter(slug=environment).exists():
        wish = Wish(
            environment,
            name=questions.ask(_("Its name"), _reader(Environment, "name"), default=title_of(environment)),
            mode=questions.ask(_("Mode: monitor, enforce or block"), _reader(Environment, "mode"), default="enforce"),
            allow_loopback=questions.confirm(_("Is it for development, with pages on localhost?")),
            protected=questions.confirm(_("Do changes in it need a permission of their own?")),
        )
    routes = tuple(_ask_routes(questions))
    known = set(ApiGroup.objects.using(alias()).values_list("slug", flat=True))
    fresh = [slug for slug in dict.fromkeys(route.group for route in routes) if slug not in known]
    credentials = [
        slug for slug in fresh
        if questions.confirm(_("Do pages call %(slug)s with the user's cookies?") % {"slug": slug})
    ]  # fmt: skip
    csrf = [
        slug for slug in credentials
        if questions.confirm(_("May they also send changes with these cookies to %(slug)s?") % {"slug": slug})
    ]  # fmt: skip
    return replace(wish, routes=routes, credentials=frozenset(credentials), csrf=frozenset(csrf))


def _ask_routes(questions: Questions) -> Iterator[Route]:
    questions.console.show(_("An API group is a set of paths that share one CORS policy, such as public=/api/public."))
    needed = not ApiGroup.objects.using(alias()).exists()
    while True:
        text = _("API group and path prefix") if needed else _("Another one (empty: no more)")
        route = questions.ask(text, read_route if needed else _read_optional_route)
        if route is None:
            return
        needed = False
        yield route


def _read_optional_route(text: str) -> Route | None:
    return read_route(text) if text else None


def _reader(model: type[models.Model], field_name: str) -> Callable[[str], str]:
    """Return a reader that takes what the field takes."""

    def read(answer: str) -> str:
        return str(model._meta.get_field(field_name).clean(answer, None))  # type: ignore[union-attr]  # a concrete field

    return read
