"""Triage: what an operator does about rejected origins, one by one on a card's page or several in the list.

To ignore a card and to take it back needs ``change_rejectedorigin``; to open the form for trusting,
``add_trustedorigin``. Nothing is changed by following a link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of, say_not_there
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.evidence import MAX_LISTED, RefusalAdmin
from django_cors_guard.admin.rejections.cards import trust_url
from django_cors_guard.admin.trusting.card_batch import MAX_CARDS
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import RejectedOrigin
from django_cors_guard.services import Settled

_IGNORED: Final = ngettext_lazy("%(count)d card was ignored.", "%(count)d cards were ignored.", "count")
_REOPENED: Final = ngettext_lazy("%(count)d card is new again.", "%(count)d cards are new again.", "count")
_STOOD: Final = ngettext_lazy(
    "%(count)d card stayed as it was: its origin was trusted.",
    "%(count)d cards stayed as they were: their origins were trusted.",
    "count",
)
_UNCHANGED: Final = ngettext_lazy("%(count)d card stayed as it was.", "%(count)d cards stayed as they were.", "count")


class TriagePages(RefusalAdmin[RejectedOrigin]):
    """The actions on several cards, and the buttons of one."""

    actions = ["trust_selected", "ignore_selected", "reopen_selected"]

    def get_urls(self) -> list[URLPattern]:
        views = {"ignore": self.ignore_view, "reopen": self.reopen_view}
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"cors_guard_rejectedorigin_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def has_trust_permission(self, request: HttpRequest) -> bool:
        """Whether the user may add trusted origins."""
        return may(request, "add_trustedorigin")

    def has_triage_permission(self, request: HttpRequest) -> bool:
        """Whether the user may say what becomes of a card."""
        return may(request, "change_rejectedorigin")

    def ignore_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._settle_one(request, object_id, services.ignore, _("Ignored."))

    def reopen_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._settle_one(request, object_id, services.reopen, _("Back to new."))

    @admin.action(description=_("Trust…"), permissions=["trust"])
    def trust_selected(self, request: HttpRequest, queryset: QuerySet[RejectedOrigin]) -> HttpResponse | None:
        """Open the form, prefilled from the ticked cards; it says what stands against some of them."""
        cards = list(queryset[: MAX_CARDS + 1])
        if len(cards) > MAX_CARDS:
            self._refuse_so_many(request, MAX_CARDS)
            return None
        return HttpResponseRedirect(trust_url(*cards))

    @admin.action(description=_("Ignore"), permissions=["triage"])
    def ignore_selected(self, request: HttpRequest, queryset: QuerySet[RejectedOrigin]) -> None:
        """Set the ticked cards aside."""
        self._settle_all(request, queryset, services.ignore_cards, _IGNORED, _("Ignored."))

    @admin.action(description=_("Back to new"), permissions=["triage"])
    def reopen_selected(self, request: HttpRequest, queryset: QuerySet[RejectedOrigin]) -> None:
        """Take the ticked cards back."""
        self._settle_all(request, queryset, services.reopen_cards, _REOPENED, _("Back to new."))

    def _settle_one(
        self, request: HttpRequest, object_id: int, settle: Callable[..., RejectedOrigin], words: Any
    ) -> HttpResponse:
        if not self.has_view_permission(request) or not self.has_triage_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        card = self.get_queryset(request).filter(pk=object_id).first()
        if card is None:
            self.message_user(request, say_not_there(self.opts.verbose_name), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:cors_guard_rejectedorigin_changelist"))
        before = card.status
        try:
            with transaction.atomic(using=router.db_for_write(self.model)):
                if settle(card, actor=actor_of(request)).status != before:
                    self.log_change(request, card, str(words))
                    self.message_user(request, words, messages.SUCCESS)
        except CorsGuardError as error:
            self.message_user(request, error.message, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:cors_guard_rejectedorigin_change", args=[object_id]))

    def _settle_all(
        self,
        request: HttpRequest,
        queryset: QuerySet[RejectedOrigin],
        settle: Callable[..., Settled],
        done: Any,
        words: Any,
    ) -> None:
        keys = list(queryset.order_by().values_list("pk", flat=True)[: MAX_LISTED + 1])
        if len(keys) > MAX_LISTED:
            self._refuse_so_many(request, MAX_LISTED)
            return
        settled = settle(keys, actor=actor_of(request))
        _log(request, settled, str(words))
        others = len(keys) - len(settled.changed) - settled.trusted
        told = [(done, len(settled.changed), messages.SUCCESS), (_STOOD, settled.trusted, messages.WARNING)]
        for text, count, level in [*told, (_UNCHANGED, others, messages.INFO)]:
            if count:
                self.message_user(request, text % {"count": count}, level)

    def _refuse_so_many(self, request: HttpRequest, limit: int) -> None:
        words = _("That is more than %(limit)d cards at once. Narrow the list down first.")
        self.message_user(request, words % {"limit": limit}, messages.ERROR)


def _log(request: HttpRequest, settled: Settled, words: str) -> None:
    if settled.changed:
        LogEntry.objects.log_actions(actor_of(request).pk, list(settled.changed), CHANGE, change_message=words)
