"""Rejected origins: what was refused, one card an origin, environment and API group."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.cards import CARD, list_origin_obstacles, read_card
from django_cors_guard.admin.display import badge, shown, word_group, word_place
from django_cors_guard.admin.evidence import EvidenceAdmin, search_origin
from django_cors_guard.admin.filters import ApiGroupSlugFilter, EnvironmentSlugFilter, LastReasonFilter
from django_cors_guard.core.decision import Reason
from django_cors_guard.models import RejectedOrigin
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.wording import word_reason

#: What every page that shows refusals says of them.
PROVES_NOTHING = _("A rejection proves only that somebody sent those bytes; whoever did chose the origin, too.")


def trust_url(card: RejectedOrigin) -> str:
    """Return where the form for trusting opens, prefilled from the card."""
    return f"{reverse('admin:cors_guard_trustedorigin_add')}?{urlencode({CARD: card.pk})}"


class RejectedOriginAdmin(EvidenceAdmin[RejectedOrigin]):
    """The cards, latest first."""

    guard_note = PROVES_NOTHING
    hostile_fields = ("origin", "environment", "api_group")
    list_display = ["origin_shown", "place", "count", "reason_in_words", "status_badge", "last_seen"]
    list_filter = ["status", EnvironmentSlugFilter, ApiGroupSlugFilter, LastReasonFilter, "last_seen"]
    search_fields = ["origin"]
    ordering = ["-last_seen"]
    sortable_by = ()
    fields = [
        "origin_whole",
        "environment_shown",
        "api_group_shown",
        "status_badge",
        "count",
        "reason_in_words",
        "first_seen",
        "last_seen",
    ]

    def get_list_display(self, request: HttpRequest) -> Any:
        origin, place, *others = self.list_display
        return [origin, place, "trust_link", *others] if may_trust(request) else self.list_display

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_origin(queryset, search_term), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        card = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context = {"guard_note": PROVES_NOTHING, **(self._describe(request, card) if card is not None else {})}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @admin.display(description=_("origin"))
    def origin_shown(self, card: RejectedOrigin) -> str:
        return shown(card.origin)

    @admin.display(description=_("origin"))
    def origin_whole(self, card: RejectedOrigin) -> str:
        return shown(card.origin, limit=255)

    @admin.display(description=_("environment"))
    def environment_shown(self, card: RejectedOrigin) -> str:
        return shown(card.environment)

    @admin.display(description=_("API group"))
    def api_group_shown(self, card: RejectedOrigin) -> str:
        return word_group(card.api_group)

    @admin.display(description=_("where"))
    def place(self, card: RejectedOrigin) -> str:
        return word_place(card.environment, card.api_group)

    @admin.display(description=_("status"))
    def status_badge(self, card: RejectedOrigin) -> str:
        known = {status.value: str(status.label) for status in CardStatus}
        return badge(f"card-{card.status}", known.get(card.status, card.status))

    @admin.display(description=_("last reason"))
    def reason_in_words(self, card: RejectedOrigin) -> str:
        return word_reason(card.last_reason)

    @admin.display(description=_("what to do"))
    def trust_link(self, card: RejectedOrigin) -> str:
        settled = card.status == CardStatus.TRUSTED or card.last_reason == Reason.REVOKED
        if settled or list_origin_obstacles(card.origin):
            return "—"
        return format_html(
            '<a href="{}" aria-label="{}">{}</a>',
            trust_url(card),
            _("Trust %(origin)s for %(group)s in %(environment)s…")
            % {"origin": card.origin, "group": card.api_group, "environment": card.environment},
            _("Trust…"),
        )

    def _describe(self, request: HttpRequest, card: RejectedOrigin) -> dict[str, Any]:
        reading = read_card(card)
        user: Any = request.user
        return {
            "may_reinstate": user.has_perm("cors_guard.change_trustedorigin"),
            "reading": reading,
            "trust_url": trust_url(card) if may_trust(request) and not reading.obstacles else "",
            "rejections_url": self._rejections_url(request, card),
        }

    def _rejections_url(self, request: HttpRequest, card: RejectedOrigin) -> str:
        user: Any = request.user
        if not user.has_perm("cors_guard.view_rejection"):
            return ""
        query = {"environment": card.environment, "api_group": card.api_group, "q": card.origin}
        return f"{reverse('admin:cors_guard_rejection_changelist')}?{urlencode(query)}"


def may_trust(request: HttpRequest) -> bool:
    """Whether the user may add trusted origins."""
    user: Any = request.user
    return bool(user.has_perm("cors_guard.add_trustedorigin"))
