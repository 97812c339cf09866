"""API groups, and the routes that belong to them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.display import shown
from django_cors_guard.admin.policy.coverage import MAX_ROUTES, describe_routes, read_routes
from django_cors_guard.admin.policy.fields import (
    EXPOSED_HEADERS,
    METHODS,
    REQUEST_HEADERS,
    TokenListField,
    keep_order,
)
from django_cors_guard.admin.policy.group_page import describe_group
from django_cors_guard.admin.policy.row import PolicyAdmin, PolicyForm, SharedRowsInline, list_remaining
from django_cors_guard.core.decision import Isolation
from django_cors_guard.models import ApiGroup, ApiRoute
from django_cors_guard.models.api_group import tidy_headers, tidy_methods, tidy_tokens
from django_cors_guard.services.consequences.codes import Weighed
from django_cors_guard.services.consequences.group_changes import weigh_group
from django_cors_guard.url_patterns import Route

LISTS = ("allow_methods", "allow_headers", "expose_headers")


class ApiGroupForm(PolicyForm[ApiGroup]):
    """An API group, with its lists as boxes and text."""

    allow_methods = TokenListField(
        label=_("Methods"),
        tidy=tidy_methods,
        choices=METHODS,
        help_text=_(
            "What trusted pages may use. Browsers send GET, HEAD and POST across origins without asking, so they pass "
            "the preflight ticked or not; where the group blocks, only what is ticked gets through."
        ),
    )
    allow_headers = TokenListField(
        label=_("Request headers"),
        tidy=tidy_headers,
        choices=REQUEST_HEADERS,
        help_text=_("What trusted pages may send along, beyond the few headers that every page may."),
    )
    expose_headers = TokenListField(
        label=_("Exposed response headers"),
        tidy=tidy_tokens,
        choices=EXPOSED_HEADERS,
        help_text=_("What trusted pages may read beyond the few headers that every page may."),
    )

    class Meta:
        model = ApiGroup
        fields = "__all__"
        widgets = {"description": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name in LISTS:
            if name in cleaned:
                stored, field = self.initial.get(name), cast(TokenListField, self.fields[name])
                is_same = stored is not None and field.is_same(stored, cleaned[name])
                cleaned[name] = stored if is_same else keep_order(stored, cleaned[name])
        self.require(partial(services.check_shared, actor_of(self.request)))
        return cleaned


class ApiRouteInline(SharedRowsInline):
    """Which paths belong to the group."""

    model = ApiRoute
    template = "admin/cors_guard/apigroup/routes.html"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        for name, hint in (("host", _("every host")), ("path_prefix", "/api/billing")):
            if name in formset.form.base_fields:
                formset.form.base_fields[name].widget.attrs["placeholder"] = hint
        return formset

    def get_extra(self, request: HttpRequest, obj: ApiGroup | None = None, **kwargs: Any) -> int:
        """A new group begins with an empty route: without one it guards nothing."""
        return 1 if obj is None else 0


class ApiGroupAdmin(PolicyAdmin[ApiGroup]):
    """What trusted pages may do, and where."""

    form = ApiGroupForm
    inlines = [ApiRouteInline]
    list_display = ["name", "slug", "allow_credentials", "trusted_for_csrf", "any_origin", "isolation", "max_age"]
    list_filter = ["allow_credentials", "trusted_for_csrf", "any_origin", "isolate"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "description"]}),
        (
            _("What trusted pages may do"),
            {
                "fields": [
                    "allow_credentials",
                    "trusted_for_csrf",
                    "allow_methods",
                    "allow_headers",
                    "expose_headers",
                    "max_age",
                    "timing_allow_origin",
                ],
            },
        ),
        (
            _("What every page may load without asking"),
            {
                "fields": ["isolate", "cross_origin_resource_policy"],
                "description": _(
                    "CORS is about scripts that read. Pages load images, scripts and media without it, with the user's "
                    "cookies and without Origin. Two headers of browsers tell such requests apart and stop them."
                ),
            },
        ),
        (_("Open to everybody"), {"fields": ["any_origin"]}),
        (_("For the record"), {"fields": ["why"]}),
    ]

    class Media:
        css = {"all": ["cors_guard/policy.css"]}
        js = ["cors_guard/api_groups.js"]

    @admin.display(description=_("isolation"), ordering="isolate")
    def isolation(self, row: ApiGroup) -> str:
        return shown(row.isolate) if row.isolate != Isolation.OFF else "—"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.coverage_view)
        return [path("coverage/", view, name="cors_guard_apigroup_coverage"), *super().get_urls()]

    def check_protection(self, request: HttpRequest, rows: Iterable[ApiGroup]) -> None:
        services.check_shared(actor_of(request))

    def coverage_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with what routes cover that are being typed: ``host`` and ``path_prefix``, as often as there are."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        group = request.GET.get("group", "")
        # 18 digits fit into every database's BIGINT.
        beside = int(group) if group.isascii() and group.isdecimal() and len(group) <= 18 else None  # noqa: PLR2004
        hosts, prefixes = (request.GET.getlist(name)[:MAX_ROUTES] for name in ("host", "path_prefix"))
        notes = describe_routes(zip(hosts, prefixes, strict=False), read_routes(beside=beside))
        return JsonResponse({"routes": [note.as_dict() for note in notes]})

    def weigh(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> Weighed:
        group: ApiGroup = form.instance
        others = read_routes(beside=group.pk if change else None)
        stored = [Route(group.slug, row.path_prefix, row.host) for row in group.routes.all()] if change else []
        remaining = list_remaining(formsets, ApiRoute)
        wanted = (
            [Route(group.slug, row.path_prefix, row.host) for row in remaining] if remaining is not None else stored
        )
        return weigh_group(
            ApiGroup.objects.get(pk=group.pk) if change else None,
            group,
            routes_before=[*others, *stored],
            routes_after=[*others, *wanted],
        )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= describe_group(request, context, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)
