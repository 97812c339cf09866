"""Form fields of API groups: lists of methods and header names, which the database holds as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeGuard

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_cors_guard.admin.widgets import Choices, Entry, TokensWidget, split_tokens

#: Longer texts are no list of names.
MAX_TEXT: Final = 4000

METHODS: Final = Choices(
    names={
        "GET": _("passes the preflight anyway"),
        "HEAD": _("passes the preflight anyway"),
        "POST": _("passes the preflight anyway"),
        "PUT": "",
        "PATCH": "",
        "DELETE": "",
        "OPTIONS": "",
    },
    any_label=_("Every method (*)"),
    any_note=_("Whatever a view takes, today and after the next release; DELETE and PUT included."),
    others_label=_("Other methods"),
    others_hint="PROPFIND, REPORT",
)
REQUEST_HEADERS: Final = Choices(
    names=dict.fromkeys(
        [
            "authorization",
            "content-type",
            "x-csrftoken",
            "x-requested-with",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-request-id",
        ],
        "",
    ),
    any_label=_("Every header (*)"),
    any_note=_(
        "Without credentials that is every header but Authorization, which is ticked beside it. With credentials each "
        "header that a page asks for is allowed by name, Authorization included."
    ),
    others_label=_("Other request headers"),
    others_hint="x-tenant",
)
EXPOSED_HEADERS: Final = Choices(
    names=dict.fromkeys(
        ["content-disposition", "etag", "link", "location", "retry-after", "x-request-id", "x-total-count"], ""
    ),
    any_label=_("Every header (*)"),
    any_note=_("Whatever a view answers with. With credentials “*” exposes nothing, so it is refused."),
    others_label=_("Other response headers"),
    others_hint="x-ratelimit-remaining",
)


class TokenListField(forms.Field):
    """Names that are ticked or typed. ``tidy`` takes the list and returns it as it is stored."""

    widget: TokensWidget
    default_error_messages = {
        "max_length": ngettext_lazy(
            "Ensure this value has at most %(limit)d character (it has %(length)d).",
            "Ensure this value has at most %(limit)d characters (it has %(length)d).",
            "limit",
        )
    }

    def __init__(self, *, tidy: Callable[[Any], Any], choices: Choices, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(widget=TokensWidget(choices, kwargs.get("label") or ""), **kwargs)
        self.tidy = tidy
        self.choices = choices

    def prepare_value(self, value: Any) -> Entry:
        """Return what to show; a stored value that is no list of names shows as the JSON it is, to be put right."""
        if isinstance(value, Entry):
            return value
        if isinstance(value, str):
            return self._sort(split_tokens(value))
        if _are_names(value):
            return self._sort(value)
        return Entry() if value is None else Entry(others=json.dumps(value))

    def clean(self, value: Any) -> Any:
        entry = self.prepare_value(value)
        length = sum(map(len, (*entry.ticked, entry.others)))
        if length > MAX_TEXT:
            message = self.error_messages["max_length"] % {"limit": MAX_TEXT, "length": length}
            raise ValidationError(message, code="max_length")
        tokens = self.tidy(entry.list_tokens())
        self.run_validators(tokens)
        return tokens

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another order or spelling of the same names is no change, so that it costs no revision."""
        return not self.is_same(initial, self.tidy(self.prepare_value(data).list_tokens()))

    def is_same(self, stored: Any, tokens: list[str]) -> bool:
        """Whether a stored value, which may be anything, holds just these tidied names."""
        if stored is None:
            return not tokens
        return _are_names(stored) and sorted(self.tidy(stored)) == sorted(tokens)

    def _sort(self, tokens: list[str]) -> Entry:
        known = {*self.choices.names, "*"}
        tidied = self.tidy(tokens)
        ticked = tuple(token for token in tidied if self._spell(token) in known)
        others = [token for token in tidied if self._spell(token) not in known]
        return Entry(tuple(map(self._spell, ticked)), ", ".join(others))

    def _spell(self, token: str) -> str:
        """Return the name as its box has it; header names compare in lower case, and methods as they are."""
        lowered = token.lower()
        return lowered if lowered in self.choices.names else token


def _are_names(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def keep_order(stored: Any, tokens: list[str]) -> list[str]:
    """Return ``tokens`` in the order in which they are stored, new ones last: browsers are told them in that order."""
    known = [item for item in stored if isinstance(item, str)] if isinstance(stored, list) else []
    return [token for token in known if token in tokens] + [token for token in tokens if token not in known]
