"""Rejected origins: what was refused, one card an origin, environment and API group."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import badge, show_moment, shown, word_moment
from django_cors_guard.admin.filters import ApiGroupSlugFilter, EnvironmentSlugFilter
from django_cors_guard.admin.rejections.card_filters import CardStatusFilter, LastReasonFilter
from django_cors_guard.admin.rejections.card_list import CardList, Page, may_view_grants
from django_cors_guard.admin.rejections.cards import PROVES_NOTHING, list_origin_obstacles, read_card, trust_url
from django_cors_guard.admin.rejections.nearest import grant_url, word_grant
from django_cors_guard.admin.rejections.trend import draw_trend, today
from django_cors_guard.admin.rejections.triage import TriagePages
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import RejectedOrigin, Rejection
from django_cors_guard.models.nearby import Nearby
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.wording import word_reason

#: Refusals of a card's page that it lists itself; the others are a link away.
MAX_SHOWN: Final = 5


class RejectedOriginAdmin(TriagePages):
    """The cards, latest first."""

    guard_note = PROVES_NOTHING
    list_display = ["origin_shown", "place", "trend_shown", "seen", "why", "status_badge"]
    list_filter = [CardStatusFilter, EnvironmentSlugFilter, ApiGroupSlugFilter, LastReasonFilter, "last_seen"]
    ordering = ["-last_seen"]
    fields = [
        "origin_whole",
        "unicode_shown",
        "environment_shown",
        "api_group_shown",
        "status_story",
        "count_shown",
        "reason_in_words",
        "first_seen",
        "last_seen",
    ]

    class Media:
        css = {"all": ["cors_guard/rejected_origins.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CardList

    def get_list_display(self, request: HttpRequest) -> Any:
        return [*self.list_display, "trust_link"] if self.has_trust_permission(request) else self.list_display

    def get_fields(self, request: HttpRequest, obj: RejectedOrigin | None = None) -> Any:
        is_plain = obj is None or not _read_unicode(obj)
        return [name for name in self.fields if not (is_plain and name == "unicode_shown")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RejectedOrigin]:
        return super().get_queryset(request).select_related("status_by")

    def describe(self, request: HttpRequest, row: RejectedOrigin) -> dict[str, Any]:
        reading = read_card(row)
        page = Page([row], links=may_view_grants(request))
        trend = row.trend(today())
        return {
            "reading": reading,
            "may_view_grants": page.links,
            "may_reinstate": may(request, "change_trustedorigin"),
            "may_check": may(request, "view_trustedorigin", "view_environment"),
            "may_triage": self.has_triage_permission(request),
            "trust_url": trust_url(row) if self.has_trust_permission(request) and not reading.obstacles else "",
            "nearest": page.word(row),
            "grants": _list_grants(page.find(row)) if page.links else [],
            "trend": trend,
            "trend_picture": draw_trend(trend),
            **(_find_rejections(row) if may(request, "view_rejection") else {}),
        }

    @admin.display(description=_("origin"))
    def origin_shown(self, card: RejectedOrigin) -> str:
        unicode = _read_unicode(card)
        if not unicode:
            return shown(card.origin)
        return format_html('{} <span class="cors-guard-unicode">{}</span>', shown(card.origin), shown(unicode))

    @admin.display(description=_("reads as"))
    def unicode_shown(self, card: RejectedOrigin) -> str:
        return shown(_read_unicode(card), limit=255)

    @admin.display(description=_("last 7 days"))
    def trend_shown(self, card: RejectedOrigin) -> str:
        return format_html(
            '{}<br><span class="cors-guard-quiet">{}</span>',
            draw_trend(card.trend(today())),
            _("%(count)s in all") % {"count": number_format(card.count, force_grouping=True)},
        )

    @admin.display(description=_("seen"))
    def seen(self, card: RejectedOrigin) -> str:
        last, first = show_moment(card.last_seen), show_moment(card.first_seen)
        return format_html('{}<br><span class="cors-guard-quiet">{} {}</span>', last, _("first"), first)

    @admin.display(description=_("why, and what is nearest"))
    def why(self, card: RejectedOrigin) -> str:
        page: Page | None = getattr(card, "page", None)
        nearest = page.show(card) if page is not None else ""
        reason = self.reason_in_words(card)
        if not nearest:
            return reason
        return format_html('{}<br><span class="cors-guard-nearest">{}</span>', reason, nearest)

    @admin.display(description=_("status"))
    def status_badge(self, card: RejectedOrigin) -> SafeString:
        known = {status.value: str(status.label) for status in CardStatus}
        return badge(f"card-{card.status}", shown(known.get(card.status, card.status)))

    @admin.display(description=_("status"))
    def status_story(self, card: RejectedOrigin) -> str:
        if card.status_at is None:
            return self.status_badge(card)
        return format_html("{} {}", self.status_badge(card), _word_signature(card, card.status_at))

    @admin.display(description=_("count"))
    def count_shown(self, card: RejectedOrigin) -> str:
        return number_format(card.count, force_grouping=True)

    @admin.display(description=_("last reason"))
    def reason_in_words(self, card: RejectedOrigin) -> str:
        return shown(word_reason(card.last_reason))

    @admin.display(description=_("what to do"))
    def trust_link(self, card: RejectedOrigin) -> str:
        settled = card.status == CardStatus.TRUSTED or card.last_reason == Reason.REVOKED
        if settled or list_origin_obstacles(card.origin):
            return "—"
        return format_html(
            '<a href="{}" aria-label="{}">{}</a>',
            trust_url(card),
            _("Trust %(origin)s for %(group)s in %(environment)s…")
            % {"origin": shown(card.origin), "group": shown(card.api_group), "environment": shown(card.environment)},
            _("Trust…"),
        )


def _read_unicode(card: RejectedOrigin) -> str:
    """Return the origin with its international names spelt out; blank where it has none."""
    parsed = parse_canonical(card.origin)
    return parsed.unicode if parsed is not None and parsed.unicode != card.origin else ""


def _word_signature(card: RejectedOrigin, at: datetime) -> str:
    words = _("by %(by)s on %(at)s") if card.status_by is not None else _("on %(at)s")
    return str(words) % {"by": shown(str(card.status_by)), "at": word_moment(at)}


def _list_grants(near: Nearby | None) -> list[tuple[str, str]]:
    """Return the addresses and names of the grants that are nearest."""
    return [(grant_url(row), word_grant(row)) for row in near.rows] if near is not None else []


def _find_rejections(card: RejectedOrigin) -> dict[str, Any]:
    place = {"environment": card.environment, "api_group": card.api_group}
    rows = Rejection.objects.filter(origin=card.origin, **place).order_by("-pk")[:MAX_SHOWN]
    query = urlencode({**place, "q": card.origin})
    return {
        "rejections": [_Row(row) for row in rows],
        "rejections_url": f"{reverse('admin:cors_guard_rejection_changelist')}?{query}",
    }


class _Row:
    """A rejection in words."""

    def __init__(self, row: Rejection) -> None:
        self.pk = row.pk
        self.last_seen = word_moment(row.last_seen)
        self.request = shown(f"{row.method} {row.path}".strip())
        self.reason = shown(word_reason(row.reason))
        self.count = number_format(row.count, force_grouping=True)
