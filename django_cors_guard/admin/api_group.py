"""API groups, and the routes that belong to them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.fields import TokenListField
from django_cors_guard.admin.policy_row import PolicyAdmin, PolicyForm, SharedRowsInline
from django_cors_guard.models import ApiGroup, ApiRoute
from django_cors_guard.models.api_group import tidy_headers, tidy_methods, tidy_tokens


class ApiGroupForm(PolicyForm[ApiGroup]):
    """An API group, with its lists as text."""

    allow_methods = TokenListField(
        label=_("Methods"),
        tidy=tidy_methods,
        help_text=_(
            "Separated by commas, spaces or lines. GET, HEAD and POST pass the preflight whether listed or not; “*” "
            "stands for every method."
        ),
    )
    allow_headers = TokenListField(
        label=_("Request headers"),
        tidy=tidy_headers,
        help_text=_("What trusted pages may send. “*” stands for every header but Authorization, which is listed."),
    )
    expose_headers = TokenListField(
        label=_("Exposed response headers"),
        tidy=tidy_tokens,
        help_text=_("What trusted pages may read beyond the few headers that every page may."),
    )

    class Meta:
        model = ApiGroup
        fields = "__all__"
        widgets = {"description": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.require(partial(services.check_shared, actor_of(self.request)))
        return cleaned


class ApiRouteInline(SharedRowsInline):
    """Which paths belong to the group."""

    model = ApiRoute

    def get_extra(self, request: HttpRequest, obj: ApiGroup | None = None, **kwargs: Any) -> int:
        """A new group begins with an empty route: without one it guards nothing."""
        return 1 if obj is None else 0


class ApiGroupAdmin(PolicyAdmin[ApiGroup]):
    """What trusted pages may do, and where."""

    form = ApiGroupForm
    inlines = [ApiRouteInline]
    list_display = ["name", "slug", "allow_credentials", "any_origin", "max_age"]
    list_filter = ["allow_credentials", "any_origin"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "description"]}),
        (
            _("What trusted pages may do"),
            {"fields": ["allow_credentials", "allow_methods", "allow_headers", "expose_headers", "max_age"]},
        ),
        (_("Open to everybody"), {"fields": ["any_origin"]}),
        (_("For the record"), {"fields": ["why"]}),
    ]

    def check_protection(self, request: HttpRequest, rows: Iterable[ApiGroup]) -> None:
        services.check_shared(actor_of(request))
