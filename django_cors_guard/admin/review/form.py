"""The forms of the review: what to list, why something may stay, and when a front end is to be looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import name_of
from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import GrantList, list_grants
from django_cors_guard.services.reviewing.due import MAX_DAYS, OLDER_THAN
from django_cors_guard.services.reviewing.grants import UNKNOWN
from django_cors_guard.services.reviewing.listing import STANDING
from django_cors_guard.services.reviewing.moments import read_as_of

#: What still lets somebody in, or would if a safety rule did not stand against it.
STANDS: Final = "standing"
ALL: Final = "every"
#: Front ends that are offered; the others are typed.
MAX_OFFERED: Final = 200
#: How long it takes until a front end is to be looked at again, unless somebody says otherwise.
NEXT_REVIEW: Final = timedelta(days=180)


class FilterForm(forms.Form):
    """Which grants, and as of when. What is left out narrows nothing."""

    as_of = forms.DateField(
        label=_("As of the end of"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("A day of UTC; blank: now."),
    )
    environment = forms.ChoiceField(label=_("Environment"), required=False)
    api_group = forms.ChoiceField(label=_("API group"), required=False)
    front_end = forms.CharField(
        label=_("Front end"),
        required=False,
        max_length=50,
        widget=forms.TextInput(attrs={"list": "review-front-ends", "autocomplete": "off", "autocapitalize": "off"}),
    )
    status = forms.ChoiceField(label=_("Status"), required=False)
    older_than = forms.IntegerField(
        label=_("Due after days"), required=False, min_value=1, max_value=MAX_DAYS, initial=OLDER_THAN
    )
    due = forms.BooleanField(label=_("Only what is due"), required=False)

    def __init__(self, request: HttpRequest) -> None:
        given = {name: value for name, value in request.GET.items() if name in self.base_fields}
        super().__init__({"status": STANDS, "older_than": str(OLDER_THAN), **given})
        self.request = request
        self.environments = {row.slug: row for row in Environment.objects.order_by("slug")}
        self.api_groups = {row.slug: row for row in ApiGroup.objects.order_by("slug")}
        sees_names = may(request, "view_frontend")
        self.front_ends = list(FrontEnd.objects.order_by("slug")[:MAX_OFFERED]) if sees_names else []
        self._offer("environment", [("", _("All")), *_names(self.environments)])
        self._offer("api_group", [("", _("All")), *_names(self.api_groups)])
        self._offer("status", [(STANDS, _("standing")), (ALL, _("All")), *Status.choices, (UNKNOWN, _("not known"))])

    def clean_as_of(self) -> datetime | None:
        """As of when: None is now. What was, is what the story tells."""
        day: date | None = self.cleaned_data["as_of"]
        try:
            at = read_as_of(day.isoformat()) if day is not None else None
        except ValueError as error:
            raise forms.ValidationError(str(error), code="invalid") from error
        if at is not None and at > datetime.now(tz=UTC):
            raise forms.ValidationError(_("That day is still to come."), code="to_come")
        if at is not None and not may(self.request, "view_policychange"):
            raise forms.ValidationError(
                _("To see what was, you need the permission to see the history."), code="denied"
            )
        return at

    def clean_front_end(self) -> FrontEnd | None:
        """Whose, by the slug."""
        slug = self.cleaned_data["front_end"].strip()
        if not slug:
            return None
        found = FrontEnd.objects.filter(slug=slug).first() if "\0" not in slug else None
        if found is None:
            raise forms.ValidationError(_("There is no front end of that slug."), code="unknown")
        return found

    def list_grants(self) -> GrantList:
        """Return what the filters leave, once they are valid."""
        wanted = self.cleaned_data
        status = wanted["status"] or STANDS
        return list_grants(
            wanted["as_of"],
            environments=_pick(self.environments, wanted["environment"]),
            api_groups=_pick(self.api_groups, wanted["api_group"]),
            front_ends=[wanted["front_end"]] if wanted["front_end"] else (),
            statuses={STANDS: STANDING, ALL: ()}.get(status, (status,)),
            due_only=wanted["due"],
            older_than=wanted["older_than"] or OLDER_THAN,
        )

    def _offer(self, name: str, choices: Iterable[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = list(choices)


class MarkForm(forms.Form):
    """What the review found."""

    required_css_class = "required"

    reason = forms.CharField(
        label=_("What the review found"),
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Kept with each grant and among the policy changes: who signed it off, where that is written."),
        error_messages={"required": _("Say what was found. A mark without a reason proves nothing later.")},
    )


class FrontEndForm(MarkForm):
    """The same of all that belongs to a front end, and when it is to be looked at again."""

    next_review_by = forms.DateField(
        label=_("Next review by"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": _("Say when it is to be looked at again.")},
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial={"next_review_by": datetime.now(tz=UTC).date() + NEXT_REVIEW})

    def clean_next_review_by(self) -> date:
        """A day ahead."""
        day: date = self.cleaned_data["next_review_by"]
        if day <= datetime.now(tz=UTC).date():
            raise forms.ValidationError(_("The day of the next review has to lie ahead."), code="past")
        return day


def _names(rows: Mapping[str, Environment | ApiGroup]) -> list[tuple[str, str]]:
    return [(slug, name_of(row)) for slug, row in rows.items()]


def _pick(rows: Mapping[str, Any], slug: str) -> list[Any]:
    return [rows[slug]] if slug in rows else []
