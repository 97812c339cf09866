"""The list of trusted origins: what each is worth, whose it is, and when it was used last."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_guard.admin.base import GuardAdmin
from django_cors_guard.admin.display import grant_badges, name_of, show_day, show_moment, show_origin
from django_cors_guard.admin.evidence import BoundedPaginator
from django_cors_guard.admin.grants.filters import (
    ApiGroupFilter,
    EnvironmentFilter,
    FrontEndFilter,
    ManagedByFilter,
    StatusFilter,
)
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.services.usage import find_last_uses

#: Stands in a column, and on a phone not at all.
NOTHING: Final = mark_safe('<span class="cors-guard-none">—</span>')


class GrantList(ChangeList):
    """Looks up when the grants of the page were used last: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if request.method == "POST":
            return  # an action: the list is not shown
        grants = list(self.result_list)
        uses = find_last_uses([grant.pk for grant in grants])
        for grant in grants:
            grant.last_used = uses.get(grant.pk)  # for the columns below
        self.result_list = grants


class GrantListing(GuardAdmin[TrustedOrigin]):
    """The columns, the filters and the search."""

    guard_note = _(
        "“Last used” shows use and proves none: anybody with a command line can send an Origin header. "
        "In API groups that are open to any origin it is not recorded."
    )
    list_display = ["origin_shown", "badges", "place", "front_end_shown", "use_and_end"]
    list_filter = [EnvironmentFilter, ApiGroupFilter, FrontEndFilter, StatusFilter, ManagedByFilter]
    list_select_related = ["environment", "api_group", "front_end"]
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ["origin", "front_end__name", "front_end__slug", "note"]
    search_hint = _("An origin or a part of it; a part of the front end's name or of the note.")
    # Both of one direction, so that the index on origins serves the order.
    ordering = ["origin", "pk"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return GrantList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the origin itself, however it was written; where there is none, whatever has the term in it."""
        parsed = parse_origin(search_term).origin
        if parsed is not None:
            whole = queryset.filter(origin=parsed.text)
            if whole.exists():
                return whole, False
        return super().get_search_results(request, queryset, _as_stored(search_term))

    @admin.display(description=_("origin"), ordering="origin")
    def origin_shown(self, grant: TrustedOrigin) -> SafeString | str:
        return show_origin(grant.origin)

    @admin.display(description=_("status"))
    def badges(self, grant: TrustedOrigin) -> SafeString:
        return grant_badges(grant, _last_use_of(grant))

    @admin.display(description=_("where"), ordering=Concat("environment__slug", "api_group__slug"))
    def place(self, grant: TrustedOrigin) -> SafeString:
        where = gettext("in %(environment)s") % {"environment": name_of(grant.environment)}
        return format_html('{} <span class="cors-guard-quiet">{}</span>', name_of(grant.api_group), where)

    @admin.display(description=_("front end"), ordering="front_end__name")
    def front_end_shown(self, grant: TrustedOrigin) -> SafeString | str:
        row = grant.front_end
        return _label(gettext("Front end:"), name_of(row)) if row is not None else NOTHING

    @admin.display(description=_("last used, expires"), ordering="expires_at")
    def use_and_end(self, grant: TrustedOrigin) -> SafeString:
        used = _label(gettext("Last used:"), _word_last_use(grant))
        if grant.expires_at is None:
            return used
        ends = format_html(gettext("expires {day}"), day=show_day(grant.expires_at))
        return format_html('{} <span class="cors-guard-quiet">{}</span>', used, ends)


def _word_last_use(grant: TrustedOrigin) -> SafeString | str:
    if grant.api_group.any_origin:
        return gettext("not recorded")
    at = _last_use_of(grant)
    return show_moment(at) if at is not None else gettext("never, on record")


def _label(words: str, value: SafeString | str) -> SafeString:
    """Return ``value`` with what it is: on a phone a row is a block, without the headings of the columns."""
    return format_html('<span class="cors-guard-label">{}</span> {}', words, value)


def _last_use_of(grant: TrustedOrigin) -> datetime | None:
    """As ``GrantList`` found it."""
    found: datetime | None = getattr(grant, "last_used", None)
    return found


def _as_stored(term: str) -> str:
    """Return an international name in punycode, and anything else as it is."""
    parsed = parse_origin(f"https://{term}").origin if not term.isascii() else None
    return parsed.host if parsed is not None else term
