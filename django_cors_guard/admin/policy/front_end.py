"""Front ends: who owns an application, and whom to call."""

from __future__ import annotations

from django_cors_guard.admin.base import GuardAdmin
from django_cors_guard.models import FrontEnd


class FrontEndAdmin(GuardAdmin[FrontEnd]):
    """Front ends describe grants and decide about none, so they need no protection."""

    list_display = ["name", "slug", "owner", "contact", "external", "review_by"]
    list_filter = ["external", "review_by"]
    search_fields = ["slug", "name", "owner", "contact"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ("name",)}
