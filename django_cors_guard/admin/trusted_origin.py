"""Trusted origins: trust, look after, and (in ``revocation``) revoke and reinstate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of, bind, say_not_there
from django_cors_guard.admin.cards import CARD, Reading, find_card, read_card
from django_cors_guard.admin.display import shown, status_badge, word_place
from django_cors_guard.admin.filters import GrantStatusFilter
from django_cors_guard.admin.grant_forms import AmendForm, TrustForm
from django_cors_guard.admin.pages import PAGES
from django_cors_guard.admin.rejected_origin import PROVES_NOTHING
from django_cors_guard.admin.revocation import RevocationPages
from django_cors_guard.models import OriginUsage, RejectedOrigin, TrustedOrigin, policy_write
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Preview
from django_cors_guard.wording import word_mend, word_problem, word_risk

_ADDED: Final[list[dict[str, dict[str, list[str]]]]] = [{"added": {}}]


class TrustedOriginAdmin(RevocationPages):
    """Who may call what, where. Environment, API group and origin are fixed once a grant is there."""

    list_display = ["origin_shown", "status_shown", "environment", "api_group", "front_end", "expires_at"]
    list_filter = ["environment", "api_group", "front_end", GrantStatusFilter]
    list_select_related = ["environment", "api_group", "front_end"]
    search_fields = ["origin", "front_end__name", "front_end__slug", "note"]
    search_help_text = _("A part of the origin, the front end or the note.")
    ordering = ["origin"]
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        return [*(page.as_url(self.admin_site) for page in PAGES), *super().get_urls()]

    @admin.display(description=_("origin"), ordering="origin")
    def origin_shown(self, grant: TrustedOrigin) -> str:
        return shown(grant.origin)

    @admin.display(description=_("origin"))
    def origin_whole(self, grant: TrustedOrigin) -> str:
        return shown(grant.origin, limit=255)

    @admin.display(description=_("status"))
    def status_shown(self, grant: TrustedOrigin) -> str:
        return status_badge(grant)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrustedOrigin]:
        return super().get_queryset(request).select_related("environment", "api_group", "front_end")

    def get_form(
        self, request: HttpRequest, obj: TrustedOrigin | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = AmendForm if change else TrustForm
        return bind(super().get_form(request, obj, change, **kwargs), request)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.ModelChoiceField):
            # Who trusts an origin is not about to delete an environment in passing.
            field.widget.can_change_related = field.widget.can_delete_related = field.widget.can_view_related = False
            field.widget.can_add_related = db_field.name == "front_end" and field.widget.can_add_related
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: TrustedOrigin | None = None) -> Any:
        if obj is None:
            return ()
        editable = {"front_end", "note", "expires_at"}
        return [name for _title, part in _fieldsets_of(obj) for name in part["fields"] if name not in editable]

    def get_fieldsets(self, request: HttpRequest, obj: TrustedOrigin | None = None) -> Any:
        return _ADD_FIELDSETS if obj is None else _fieldsets_of(obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Nothing in the address fills the form in but the id of a card: whoever makes a link must not choose an origin.
        reading = _read_named_card(request)
        return reading.as_initial() if reading is not None else {}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        reading = _read_named_card(request)
        if request.method == "GET" and CARD in request.GET and (reading is None or reading.obstacles):
            return self._turn_away(request, reading)
        context = {"reading": reading, "guard_note": PROVES_NOTHING if reading is not None else ""}
        return super().add_view(request, form_url, {**context, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        grant = self.get_object(request, object_id) if self.has_view_permission(request) else None
        return super().change_view(
            request, object_id, form_url, {**(_describe(grant) if grant is not None else {}), **(extra_context or {})}
        )

    def save_model(self, request: HttpRequest, obj: TrustedOrigin, form: Any, change: Any) -> None:
        values = {"note": form.cleaned_data["note"], "front_end": form.cleaned_data["front_end"]}
        if change:
            services.amend(obj, actor=actor_of(request), expires_at=form.ends, **values)
            return
        grant = services.trust(
            form.cleaned_data["origin"],
            environment=form.cleaned_data["environment"],
            api_group=form.cleaned_data["api_group"],
            expires_at=form.cleaned_data["expires_at"],
            actor=actor_of(request),
            **values,
        )
        # The service has written the row (or found it); the page goes on with that one.
        obj.__dict__.update(grant.__dict__)
        self._report(request, grant, form.preview)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        found_there = add and form.preview.existing
        return super().construct_change_message(request, form, formsets, add and not found_there)

    def log_addition(self, request: HttpRequest, obj: TrustedOrigin, message: Any) -> LogEntry:
        # A grant that was there already was not added.
        log = super().log_addition if message == _ADDED else self.log_change
        return log(request, obj, message)

    def response_add(
        self, request: HttpRequest, obj: TrustedOrigin, post_url_continue: str | None = None
    ) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        # What happened has been said; Django's own message would call a grant that was there "added".
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.path)
        if "_continue" in request.POST:
            return HttpResponseRedirect(reverse("admin:cors_guard_trustedorigin_change", args=[obj.pk]))
        return self.response_post_save_add(request, obj)

    def check_protection(self, request: HttpRequest, rows: Iterable[TrustedOrigin]) -> None:
        services.check_protected(actor_of(request), {grant.environment for grant in rows})

    def delete_model(self, request: HttpRequest, obj: TrustedOrigin) -> None:
        self.check_protection(request, [obj])
        with policy_write(actor=actor_of(request), source=Source.ADMIN):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.check_protection(request, queryset)
        with policy_write(actor=actor_of(request), source=Source.ADMIN):
            super().delete_queryset(request, queryset)

    def get_deleted_objects(
        self, objs: Sequence[TrustedOrigin] | QuerySet[TrustedOrigin], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what goes. Rows of usage go along with their grant: they are counted, for there may be very many."""
        grants = list(objs)
        counts = {
            str(self.opts.verbose_name_plural): len(grants),
            str(OriginUsage._meta.verbose_name_plural): OriginUsage.objects.filter(trusted_origin__in=grants).count(),
        }
        listed = [f"{grant.origin} ({word_place(grant.environment.slug, grant.api_group.slug)})" for grant in grants]
        return listed, counts, set(), []

    def _report(self, request: HttpRequest, grant: TrustedOrigin, preview: Preview) -> None:
        """Say what became of the typed origin, what was mended, and what to keep in mind."""
        place = {"origin": grant.origin, "group": grant.api_group, "environment": grant.environment}
        if preview.existing:
            words = _(
                "There was a grant of %(origin)s for %(group)s in %(environment)s already; no second one was made."
            )
            self.message_user(request, words % place, messages.INFO)
        else:
            words = _("Trusted: %(origin)s for %(group)s in %(environment)s.")
            self.message_user(request, words % place, messages.SUCCESS)
        if preview.mended:
            self.message_user(request, _word_mends(preview), messages.INFO)
        if grant.api_group.any_origin:
            words = _("%(group)s is open to any origin, so this grant makes no difference as long as it is.")
            self.message_user(request, words % place, messages.WARNING)
        for risk in preview.risks:
            words = _("Mind: %(risk)s")
            self.message_user(request, words % {"risk": word_risk(risk)}, messages.WARNING)

    def _turn_away(self, request: HttpRequest, reading: Reading | None) -> HttpResponse:
        """Say why nothing can be trusted from a card, where the card is."""
        if reading is None:
            self.message_user(request, say_not_there(RejectedOrigin._meta.verbose_name), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:cors_guard_trustedorigin_add"))
        for obstacle in reading.obstacles:
            words = _("This cannot be trusted. %(obstacle)s") % {"obstacle": obstacle}
            self.message_user(request, words, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:cors_guard_rejectedorigin_change", args=[reading.card.pk]))


def _read_named_card(request: HttpRequest) -> Reading | None:
    card = find_card(request)
    return read_card(card) if card is not None else None


def _describe(grant: TrustedOrigin) -> dict[str, Any]:
    """Return what the page of a grant says above the form."""
    faults = [] if grant.revoked_at is not None else [word_problem(fault) for fault in grant.find_faults()]
    return {"grant": grant, "faults": faults, "is_revoked": grant.revoked_at is not None}


def _word_mends(preview: Preview) -> str:
    return str(
        _("“%(given)s” was stored as %(origin)s: %(mends)s.")
        % {
            "given": shown(preview.given, 255),
            "origin": preview.origin,
            "mends": ", ".join(word_mend(mend) for mend in preview.mended),
        }
    )


_ADD_FIELDSETS: Final = [
    (None, {"fields": ["environment", "api_group", "origin"]}),
    (_("About it"), {"fields": ["front_end", "note", "expires_at"]}),
]


def _fieldsets_of(grant: TrustedOrigin) -> list[tuple[Any, dict[str, Any]]]:
    story = ["created_at", "created_by", "revision"]
    fieldsets: list[tuple[Any, dict[str, Any]]] = [
        (None, {"fields": ["status_shown", "origin_whole", "environment", "api_group"]}),
        (_("About it"), {"fields": ["front_end", "note", "expires_at"]}),
    ]
    if grant.status() == Status.REVOKED:
        fieldsets.append((_("Revocation"), {"fields": ["revoked_at", "revoked_by", "revoke_reason"]}))
    fieldsets.append((_("Story"), {"fields": [*story, "managed_by"] if grant.managed_by else story}))
    return fieldsets
