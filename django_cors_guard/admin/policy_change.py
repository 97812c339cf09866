"""Policy changes: the story, to be read and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import shown
from django_cors_guard.admin.evidence import EvidenceAdmin
from django_cors_guard.admin.filters import ActionFilter
from django_cors_guard.models import PolicyChange, TrustedOrigin
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.wording import word_action

#: Longest value that a table of differences shows.
MAX_VALUE: Final = 255


class PolicyChangeAdmin(EvidenceAdmin[PolicyChange]):
    """Every change with before and after, who, when, how and why; newest first."""

    hostile_fields = ("target", "actor_label")
    list_display = ["target_shown", "action_in_words", "who", "at", "reason_shown", "source", "revision"]
    list_filter = ["source", ActionFilter, "at"]
    search_fields = ["target"]
    search_help_text = _("A part of the target, such as an origin or a slug.")
    ordering = ["-id"]
    sortable_by = ()
    fields = ["target_whole", "action_in_words", "who", "source", "at", "revision", "reason_whole", "differences"]

    @admin.display(description=_("target"))
    def target_shown(self, change: PolicyChange) -> str:
        return shown(word_target(change.target))

    @admin.display(description=_("target"))
    def target_whole(self, change: PolicyChange) -> str:
        return shown(word_target(change.target), limit=MAX_VALUE)

    @admin.display(description=_("action"))
    def action_in_words(self, change: PolicyChange) -> str:
        return word_action(change.action)

    @admin.display(description=_("who"))
    def who(self, change: PolicyChange) -> str:
        return shown(change.actor_label) or _now("the system")

    @admin.display(description=_("reason"))
    def reason_shown(self, change: PolicyChange) -> str:
        return shown(change.reason) or "—"

    @admin.display(description=_("reason"))
    def reason_whole(self, change: PolicyChange) -> str:
        return change.reason or "—"

    @admin.display(description=_("before and after"))
    def differences(self, change: PolicyChange) -> SafeString | str:
        rows = list_differences(change)
        if not rows:
            return "—"
        return format_html(
            '<table class="cors-guard-differences"><thead><tr><th scope="col">{}</th><th scope="col">{}</th>'
            '<th scope="col">{}</th></tr></thead><tbody>{}</tbody></table>',
            _("field"),
            _("before"),
            _("after"),
            format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows),
        )


def word_target(target: str) -> str:
    """Return what the story calls a row in the words of the pages."""
    model, identity = _model_of(target), target.partition(":")[2]
    if model is None:
        return target
    if identity == "*":
        return _now("several %(rows)s") % {"rows": model._meta.verbose_name_plural}
    if model is TrustedOrigin and identity.count("/") > 1:
        environment, group, origin = identity.split("/", 2)
        place = {"origin": origin, "group": group, "environment": environment}
        return _now("%(origin)s for %(group)s in %(environment)s") % place
    return f"{model._meta.verbose_name} {identity}"


def list_differences(change: PolicyChange) -> list[tuple[str, str, str]]:
    """Return (field, before, after) of what differs; of a row that came or went, of what it says."""
    model = _model_of(change.target)
    before = change.before if isinstance(change.before, Mapping) else {}
    after = change.after if isinstance(change.after, Mapping) else {}
    found = []
    for name in dict.fromkeys((*before, *after)):
        field = _field_of(model, str(name))
        old, new = (word_value(values.get(name), field) for values in (before, after))
        if old != new:
            found.append((capfirst(str(field.verbose_name)) if field is not None else str(name), old, new))
    return found


def word_value(value: Any, field: models.Field[Any, Any] | None = None) -> str:
    """Return one JSON value as a person would write it; what points at another row by that row's name."""
    if value is None or value in ("", []):
        return "—"
    if isinstance(value, bool):
        return _now("yes") if value else _now("no")
    if isinstance(field, models.ForeignKey) and isinstance(value, int):
        row = field.remote_field.model._base_manager.filter(pk=value).first()
        return shown(str(row), MAX_VALUE) if row is not None else f"#{value}"
    if isinstance(field, models.DateTimeField) and isinstance(value, str):
        return _word_time(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return shown(", ".join(value), MAX_VALUE)
    return shown(value if isinstance(value, str) else json.dumps(value), MAX_VALUE)


def _word_time(text: str) -> str:
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None or timezone.is_naive(at):
        return shown(text, MAX_VALUE)
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


def _model_of(target: str) -> type[PolicyModel] | None:
    try:
        model = apps.get_model("cors_guard", target.partition(":")[0])
    except (LookupError, ValueError):
        return None
    return model if issubclass(model, PolicyModel) else None


def _field_of(model: type[PolicyModel] | None, name: str) -> models.Field[Any, Any] | None:
    fields = model._meta.concrete_fields if model is not None else ()
    return next((field for field in fields if field.name == name), None)
