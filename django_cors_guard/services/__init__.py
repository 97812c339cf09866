"""Trust, revoke, reinstate: the only writers of grants. Each is one transaction and one revision, or none at all.

Environments, API groups and front ends are given as objects or slugs. ``actor=None`` is the system; with an actor,
protected environments ask for ``change_protected_environment``.
"""

from django_cors_guard.explanation import Explanation, explain
from django_cors_guard.services.cards import check_card_origin, ignore, trust_card
from django_cors_guard.services.places import (
    PROTECTED_PERMISSION,
    check_protected,
    check_shared,
    find_api_group,
    find_environment,
    find_front_end,
    retry_deadlocks,
)
from django_cors_guard.services.revocation import Place, Receipt, preview_revocation, reinstate, revoke, revoke_origin
from django_cors_guard.services.trusting import (
    RENEWED,
    TRUSTED,
    Preview,
    Wish,
    amend,
    check_expiry,
    preview_trust,
    preview_wishes,
    trust,
    trust_many,
)

__all__ = [
    "PROTECTED_PERMISSION",
    "RENEWED",
    "TRUSTED",
    "Explanation",
    "Place",
    "Preview",
    "Receipt",
    "Wish",
    "amend",
    "check_card_origin",
    "check_expiry",
    "check_protected",
    "check_shared",
    "explain",
    "find_api_group",
    "find_environment",
    "find_front_end",
    "ignore",
    "preview_revocation",
    "preview_trust",
    "preview_wishes",
    "reinstate",
    "retry_deadlocks",
    "revoke",
    "revoke_origin",
    "trust",
    "trust_card",
    "trust_many",
]
