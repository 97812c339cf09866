"""Revoking and reinstating: pages that ask why, show what will happen, and lead to a receipt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.admin.base import GuardAdmin, actor_of, say_not_there, say_why_not
from django_cors_guard.admin.display import name_of, shown, unicode_of, word_duration
from django_cors_guard.admin.grants.closings import word_closings, word_grants
from django_cors_guard.admin.grants.second_thoughts import describe_revoked
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.trusting.grant_forms import ReasonForm
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import TrustedOrigin, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Receipt
from django_cors_guard.services.revoking.radius import BlastRadius, survey_revocation, survey_selection
from django_cors_guard.services.revoking.selection import Selection
from django_cors_guard.wording import RECEIPT_LIMITS

#: Most grants that one action revokes: an emergency must not wait for a long transaction.
MAX_SELECTED: Final = 200
TEMPLATES: Final = "admin/cors_guard/trustedorigin"


class RevocationPages(GuardAdmin[TrustedOrigin]):
    """The pages of one grant, and the action on several. All need ``change_trustedorigin``."""

    actions = ["revoke_selected"]

    def get_urls(self) -> list[URLPattern]:
        views = [
            ("revoke", self.revoke_view),
            ("revoke-everywhere", self.revoke_everywhere_view),
            ("reinstate", self.reinstate_view),
        ]
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"cors_guard_trustedorigin_{name.replace('-', '_')}",
            )
            for name, view in views
        ]
        return [*own, *super().get_urls()]

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Revoke one grant."""
        return self._with_grant(request, object_id, partial(self._revoke, everywhere=False))

    def revoke_everywhere_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Revoke an origin in every environment and API group."""
        return self._with_grant(request, object_id, partial(self._revoke, everywhere=True))

    def reinstate_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Undo a revocation."""
        return self._with_grant(request, object_id, self._reinstate)

    @admin.action(permissions=["change"], description=_("Revoke selected grants…"))
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[TrustedOrigin]) -> HttpResponse | None:
        """Ask why, then revoke all of them in one revision."""
        grants = list(queryset.select_related("environment", "api_group", "front_end")[: MAX_SELECTED + 1])
        selection = Selection.of(grants)
        obstacle = _say_too_many(grants) or _find_protection(request, selection)
        if obstacle:
            self.message_user(request, obstacle, messages.ERROR)
            return None
        form = ReasonForm(request.POST if "revoke" in request.POST else None)
        if selection.closing and form.is_valid():
            return self._revoke_all(request, selection, form.cleaned_data["reason"])
        return self._show_page(
            request,
            "revoke_selected",
            _("Revoke selected grants"),
            form=form,
            checkbox=ACTION_CHECKBOX_NAME,
            ids=[grant.pk for grant in grants],
            pointless=word_grants(selection.pointless),
            **_describe(survey_selection(selection)),
        )

    def _revoke_all(self, request: HttpRequest, selection: Selection, reason: str) -> HttpResponse:
        receipt = services.revoke_many(selection.closing, actor=actor_of(request), reason=reason)
        LogEntry.objects.log_actions(
            user_id=actor_of(request).pk,
            queryset=selection.closing,
            action_flag=CHANGE,
            change_message=_log_words(reason, everywhere=False),
            single_object=False,
        )
        return HttpResponseRedirect(link_to("receipt", revision=receipt.revision))

    def _with_grant(
        self, request: HttpRequest, object_id: int, view: Callable[[HttpRequest, TrustedOrigin], HttpResponse]
    ) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        grant = self.get_object(request, str(object_id))
        if grant is None:
            self.message_user(request, say_not_there(self.opts.verbose_name), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:cors_guard_trustedorigin_changelist"))
        with writing(Source.ADMIN):
            return view(request, grant)

    def _revoke(self, request: HttpRequest, grant: TrustedOrigin, *, everywhere: bool) -> HttpResponse:
        is_misspelt = parse_canonical(grant.origin) is None
        scope: dict[str, Any] = (
            {} if everywhere else {"environments": [grant.environment], "api_groups": [grant.api_group]}
        )
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and not (is_misspelt and everywhere):
            revoke = partial(services.revoke_many, [grant]) if is_misspelt else _revoker(grant, scope)
            try:
                receipt = revoke(actor=actor_of(request), reason=form.cleaned_data["reason"])
            except CorsGuardError as error:
                form.add_error(None, error.message)
            else:
                return self._hand_over(request, grant, receipt, _log_words(form.cleaned_data["reason"], everywhere))
        radius = survey_selection(Selection.of([grant])) if is_misspelt else survey_revocation(grant.origin, **scope)
        return self._show_page(
            request,
            "revoke",
            _("Revoke everywhere") if everywhere else _("Revoke here"),
            grant=grant,
            everywhere=everywhere,
            form=form,
            is_misspelt=is_misspelt,
            obstacle=_find_obstacle(request, grant, radius, everywhere=everywhere, is_misspelt=is_misspelt),
            **_describe(radius),
        )

    def _hand_over(self, request: HttpRequest, grant: TrustedOrigin, receipt: Receipt, words: str) -> HttpResponse:
        """Lead to the receipt, which has an address of its own: it can be loaded again, and sent to others."""
        if not receipt.closed:
            nothing = _("Nothing was changed: there was nothing left to close.")
            self.message_user(request, nothing, messages.WARNING)
            return HttpResponseRedirect(_page_of(grant))
        self.log_change(request, grant, words)
        return HttpResponseRedirect(link_to("receipt", revision=receipt.revision))

    def _reinstate(self, request: HttpRequest, grant: TrustedOrigin) -> HttpResponse:
        if grant.revoked_at is None:
            self.message_user(request, _("This grant is not revoked."), messages.INFO)
            return HttpResponseRedirect(_page_of(grant))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                services.reinstate(grant, actor=actor_of(request), reason=form.cleaned_data["reason"])
            except CorsGuardError as error:
                form.add_error(None, error.message)
            else:
                self.log_change(request, grant, str(_("Reinstated: %s") % form.cleaned_data["reason"]))
                self._report_reinstated(request, grant)
                return HttpResponseRedirect(_page_of(grant))
        return self._show_page(
            request, "reinstate", _("Reinstate"), grant=grant, form=form, **describe_revoked(request, grant)
        )

    def _report_reinstated(self, request: HttpRequest, grant: TrustedOrigin) -> None:
        names = _name(grant)
        place = {"origin": names["subtitle"], "group": names["api_group"], "environment": names["environment"]}
        if grant.status() == Status.ACTIVE:
            words = _("Trusted again: %(origin)s for %(group)s in %(environment)s.")
            self.message_user(request, words % place, messages.SUCCESS)
        else:
            words = _("The revocation of %(origin)s was undone. It is not trusted yet: see its status.")
            self.message_user(request, words % place, messages.WARNING)

    def _show_page(self, request: HttpRequest, page: str, title: Any, **context: Any) -> TemplateResponse:
        grant = context.get("grant")
        request.current_app = self.admin_site.name  # as the admin's own views do
        return TemplateResponse(
            request,
            f"{TEMPLATES}/{page}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                **(_name(grant) if grant is not None else {}),
                "opts": self.opts,
                "media": self.media,
                # The time until cached preflights run out stands on the page in words of its own.
                "limits": [RECEIPT_LIMITS["sessions"], RECEIPT_LIMITS["no_origin"]],
                **context,
            },
        )


def _name(grant: TrustedOrigin) -> dict[str, Any]:
    return {
        "subtitle": shown(grant.origin, 255),
        "unicode": unicode_of(grant.origin),
        "api_group": name_of(grant.api_group),
        "environment": name_of(grant.environment),
    }


def _revoker(grant: TrustedOrigin, scope: dict[str, Any]) -> Callable[..., Receipt]:
    return partial(services.revoke_origin, grant.origin, **scope)


def _describe(radius: BlastRadius) -> dict[str, Any]:
    """Return the blast radius in words."""
    return {
        "closings": word_closings(radius),
        "revoked": word_grants(radius.revoked),
        "patterns": word_grants(radius.patterns),
        "remaining": word_grants(radius.remaining),
        "window": word_duration(radius.window.total_seconds()),
        "open_groups": ", ".join(map(name_of, radius.open_groups)),
        "cached": word_duration(radius.longest_preflight()),
    }


def _find_obstacle(
    request: HttpRequest, grant: TrustedOrigin, radius: BlastRadius, *, everywhere: bool, is_misspelt: bool
) -> str:
    """Return why the button would do nothing, or blank."""
    if is_misspelt and everywhere:
        return str(_("This row matches no request. It can be revoked here alone."))
    if grant.api_group.any_origin and not everywhere:
        words = _("%(group)s is open to any origin: revoking would do nothing. Switch “any origin” off first.")
        return str(words % {"group": name_of(grant.api_group)})
    if not radius.closings:
        return str(_("There is nothing left to close: it is revoked already."))
    return say_why_not(partial(services.check_protected, actor_of(request), radius.environments()))


def _find_protection(request: HttpRequest, selection: Selection) -> str:
    return say_why_not(partial(services.check_protected, actor_of(request), selection.environments()))


def _say_too_many(grants: list[TrustedOrigin]) -> str:
    if len(grants) <= MAX_SELECTED:
        return ""
    words = ngettext("Select one grant at a time.", "Select at most %(limit)d grants at a time.", MAX_SELECTED)
    return words % {"limit": MAX_SELECTED}


def _page_of(grant: TrustedOrigin) -> str:
    return reverse("admin:cors_guard_trustedorigin_change", args=[grant.pk])


def _log_words(reason: str, everywhere: bool) -> str:
    words = _("Revoked everywhere: %s") if everywhere else _("Revoked: %s")
    return str(words % reason)
