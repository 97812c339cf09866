"""Checks about CSRF: whether what the policy says about it can come true in this project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage

from django_cors_guard.checks.rules import RULES
from django_cors_guard.core import headers
from django_cors_guard.csrf import token_header
from django_cors_guard.models import ApiGroup, ApiRoute
from django_cors_guard.neighbours import CSRF_MIDDLEWARE, descends_from, names_class, stands_for_csrf
from django_cors_guard.url_patterns import Route, list_claimed

AUTHENTICATION: Final = "django_cors_guard.api.authentication.SessionAuthentication"

_DJANGOS: Final = "django.middleware.csrf.CsrfViewMiddleware"
_REST_FRAMEWORKS: Final = "rest_framework.authentication.SessionAuthentication"
#: More views are not named.
_MAX_VIEWS: Final = 3


def check_csrf_middleware(**_kwargs: Any) -> list[CheckMessage]:
    """The guard's CSRF middleware: in the place of Django's, not beside it."""
    ours = next(filter(_is_ours, settings.MIDDLEWARE), "")
    djangos = next((path for path in settings.MIDDLEWARE if names_class(path, _DJANGOS) and not _is_ours(path)), "")
    return [RULES["csrf_twice"].report(djangos=djangos, ours=ours)] if ours and djangos else []


def check_csrf_cookie(**_kwargs: Any) -> list[CheckMessage]:
    """A deployment's CSRF cookie: Django's check of it is silent where the guard's middleware stands."""
    if not stands_for_csrf() or settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_SECURE is True:
        return []
    return [RULES["csrf_cookie_insecure"].report()]


def judge_groups(alias: str) -> Iterator[CheckMessage]:
    """API groups that are trusted for CSRF: what of the project still asks Django alone about them."""
    trusted = list(ApiGroup.objects.using(alias).filter(trusted_for_csrf=True).order_by("slug"))
    if not trusted:
        return
    stands = stands_for_csrf()
    rows = ApiRoute.objects.using(alias).values_list("api_group__slug", "path_prefix", "host")
    routes = [Route(slug, prefix, host) for slug, prefix, host in rows]
    for group in trusted:
        if not stands:
            yield RULES["csrf_missing"].report(group=group.slug, ours=CSRF_MIDDLEWARE, djangos=_DJANGOS)
        if not _may_send_token(group):
            yield RULES["csrf_header"].report(group=group.slug, header=token_header())
        views = [pattern.text for pattern in list_claimed(group.slug, routes) if _asks_django(pattern.callback)]
        if views:
            shown = ", ".join(views[:_MAX_VIEWS]) + (", …" if len(views) > _MAX_VIEWS else "")
            yield RULES["csrf_of_rest_framework"].report(group=group.slug, views=shown, ours=AUTHENTICATION)


def _may_send_token(group: ApiGroup) -> bool:
    names = group.allow_headers if isinstance(group.allow_headers, list) else []
    return any(str(name).lower() in {token_header(), headers.ANY} for name in names)


def _is_ours(path: str) -> bool:
    return names_class(path, CSRF_MIDDLEWARE)


def _asks_django(callback: Any) -> bool:
    """Whether a view authenticates by session as REST framework does it."""
    given = getattr(callback, "initkwargs", {}).get("authentication_classes")
    classes: Iterable[Any] = given or getattr(getattr(callback, "cls", None), "authentication_classes", None) or ()
    return any(descends_from(item, _REST_FRAMEWORKS) and not descends_from(item, AUTHENTICATION) for item in classes)
