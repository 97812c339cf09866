"""Trusting: the page that adds grants, and the form that changes what a grant says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import Field, ForeignKey
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import GuardAdmin, actor_of, bind, say_not_there
from django_cors_guard.admin.display import shown
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.policy.row import list_once
from django_cors_guard.admin.rejections.cards import PROVES_NOTHING
from django_cors_guard.admin.trusting.card_batch import Batch, read_batch
from django_cors_guard.admin.trusting.expiry import Limit, choose_default
from django_cors_guard.admin.trusting.form import TrustForm
from django_cors_guard.admin.trusting.grant_forms import AmendForm
from django_cors_guard.admin.trusting.page import Look, look_at, save, take_suggestions, word_asked, word_pasted
from django_cors_guard.admin.trusting.receipt import lay_receipt, log
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import FrontEnd, RejectedOrigin, TrustedOrigin, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status

TEMPLATES: Final = "admin/cors_guard/trustedorigin"
#: Front ends that a plain list offers; more are searched for.
MAX_LISTED: Final = 300
_NOT_READ: Final = _("Read the risks below, and tick that you have. Or leave the lines out that carry them.")


class TrustingPages(GuardAdmin[TrustedOrigin]):
    """Adding grants, and changing them."""

    def get_form(
        self, request: HttpRequest, obj: TrustedOrigin | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = AmendForm
        return bind(super().get_form(request, obj, change, **kwargs), request)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.ModelChoiceField):
            # Who trusts an origin is not about to change or delete a front end in passing.
            field.widget.can_change_related = field.widget.can_delete_related = field.widget.can_view_related = False
        return field

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "front_end":
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        rows = FrontEnd.objects.order_by("name", "slug")[: MAX_LISTED + 1]
        if len(rows) > MAX_LISTED and self._may_search_front_ends(request):
            kwargs["widget"] = AutocompleteSelect(db_field, self.admin_site)
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return list_once(field, rows)

    def _may_search_front_ends(self, request: HttpRequest) -> bool:
        if not self.admin_site.is_registered(FrontEnd):
            return False
        return self.admin_site.get_model_admin(FrontEnd).has_view_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: TrustedOrigin | None = None) -> Any:
        if obj is None:
            return ()
        editable = {"front_end", "note", "ends", "until"}
        fieldsets = self.get_fieldsets(request, obj)
        return [name for _title, part in fieldsets for name in part["fields"] if name not in editable]

    def get_fieldsets(self, request: HttpRequest, obj: TrustedOrigin | None = None) -> Any:
        if obj is None:
            return []
        may_change = self.has_change_permission(request, obj)
        return _fieldsets_of(obj, ["ends", "until"] if may_change else ["expires_at"])

    def save_model(self, request: HttpRequest, obj: TrustedOrigin, form: Any, change: Any) -> None:
        values = {"note": form.cleaned_data["note"], "front_end": form.cleaned_data["front_end"]}
        services.amend(obj, actor=actor_of(request), expires_at=form.expires_at, **values)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what is asked for, and save it once it was looked at."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        batch = read_batch(request)
        if batch is not None and not batch.ready:
            return self._turn_away(request, batch)
        if request.method == "POST":
            return self._answer(request, batch)
        if batch is None:
            return self._show_form(request, self._make_form(request, None, batch), batch)
        form = self._make_form(request, _fill_in(batch), batch)
        return self._show_form(request, form, batch, look_at(request, form))

    def _answer(self, request: HttpRequest, batch: Batch | None) -> HttpResponse:
        data: QueryDict = request.POST
        if "_mend" in data:
            data = take_suggestions(request, self._make_form(request, data, batch))
        form = self._make_form(request, data, batch)
        look = look_at(request, form, data.get("seal", "") if "_trust" in data else None)
        if "_trust" not in data or look.difference.reason or not form.is_valid() or not look.seal:
            return self._show_form(request, form, batch, look)
        if look.is_serious and "accepted" not in data:
            return self._show_form(request, form, batch, look, not_read=_NOT_READ)
        return self._save(request, form, batch, look)

    def _save(self, request: HttpRequest, form: TrustForm, batch: Batch | None, look: Look) -> HttpResponse:
        try:
            with transaction.atomic(using=router.db_for_write(TrustedOrigin)), writing(Source.ADMIN):
                grants = save(request, look)
                log(request, look, grants)
        except CorsGuardError as error:
            # Somebody was faster. Nothing was written; show what stands there now.
            form = self._make_form(request, request.POST, batch)
            self.message_user(request, error.message, messages.ERROR)
            return self._show_form(request, form, batch, look_at(request, form, request.POST.get("seal", "")))
        if IS_POPUP_VAR in request.POST:
            return self._close_popup(request, grants)
        return self._show(request, "trust_receipt", _("Trusted"), batch=batch, **lay_receipt(request, look, grants))

    def _close_popup(self, request: HttpRequest, grants: Sequence[TrustedOrigin]) -> HttpResponse:
        to_field = request.POST.get(TO_FIELD_VAR)
        if to_field and not self.to_field_allowed(request, to_field):
            raise DisallowedModelAdminToField(f"The field {to_field} cannot be referenced.")
        return self.response_add(request, grants[0])

    def _make_form(self, request: HttpRequest, data: Any, batch: Batch | None) -> TrustForm:
        front_end = self.formfield_for_dbfield(TrustedOrigin._meta.get_field("front_end"), request)
        fixed = batch.as_asked() if batch is not None and not batch.is_product() else ()
        return TrustForm(
            data, request=request, front_end=front_end, fixed=fixed, initial={"ends": choose_default(None)}
        )

    def _show_form(
        self, request: HttpRequest, form: TrustForm, batch: Batch | None, look: Look | None = None, not_read: Any = ""
    ) -> TemplateResponse:
        return self._show(
            request,
            "trust",
            _("Trust origins"),
            form=form,
            batch=batch,
            barred=_word_barred(batch) if batch is not None else [],
            look=look,
            not_read=not_read,
            is_accepted="accepted" in request.POST and look is not None and not look.difference.reason,
            asked=word_asked(look) if look is not None else "",
            pasted=word_pasted(form.pasted),
            media=self.media + form.media,
            guard_note=PROVES_NOTHING if batch is not None else "",
            to_field=request.POST.get(TO_FIELD_VAR, request.GET.get(TO_FIELD_VAR, "")),
        )

    def _show(self, request: HttpRequest, page: str, title: Any, **context: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name  # as the admin's own views do
        frame = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media,
            "cards_url": link_to("rejectedorigin_changelist"),
            "is_popup": IS_POPUP_VAR in request.GET or IS_POPUP_VAR in request.POST,
        }
        return TemplateResponse(request, f"{TEMPLATES}/{page}.html", {**frame, **context})

    def _turn_away(self, request: HttpRequest, batch: Batch) -> HttpResponse:
        """Say why nothing can be trusted from these cards; of a single one, where the card is."""
        for reading in batch.barred:
            for obstacle in reading.obstacles:
                words = _("This cannot be trusted. %(obstacle)s") % {"obstacle": obstacle}
                self.message_user(request, words, messages.ERROR)
        if not batch.barred:
            self.message_user(request, say_not_there(RejectedOrigin._meta.verbose_name), messages.ERROR)
        return HttpResponseRedirect(_find_way_out(batch))


def _fill_in(batch: Batch) -> dict[str, Any]:
    """Return what somebody would post who takes the cards as they are."""
    return {**batch.as_initial(), "ends": choose_default(Limit.of(batch.environments()))}


def _word_barred(batch: Batch) -> list[tuple[str, str, str]]:
    """Return the cards that nothing can be trusted from: where they are, what they say, and why not."""
    return [
        (link_to("rejectedorigin_change", reading.card.pk), shown(reading.card.origin), " ".join(reading.obstacles))
        for reading in batch.barred
    ]


def _find_way_out(batch: Batch) -> str:
    if not batch.barred:
        return link_to("trustedorigin_add")
    if len(batch.barred) == 1:
        return link_to("rejectedorigin_change", batch.barred[0].card.pk)
    return link_to("rejectedorigin_changelist")


def _fieldsets_of(grant: TrustedOrigin, end: list[str]) -> list[tuple[Any, dict[str, Any]]]:
    reviewed = ["reviewed_at", "reviewed_by"] if grant.reviewed_at is not None else []
    story = ["created_at", "created_by", *reviewed, "revision"]
    fieldsets: list[tuple[Any, dict[str, Any]]] = [
        (None, {"fields": ["status_shown", "origin_whole", "environment", "api_group"]}),
        (_("About it"), {"fields": ["front_end", "note", *end]}),
    ]
    if grant.status() == Status.REVOKED:
        fieldsets.append((_("Revocation"), {"fields": ["revoked_at", "revoked_by_shown", "revoke_reason_shown"]}))
    fieldsets.append((_("Story"), {"fields": [*story, "managed_by"] if grant.managed_by else story}))
    return fieldsets
