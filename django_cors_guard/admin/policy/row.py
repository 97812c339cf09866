"""Environments, API groups, and the rows that are edited below them: checked first, then one revision a save."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import PolicyRowAdmin, RequestForm, actor_of, bind, say_why_not
from django_cors_guard.admin.policy import confirmation
from django_cors_guard.admin.policy.deletion import list_grants_that_keep
from django_cors_guard.facts import RequestFacts
from django_cors_guard.models import policy_write
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.revision import Source
from django_cors_guard.models.write import PolicyModel
from django_cors_guard.services.consequences.codes import Weighed

_P = TypeVar("_P", bound=PolicyModel)

if TYPE_CHECKING:
    _Rows = BaseInlineFormSet[Any, Any, Any]
    _Inline = admin.TabularInline[Any, Any]
else:
    # Django's classes are generic for type checkers only.
    _Rows = BaseInlineFormSet
    _Inline = admin.TabularInline

BLOCK_REFUSED = _(
    "Block was not switched on: by what the site can see, this very request did not come from one of its own pages, "
    "so the guard might block those, too. Check that the proxy in front hands on the Host and the scheme "
    "(SECURE_PROXY_SSL_HEADER, USE_X_FORWARDED_HOST), and save again."
)

NOT_CONFIRMED = _("Nothing was saved yet: this has consequences that have to be confirmed.")
#: The buttons of a form, in the order in which the first one that was pressed counts.
BUTTONS = ("_continue", "_addanother", "_saveasnew", "_save")


def is_same_origin(request: HttpRequest) -> bool:
    """Whether the guard judges that the saving request comes from the site's own pages.

    Browsers send ``Origin`` with every POST, and most ``Sec-Fetch-Site``; where both are absent (an old browser, a
    proxy that drops them) a ``Referer`` of the own host counts.
    """
    facts = RequestFacts(request)
    if facts.origin is None and "HTTP_SEC_FETCH_SITE" not in request.META:
        facts.origin = _origin_of(request.META.get("HTTP_REFERER", ""))
    return facts.same_origin


def _origin_of(address: str) -> str | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else None


class PolicyForm(RequestForm[_P]):
    """The form of a row of the policy, with the reason that the story keeps."""

    why = forms.CharField(
        label=_("Reason for this change"),
        required=False,
        max_length=2000,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Kept among the policy changes."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if confirmation.asked_in(self.request) is not None:
            self.add_error(None, forms.ValidationError(NOT_CONFIRMED, code="unconfirmed"))
        return cleaned

    def refuse_unsafe_block(self) -> None:
        """Refuse to switch to *block* if that might lock out the very person who does it."""
        switched = "mode" in self.changed_data and self.cleaned_data.get("mode") == ModeChoice.BLOCK
        if switched and not is_same_origin(self.request):
            self.add_error("mode", forms.ValidationError(BLOCK_REFUSED, code="not_same_origin"))


class SharedRowsFormSet(_Rows):
    """Rows that all environments share: changing one needs what changing a protected environment needs."""

    request: HttpRequest

    def add_fields(self, form: Any, index: int | None) -> None:
        """In a table the name of a column is no label of the controls below it."""
        super().add_fields(form, index)
        for field in form.fields.values():
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = capfirst(str(field.label or ""))

    def clean(self) -> None:
        super().clean()
        if self.has_changed():
            problem = say_why_not(partial(services.check_shared, actor_of(self.request)))
            if problem:
                raise forms.ValidationError(problem, code="protected_environment")


class SharedRowsInline(_Inline):
    """Rows below an environment or API group."""

    formset = SharedRowsFormSet
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return bind(super().get_formset(request, obj, **kwargs), request)


class PolicyAdmin(PolicyRowAdmin[_P]):
    """A row of the policy and the rows below it. The slug is fixed once created: settings and logs name it."""

    def get_form(self, request: HttpRequest, obj: _P | None = None, change: bool = False, **kwargs: Any) -> Any:
        return bind(super().get_form(request, obj, change, **kwargs), request)

    def get_fieldsets(self, request: HttpRequest, obj: _P | None = None) -> Any:
        # Who can only look has nothing to give reasons for.
        may_save = self.has_change_permission(request, obj) if obj is not None else self.has_add_permission(request)
        fieldsets = self.fieldsets or ()
        return fieldsets if may_save else [item for item in fieldsets if "why" not in item[1]["fields"]]

    def get_readonly_fields(self, request: HttpRequest, obj: _P | None = None) -> tuple[str, ...]:
        return ("slug",) if obj is not None else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: _P | None = None) -> dict[str, Any]:
        return {"slug": ("name",)} if obj is None else {}

    def save_model(self, request: HttpRequest, obj: _P, form: Any, change: Any) -> None:
        """Save nothing yet: ``save_related``, which follows at once, saves the row and those below it together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        weighed = self.weigh(request, form, formsets, change)
        confirmation.require_confirmation(request, form.instance, weighed)
        with self._one_revision(request, form, formsets, weighed):
            super().save_model(request, form.instance, form, change)
            super().save_related(request, form, formsets, change)
        for words in confirmation.list_harmless_words(weighed):
            self.message_user(request, words, messages.WARNING)

    def weigh(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> Weighed:
        """Return what saving the form means."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except confirmation.Unconfirmed as question:
            confirmation.ask(request, question)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        question = confirmation.asked_in(request)
        if question is not None:
            # What is asked stands there by itself; nothing else is wrong with the form.
            context["errors"] = None
            context["confirmation"] = {
                "lines": confirmation.list_lines(question.weighed),
                "field": confirmation.FIELD,
                "token": question.token,
                "button": next((name for name in BUTTONS if name in request.POST), "_save"),
                **self.describe_outlook(request, kwargs.get("obj"), question.weighed),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def describe_outlook(self, request: HttpRequest, row: _P | None, weighed: Weighed) -> dict[str, Any]:
        """Return what is shown of those who were refused lately."""
        return {}

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Return what goes, or which grants stand against it: counted, for there may be very many."""
        kept = list_grants_that_keep(request, objs)
        return ([], {}, set(), kept) if kept else super().get_deleted_objects(objs, request)

    def _one_revision(
        self, request: HttpRequest, form: Any, formsets: Any, weighed: Weighed
    ) -> AbstractContextManager[Any]:
        """A name or a description is no policy, and takes none."""
        if not weighed.changes and not any(formset.has_changed() for formset in formsets):
            return nullcontext()
        return policy_write(actor=actor_of(request), reason=form.cleaned_data.get("why", ""), source=Source.ADMIN)


def list_remaining(formsets: Any, model: type[PolicyModel]) -> Iterator[Any] | None:
    """Return the rows of ``model`` that there will be once the formsets are saved; None: they show no such rows."""
    for formset in formsets:
        if formset.model is model:
            return (form.instance for form in formset.forms if _remains(form))
    return None


def _remains(form: Any) -> bool:
    is_blank = form.empty_permitted and not form.has_changed()
    return not (is_blank or form.cleaned_data.get("DELETE"))


def list_once(field: forms.ModelChoiceField[Any], rows: Iterable[Any]) -> forms.ModelChoiceField[Any]:
    """Give a choice field its choices as a list, so that a page with many such fields asks the database once."""
    blank = [("", field.empty_label)] if field.empty_label is not None else []
    field.choices = [*blank, *((row.pk, str(row)) for row in rows)]
    return field
