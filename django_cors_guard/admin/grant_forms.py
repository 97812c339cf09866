"""The forms of trusted origins. They ask the services what stands against a change, and say all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.forms.models import construct_instance
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import RequestForm, actor_of
from django_cors_guard.core.origins import Problem, parse_origin
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Preview
from django_cors_guard.wording import word_problem

#: Problems that are about the end of a grant; all others are about its origin.
EXPIRY_PROBLEMS: Final = frozenset({"trusted_too_long", "invalid_expiry"})


class GrantForm(RequestForm[TrustedOrigin]):
    """Base of both forms."""

    def _post_clean(self) -> None:
        """Fill the instance and check nothing: in ``clean`` the services have said all that the model would."""
        self.instance = construct_instance(self, self.instance, self._meta.fields, self._meta.exclude)

    def add_problems(self, problems: Iterable[Problem], field: str | None) -> None:
        """Word each problem beside the field that it is about."""
        for problem in problems:
            about = "expires_at" if problem.code in EXPIRY_PROBLEMS else field
            self.add_error(about, forms.ValidationError(word_problem(problem), code=problem.code))


class TrustForm(GrantForm):
    """Trust an origin."""

    origin = forms.CharField(
        label=_("Origin"),
        # Spaces around it are mended by the parser, which says so.
        strip=False,
        widget=AdminTextInputWidget(
            attrs={
                "class": "vTextField cors-guard-origin",
                "autocapitalize": "off",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
        help_text=_("Scheme, host and, where it is not the default, port: https://app.example.com."),
    )

    preview: Preview | None = None

    class Meta:
        model = TrustedOrigin
        fields = ("environment", "api_group", "origin", "front_end", "note", "expires_at")
        widgets = {"note": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        environment, group, origin = (cleaned.get(name) for name in ("environment", "api_group", "origin"))
        if environment is not None:
            self.require(partial(services.check_protected, actor_of(self.request), [environment]), "environment")
        if environment is None or group is None or origin is None or not origin.strip():
            if origin is not None:
                self.add_problems(parse_origin(origin).problems, "origin")
            return cleaned
        ends = cleaned.get("expires_at")
        (self.preview,) = services.preview_trust(
            [origin], environments=[environment], api_groups=[group], expires_at=ends
        )
        grant = self.find_existing(self.preview)
        revoked = [problem for problem in self.preview.problems if problem.code == Status.REVOKED]
        self.add_problems((problem for problem in self.preview.problems if problem not in revoked), "origin")
        if grant is not None and self.preview.existing == Status.REVOKED:
            self.add_error("origin", say_revoked(grant))
        elif grant is not None and self.preview.existing == Status.EXPIRED and ends is None:
            self.add_error("expires_at", say_expired(grant))
        return cleaned

    def find_existing(self, preview: Preview) -> TrustedOrigin | None:
        """Return the grant that is there already."""
        found: TrustedOrigin | None = TrustedOrigin.objects.filter(
            environment__slug=preview.environment, api_group__slug=preview.api_group, origin=preview.origin
        ).first()
        return found


class AmendForm(GrantForm):
    """Change what may change about a grant."""

    class Meta:
        model = TrustedOrigin
        fields = ("front_end", "note", "expires_at")
        widgets = {"note": AdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        environment = self.instance.environment
        self.require(partial(services.check_protected, actor_of(self.request), [environment]))
        if "expires_at" in self.changed_data and "expires_at" in cleaned:
            self.add_problems(services.check_expiry(self.instance, cleaned["expires_at"]), None)
        return cleaned

    @property
    def ends(self) -> datetime | None:
        """When the grant shall end; as stored where nobody touched it, for the widget knows no microseconds."""
        name = "expires_at"
        found: datetime | None = (self.cleaned_data if name in self.changed_data else self.initial).get(name)
        return found


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


def say_revoked(grant: TrustedOrigin) -> forms.ValidationError:
    """Return the error that leads to the page for reinstating."""
    url = reverse("admin:cors_guard_trustedorigin_reinstate", args=[grant.pk])
    words = word_problem(Problem("revoked", grant.origin))
    return forms.ValidationError(
        format_html('{} <a href="{}">{}</a>', words, url, _("Reinstate this origin…")), code="revoked"
    )


def say_expired(grant: TrustedOrigin) -> forms.ValidationError:
    """Return the error that leads to a grant that has run out."""
    url = reverse("admin:cors_guard_trustedorigin_change", args=[grant.pk])
    ended = timezone.localtime(grant.expires_at) if grant.expires_at is not None else timezone.localtime()
    words = _("Its grant expired on %(at)s. Give a later expiry to renew it, or change the grant.") % {
        "at": date_format(ended, "DATETIME_FORMAT")
    }
    return forms.ValidationError(format_html('{} <a href="{}">{}</a>', words, url, _("Open the grant")), code="expired")
