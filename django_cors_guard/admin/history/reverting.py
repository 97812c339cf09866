"""The page that takes a change back: what exactly will change, what stands against it, and why it is done."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard import conf, services
from django_cors_guard.admin.base import actor_of, say_not_there
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import shown, word_duration
from django_cors_guard.admin.evidence import EvidenceAdmin
from django_cors_guard.admin.history.differences import BLANK, word_value
from django_cors_guard.admin.history.story import tell
from django_cors_guard.admin.names import MAX_NAME, Names, call, names_of
from django_cors_guard.admin.policy.row import BLOCK_REFUSED, is_same_origin
from django_cors_guard.exceptions import CorsGuardError, InvalidRequest
from django_cors_guard.models import PolicyChange, TrustedOrigin, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.services import Deed, Reversal
from django_cors_guard.services.history.record import require_row, word_field
from django_cors_guard.services.history.snapshots import told_fields, with_texts
from django_cors_guard.wording import word_risk

TEMPLATE: Final = "admin/cors_guard/policychange/revert.html"

DEEDS: Final = {
    Deed.REVOKE: _("The grant is revoked: from then on requests of this origin get 403 before any view runs."),
    Deed.REINSTATE: _("The origin is trusted again, in this one place."),
    Deed.CHANGE: _("These fields go back to what they were; all others stay as they are."),
    Deed.ADD: _("What was deleted is made anew, as it was."),
    Deed.DELETE: _("What was added is deleted."),
}


class RevertForm(forms.Form):
    """Why a change is taken back."""

    required_css_class = "required"

    reason = forms.CharField(
        label=_("Reason"),
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Kept in the history, beside the change that is reverted."),
        error_messages={"required": _("Say why. A change without a reason helps nobody later.")},
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One field of the row, now and afterwards, in words; ``danger`` is what switching it on means."""

    label: str
    now: str
    then: str
    danger: str = ""


class RevertPages(EvidenceAdmin[PolicyChange]):
    """Needs ``view_policychange``, and what it takes to change such rows: ``change_``, and ``add_`` or ``delete_``."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revert_view)
        own = path("<int:object_id>/revert/", view, name="cors_guard_policychange_revert")
        return [own, *super().get_urls()]

    def find_revert_url(self, request: HttpRequest, change: PolicyChange) -> str:
        """Return where ``change`` can be taken back, by this user; blank if it cannot."""
        try:
            model = require_row(change)
        except InvalidRequest:
            return ""
        if not may(request, f"change_{model._meta.model_name}"):
            return ""
        return reverse("admin:cors_guard_policychange_revert", args=[change.pk])

    def revert_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what taking a change back would do; do it, for a reason."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            preview = services.preview_revert(object_id, actor=actor_of(request))
        except PolicyChange.DoesNotExist:
            self.message_user(request, say_not_there(self.opts.verbose_name), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:cors_guard_policychange_changelist"))
        if not may(request, *preview.list_permissions()):
            raise PermissionDenied
        form = RevertForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and preview.switches_block_on() and not is_same_origin(request):
            form.add_error(None, forms.ValidationError(BLOCK_REFUSED, code="not_same_origin"))
        if not preview.obstacles and form.is_valid():
            entry = self._revert(request, preview.change, form)
            if entry is not None:
                return HttpResponseRedirect(reverse("admin:cors_guard_policychange_change", args=[entry.pk]))
        return self._show_reversal(request, preview, form)

    def _revert(self, request: HttpRequest, change: PolicyChange, form: RevertForm) -> PolicyChange | None:
        try:
            with writing(Source.ADMIN):
                entry = services.revert(change, actor=actor_of(request), reason=form.cleaned_data["reason"])
        except CorsGuardError as error:
            form.add_error(None, error.message)
            return None
        self.message_user(request, gettext("The change was reverted."), messages.SUCCESS)
        return entry

    def _show_reversal(self, request: HttpRequest, preview: Reversal, form: RevertForm) -> TemplateResponse:
        request.current_app = self.admin_site.name
        change = preview.change
        names = names_of(request).with_rows(preview.since)
        (told,) = tell([change], names)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Revert this change"),
            "subtitle": told.target,
            "opts": self.opts,
            "media": self.media,
            "told": told,
            "form": form,
            "obstacles": preview.obstacles,
            "deed": DEEDS[preview.deed] if preview.deed is not None else "",
            "outcomes": list_outcomes(preview, names),
            "notes": preview.notes,
            "risks": [word_risk(risk) for risk in preview.risks],
            "cached": _word_cached(preview),
            "since": tell(preview.since, names),
        }
        return TemplateResponse(request, TEMPLATE, context)


def find_change(number: int) -> PolicyChange | None:
    """Return a change as it is stored, its before and after as text."""
    return with_texts(PolicyChange.objects.all()).filter(pk=number).first()


def list_outcomes(preview: Reversal, names: Names) -> list[Outcome]:
    """Return exactly what will change, field by field."""
    row = preview.row
    if preview.deed is None or row is None:
        return []
    if preview.deed in {Deed.REVOKE, Deed.REINSTATE}:
        then = copy(row)
        then.revoked_at = datetime.max if preview.deed is Deed.REVOKE else None  # noqa: DTZ901 - any time will do
        return [Outcome(gettext("Status"), str(row.status().label), str(then.status().label))]
    if preview.deed is Deed.DELETE:
        told = [(field, _word(field, getattr(row, field.attname), names, row)) for field in told_fields(type(row))]
        return [Outcome(word_field(field), words, BLANK) for field, words in told if words != BLANK]
    return [
        Outcome(
            word_field(step.field),
            _word(step.field, step.now, names),
            _word(step.field, step.then, names, row if preview.deed is Deed.ADD else None),
            _say_danger(step.field, step.then),
        )
        for step in preview.steps
    ]


def _word(field: models.Field[Any, Any], value: Any, names: Names, row: Any = None) -> str:
    """Return what a row holds, by way of what the story would say of it; ``row`` knows what its keys point at."""
    if isinstance(field, models.ForeignKey) and row is not None and value is not None:
        return shown(call(getattr(row, field.name)), MAX_NAME)
    if isinstance(value, datetime):
        return word_value(value.isoformat(), field, names)
    return word_value(
        value if value is None or isinstance(value, bool | int | str | list) else str(value), field, names
    )


def _say_danger(field: models.Field[Any, Any], then: Any) -> str:
    return str(field.help_text) if then is True else ""


def _word_cached(preview: Reversal) -> str:
    """Return for how long browsers may act on what they have cached of a grant that ends."""
    if preview.deed is not Deed.REVOKE or not isinstance(preview.row, TrustedOrigin):
        return ""
    return word_duration(conf.current().refresh_seconds + preview.row.api_group.max_age)
