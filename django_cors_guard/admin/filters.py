"""List filters of the logs: their choices come from small tables and from code, never from a DISTINCT over the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard import wording
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiGroup, Environment

Choices = Iterable[tuple[str, Any]]


class ValueFilter(admin.SimpleListFilter):
    """Rows whose ``column`` is the chosen value; one that is no choice (a group that has gone) filters all the same."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        # PostgreSQL refuses NUL in text, and no row can have it.
        return queryset.none() if "\0" in value else queryset.filter(**{self.column: value})


class EnvironmentSlugFilter(ValueFilter):
    """Environment of a row that knows it by slug."""

    title = _("environment")
    parameter_name = column = "environment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(row.slug, str(row)) for row in Environment.objects.order_by("slug")]


class ApiGroupSlugFilter(ValueFilter):
    """API group of a row that knows it by slug; the guard's own paths are none of the table."""

    title = _("API group")
    parameter_name = column = "api_group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        groups = [(row.slug, str(row)) for row in ApiGroup.objects.order_by("slug")]
        return [*groups, (OWN_GROUP, _("the guard's own paths"))]


class ReasonFilter(ValueFilter):
    """Why it was refused."""

    title = _("reason")
    parameter_name = column = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(reason.value, wording.REASONS[reason]) for reason in Reason if reason.is_refusal]


class KindFilter(ValueFilter):
    """What sort of request it was."""

    title = _("kind")
    parameter_name = column = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(wording.KINDS.items())


class ActionFilter(ValueFilter):
    """What happened to a row of the policy."""

    title = _("action")
    parameter_name = column = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(wording.ACTIONS.items())
