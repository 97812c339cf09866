"""The processes that enforce the policy."""

from __future__ import annotations

from django_cors_guard.admin.evidence import EvidenceAdmin
from django_cors_guard.models import GuardProcess


class GuardProcessAdmin(EvidenceAdmin[GuardProcess]):
    """Which process runs where, and which revision it has confirmed."""

    list_display = ["host", "pid", "environment", "revision", "confirmed_at", "started_at"]
    ordering = ["-started_at"]
    search_help_text = None
