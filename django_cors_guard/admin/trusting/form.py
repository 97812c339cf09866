"""The form for trusting: lines, places, until when, and what is kept with the grants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of, say_why_not
from django_cors_guard.admin.trusting.ask import Asked, environments_of, multiply
from django_cors_guard.admin.trusting.effect import Choices
from django_cors_guard.admin.trusting.expiry import NEVER, UNTIL, EndsForm, Limit
from django_cors_guard.admin.trusting.lines import MAX_CHARACTERS, MAX_LINES, Pasted, read_lines
from django_cors_guard.admin.trusting.places_field import PlacesField, hint_at_environments, hint_at_groups
from django_cors_guard.models import ApiGroup, Environment

#: Grants that one page makes: they are written in one transaction, and an emergency must not wait for it.
MAX_GRANTS: Final = 500
MAX_NOTE: Final = 2000


class TrustForm(EndsForm):
    """What is asked for, in ``asked``. With ``fixed`` lines, lines and places are no fields of the form."""

    required_css_class = "required"

    origins = forms.CharField(
        label=_("Origins"),
        # What is around a line is the parser's to mend, and to tell.
        strip=False,
        widget=AdminTextareaWidget(
            attrs={
                "rows": 6,
                "class": "vLargeTextField cors-guard-origins",
                "autocapitalize": "off",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "https://app.example.com",
            }
        ),
        help_text=_("One a line: scheme, host and, where it is not the default, port: https://app.example.com."),
        error_messages={"required": _("Type an origin, such as https://app.example.com.")},
    )
    environments = PlacesField(
        label=_("Environments"), error_messages={"required": _("Tick at least one environment.")}
    )
    api_groups = PlacesField(label=_("API groups"), error_messages={"required": _("Tick at least one API group.")})
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=MAX_NOTE,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Why; kept with each grant."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        request: HttpRequest,
        front_end: forms.Field,
        fixed: Sequence[Asked] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        self.request = request
        self.fields["front_end"] = front_end
        self.pasted = Pasted((), 0, ())
        self.asked = list(fixed)
        self.is_fixed = bool(fixed)
        self.offer_ends(None)
        if self.is_fixed:
            for name in ("origins", "environments", "api_groups"):
                del self.fields[name]
        else:
            self._offer_places()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.is_fixed:
            self._read_lines(cleaned)
        places = environments_of(self.asked) or cleaned.get("environments", [])
        self.offer_ends(Limit.of(places))
        problem = say_why_not(partial(services.check_protected, actor_of(self.request), places))
        if problem:
            field = None if self.is_fixed else "environments"
            self.add_error(field, forms.ValidationError(problem, code="protected_environment"))
        return cleaned

    def as_choices(self) -> Choices:
        """Return what goes with every grant, as far as the form is in order."""
        has_end = {"ends", "until"} <= set(self.cleaned_data)
        return Choices(
            ends=self.read_end() if has_end else None,
            note=self.cleaned_data.get("note", ""),
            front_end=self.cleaned_data.get("front_end"),
        )

    def end_token(self) -> str:
        """Return the choice of an end; one in days is the same an instant later."""
        choice = self.cleaned_data.get("ends", NEVER)
        return f"{choice} {self.cleaned_data.get('until')}" if choice == UNTIL else str(choice)

    def _offer_places(self) -> None:
        environments: Any = self.fields["environments"]
        groups: Any = self.fields["api_groups"]
        found = Environment.objects.order_by("name", "slug")
        environments.offer(hint_at_environments(actor_of(self.request), found))
        groups.offer(hint_at_groups(ApiGroup.objects.order_by("name", "slug")))

    def _read_lines(self, cleaned: dict[str, Any]) -> None:
        text = cleaned.get("origins", "")
        if len(text) > MAX_CHARACTERS:
            words = gettext("That is more than %(limit)d characters. Paste fewer lines at a time.")
            self.add_error("origins", forms.ValidationError(words % {"limit": MAX_CHARACTERS}, code="too_long"))
            return
        self.pasted = read_lines(text)
        self.asked = multiply(
            self.pasted.lines[:MAX_LINES], cleaned.get("environments", []), cleaned.get("api_groups", [])
        )
        count = len(self.pasted.lines)
        if text and not count:
            words = gettext("Type an origin, such as https://app.example.com.")
            self.add_error("origins", forms.ValidationError(words, code="empty"))
        elif problem := _find_excess(count, sum(len(asked.spots) for asked in self.asked)):
            self.asked = []
            self.add_error("origins", problem)


def _find_excess(lines: int, grants: int) -> forms.ValidationError | None:
    if lines > MAX_LINES:
        words = ngettext(
            "These are %(count)d origins. Paste at most %(limit)d at a time.",
            "These are %(count)d origins. Paste at most %(limit)d at a time.",
            lines,
        )
        return forms.ValidationError(words % {"count": lines, "limit": MAX_LINES}, code="too_many")
    if grants > MAX_GRANTS:
        words = gettext(
            "That would be %(count)d grants: a grant for each origin in each place. Trust at most %(limit)d at a time."
        )
        return forms.ValidationError(words % {"count": grants, "limit": MAX_GRANTS}, code="too_many")
    return None
