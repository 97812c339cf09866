"""Differences between another CORS middleware and the guard, as they were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_cors_guard import wording
from django_cors_guard.admin.display import shown
from django_cors_guard.admin.evidence import RefusalAdmin
from django_cors_guard.admin.filters import ApiGroupSlugFilter, Choices, EnvironmentSlugFilter, ValueFilter
from django_cors_guard.models import ParityDifference
from django_cors_guard.wording import word_disparity, word_kind


class DisparityFilter(ValueFilter):
    """What differs."""

    title = _("difference")
    parameter_name = column = "difference"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(wording.DISPARITIES.items())


class ParityDifferenceAdmin(RefusalAdmin[ParityDifference]):
    """The log, newest first. What was mended since is told by the command alone, which judges each again."""

    guard_note = _(
        "What another CORS middleware answered, where the guard would have answered differently. Which of these still "
        "differ, and what would mend them, is told by: manage.py cors_guard parity."
    )
    hostile_fields = ("origin", "environment", "api_group", "method", "host", "path", "requested_method")
    list_display = [
        "origin_shown",
        "place",
        "difference_in_words",
        "request_shown",
        "kind_in_words",
        "count",
        "last_seen",
    ]
    list_filter = [EnvironmentSlugFilter, ApiGroupSlugFilter, DisparityFilter, "last_seen"]
    ordering = ["-id"]
    fields = [
        "origin_whole",
        "environment_shown",
        "api_group_shown",
        "difference_in_words",
        "kind_in_words",
        "request_shown",
        "host_shown",
        "requested_shown",
        "theirs_shown",
        "ours_shown",
        "count",
        "first_seen",
        "last_seen",
    ]

    @admin.display(description=_("origin"))
    def origin_shown(self, row: ParityDifference) -> str:
        return shown(row.origin) or str(_("(what exceeded the bounds of the log)"))

    @admin.display(description=_("origin"))
    def origin_whole(self, row: ParityDifference) -> str:
        return super().origin_whole(row) or self.origin_shown(row)

    @admin.display(description=_("difference"))
    def difference_in_words(self, row: ParityDifference) -> str:
        return shown(word_disparity(row.difference), limit=255)

    @admin.display(description=_("kind"))
    def kind_in_words(self, row: ParityDifference) -> str:
        return shown(word_kind(row.kind))

    @admin.display(description=_("request"))
    def request_shown(self, row: ParityDifference) -> str:
        return shown(f"{row.method} {row.path}".strip(), limit=255)

    @admin.display(description=_("host"))
    def host_shown(self, row: ParityDifference) -> str:
        return shown(row.host, limit=255)

    @admin.display(description=_("asks for"))
    def requested_shown(self, row: ParityDifference) -> str:
        return shown(f"{row.requested_method} {row.requested_headers}".strip(), limit=255) or "—"

    @admin.display(description=_("they sent"))
    def theirs_shown(self, row: ParityDifference) -> str | SafeString:
        return _show_answer(row.theirs)

    @admin.display(description=_("the guard would have sent"))
    def ours_shown(self, row: ParityDifference) -> str | SafeString:
        return _show_answer(row.ours)


def _show_answer(answer: Any) -> str | SafeString:
    """A column of JSON may hold anything."""
    pairs = answer.items() if isinstance(answer, Mapping) else ()
    lines = ((shown(f"{name}: {value}", limit=255),) for name, value in pairs)
    return format_html_join("", "<div>{}</div>", lines) or str(_("no CORS header"))
