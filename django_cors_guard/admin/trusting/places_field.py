"""Check boxes for the rows of a small table: several environments, several API groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

from django_cors_guard import services
from django_cors_guard.admin.base import say_why_not
from django_cors_guard.admin.display import name_of
from django_cors_guard.models import ApiGroup, Environment


@dataclass(frozen=True, slots=True)
class Hint:
    """What stands beside a box; one that is off cannot be ticked."""

    text: str
    is_off: bool = False


class PlacesSelect(forms.CheckboxSelectMultiple):
    """Check boxes with hints. Browsers never send those that are off; whoever sends one by hand is refused later."""

    hints: Mapping[str, Hint] = {}

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, label, *args, **kwargs)
        hint = self.hints.get(str(value), Hint(""))
        if hint.text:
            option["label"] = format_html('{} <span class="cors-guard-hint">({})</span>', label, hint.text)
        if hint.is_off:
            option["attrs"]["disabled"] = True
        return option


class PlacesField(forms.MultipleChoiceField):
    """Rows that were read once, for the boxes and for what is ticked."""

    widget = PlacesSelect
    rows: Mapping[str, Any] = {}

    def offer(self, rows: Mapping[Any, Hint]) -> None:
        """Offer ``rows`` with their hints. Where there is but one, it is ticked."""
        self.rows = {str(row.pk): row for row in rows}
        self.choices = [(key, name_of(row)) for key, row in self.rows.items()]
        open_keys = [str(row.pk) for row, hint in rows.items() if not hint.is_off]
        self.initial = open_keys if len(open_keys) == 1 else []
        widget: Any = self.widget
        widget.hints = {str(row.pk): hint for row, hint in rows.items()}

    def clean(self, value: Any) -> list[Any]:
        return [self.rows[key] for key in dict.fromkeys(super().clean(value))]


def hint_at_environments(actor: AbstractBaseUser, rows: Iterable[Environment]) -> dict[Environment, Hint]:
    """Return the environments with what matters to whoever trusts an origin in them."""
    return {row: _hint_at_environment(actor, row) for row in rows}


def hint_at_groups(rows: Iterable[ApiGroup]) -> dict[ApiGroup, Hint]:
    """The same for API groups."""
    return {row: Hint(_word_group(row)) for row in rows}


def _hint_at_environment(actor: AbstractBaseUser, row: Environment) -> Hint:
    if say_why_not(partial(services.check_protected, actor, [row])):
        words = gettext("protected: changes need the permission “Can change protected environments”")
        return Hint(words, is_off=True)
    limit = ngettext("at most %(days)d day", "at most %(days)d days", row.max_trust_days or 0)
    facts = [
        gettext("protected") if row.protected else "",
        limit % {"days": row.max_trust_days} if row.max_trust_days else "",
    ]
    return Hint(", ".join(fact for fact in facts if fact))


def _word_group(row: ApiGroup) -> str:
    if row.any_origin:
        return gettext("open to any origin: trusting one makes no difference")
    return gettext("with credentials") if row.allow_credentials else ""
