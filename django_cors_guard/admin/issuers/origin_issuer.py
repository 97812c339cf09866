"""Issuers in the admin: what each covers, and how much of it is in force."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import PolicyRowAdmin, actor_of, bind
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import show_moment, shown
from django_cors_guard.admin.issuers.form import OriginIssuerForm
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.policy.live import add_help
from django_cors_guard.core.lifetimes import format_lifetime
from django_cors_guard.core.shapes import find_shape_risks
from django_cors_guard.models import OriginIssuer, TrustedOrigin, policy_write
from django_cors_guard.models.revision import Source
from django_cors_guard.wording import word_shape

#: Stands in examples where CI puts a branch or a number.
WORD: Final = "42"
#: Nobody hands on a right that he does not have.
DELEGATED: Final = "add_trustedorigin"
#: Fields that are policy, for the story tells of them.
_TOLD: Final = OriginIssuer.policy_fields | {"api_groups"}


class OriginIssuerAdmin(PolicyRowAdmin[OriginIssuer]):
    """Who may have previews trusted without clicking. The slug is fixed once it is there: its grants carry it."""

    guard_note = _("Accounts of CI that may trust origins of one shape by themselves, for a while, and nothing else.")
    form = OriginIssuerForm
    list_display = ["slug", "covers", "user_shown", "environment", "lifetime_shown", "active_shown", "last_shown"]
    list_filter = ["environment"]
    list_select_related = ["environment", "user"]
    search_fields = ["slug", "host_prefix", "host_suffix"]
    ordering = ["slug"]
    fieldsets = [
        (None, {"fields": ["slug", "user"]}),
        (_("Which origins"), {"fields": ["host_prefix", "host_suffix"]}),
        (_("Where"), {"fields": ["environment", "api_groups", "front_end"]}),
        (_("How long, how many"), {"fields": ["max_ttl", "max_active"]}),
        (_("For the record"), {"fields": ["why"]}),
    ]

    class Media:
        css = {"all": ["cors_guard/policy.css"]}
        js = ["cors_guard/issuers.js"]

    @admin.display(description=_("covers"))
    def covers(self, issuer: OriginIssuer) -> str:
        return shown(issuer.shape.spell("…"), 255)

    @admin.display(description=_("account"), ordering="user")
    def user_shown(self, issuer: OriginIssuer) -> str:
        return shown(issuer.user.get_username())

    @admin.display(description=_("longest lifetime"), ordering="max_ttl")
    def lifetime_shown(self, issuer: OriginIssuer) -> str:
        return format_lifetime(issuer.max_ttl)

    @admin.display(description=_("in force"))
    def active_shown(self, issuer: OriginIssuer) -> SafeString | str:
        text = gettext("%(active)d of %(most)d") % {"active": self._count(issuer)[0], "most": issuer.max_active}
        address = link_to("trustedorigin_changelist", managed_by=issuer.manager_name)
        return format_html('<a href="{}">{}</a>', address, text) if getattr(issuer, "is_linked", False) else text

    @admin.display(description=_("last issued"))
    def last_shown(self, issuer: OriginIssuer) -> SafeString | str:
        last = self._count(issuer)[1]
        return show_moment(last) if last is not None else "—"

    def _count(self, issuer: OriginIssuer) -> tuple[int, Any]:
        found: tuple[int, Any] = getattr(issuer, "count", (0, None))
        return found

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        found = super().get_changelist_instance(request)
        rows: list[Any] = list(found.result_list)
        counts = count_grants(rows)
        for row in rows:
            row.count = counts.get(row.manager_name, (0, None))
            row.is_linked = may(request, "view_trustedorigin")
        found.result_list = rows
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return bind(super().get_form(request, obj, change, **kwargs), request)

    def get_fieldsets(self, request: HttpRequest, obj: OriginIssuer | None = None) -> Any:
        # Who can only look has nothing to give reasons for.
        may_save = self.has_change_permission(request, obj) if obj is not None else self.has_add_permission(request)
        fieldsets = self.fieldsets or ()
        return fieldsets if may_save else [item for item in fieldsets if "why" not in item[1]["fields"]]

    def get_readonly_fields(self, request: HttpRequest, obj: OriginIssuer | None = None) -> tuple[str, ...]:
        return ("slug",) if obj is not None else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and may(request, DELEGATED)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and may(request, DELEGATED)

    def check_protection(self, request: HttpRequest, rows: Iterable[OriginIssuer]) -> None:
        services.check_protected(actor_of(request), {issuer.environment for issuer in rows})

    def save_model(self, request: HttpRequest, obj: OriginIssuer, form: Any, change: Any) -> None:
        """Save nothing yet: ``save_related``, which follows at once, saves the row and its API groups together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        with self._one_revision(request, form):
            super().save_model(request, form.instance, form, change)
            super().save_related(request, form, formsets, change)
        for risk in find_shape_risks(form.instance.shape):
            self.message_user(request, word_shape(risk), messages.WARNING)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        add_example(context["adminform"].form, kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    def _one_revision(self, request: HttpRequest, form: Any) -> AbstractContextManager[Any]:
        """A front end is no policy, and takes none."""
        if not _TOLD & set(form.changed_data):
            return nullcontext()
        return policy_write(actor=actor_of(request), reason=form.cleaned_data.get("why", ""), source=Source.ADMIN)


def count_grants(issuers: Iterable[OriginIssuer]) -> dict[str, tuple[int, Any]]:
    """Return how many grants of each issuer are in force and when it last gave one; in one query."""
    in_force = Q(revoked_at=None, expires_at__gt=timezone.now())
    grants: QuerySet[TrustedOrigin] = TrustedOrigin.objects.filter(managed_by__in=[row.manager_name for row in issuers])
    rows = grants.order_by().values("managed_by").annotate(active=Count("pk", filter=in_force), last=Max("created_at"))
    return {row["managed_by"]: (row["active"], row["last"]) for row in rows}


def add_example(form: Any, issuer: OriginIssuer | None) -> None:
    """Say behind the field of the suffix what such an origin looks like, also while it is being typed."""
    if "host_suffix" not in form.fields:
        return
    example = issuer.shape.spell(WORD) if issuer is not None else ""
    risks = find_shape_risks(issuer.shape) if issuer is not None else ()
    words = format_html(
        '<output id="issuer-example" class="cors-guard-example" for="id_host_prefix id_host_suffix" '
        'data-word="{}" data-sentence="{}">{}</output>{}',
        WORD,
        gettext("Such as %(origin)s") % {"origin": "{}"},
        gettext("Such as %(origin)s") % {"origin": shown(example, 255)} if example else "",
        format_html_join("", '<div class="cors-guard-panel">{}</div>', ((word_shape(risk),) for risk in risks)),
    )
    add_help(form, "host_suffix", words)
