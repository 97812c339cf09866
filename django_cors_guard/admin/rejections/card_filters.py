"""The list filters of the cards, each on a column with an index of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.filters import Choices, ReasonFilter, ValueFilter
from django_cors_guard.models.rejection import CardStatus

ALL: Final = "all"


class CardStatusFilter(ValueFilter):
    """What became of them: the open questions, unless something else is asked for.

    Whoever looks for an origin looks for it in every status, and an address that names the status in another way of
    Django's means that one.
    """

    title = _("status")
    parameter_name = column = "status"
    template = "admin/cors_guard/rejectedorigin/status_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        is_asked = any(name.startswith(f"{self.parameter_name}__") for name in request.GET)
        is_searched = bool(request.GET.get(SEARCH_VAR, "").strip())
        self._default = ALL if is_asked or is_searched else CardStatus.NEW.value

    def value(self) -> str:
        return super().value() or self._default

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [*((status.value, status.label) for status in CardStatus), (ALL, _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == ALL else super().queryset(request, queryset)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        # Not Django's own "All", whose address is that of the default.
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }


class LastReasonFilter(ReasonFilter):
    """Why it was refused last."""

    title = _("last reason")
    parameter_name = column = "last_reason"
