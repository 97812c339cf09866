"""Environments, and the modes of API groups in them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.policy_row import (
    BLOCK_REFUSED,
    PolicyAdmin,
    PolicyForm,
    SharedRowsFormSet,
    SharedRowsInline,
    is_same_origin,
    list_once,
)
from django_cors_guard.models import ApiGroup, Environment, GroupMode
from django_cors_guard.models.environment import ModeChoice


class EnvironmentForm(PolicyForm[Environment]):
    """An environment: protected ones, and making one protected, need their permission."""

    class Meta:
        model = Environment
        fields = "__all__"
        widgets = {"description": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # At this point the instance is what is stored; the form speaks for what it shall become.
        slug = self.instance.slug or cleaned.get("slug", "")
        touched = [self.instance, Environment(slug=slug, protected=bool(cleaned.get("protected")))]
        self.require(partial(services.check_protected, actor_of(self.request), touched))
        self.refuse_unsafe_block()
        return cleaned


class GroupModeFormSet(SharedRowsFormSet):
    """Modes of groups: *block* is switched on by a request that it would not block, as in the environment."""

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            data = getattr(form, "cleaned_data", {})
            switched = data.get("mode") == ModeChoice.BLOCK and "mode" in form.changed_data and not data.get("DELETE")
            if switched and not is_same_origin(self.request):
                form.add_error("mode", forms.ValidationError(BLOCK_REFUSED, code="not_same_origin"))


class GroupModeInline(SharedRowsInline):
    """Where an API group's mode differs from the environment's."""

    model = GroupMode
    formset = GroupModeFormSet
    verbose_name = _("mode of an API group")
    verbose_name_plural = _("API groups with a mode of their own")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupMode]:
        rows: QuerySet[GroupMode] = super().get_queryset(request)
        return rows.select_related("environment", "api_group")

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return list_once(field, ApiGroup.objects.order_by("name")) if db_field.name == "api_group" else field


class EnvironmentAdmin(PolicyAdmin[Environment]):
    """How strict each deployment stage is."""

    form = EnvironmentForm
    inlines = [GroupModeInline]
    list_display = ["name", "slug", "mode", "protected", "max_trust_days"]
    list_filter = ["mode", "protected"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "description"]}),
        (
            _("How strict"),
            {"fields": ["mode", "max_trust_days", "protected"]},
        ),
        (
            _("Dangerous switches"),
            {
                "description": _(
                    "Each of these lets origins in that are refused without it. Switching one off again switches off "
                    "the grants that need it, at once."
                ),
                "fields": [
                    "allow_insecure_http",
                    "allow_insecure_credentials",
                    "allow_loopback",
                    "allow_subdomain_patterns",
                    "allow_custom_schemes",
                ],
            },
        ),
        (_("For the record"), {"fields": ["why"]}),
    ]

    def check_protection(self, request: HttpRequest, rows: Iterable[Environment]) -> None:
        services.check_protected(actor_of(request), rows)
