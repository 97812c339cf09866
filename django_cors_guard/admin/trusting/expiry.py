"""Until when: the choices of an end that one click makes, and what an environment's longest trust leaves of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import name_of, word_moment
from django_cors_guard.models import Environment

KEEP: Final = "keep"
NEVER: Final = "never"
UNTIL: Final = "until"
#: Ends that one click chooses, in days from now.
DAYS: Final = (1, 7, 30)
#: Later years are beyond what every database can turn into UTC.
LAST_YEAR: Final = 9000


@dataclass(frozen=True, slots=True)
class Limit:
    """The shortest of the longest trusts of some environments."""

    environment: Environment
    days: int

    @classmethod
    def of(cls, environments: Iterable[Environment]) -> Limit | None:
        """Return it, or None where trust is unlimited."""
        limits = [cls(row, row.max_trust_days) for row in environments if row.max_trust_days]
        return min(limits, key=lambda limit: limit.days, default=None)

    def allows(self, choice: str) -> bool:
        """Whether an end of this choice lies within; what ``until`` names is seen when it is named."""
        return choice in (KEEP, UNTIL) or (choice != NEVER and int(choice) <= self.days)

    def __str__(self) -> str:
        words = ngettext(
            "%(environment)s allows at most %(days)d day", "%(environment)s allows at most %(days)d days", self.days
        )
        return words % {"environment": name_of(self.environment), "days": self.days}


class EndsSelect(forms.RadioSelect):
    """Radio buttons; those that would be refused are off, and say why. ``refusals`` holds the words by value."""

    refusals: Mapping[str, str] = {}

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, label, *args, **kwargs)
        if refusal := self.refusals.get(str(value)):
            option["attrs"]["disabled"] = True
            option["label"] = f"{label} ({refusal})"
        return option


class EndsForm(forms.Form):
    """Two fields: one of the choices, and the time that goes with ``until``."""

    ends = forms.ChoiceField(
        label=_("Until when"),
        widget=EndsSelect(attrs={"class": "cors-guard-ends"}),
        error_messages={"required": _("Choose until when.")},
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "class": "cors-guard-until"}, format="%Y-%m-%dT%H:%M"
        ),
        error_messages={"invalid": _("Type a date and a time, as in 2030-12-31T18:00.")},
    )

    def offer_ends(self, limit: Limit | None, kept: str = "") -> None:
        """Offer the choices; ``kept`` words the end that a grant has now, where there is a grant."""
        field: Any = self.fields["ends"]
        field.choices = list(_list_choices(kept))
        if limit is not None:
            field.widget.refusals = {value: str(limit) for value, _label in field.choices if not limit.allows(value)}
        zone = gettext("Time zone: %(zone)s.") % {"zone": timezone.get_current_timezone_name()}
        self.fields["until"].help_text = f"{zone} {limit}." if limit is not None else zone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("ends") == UNTIL and "until" in cleaned:
            problem = _find_problem(cleaned["until"])
            if problem:
                self.add_error("until", problem)
        return cleaned

    def read_end(self, kept: datetime | None = None) -> datetime | None:
        """Return the end that was chosen, counted from now; ``kept`` where it shall stay as it is."""
        choice = self.cleaned_data["ends"]
        if choice == KEEP:
            return kept
        if choice == NEVER:
            return None
        found: datetime | None = self.cleaned_data["until"]
        return found if choice == UNTIL else timezone.now() + timedelta(days=int(choice))


def choose_default(limit: Limit | None) -> str:
    """Return the choice to begin with: no end, or the longest one click that the environments allow."""
    choices = [NEVER, *(str(days) for days in reversed(DAYS)), UNTIL]
    return next(choice for choice in choices if limit is None or limit.allows(choice))


def word_end(ends: datetime | None) -> str:
    """Return until when something holds."""
    return gettext("until %(at)s") % {"at": word_moment(ends)} if ends is not None else gettext("until revoked")


def _list_choices(kept: str) -> Iterable[tuple[str, str]]:
    if kept:
        yield KEEP, gettext("as it is now: %(end)s") % {"end": kept}
    yield NEVER, gettext("until revoked")
    for days in DAYS:
        words = ngettext("%(count)d day", "%(count)d days", days) if not kept else _from_now(days)
        yield str(days), words % {"count": days}
    yield UNTIL, gettext("until…")


def _from_now(days: int) -> str:
    return ngettext("%(count)d day from now", "%(count)d days from now", days)


def _find_problem(until: datetime | None) -> forms.ValidationError | None:
    if until is None:
        return forms.ValidationError(gettext("Name the date and the time."), code="required")
    if until.year > LAST_YEAR:
        return forms.ValidationError(gettext("That is too far away. Choose “until revoked”."), code="too_late")
    if until <= timezone.now():
        words = gettext("The expiry lies in the past. To end a grant, revoke it.")
        return forms.ValidationError(words, code="invalid_expiry")
    return None
