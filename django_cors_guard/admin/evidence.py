"""Read-only pages of large logs: no adding, changing or deleting, and no COUNT over a million rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.base import GuardAdmin
from django_cors_guard.core.problems import show

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

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    search_help_text: ClassVar[Any] = _("The beginning of an origin, or all of it (fastest).")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> _M | None:
        found = super().get_object(request, object_id, from_field)
        for name in self.hostile_fields if found is not None else ():
            setattr(found, name, show(getattr(found, name)))
        return found


def search_origin(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Return the rows whose origin is ``term``; where there is none, those whose origin begins so."""
    text = term.strip()
    if not text:
        return queryset
    whole = queryset.filter(origin=text)
    return whole if whole.exists() else queryset.filter(origin__startswith=text)
