"""Environments, and the modes of API groups in them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.policy import outlook
from django_cors_guard.admin.policy.environment_page import complete_help, link_to_outlook
from django_cors_guard.admin.policy.row import (
    BLOCK_REFUSED,
    PolicyAdmin,
    PolicyForm,
    SharedRowsFormSet,
    SharedRowsInline,
    is_same_origin,
    list_once,
    list_remaining,
)
from django_cors_guard.admin.policy.what_would_change import show_outlook
from django_cors_guard.models import ApiGroup, Environment, GroupMode
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.services.consequences.codes import Weighed
from django_cors_guard.services.consequences.environment_changes import weigh_environment
from django_cors_guard.services.consequences.modes import read_own_modes


class EnvironmentForm(PolicyForm[Environment]):
    """An environment: protected ones, and making one protected, need their permission."""

    class Meta:
        model = Environment
        fields = "__all__"
        widgets = {"description": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
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
        return list_once(field, self._groups) if db_field.name == "api_group" else field

    @cached_property
    def _groups(self) -> list[ApiGroup]:
        """Asked for once a request, which has an inline of its own."""
        return list(ApiGroup.objects.order_by("name"))


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

    class Media:
        css = {"all": ["cors_guard/policy.css"]}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.what_would_change_view)
        address = path("<path:object_id>/what-would-change/", view, name="cors_guard_environment_what_would_change")
        return [address, *super().get_urls()]

    def check_protection(self, request: HttpRequest, rows: Iterable[Environment]) -> None:
        services.check_protected(actor_of(request), rows)

    def what_would_change_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Answer with the page; it tells of rejections, so it asks for leave to view both."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        environment = self.get_object(request, unquote(object_id))
        if not (self.has_view_permission(request, environment) and may(request, "view_rejection")):
            raise PermissionDenied
        if environment is None:
            raise Http404
        request.current_app = self.admin_site.name
        return show_outlook(request, self.admin_site, environment)

    def weigh(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> Weighed:
        environment: Environment = form.instance
        groups = list(ApiGroup.objects.order_by("slug"))
        slugs = {group.pk: group.slug for group in groups}
        stored = read_own_modes(environment) if change else {}
        remaining = list_remaining(formsets, GroupMode)
        wanted = {slugs[row.api_group_id]: row.mode for row in remaining} if remaining is not None else stored
        return weigh_environment(
            Environment.objects.get(pk=environment.pk) if change else None,
            environment,
            modes_before=stored,
            modes_after=wanted,
            groups=groups,
        )

    def describe_outlook(self, request: HttpRequest, row: Environment | None, weighed: Weighed) -> dict[str, Any]:
        if weighed.outlook is None:
            return {}
        return {
            "outlook": outlook.describe(request, weighed.outlook),
            "outlook_url": link_to_outlook(request, row, weighed.outlook),
        }

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["outlook_url"] = complete_help(request, context["adminform"].form, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)
