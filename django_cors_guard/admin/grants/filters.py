"""List filters of trusted origins: of anything long they offer a part, and a field to type the rest into."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import name_of, shown, word_duration
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import worth

Choices = Iterable[tuple[str, Any]]
Grants = QuerySet[TrustedOrigin]

#: Most choices that a filter offers as links.
MAX_CHOICES: Final = 20
#: Value of a filter that asks for grants without one; no slug and no name of a policy file.
NONE: Final = "~"

_QUESTIONS: Final[dict[str, tuple[Any, Callable[[Grants], Grants]]]] = {
    "active": (Status.ACTIVE.label, lambda grants: worth.with_status(grants, Status.ACTIVE)),
    "expiring": (_("expiring soon"), worth.expiring_soon),
    "expired": (Status.EXPIRED.label, lambda grants: worth.with_status(grants, Status.EXPIRED)),
    "revoked": (Status.REVOKED.label, lambda grants: worth.with_status(grants, Status.REVOKED)),
    "switched_off": (Status.SWITCHED_OFF.label, lambda grants: worth.with_status(grants, Status.SWITCHED_OFF)),
    "never_used": (_("no use on record"), worth.never_used),
    "unused": (_("unused for %(time)s"), worth.unused),
}


def remember(request: HttpRequest, key: object, rows: QuerySet[Any]) -> list[Any]:
    """Return ``rows``, looked up once a request: for an action Django makes all filters twice."""
    known: dict[object, list[Any]] = request.__dict__.setdefault("cors_guard_choices", {})
    if key not in known:
        known[key] = list(rows)
    return known[key]


def offer(request: HttpRequest, key: object, rows: QuerySet[Any]) -> list[Any]:
    """Return what a filter offers; nothing where an action is carried out, for then nobody sees it."""
    return remember(request, key, rows) if request.method == "GET" else []


class StatusFilter(admin.SimpleListFilter):
    """What grants are worth: the same rows as their badges say."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        silence = {"time": word_duration(worth.longest_silence().total_seconds())}
        return [(value, str(label) % silence) for value, (label, _find) in _QUESTIONS.items()]

    def queryset(self, request: HttpRequest, queryset: Grants) -> Grants:
        question = _QUESTIONS.get(self.value() or "")
        return question[1](queryset) if question is not None else queryset


class PlaceFilter(admin.SimpleListFilter):
    """Rows that point at the chosen row of a small table, by its id."""

    model: type[Environment | ApiGroup]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        rows = remember(request, self.model, self.model._base_manager.order_by("slug"))
        return [(f"{row.pk}", name_of(row)) for row in rows]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1 or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: Grants) -> Grants:
        value = self.value()
        if value is None:
            return queryset
        known = {key for key, _name in self.lookup_choices}
        return queryset.filter(**{str(self.parameter_name): int(value)}) if value in known else queryset.none()


class EnvironmentFilter(PlaceFilter):
    """Where they are."""

    title = _("environment")
    parameter_name = "environment__id__exact"
    model = Environment


class ApiGroupFilter(PlaceFilter):
    """What they may call."""

    title = _("API group")
    parameter_name = "api_group__id__exact"
    model = ApiGroup


class ManagedByFilter(admin.SimpleListFilter):
    """Which policy file or issuer owns the row, if one does."""

    title = _("manager")
    parameter_name = "managed_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        managed = TrustedOrigin.objects.exclude(managed_by="").values_list("managed_by", flat=True)
        rows = managed.order_by("managed_by").distinct()[:MAX_CHOICES]
        names = offer(request, type(self), rows)
        return [(NONE, gettext("people")), *((name, shown(name)) for name in names)] if names else []

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: Grants) -> Grants:
        value = self.value()
        if not value:
            return queryset
        if "\0" in value:
            return queryset.none()
        return queryset.filter(managed_by="" if value == NONE else value)


class FrontEndFilter(admin.SimpleListFilter):
    """Whose origins: a few front ends as links; where there are many, a field takes a part of a name or slug."""

    title = _("front end")
    parameter_name = "front_end"
    template = "admin/cors_guard/trustedorigin/front_end_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        rows = FrontEnd.objects.order_by("name", "slug")[: MAX_CHOICES + 1]
        self.names = offer(request, type(self), rows)
        super().__init__(request, params, model, model_admin)

    @property
    def is_long(self) -> bool:
        """Whether there are more front ends than are offered."""
        return len(self.names) > MAX_CHOICES

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        few = [] if self.is_long else [(row.slug, name_of(row)) for row in self.names]
        return [(NONE, gettext("without a front end")), *few]

    def queryset(self, request: HttpRequest, queryset: Grants) -> Grants:
        value = (self.value() or "").strip()
        if not value:
            return queryset
        if "\0" in value:
            return queryset.none()
        if value == NONE:
            return queryset.filter(front_end=None)
        whole = FrontEnd.objects.filter(Q(slug=value) | Q(name__iexact=value)).values_list("pk", flat=True)
        found = list(whole[:MAX_CHOICES])
        if found:
            return queryset.filter(front_end__in=found)
        return queryset.filter(Q(front_end__slug__icontains=value) | Q(front_end__name__icontains=value))

    def choices(self, changelist: ChangeList) -> Any:
        yield from super().choices(changelist)
        self.typed = "" if self.value() in {None, NONE} else self.value()
        others = changelist.filter_params.items()
        self.others = [(name, value) for name, values in others if name != self.parameter_name for value in values]
