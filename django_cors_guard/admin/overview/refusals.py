"""What was refused of late: the part of the overview for those who may see rejections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard import conf
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import shown, word_group, word_place
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.overview import charts
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services.overview import waiting as reads
from django_cors_guard.services.overview.tallies import Period, Refusals, add_up
from django_cors_guard.wording import word_reason

_PERIODS: Final = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.MONTH: gettext_lazy("30 days"),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A choice of the page."""

    label: str
    url: str
    is_current: bool


def describe_refusals(
    request: HttpRequest, environments: Sequence[Environment], groups: Sequence[ApiGroup]
) -> dict[str, Any]:
    """Return what the page shows of rejections; nothing to those who may see none."""
    sees_cards = may(request, "view_rejectedorigin")
    if not sees_cards and not may(request, "view_rejection"):
        return {}
    period, place = read_period(request), read_place(request, environments)
    now = datetime.now(tz=UTC)
    refusals = add_up(period, environment=place, now=now)
    return {
        "refusals": refusals,
        "total": number_format(refusals.total, force_grouping=True),
        "period": period,
        "place": place,
        "periods": list(_list_periods(period, place)),
        "places": list(_list_places(period, place, environments)),
        "charts": list(_draw_charts(refusals, groups)),
        "sees_cards": sees_cards,
        "most_refused": _list_most_refused(period, place, now) if sees_cards else [],
        "max_cards": reads.MAX_CARDS,
    }


def read_period(request: HttpRequest) -> Period:
    """Return the period that the address names, else a week."""
    try:
        return Period(request.GET.get("period", ""))
    except ValueError:
        return Period.WEEK


def read_place(request: HttpRequest, environments: Sequence[Environment]) -> str | None:
    """Return the slug of the environment that the address names (blank: None, all); else the active one, if it is."""
    slugs = {row.slug for row in environments}
    named = request.GET.get("environment", conf.current().environment)
    return named if named in slugs else None


def _list_periods(period: Period, place: str | None) -> Iterator[Link]:
    for each, label in _PERIODS.items():
        yield Link(str(label), _own_url(each, place), each is period)


def _list_places(period: Period, place: str | None, environments: Iterable[Environment]) -> Iterator[Link]:
    for row in environments:
        yield Link(shown(str(row)), _own_url(period, row.slug), row.slug == place)
    yield Link(_("All environments"), _own_url(period, None), place is None)


def _own_url(period: Period, place: str | None) -> str:
    return f"{link_to('overview', period=period.value, environment=place or '')}#refusals"


def _draw_charts(refusals: Refusals, groups: Iterable[ApiGroup]) -> Iterator[charts.Chart]:
    names = {group.slug: shown(str(group)) for group in groups}

    def word_code(code: str) -> str:
        return shown(word_reason(code))

    def word_slug(slug: str) -> str:
        return names.get(slug) or word_group(slug) or _("no group")

    begins, period = refusals.begins, refusals.period
    yield charts.draw("by-reason", _("Refused requests by reason"), refusals.by_reason, begins, period, word_code)
    yield charts.draw("by-group", _("Refused requests by API group"), refusals.by_group, begins, period, word_slug)


def _list_most_refused(period: Period, place: str | None, now: datetime) -> list[dict[str, Any]]:
    since = timezone.now() - period.steps * period.step
    return [
        {
            "url": link_to("rejectedorigin_change", card.id),
            "origin": shown(card.origin),
            "place": word_place(card.environment, card.api_group),
            "reason": shown(word_reason(card.reason)),
            "lately": card.lately,
            "count": card.count,
            "last_seen": card.last_seen,
        }
        for card in reads.list_most_refused(since, now.date(), environment=place)
    ]
