"""The forms of a grant. They ask the services what stands against a change, and say all of it at once."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.forms.models import construct_instance
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import RequestForm, actor_of
from django_cors_guard.admin.trusting.expiry import KEEP, EndsForm, Limit, word_end
from django_cors_guard.admin.trusting.preview import EXPIRY_PROBLEMS
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.wording import word_problem


class AmendForm(EndsForm, RequestForm[TrustedOrigin]):
    """Change what may change about a grant: who is behind it, why it is there, and when it ends."""

    class Meta:
        model = TrustedOrigin
        fields = ("front_end", "note")
        widgets = {"note": AdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_ends(Limit.of([self.instance.environment]), word_end(self.instance.expires_at))
        self.initial["ends"] = KEEP

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.require(partial(services.check_protected, actor_of(self.request), [self.instance.environment]))
        if {"ends", "until"} <= set(cleaned) and self.expires_at != self.instance.expires_at:
            for problem in services.check_expiry(self.instance, self.expires_at):
                about = "ends" if problem.code in EXPIRY_PROBLEMS else None
                self.add_error(about, forms.ValidationError(word_problem(problem), code=problem.code))
        return cleaned

    def _post_clean(self) -> None:
        """Fill the instance and check nothing: in ``clean`` the services have said all that the model would."""
        self.instance = construct_instance(self, self.instance, self._meta.fields, self._meta.exclude)

    @cached_property
    def expires_at(self) -> datetime | None:
        """When the grant shall end."""
        return self.read_end(self.instance.expires_at)


class ReasonForm(forms.Form):
    """Why an origin is revoked, or trusted again."""

    required_css_class = "required"

    reason = forms.CharField(
        label=_("Reason"),
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Kept with the grant and among the policy changes, for whoever asks later."),
        error_messages={"required": _("Say why. A change without a reason helps nobody later.")},
    )
