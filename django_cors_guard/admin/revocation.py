"""Revoking and reinstating: pages that ask why, show what will happen, and hand over a receipt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_cors_guard import services
from django_cors_guard.admin.base import GuardAdmin, actor_of, say_not_there, say_why_not
from django_cors_guard.admin.display import shown, word_duration
from django_cors_guard.admin.grant_forms import ReasonForm
from django_cors_guard.admin.selection import Selection
from django_cors_guard.core.origins import OriginRules, parse_canonical
from django_cors_guard.core.risks import find_risks
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import Environment, TrustedOrigin, policy_write, writing
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services import Receipt
from django_cors_guard.wording import RECEIPT_LIMITS, word_risk

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
        grants = list(queryset.select_related("environment", "api_group")[: MAX_SELECTED + 1])
        if len(grants) > MAX_SELECTED:
            words = _("Select at most %(limit)d grants at a time.") % {"limit": MAX_SELECTED}
            self.message_user(request, words, messages.ERROR)
            return None
        selection = Selection.of(grants)
        obstacle = say_why_not(partial(services.check_protected, actor_of(request), selection.environments()))
        asked = "revoke" in request.POST
        form = ReasonForm(request.POST if asked else None)
        if asked and not obstacle and form.is_valid():
            receipt = self._revoke_all(request, selection, form.cleaned_data["reason"])
            return self._show(request, "receipt", _("Revoked"), receipt=receipt)
        if obstacle:
            self.message_user(request, obstacle, messages.ERROR)
            return None
        return self._show(
            request,
            "revoke_selected",
            _("Revoke selected grants"),
            form=form,
            selection=selection,
            checkbox=ACTION_CHECKBOX_NAME,
            ids=[grant.pk for grant in grants],
            cached=word_duration(selection.longest_preflight()),
        )

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
        if parse_canonical(grant.origin) is None:
            return self._revoke_misspelt(request, grant, everywhere=everywhere)
        scope: dict[str, Any] = (
            {} if everywhere else {"environments": [grant.environment], "api_groups": [grant.api_group]}
        )
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                receipt = services.revoke_origin(
                    grant.origin, actor=actor_of(request), reason=form.cleaned_data["reason"], **scope
                )
            except CorsGuardError as error:
                form.add_error(None, error.message)
            else:
                if receipt.closed:
                    self.log_change(request, grant, _log_words(everywhere, form.cleaned_data["reason"]))
                return self._show(request, "receipt", _("Revoked"), grant=grant, receipt=receipt)
        preview = services.preview_revocation(grant.origin, **scope)
        return self._show(
            request,
            "revoke",
            _("Revoke everywhere") if everywhere else _("Revoke here"),
            grant=grant,
            everywhere=everywhere,
            form=form,
            preview=preview,
            obstacle=_find_obstacle(request, grant, preview, everywhere=everywhere),
            cached=word_duration((preview.preflights_until - preview.at).total_seconds()),
        )

    def _revoke_misspelt(self, request: HttpRequest, grant: TrustedOrigin, *, everywhere: bool) -> HttpResponse:
        """A row that some program wrote wrongly matches no request; it can be closed by itself alone."""
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and not everywhere:
            try:
                services.revoke(grant, actor=actor_of(request), reason=form.cleaned_data["reason"])
            except CorsGuardError as error:
                form.add_error(None, error.message)
            else:
                self.message_user(request, _("The grant was revoked."), messages.SUCCESS)
                return HttpResponseRedirect(_page_of(grant))
        words = _("This row is not spelt as browsers send origins, so it trusts nobody. It can be revoked here alone.")
        return self._show(
            request,
            "revoke",
            _("Revoke everywhere") if everywhere else _("Revoke here"),
            grant=grant,
            everywhere=everywhere,
            form=form,
            note=words,
            obstacle=words if everywhere else "",
        )

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
        return self._show(
            request,
            "reinstate",
            _("Reinstate"),
            grant=grant,
            form=form,
            has_ended=_has_ended(grant),
            risks=_word_risks(grant),
            obstacle=say_why_not(partial(services.check_protected, actor_of(request), [grant.environment])),
        )

    def _report_reinstated(self, request: HttpRequest, grant: TrustedOrigin) -> None:
        place = {"origin": grant.origin, "group": grant.api_group, "environment": grant.environment}
        if grant.status() == Status.ACTIVE:
            words = _("Trusted again: %(origin)s for %(group)s in %(environment)s.")
            self.message_user(request, words % place, messages.SUCCESS)
        else:
            words = _("The revocation of %(origin)s was undone. It is not trusted yet: see its status.")
            self.message_user(request, words % place, messages.WARNING)

    def _revoke_all(self, request: HttpRequest, selection: Selection, reason: str) -> Receipt:
        actor = actor_of(request)
        with policy_write(actor=actor, reason=reason) as write:
            for grant in selection.closing:
                services.revoke(grant, actor=actor, reason=reason)
                self.log_change(request, grant, _log_words(everywhere=False, reason=reason))
            return selection.as_receipt(write.revision)

    def _show(self, request: HttpRequest, page: str, title: Any, **context: Any) -> TemplateResponse:
        grant = context.get("grant")
        user: Any = request.user
        request.current_app = self.admin_site.name  # as the admin's own views do
        return TemplateResponse(
            request,
            f"{TEMPLATES}/{page}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "subtitle": shown(grant.origin, 255) if grant is not None else None,
                "opts": self.opts,
                "media": self.media,
                # The time until cached preflights run out stands on the page in words of its own.
                "limits": [RECEIPT_LIMITS["sessions"], RECEIPT_LIMITS["no_origin"]],
                "may_see_changes": user.has_perm("cors_guard.view_policychange"),
                **context,
                **(_receipt_words(context["receipt"]) if "receipt" in context else {}),
            },
        )


def _receipt_words(receipt: Receipt) -> dict[str, Any]:
    seconds = (receipt.preflights_until - receipt.at).total_seconds()
    changes = reverse("admin:cors_guard_policychange_changelist")
    return {
        "cached": word_duration(seconds),
        "refresh": word_duration(receipt.refresh_seconds),
        "changes_url": f"{changes}?revision={receipt.revision}" if receipt.closed else "",
    }


def _find_obstacle(request: HttpRequest, grant: TrustedOrigin, preview: Receipt, *, everywhere: bool) -> str:
    """Return why the button would do nothing, or blank."""
    if grant.api_group.any_origin and not everywhere:
        words = _("%(group)s is open to any origin: revoking would do nothing. Switch “any origin” off first.")
        return str(words % {"group": grant.api_group})
    if not preview.closed:
        return str(_("There is nothing left to close: it is revoked already."))
    slugs = {place.environment for place in preview.closed}
    touched = Environment.objects.filter(slug__in=slugs)
    return say_why_not(partial(services.check_protected, actor_of(request), touched))


def _word_risks(grant: TrustedOrigin) -> list[str]:
    origin = parse_canonical(grant.origin)
    rules: OriginRules = rules_for(grant.environment, grant.api_group)
    return [word_risk(risk) for risk in find_risks(origin, rules=rules)] if origin is not None else []


def _has_ended(grant: TrustedOrigin) -> bool:
    return grant.expires_at is not None and grant.expires_at <= timezone.now()


def _page_of(grant: TrustedOrigin) -> str:
    return reverse("admin:cors_guard_trustedorigin_change", args=[grant.pk])


def _log_words(everywhere: bool, reason: str) -> str:
    words = _("Revoked everywhere: %s") if everywhere else _("Revoked: %s")
    return str(words % reason)
