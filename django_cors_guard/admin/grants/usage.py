"""What trusted origins did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import shown
from django_cors_guard.admin.evidence import EvidenceAdmin, search_origin
from django_cors_guard.models import OriginUsage


class OriginUsageAdmin(EvidenceAdmin[OriginUsage]):
    """Rollups of use, newest first."""

    guard_note = _("This shows use and proves none: anybody with a command line can send an Origin header.")
    hostile_fields = ("origin", "method")
    list_display = ["origin_shown", "trusted_origin", "method_shown", "count", "first_seen", "last_seen"]
    list_filter = ["last_seen"]
    list_select_related = ["trusted_origin"]
    search_fields = ["origin"]
    ordering = ["-id"]
    sortable_by = ()

    @admin.display(description=_("origin"))
    def origin_shown(self, row: OriginUsage) -> str:
        return shown(row.origin) or "—"

    @admin.display(description=_("method"))
    def method_shown(self, row: OriginUsage) -> str:
        return shown(row.method)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_origin(queryset, search_term), False
