"""Read-only pages of large logs: no adding, changing or deleting, and no COUNT over a million rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.base import GuardAdmin
from django_cors_guard.admin.display import shown, word_group, word_place
from django_cors_guard.core.problems import show
from django_cors_guard.models.prefix import starting_with

_M = TypeVar("_M", bound=models.Model)

#: Rows that a list counts and pages through; older ones are found with filters.
MAX_LISTED: Final = 2000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for type checkers only
    """Counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list.order_by()[: MAX_LISTED + 1].count())  # type: ignore[attr-defined]  # a QuerySet here

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than are listed."""
        return self.count > MAX_LISTED


class EvidenceAdmin(GuardAdmin[_M]):
    """A log. ``hostile_fields`` hold what senders chose: they are made visible before a page gets to see them."""

    hostile_fields: tuple[str, ...] = ()

    actions: Any = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    search_hint: ClassVar[Any] = _("The beginning of an origin, or all of it (fastest).")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> _M | None:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            self.make_visible(found)
        return found

    def make_visible(self, row: Any) -> None:
        """Escape in ``row``, which nobody is going to save, what a page must not get to see."""
        for name in self.hostile_fields:
            setattr(row, name, show(getattr(row, name)))


class RefusalAdmin(EvidenceAdmin[_M]):
    """A log of what was refused, with an origin, and where: what its two pages have in common."""

    hostile_fields: tuple[str, ...] = ("origin", "environment", "api_group")
    search_fields = ["origin"]
    sortable_by = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_origin(queryset, search_term), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context = {"guard_note": self.guard_note, **(self.describe(request, row) if row is not None else {})}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def describe(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of ``row`` says beside its fields."""
        return {}

    @admin.display(description=_("origin"))
    def origin_whole(self, row: Any) -> str:
        return shown(row.origin, limit=255)

    @admin.display(description=_("environment"))
    def environment_shown(self, row: Any) -> str:
        return shown(row.environment)

    @admin.display(description=_("API group"))
    def api_group_shown(self, row: Any) -> str:
        return word_group(row.api_group)

    @admin.display(description=_("where"))
    def place(self, row: Any) -> str:
        return word_place(row.environment, row.api_group)


def search_origin(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Return the rows whose origin is ``term``; where there is none, those whose origin begins so."""
    text = term.strip()
    if not text:
        return queryset
    whole = queryset.filter(origin=text)
    return whole if whole.exists() else starting_with(queryset, "origin", text)
