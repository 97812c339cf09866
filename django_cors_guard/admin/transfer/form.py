"""The forms of import and export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.display import name_of, shown
from django_cors_guard.core.files import MAX_BYTES, Sheet, read_grants
from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import ImportPlan
from django_cors_guard.services.transfer import Choice
from django_cors_guard.wording import word_file_problem

CSV: Final = "csv"
JSON: Final = "json"
#: Asks for grants without a front end, as the filter of the list does; no slug is spelt so.
NO_FRONT_END: Final = "~"
#: What the list says in its address that narrows nothing: order and page.
_NO_FILTERS: Final = frozenset({"o", "p", "all", "e"})
MAX_FILE_NAME: Final = 80
MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Content:
    """What somebody gave to be imported, as text and as rows; ``name`` is that of the file, blank for pasted text."""

    name: str
    text: str
    sheet: Sheet


class UploadForm(forms.Form):
    """A file, or text; what it is, is found out."""

    file = forms.FileField(
        label=_("File"),
        required=False,
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,.txt,text/csv,application/json"}),
        help_text=_("CSV or JSON in UTF-8, at most 2 MB and 5,000 rows."),
    )
    text = forms.CharField(
        label=_("Or paste it"),
        required=False,
        strip=False,
        widget=AdminTextareaWidget(
            attrs={
                "rows": 6,
                "class": "vLargeTextField cors-guard-paste",
                "autocapitalize": "off",
                "autocomplete": "off",
                "spellcheck": "false",
                "maxlength": 500_000,
            }
        ),
        help_text=_("The header and the rows behind it, as a spreadsheet copies them, too."),
    )

    content: Content | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file, text = cleaned.get("file"), cleaned.get("text") or ""
        if file and text.strip():
            self.add_error(None, forms.ValidationError(_("Choose a file, or paste text: not both."), code="both"))
        elif file:
            self._take("file", file.name or "", _read_bounded(file))
        elif text.strip():
            self._take("text", "", text)
        elif not self.errors:
            self.add_error(None, forms.ValidationError(_("Choose a file, or paste its text."), code="required"))
        return cleaned

    def _take(self, field: str, name: str, data: bytes | str) -> None:
        sheet = read_grants(data)
        for problem in sheet.problems:
            self.add_error(field, forms.ValidationError(word_file_problem(problem), code=problem.code))
        if not sheet.problems:
            text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
            self.content = Content(shown(name, MAX_FILE_NAME), text, sheet)


def _read_bounded(file: Any) -> bytes:
    """Read no more than shows that a file is too large."""
    data: bytes = file.read(MAX_BYTES + 1)
    return data


class ImportForm(forms.Form):
    """Why, and what becomes of the lines that are refused."""

    required_css_class = "required"

    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Kept among the policy changes, with the name of the file, for whoever asks later."),
        error_messages={"required": _("Say why these origins may be trusted.")},
    )

    def __init__(self, data: Any = None, *, plan: ImportPlan, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        if plan.refusals:
            self.fields["leave_out"] = forms.BooleanField(
                label=_("Leave out the lines that are refused"),
                help_text=_("Without it nothing is imported before all of them are put right."),
                error_messages={
                    "required": _("Nothing was imported: some lines are refused. Put them right, or leave them out.")
                },
            )

    @property
    def leaves_out(self) -> bool:
        """Whether what is refused is to be left out."""
        return bool(self.cleaned_data.get("leave_out"))


class ExportForm(forms.Form):
    """Which grants, and how they are written."""

    environment = forms.MultipleChoiceField(label=_("Environments"), required=False)
    api_group = forms.MultipleChoiceField(label=_("API groups"), required=False)
    front_end = forms.ChoiceField(label=_("Front end"), required=False)
    status = forms.MultipleChoiceField(label=_("Status"), required=False)
    format = forms.ChoiceField(
        label=_("Format"),
        choices=[(CSV, _("CSV, for spreadsheets")), (JSON, _("JSON, for programs"))],
        widget=forms.RadioSelect,
        initial=CSV,
    )

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.environments = {row.slug: row for row in Environment.objects.order_by("slug")}
        self.api_groups = {row.slug: row for row in ApiGroup.objects.order_by("slug")}
        self.front_ends = {row.slug: row for row in FrontEnd.objects.order_by("name", "slug")}
        self._offer("environment", _names(self.environments))
        self._offer("api_group", _names(self.api_groups))
        self._offer("status", [(status.value, capfirst(status.label)) for status in Status])
        front_ends = [("", _("All")), (NO_FRONT_END, _("Without a front end")), *_names(self.front_ends)]
        self.fields["front_end"].choices = front_ends  # type: ignore[attr-defined]  # a ChoiceField

    def _offer(self, name: str, choices: Iterable[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        # The widget before the choices, which it takes over.
        field.widget = forms.CheckboxSelectMultiple()
        field.choices = list(choices)

    @property
    def choice(self) -> Choice:
        """What to walk, once the form is valid."""
        front_end = self.cleaned_data["front_end"]
        return Choice(
            environments=[self.environments[slug] for slug in self.cleaned_data["environment"]],
            api_groups=[self.api_groups[slug] for slug in self.cleaned_data["api_group"]],
            front_ends=[self.front_ends[front_end]] if front_end in self.front_ends else [],
            without_front_end=front_end == NO_FRONT_END,
            statuses=self.cleaned_data["status"],
        )

    def fill_in(self, request: HttpRequest) -> bool:
        """Begin with what the address says, as the filters of the list say it; return whether that was all of it."""
        given = {name: str(value) for name, value in request.GET.items() if value and name not in _NO_FILTERS}
        self.initial = {
            "environment": _by_id(self.environments, given.pop("environment__id__exact", "")),
            "api_group": _by_id(self.api_groups, given.pop("api_group__id__exact", "")),
        }
        for name, known in (("front_end", {NO_FRONT_END, *self.front_ends}), ("status", set(Status.values))):
            if given.get(name) in known:
                self.initial[name] = given.pop(name)
        return not given


def _names(rows: Mapping[str, Environment | ApiGroup | FrontEnd]) -> list[tuple[str, str]]:
    return [(slug, name_of(row)) for slug, row in rows.items()]


def _by_id(rows: Mapping[str, Environment | ApiGroup], key: str) -> list[str]:
    return [slug for slug, row in rows.items() if str(row.pk) == key]
