"""Trusted origins in and out: a plan of an import, the import that applies it as seen, and the walk of an export."""

from __future__ import annotations

from django_cors_guard.services.transfer.applying import ImportResult, PlanMoved, apply_import
from django_cors_guard.services.transfer.planning import plan_import
from django_cors_guard.services.transfer.plans import (
    Addition,
    Change,
    Difference,
    ImportPlan,
    Leaving,
    LeftAlone,
    Refusal,
    Repeat,
)
from django_cors_guard.services.transfer.walking import Choice, walk_grants

__all__ = [
    "Addition",
    "Change",
    "Choice",
    "Difference",
    "ImportPlan",
    "ImportResult",
    "Leaving",
    "LeftAlone",
    "PlanMoved",
    "Refusal",
    "Repeat",
    "apply_import",
    "plan_import",
    "walk_grants",
]
