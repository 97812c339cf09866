"""The form of an issuer: whose account, which hosts, where, for how long."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import RequestForm, actor_of
from django_cors_guard.admin.display import name_of
from django_cors_guard.core.lifetimes import format_lifetime, parse_lifetime
from django_cors_guard.models import ApiGroup, OriginIssuer


class LifetimeField(forms.CharField):
    """A span of time, typed as ``14d`` or ``12h``; the value is the span."""

    default_error_messages = {"invalid": _("Write it as 14d, 12h or 30m.")}

    def prepare_value(self, value: Any) -> Any:
        return format_lifetime(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, timedelta):
            return value
        text = super().to_python(value)
        span = parse_lifetime(text) if text else None
        if text and span is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return span

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != (data or "").strip())


class OriginIssuerForm(RequestForm[OriginIssuer]):
    """An issuer; in a protected environment making or changing one needs its permission, for it hands trust on."""

    user = forms.CharField(
        label=_("Account"),
        max_length=150,
        help_text=_("The name that CI signs in with. It needs no permission, and should have none."),
    )
    max_ttl = LifetimeField(
        label=_("Longest lifetime"),
        initial=timedelta(days=14),
        help_text=_("14d, 12h, 30m. Every grant of it ends by itself, this long after it was last asked for."),
    )
    why = forms.CharField(
        label=_("Reason for this change"),
        required=False,
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Kept among the policy changes."),
    )

    class Meta:
        model = OriginIssuer
        fields = "__all__"
        widgets = {"api_groups": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        key: int | None = self.instance.pk
        if key is not None and "user" in self.fields:
            self.initial["user"] = self.instance.user.get_username()

    def clean_user(self) -> AbstractBaseUser:
        """Find the account by the name it signs in with; who may make issuers need not see the list of users."""
        model: Any = get_user_model()
        name = self.cleaned_data["user"]
        try:
            found: AbstractBaseUser = model._default_manager.get_by_natural_key(name)
        except model.DoesNotExist as error:
            text = _("There is no account of that name.")
            raise forms.ValidationError(text, code="unknown_account") from error
        return found

    def clean_api_groups(self) -> Any:
        """Refuse groups in which a grant would do nothing."""
        chosen: list[ApiGroup] = list(self.cleaned_data["api_groups"])
        names = ", ".join(name_of(group) for group in chosen if group.any_origin)
        if names:
            text = _("Open to any origin, so that trusting one would do nothing: %(names)s.") % {"names": names}
            raise forms.ValidationError(text, code="open_group")
        return self.cleaned_data["api_groups"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # At this point the instance is what is stored; the form speaks for what it shall become.
        key: int | None = self.instance.pk
        stored = [self.instance.environment] if key is not None else []
        wanted = [cleaned["environment"]] if cleaned.get("environment") else []
        self.require(partial(services.check_protected, actor_of(self.request), [*stored, *wanted]))
        return cleaned
