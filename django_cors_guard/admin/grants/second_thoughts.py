"""What to know before a revocation is undone."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of, say_why_not
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import name_of, show_moment, shown, shown_text
from django_cors_guard.admin.grants.closings import word_front_end
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.core.risks import find_risks
from django_cors_guard.models import RejectedOrigin, TrustedOrigin
from django_cors_guard.models.rejection import card_key
from django_cors_guard.models.trusted_origin import rules_for
from django_cors_guard.services.usage import find_last_uses
from django_cors_guard.wording import word_problem, word_risk


def describe_revoked(request: HttpRequest, grant: TrustedOrigin) -> dict[str, Any]:
    """Return who closed a grant, what has ended meanwhile, whether it is still asked for, and what may go wrong."""
    last_used = find_last_uses([grant.pk]).get(grant.pk)
    return {
        "api_group": name_of(grant.api_group),
        "environment": name_of(grant.environment),
        "front_end": word_front_end(grant.front_end),
        "reason": shown_text(grant.revoke_reason),
        "revoked_by": shown(grant.revoked_by_label()),
        "has_ended": grant.expires_at is not None and grant.expires_at <= timezone.now(),
        "problems": [word_problem(problem) for problem in services.list_reinstating_problems(grant)],
        "last_used": show_moment(last_used) if last_used is not None else "",
        "still_refused": _find_last_refusal(request, grant),
        "risks": _word_risks(grant),
        "obstacle": say_why_not(partial(services.check_protected, actor_of(request), [grant.environment])),
    }


def _find_last_refusal(request: HttpRequest, grant: TrustedOrigin) -> str:
    """Return when the origin was refused last since then, if it was and the user may know."""
    if grant.revoked_at is None or not may(request, "view_rejectedorigin"):
        return ""
    key = card_key(grant.environment.slug, grant.api_group.slug, grant.origin)
    cards = RejectedOrigin.objects.filter(key=key, last_seen__gte=grant.revoked_at)
    last_seen = cards.values_list("last_seen", flat=True).first()
    return show_moment(last_seen) if last_seen is not None else ""


def _word_risks(grant: TrustedOrigin) -> list[str]:
    origin = parse_canonical(grant.origin)
    if origin is None:
        return []
    return [word_risk(risk) for risk in find_risks(origin, rules=rules_for(grant.environment, grant.api_group))]
