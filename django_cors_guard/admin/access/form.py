"""The form below the review: how long, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_cors_guard.services import AccessPlan
from django_cors_guard.wording import word_problem

FOREVER: Final = "forever"
AT: Final = "at"
#: Days to choose from, as far as the environment allows.
DAYS: Final = (1, 7, 30, 90)


class ReviewForm(forms.Form):
    """When new and renewed grants end, and why all of this is done. ``ends`` is the end, once it is valid."""

    until = forms.ChoiceField(
        label=_("Until when"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Say until when the new and renewed grants hold.")},
    )
    expires_at = forms.DateTimeField(
        label=_("Day and time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Kept with each grant and among the policy changes, for whoever asks later."),
        error_messages={"required": _("Say why. A change without a reason helps nobody later.")},
    )

    ends: datetime | None = None

    def __init__(self, data: Any, *, plan: AccessPlan) -> None:
        super().__init__(data)
        self.plan = plan
        self.fields["reason"].required = plan.needs_reason
        if not plan.takes_end:
            del self.fields["until"], self.fields["expires_at"]
            return
        self.fields["until"].choices = list(_list_choices(plan.environment.max_trust_days))  # type: ignore[attr-defined]  # it has choices
        if not (plan.needs_end or plan.environment.max_trust_days):
            self.fields["until"].initial = FOREVER
        self.fields["expires_at"].help_text = _word_zone()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        until = cleaned.get("until")
        if until is None or "expires_at" in self.errors:
            return cleaned
        if until == AT and cleaned.get("expires_at") is None:
            self.add_error("expires_at", forms.ValidationError(_("Say on which day, and at what time."), "required"))
            return cleaned
        self.ends = _read_end(until, cleaned.get("expires_at"))
        for problem in self.plan.find_end_problems(self.ends):
            self.add_error(
                "expires_at" if until == AT else "until",
                forms.ValidationError(word_problem(problem), code=problem.code),
            )
        return cleaned


def _list_choices(max_days: int | None) -> Any:
    if not max_days:
        yield FOREVER, _("Until revoked")
    for days in DAYS:
        if not max_days or days <= max_days:
            yield str(days), ngettext("%(days)d day", "%(days)d days", days) % {"days": days}
    yield AT, _("Until a day and time")


def _read_end(until: str, at: datetime | None) -> datetime | None:
    if until == FOREVER:
        return None
    return at if until == AT else timezone.now() + timedelta(days=int(until))


def _word_zone() -> str:
    return str(_("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()})
