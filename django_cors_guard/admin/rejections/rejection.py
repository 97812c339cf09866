"""Rejections: the evidence, row by row."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import shown
from django_cors_guard.admin.evidence import RefusalAdmin
from django_cors_guard.admin.filters import ApiGroupSlugFilter, EnvironmentSlugFilter, KindFilter, ReasonFilter
from django_cors_guard.admin.rejections.cards import PROVES_NOTHING
from django_cors_guard.core.decision import Reason
from django_cors_guard.models import Rejection
from django_cors_guard.wording import word_kind, word_reason

#: What tells about a person rather than a page.
PII_FIELDS: Final = ("client_ip", "user_agent")


class RejectionAdmin(RefusalAdmin[Rejection]):
    """The log, newest first. Client addresses and user agents need a permission of their own."""

    guard_note = PROVES_NOTHING
    hostile_fields = ("origin", "environment", "api_group", "method", "path", "client_ip", "user_agent")
    list_display = ["origin_shown", "place", "reason_in_words", "request_shown", "kind_in_words", "count", "last_seen"]
    list_filter = [EnvironmentSlugFilter, ApiGroupSlugFilter, ReasonFilter, KindFilter, "last_seen"]
    ordering = ["-id"]

    def get_fields(self, request: HttpRequest, obj: Rejection | None = None) -> Any:
        fields = [
            "origin_whole",
            "environment_shown",
            "api_group_shown",
            "mode",
            "reason_in_words",
            "kind_in_words",
            "method_shown",
            "path_shown",
            "count",
            "first_seen",
            "last_seen",
        ]
        return [*fields, *PII_FIELDS] if may_see_people(request) else fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # ?client_ip__startswith=… in the address would tell as much as the column.
        if lookup.startswith(PII_FIELDS) and not may_see_people(request):
            return False
        return super().lookup_allowed(lookup, value, request)

    def describe(self, request: HttpRequest, row: Rejection) -> dict[str, Any]:
        return {"may_check": may(request, "view_trustedorigin", "view_environment") and not row.overflow}

    @admin.display(description=_("origin"))
    def origin_shown(self, row: Rejection) -> str:
        return shown(row.origin) or str(_word_blank(row))

    @admin.display(description=_("origin"))
    def origin_whole(self, row: Rejection) -> str:
        return super().origin_whole(row) or self.origin_shown(row)

    @admin.display(description=_("reason"))
    def reason_in_words(self, row: Rejection) -> str:
        return shown(word_reason(row.reason))

    @admin.display(description=_("kind"))
    def kind_in_words(self, row: Rejection) -> str:
        return shown(word_kind(row.kind))

    @admin.display(description=_("request"))
    def request_shown(self, row: Rejection) -> str:
        return shown(f"{row.method} {row.path}".strip())

    @admin.display(description=_("method"))
    def method_shown(self, row: Rejection) -> str:
        return shown(row.method)

    @admin.display(description=_("path"))
    def path_shown(self, row: Rejection) -> str:
        return shown(row.path, limit=255)


def _word_blank(row: Rejection) -> Any:
    """Why a row has no origin."""
    if row.overflow:
        return _("(what exceeded the bounds of the log)")
    return _("(no Origin)") if row.reason == Reason.CROSS_SITE else _("(empty)")


def may_see_people(request: HttpRequest) -> bool:
    """Whether the user may see client addresses and user agents."""
    return may(request, "view_rejection_pii")
