"""The overview: how the guard stands, what was refused of late, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.checks import run_checks
from django.db import router
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.display import shown, word_duration, word_place
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.names import Names
from django_cors_guard.admin.overview.refusals import describe_refusals
from django_cors_guard.admin.propagation import describe_propagation
from django_cors_guard.models import ApiGroup, Environment, PolicyState
from django_cors_guard.models.environment import ModeChoice
from django_cors_guard.models.revision import Source
from django_cors_guard.services.overview import waiting as reads
from django_cors_guard.services.overview.standing import Newest, Standing, describe_standing, read_newest
from django_cors_guard.services.worth import longest_silence
from django_cors_guard.wording import word_trouble

#: The tag that every system check of the guard carries.
CHECKS: Final = "cors_guard"


@dataclass(frozen=True, slots=True)
class Cell:
    """Active grants of one API group in one environment, and where they are listed."""

    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """The grants of one environment."""

    label: str
    is_active: bool
    cells: tuple[Cell, ...]
    total: int


def overview(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show it all; what concerns rejections to those alone who may see some."""
    alias = router.db_for_read(PolicyState)
    environments = list(Environment.objects.using(alias).order_by("slug"))
    groups = list(ApiGroup.objects.using(alias).order_by("slug"))
    context = {
        **_describe_standing(request, environments, groups),
        **describe_refusals(request, environments, groups),
        **_describe_grants(request, environments, groups),
    }
    names = Names({Environment: {row.slug: str(row) for row in environments}})
    context |= describe_propagation(context["newest"].revision, None, names)
    return show_page(request, site, "overview.html", _("Overview"), **context)


def _describe_standing(
    request: HttpRequest, environments: Sequence[Environment], groups: Sequence[ApiGroup]
) -> dict[str, Any]:
    standing, newest = describe_standing(environments), read_newest()
    off = {"environment__id__exact": standing.environment.pk} if standing.environment is not None else {}
    names = {group.slug: shown(str(group)) for group in groups}
    row = standing.environment
    return {
        "standing": standing,
        "name": shown(str(row)) if row is not None else shown(standing.slug),
        "slug": shown(standing.slug),
        "own_modes": [(names.get(item.api_group, item.api_group), item.mode) for item in standing.own_modes],
        "switches": list(map(_word_switch, standing.switches)),
        "open_groups": [names.get(slug, slug) for slug in standing.open_groups],
        "mode_label": dict(ModeChoice.choices).get(standing.mode, standing.mode),
        "switched_off_url": _list_url(status="switched_off", **off),
        "troubles": [word_trouble(trouble, shown(standing.slug)) for trouble in standing.troubles],
        "findings": find_faults_of_setup(),
        "newest": newest,
        "origin_of_revision": _word_origin(request, newest),
        "changes_url": _changes_url(newest) if may(request, "view_policychange") else "",
        "follows": word_duration(conf.current().refresh_seconds),
        "age": _word_age(standing),
    }


def _word_switch(name: str) -> str:
    field: Any = Environment._meta.get_field(name)
    return str(field.verbose_name)


def find_faults_of_setup() -> list[str]:
    """Return what the guard's system checks say of the settings; those that would ask the database are left out."""
    found = run_checks(tags=[CHECKS], databases=[])
    return sorted(_word_finding(message) for message in found if not message.is_silenced())


def _word_finding(message: Any) -> str:
    return f"{message.msg} {message.hint or ''} ({message.id})"


def _word_origin(request: HttpRequest, newest: Newest) -> str:
    """Say how the revision came about; by whom only to those who may read the story."""
    if not newest.source:
        return ""
    how = str(dict(Source.choices).get(newest.source, newest.source))
    if not may(request, "view_policychange"):
        return f"({how})"
    by = shown(newest.by) or _("the system")
    return _("by %(who)s (%(source)s)") % {"who": by, "source": how}


def _changes_url(newest: Newest) -> str:
    return link_to("policychange_changelist", revision=newest.revision)


def _word_age(standing: Standing) -> str:
    return word_duration(standing.age_seconds) if standing.age_seconds is not None else ""


def _describe_grants(
    request: HttpRequest, environments: Sequence[Environment], groups: Sequence[ApiGroup]
) -> dict[str, Any]:
    now, today = timezone.now(), datetime.now(tz=UTC).date()
    active = reads.find_active(now, environments)
    counts = reads.count_grants(active, now)
    return {
        "group_names": [shown(str(group)) for group in groups],
        "lines": list(_list_lines(counts, environments, groups)),
        "ending_url": _list_url(status="expiring"),
        "never_url": _list_url(status="never_used"),
        "unused_url": _list_url(status="unused"),
        "silence": word_duration(longest_silence().total_seconds()),
        "soon": sum(item.soon for item in counts),
        "later": sum(item.later for item in counts),
        "ending": [
            {
                "url": link_to("trustedorigin_change", grant.id),
                "origin": shown(grant.origin),
                "place": word_place(grant.environment, grant.api_group),
                "expires_at": grant.expires_at,
            }
            for grant in reads.list_ending(active, now)
        ],
        "unused": reads.count_unused(active, now),
        "reviews": _show_reviews(today) if may(request, "view_frontend") else None,
    }


def _show_reviews(today: date) -> list[dict[str, Any]]:
    return [
        {
            "url": link_to("frontend_change", review.id),
            "name": shown(review.name),
            "owner": shown(review.owner),
            "review_by": review.review_by,
            "is_overdue": review.is_overdue,
        }
        for review in reads.list_reviews(today)
    ]


def _list_lines(
    counts: Iterable[reads.GrantCount], environments: Iterable[Environment], groups: Sequence[ApiGroup]
) -> Iterator[Line]:
    found = {(item.environment, item.api_group): item.active for item in counts}
    for row in environments:
        cells = tuple(Cell(found.get((row.pk, group.pk), 0), _cell_url(row, group)) for group in groups)
        is_active = row.slug == conf.current().environment
        yield Line(shown(str(row)), is_active, cells, sum(cell.count for cell in cells))


def _cell_url(row: Environment, group: ApiGroup) -> str:
    return _list_url(environment__id__exact=row.pk, api_group__id__exact=group.pk, status="active")


def _list_url(**filters: Any) -> str:
    return link_to("trustedorigin_changelist", **filters)


PAGE: Final = DeskPage("overview", ("view_trustedorigin",), overview)
