"""The whole policy as a document: read from the rows, planned against them, and applied as it was seen."""

from __future__ import annotations

from django_cors_guard.services.policy.applying import PolicyConflict, PolicyMoved, PolicyResult, apply_policy
from django_cors_guard.services.policy.planning import plan_policy
from django_cors_guard.services.policy.plans import (
    Addition,
    Change,
    Conflict,
    ConflictCode,
    Difference,
    Kind,
    PolicyPlan,
    Reinstatement,
    Removal,
    Revocation,
)
from django_cors_guard.services.policy.reading import read_policy

__all__ = [
    "Addition",
    "Change",
    "Conflict",
    "ConflictCode",
    "Difference",
    "Kind",
    "PolicyConflict",
    "PolicyMoved",
    "PolicyPlan",
    "PolicyResult",
    "Reinstatement",
    "Removal",
    "Revocation",
    "apply_policy",
    "plan_policy",
    "read_policy",
]
