"""The page of one grant: what it is worth and why, what it was used for lately, and where to look on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import word_duration
from django_cors_guard.admin.grants.closings import word_use
from django_cors_guard.admin.links import link_to
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.services.usage import read_usage
from django_cors_guard.wording import word_problem


def describe_grant(request: HttpRequest, grant: TrustedOrigin) -> dict[str, Any]:
    """Return what the page says beside the fields."""
    usage = read_usage([grant])
    is_revoked = grant.revoked_at is not None
    return {
        "grant": grant,
        "is_revoked": is_revoked,
        "faults": [] if is_revoked else [word_problem(fault) for fault in grant.find_faults()],
        "use": word_use(grant, usage.by_grant.get(grant.pk), usage.a_day(grant), usage.window),
        "window": word_duration(usage.window.total_seconds()),
        **_list_links(request, grant),
    }


def _list_links(request: HttpRequest, grant: TrustedOrigin) -> dict[str, str]:
    """Return where to go on; blank for pages that are not there, or not for this user."""
    place = {"environment": grant.environment.slug, "api_group": grant.api_group.slug, "q": grant.origin}
    origin = parse_canonical(grant.origin)
    is_one = origin is not None and not origin.is_pattern
    return {
        "check_url": link_to("check", grant=grant.pk) if may(request, "view_environment") else "",
        "usage_url": link_to("originusage_changelist", trusted_origin__id__exact=grant.pk)
        if may(request, "view_originusage")
        else "",
        # The log knows the origins that were sent, never a pattern.
        "rejections_url": link_to("rejection_changelist", **place) if is_one and may(request, "view_rejection") else "",
    }
