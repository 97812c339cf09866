"""What the page of an environment tells beside its form: what switches mean, and where to look before it blocks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.policy.live import add_help, add_panel, word_protection, word_switch
from django_cors_guard.core.decision import Mode
from django_cors_guard.models import Environment
from django_cors_guard.services.consequences.environment_changes import SWITCHES
from django_cors_guard.services.consequences.fates import Switching, foresee_switches
from django_cors_guard.services.consequences.outlook import Outlook


def complete_help(request: HttpRequest, form: forms.BaseModelForm[Environment], row: Environment | None) -> str:
    """Say beside each control what it means, and return the address of the page of what would change, or blank."""
    stored = _as_stored(form, row)
    if any(name in form.fields for name in SWITCHES):
        foreseen = foresee_switches(stored) if stored.pk else {}
        for switch in SWITCHES:
            is_on = getattr(stored, switch)
            sentences = word_switch(switch, foreseen.get(switch, Switching()), is_on=is_on)
            add_panel(form, switch, is_on=is_on, sentences=sentences)
    if stored.pk:
        add_panel(form, "protected", is_on=stored.protected, sentences=word_protection(stored))
    address = _link(request, stored.pk) if stored.pk else ""
    if "mode" in form.fields:
        add_help(form, "mode", _note_on_mode(address))
    return address


def link_to_outlook(request: HttpRequest, row: Environment | None, outlook: Outlook) -> str:
    """Return where the whole of ``outlook`` is shown, or blank: a new environment has no page yet."""
    modes = {step.after for step in outlook.steps}
    mode = Mode.BLOCK if Mode.BLOCK in modes else Mode.ENFORCE
    return _link(request, row.pk, mode=mode.value) if row is not None else ""


def _link(request: HttpRequest, pk: int, **query: Any) -> str:
    return link_to("environment_what_would_change", pk, **query) if may(request, "view_rejection") else ""


def _note_on_mode(address: str) -> str:
    limit, notes = conf.current().max_mode, []
    if limit is not Mode.BLOCK:
        words = _(
            'CORS_GUARD["MAX_MODE"] is %(limit)s where this page is served: whatever is chosen, nothing is stricter '
            "than that there."
        )
        notes.append(format_html('<p id="max-mode" class="cors-guard-capped">{}</p>', words % {"limit": limit}))
    if address:
        text = _("What would change if it were stricter?")
        notes.append(format_html('<p><a href="{}">{}</a></p>', address, text))
    return format_html_join("", "{}", ((note,) for note in notes))


def _as_stored(form: forms.BaseModelForm[Environment], row: Environment | None) -> Environment:
    """The environment as the database has it; a form that came back with errors has changed the row at hand."""
    source = row if row is not None else Environment()
    names = [*SWITCHES, "protected", "max_trust_days"]
    values = {name: form.initial.get(name, getattr(source, name)) for name in names}
    return Environment(pk=source.pk, slug=source.slug, **values)
