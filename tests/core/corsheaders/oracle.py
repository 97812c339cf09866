"""What django-cors-headers itself says to an origin or a path, and what the policy of a document says."""

import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from django_cors_guard.core.compilation import compile_policy
from django_cors_guard.core.decision import PlainFacts
from django_cors_guard.core.policy import EnvironmentRow, GroupRow, Policy, PolicySource, RouteRow
from django_cors_guard.core.policy_file import PolicyFile

TRUSTED = {"trusted", "trusted_pattern", "any_origin"}


def trusts_there(settings: dict[str, Any], origin: str) -> bool:
    """Whether its middleware finds the origin in its lists."""
    return bool(find_trusted_there(settings, [origin]))


def find_trusted_there(settings: dict[str, Any], origins: Iterable[str]) -> set[str]:
    """Return those of the origins that its middleware finds in its lists."""
    middleware = CorsMiddleware(lambda request: HttpResponse())
    with override_settings(**settings):
        return {origin for origin in origins if middleware.origin_found_in_white_lists(origin, urlsplit(origin))}


def answers_there(settings: dict[str, Any], path: str) -> bool:
    """Whether its middleware is at work on the path."""
    middleware = CorsMiddleware(lambda request: HttpResponse())
    with override_settings(**settings):
        return middleware.is_enabled(RequestFactory().get(path))


def compile_document(document: PolicyFile) -> Policy:
    """Compile a document of one environment as a process of that environment would."""
    place = document.environments[0]
    return compile_policy(
        PolicySource(
            slug=place.slug,
            environment=EnvironmentRow(
                slug=place.slug,
                allow_insecure_http=place.allow_insecure_http,
                allow_insecure_credentials=place.allow_insecure_credentials,
                allow_loopback=place.allow_loopback,
                allow_subdomain_patterns=place.allow_subdomain_patterns,
                allow_custom_schemes=place.allow_custom_schemes,
                max_trust_days=place.max_trust_days,
            ),
            groups=tuple(
                GroupRow(
                    slug=group.slug,
                    any_origin=group.any_origin,
                    allow_credentials=group.allow_credentials,
                    allow_methods=group.allow_methods,
                    allow_headers=group.allow_headers,
                    expose_headers=group.expose_headers,
                    max_age=group.max_age,
                    trusted_for_csrf=group.trusted_for_csrf,
                )
                for group in document.api_groups
            ),
            routes=tuple(
                RouteRow(group.slug, route.path_prefix, route.host)
                for group in document.api_groups
                for route in group.routes
            ),
            grants=[
                (grant.api_group, grant.origin, None, grant.revoked_at is not None)
                for grant in document.trusted_origins
            ],
        ),
        now=time.time(),
    )


def trusts_here(policy: Policy, origin: str, group: str = "api") -> bool:
    return policy.groups[group].judge_origin(origin, time.time()) in TRUSTED


def guards_here(policy: Policy, path: str) -> bool:
    return policy.find_group(PlainFacts(path=RequestFactory().get(path).path_info)) is not None
