"""The demo's data set: small, believable, loaded through the services, and safe to load again.

What is there already is left as it is: an origin that the operator revoked stays revoked when the demo starts anew.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    FrontEnd,
    Rejection,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.recorder import recorder

ADMIN_NAME = "admin"
ADMIN_PASSWORD = "admin"
#: The environment that `manage.py demo` runs in.
LOCAL = "local"

ENVIRONMENTS: tuple[dict[str, Any], ...] = (
    {
        "slug": LOCAL,
        "name": "Local",
        "description": "Laptops. What this demo runs in.",
        "allow_loopback": True,
    },
    {
        "slug": "staging",
        "name": "Staging",
        "description": "Where releases and pull requests are tried. Trust here ends by itself.",
        "allow_subdomain_patterns": True,
        "max_trust_days": 90,
    },
    {
        "slug": "production",
        "name": "Production",
        "description": "What customers use.",
        "protected": True,
    },
)

API_GROUPS: tuple[dict[str, Any], ...] = (
    {
        "slug": "public",
        "name": "Public API",
        "description": "The same for everybody; called without cookies.",
        "allow_methods": ["GET", "HEAD", "POST"],
        "allow_headers": ["content-type"],
    },
    {
        "slug": "billing",
        "name": "Billing API",
        "description": "Invoices of whoever is logged in; called with cookies.",
        "allow_credentials": True,
        "allow_methods": ["GET", "HEAD", "POST", "PATCH"],
        "allow_headers": ["content-type", "x-csrftoken", "x-demo-client"],
        "max_age": 300,
    },
)

ROUTES = (("public", "/api/public"), ("billing", "/api/billing"))

FRONT_ENDS: tuple[dict[str, Any], ...] = (
    {
        "slug": "customer-portal",
        "name": "Customer portal",
        "owner": "Web team",
        "contact": "web@example.com, on call: 555 0117",
    },
    {
        "slug": "partner-dashboard",
        "name": "Partner dashboard",
        "owner": "Lakeside Partners",
        "contact": "it@example.net",
        "external": True,
    },
    {"slug": "campaigns", "name": "Campaign pages", "owner": "Marketing", "contact": "marketing@example.com"},
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One origin to trust. `revoked`, if given, is the reason for revoking it right after."""

    environment: str
    api_groups: tuple[str, ...]
    origin: str
    front_end: str | None
    note: str
    days: int | None = None
    revoked: str = ""


GRANTS = (
    Grant(LOCAL, ("public",), "http://localhost:*", None, "Whatever developers run on their own laptops."),
    Grant(
        LOCAL,
        ("public", "billing"),
        "http://127.0.0.1:5173",
        "customer-portal",
        "The portal's old development server.",
        revoked="Nobody runs it any more; the port is free for anybody to take.",
    ),
    Grant(
        "staging",
        ("public", "billing"),
        "https://portal.staging.example.com",
        "customer-portal",
        "The release candidate.",
        days=60,
    ),
    Grant(
        "staging",
        ("public",),
        "https://*.preview.example.com",
        "customer-portal",
        "One address for each pull request.",
        days=30,
    ),
    Grant("production", ("public", "billing"), "https://portal.example.com", "customer-portal", "The portal itself."),
    Grant(
        "production",
        ("public",),
        "https://dashboard.example.net",
        "partner-dashboard",
        "Contract 2026-17; ends with it.",
        days=9,
    ),
    Grant(
        "production",
        ("public",),
        "https://summer.example.org",
        "campaigns",
        "The summer campaign.",
        revoked="The campaign is over and the domain was given back.",
    ),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Requests that the guard refuses: a preflight if `asks_for_method` is given, else a GET."""

    origin: str
    path: str
    user_agent: str
    times: int = 1
    asks_for_method: str = ""


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15"

REFUSALS = (
    # A look-alike of the portal, with a digit for its last letter.
    Refusal("https://porta1.example.com", "/api/billing/invoices", FIREFOX, times=14),
    # Trusted, but in production, not here.
    Refusal("https://portal.example.com", "/api/billing/invoices", SAFARI, asks_for_method="PATCH", times=3),
    Refusal("http://127.0.0.1:5173", "/api/public/hello", FIREFOX, times=2),
    Refusal("null", "/api/public/hello", SAFARI),
    # Trusted for the public API alone.
    Refusal("http://localhost:3000", "/api/billing/invoices", FIREFOX, asks_for_method="GET", times=5),
)


def load(trusted_origin: str) -> None:
    """Load what is missing of the data set, with `trusted_origin` as that of the customer portal on this machine."""
    admin = _load_admin()
    _load_frame()
    portal = Grant(LOCAL, ("public", "billing"), trusted_origin, "customer-portal", "The demo's own front end.")
    for grant in (portal, *GRANTS):
        _load_grant(grant, admin)


def describe_trust(origin: str) -> str:
    """Say in a few words which API groups `origin` may call on this machine now."""
    grants = TrustedOrigin.objects.filter(environment__slug=LOCAL, origin=origin).select_related("api_group")
    active = sorted(grant.api_group.slug for grant in grants.active())
    if active:
        return f"trusted for {' and '.join(active)}"
    return "its trust was revoked" if grants.exists() else "trusted by nobody"


def load_refusals() -> None:
    """Give an empty audit log something to show: real requests, through the whole stack, that are refused."""
    if Rejection.objects.exists():
        return
    for refusal in REFUSALS:
        client = Client(SERVER_NAME="127.0.0.1", headers={"origin": refusal.origin, "user-agent": refusal.user_agent})
        for _ in range(refusal.times):
            if refusal.asks_for_method:
                client.options(refusal.path, headers={"access-control-request-method": refusal.asks_for_method})
            else:
                client.get(refusal.path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"})
    recorder.flush(everything=True)


def _load_admin() -> User:
    found = User.objects.filter(username=ADMIN_NAME).first()
    return found or User.objects.create_superuser(ADMIN_NAME, "admin@example.com", ADMIN_PASSWORD)


def _load_frame() -> None:
    """Load environments, API groups, routes and front ends; one revision for whatever is missing, none for nothing."""
    for values in FRONT_ENDS:
        FrontEnd.objects.get_or_create(slug=values["slug"], defaults=values)
    if _is_frame_complete():
        return
    with policy_write(reason="The demo's data set"):
        for values in ENVIRONMENTS:
            Environment.objects.get_or_create(slug=values["slug"], defaults=values)
        for values in API_GROUPS:
            ApiGroup.objects.get_or_create(slug=values["slug"], defaults=values)
        for slug, path_prefix in ROUTES:
            group = ApiGroup.objects.get(slug=slug)
            ApiRoute.objects.get_or_create(host="", path_prefix=path_prefix, defaults={"api_group": group})


def _is_frame_complete() -> bool:
    return (
        Environment.objects.filter(slug__in=[values["slug"] for values in ENVIRONMENTS]).count() == len(ENVIRONMENTS)
        and ApiGroup.objects.filter(slug__in=[values["slug"] for values in API_GROUPS]).count() == len(API_GROUPS)
        and ApiRoute.objects.filter(host="", path_prefix__in=[prefix for _, prefix in ROUTES]).count() == len(ROUTES)
    )


def _load_grant(grant: Grant, admin: User) -> None:
    expires_at = timezone.now() + timedelta(days=grant.days) if grant.days else None
    for api_group in grant.api_groups:
        known = TrustedOrigin.objects.filter(
            environment__slug=grant.environment, api_group__slug=api_group, origin=grant.origin
        )
        if known.exists():
            continue
        trusted = services.trust(
            grant.origin,
            environment=grant.environment,
            api_group=api_group,
            actor=admin,
            note=grant.note,
            expires_at=expires_at,
            front_end=grant.front_end,
        )
        if grant.revoked:
            services.revoke(trusted, actor=admin, reason=grant.revoked)
