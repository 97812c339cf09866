"""What the pages have in common: writes come from the admin, and what the services refuse is said in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from django_cors_guard.admin.display import shown
from django_cors_guard.admin.history.story import tell_story
from django_cors_guard.exceptions import CorsGuardError, ProtectedEnvironment
from django_cors_guard.models import policy_write, writing
from django_cors_guard.models.revision import Source

_M = TypeVar("_M", bound=models.Model)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
    _ModelForm = forms.ModelForm
else:
    # Django's classes are generic for type checkers only.
    class _Subscriptable:
        def __class_getitem__(cls, item: Any) -> type:
            return cls

    class _ModelAdmin(_Subscriptable, admin.ModelAdmin):
        pass

    class _ModelForm(_Subscriptable, forms.ModelForm):
        pass


def actor_of(request: HttpRequest) -> AbstractBaseUser:
    """Return who is at work; the admin lets nobody in who has not logged in."""
    return cast(AbstractBaseUser, request.user)


def say_why_not(check: Callable[[], None]) -> str:
    """Run a permission check of the services and return what stands against it in words, or blank."""
    try:
        check()
    except ProtectedEnvironment as error:
        return error.message
    return ""


class GuardAdmin(_ModelAdmin[_M]):
    """Base of all pages. ``guard_note`` stands under the title of the list, ``search_hint`` below the search field."""

    guard_note: ClassVar[Any] = ""
    search_hint: ClassVar[Any] = ""

    class Media:
        css = {"all": ["cors_guard/admin.css"]}

    def guard(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """Run ``view``; where the services refuse, all is undone, and their words are shown where the form was."""
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic(using=router.db_for_write(self.model)), writing(Source.ADMIN):
                return view()
        except CorsGuardError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        view = super().changeform_view
        return self.guard(request, partial(view, request, object_id, form_url, extra_context))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row is not None and self.has_change_permission(request, row):
            context["protection"] = say_why_not(partial(self.check_protection, request, [row]))
        if context.get("subtitle"):
            context["subtitle"] = shown(context["subtitle"])
        return super().render_change_form(request, context, *args, **kwargs)

    def check_protection(self, request: HttpRequest, rows: Iterable[_M]) -> None:
        """Raise ProtectedEnvironment if the user may not change ``rows``."""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.guard(request, partial(super().delete_view, request, object_id, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Tell what happened to the row by the policy's own story, and what else was edited here."""
        response = super().history_view(request, object_id, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            response.context_data["story"] = tell_story(request, response.context_data["object"])
        return response

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"guard_note": self.guard_note, **(extra_context or {})}
        return self.guard(request, partial(super().changelist_view, request, context))


class PolicyRowAdmin(GuardAdmin[_M]):
    """Base of the pages of rows that are policy: who may not change one may not delete it, and it is one revision."""

    def delete_model(self, request: HttpRequest, obj: _M) -> None:
        self.check_protection(request, [obj])
        with policy_write(actor=actor_of(request), source=Source.ADMIN):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.check_protection(request, queryset)
        with policy_write(actor=actor_of(request), source=Source.ADMIN):
            super().delete_queryset(request, queryset)


class RequestForm(_ModelForm[_M]):
    """A form that knows who is at work, and from where."""

    #: Set on the class that each request gets of its own.
    request: HttpRequest

    def require(self, check: Callable[[], None], field: str | None = None) -> None:
        """Turn what a permission check of the services says into an error of the form."""
        problem = say_why_not(check)
        if problem:
            self.add_error(field, forms.ValidationError(problem, code="protected_environment"))


def bind(form: Any, request: HttpRequest) -> Any:
    """Give a form or formset class that was made for ``request`` the request."""
    form.request = request
    return form


def say_not_there(noun: Any) -> str:
    """Return what to say of a row that has gone since its link was made."""
    return _("There is no such %(noun)s; perhaps it was deleted.") % {"noun": noun}
