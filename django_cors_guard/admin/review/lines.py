"""The review in words: a line for each grant, an entry for each front end past its review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import badge, show_day, show_moment, show_origin, shown, shown_text
from django_cors_guard.admin.links import link_to
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import GrantReview, Overdue
from django_cors_guard.services.reviewing.front_ends import list_overdue
from django_cors_guard.wording import word_due, word_unsure


@dataclass(frozen=True, slots=True)
class Line:
    """One grant. ``id`` is None where it cannot be ticked."""

    id: int | None
    url: str
    origin: Any
    badges: tuple[Any, ...]
    group: str
    environment: str
    front_end: str
    owner: str
    why: tuple[str, ...]
    trusted: Any
    ends: Any
    used: Any
    reviewed: Any
    reviewer: str
    due: tuple[str, ...]
    unsure: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see, and whether anything can be ticked."""

    owners: bool
    use: bool
    story: bool
    ticks: bool

    @classmethod
    def of(cls, request: Any, *, is_now: bool) -> Sight:
        """Return what the user of ``request`` may see."""
        return cls(
            owners=may(request, "view_frontend"),
            use=may(request, "view_originusage"),
            story=may(request, "view_policychange"),
            ticks=is_now and may(request, "change_trustedorigin"),
        )


def lay_out(grants: Iterable[GrantReview], sight: Sight, names: Mapping[str, Mapping[str, str]]) -> list[Line]:
    """Return ``grants`` in words; ``names`` are those of environments and API groups by slug."""
    return [_lay_out(grant, sight, names) for grant in grants]


def _lay_out(grant: GrantReview, sight: Sight, names: Mapping[str, Mapping[str, str]]) -> Line:
    reason = grant.reason if sight.story else ""
    unsure = [code for code in grant.unsure if code != "front_end_details"]
    return Line(
        id=grant.id if sight.ticks and grant.status in {Status.ACTIVE.value, Status.SWITCHED_OFF.value} else None,
        url=link_to("trustedorigin_change", grant.id) if grant.id is not None else "",
        origin=show_origin(grant.origin, limit=255),
        badges=tuple(_list_badges(grant, sight)),
        group=names["api_group"].get(grant.api_group, shown(grant.api_group)),
        environment=names["environment"].get(grant.environment, shown(grant.environment)),
        front_end=shown(grant.front_end_name or grant.front_end if sight.owners else grant.front_end),
        owner=shown(grant.owner) if sight.owners else "",
        why=tuple(shown_text(text)[:300] for text in (grant.note, reason) if text),
        trusted=_say_trusted(grant),
        ends=show_day(grant.expires_at) if grant.expires_at is not None else "",
        used=_say_use(grant) if sight.use else "",
        reviewed=show_day(grant.reviewed_at) if grant.reviewed_at is not None else "",
        reviewer=shown(grant.reviewed_by),
        due=tuple(word_due(code) for code in grant.due),
        unsure=tuple(word_unsure(code) for code in unsure if code != "use"),
    )


def _list_badges(grant: GrantReview, sight: Sight) -> Iterable[Any]:
    labels = {**dict(Status.choices), "unknown": _("not known")}
    if grant.status != Status.ACTIVE.value:
        yield badge(grant.status, str(labels.get(grant.status, shown(grant.status))))
    if grant.id is None:
        yield badge("gone", _("deleted since"))
    if grant.external and sight.owners:
        yield badge("external", _("external"))


def _say_trusted(grant: GrantReview) -> Any:
    if grant.trusted_at is None:
        return ""
    age = ngettext("%(count)d day", "%(count)d days", grant.age_days or 0) % {"count": grant.age_days or 0}
    if not grant.trusted_by:
        return format_html("{} <span>({})</span>", show_day(grant.trusted_at), age)
    by = _("by %(who)s") % {"who": shown(grant.trusted_by)}
    return format_html("{} <span>({})</span> {}", show_day(grant.trusted_at), age, by)


def _say_use(grant: GrantReview) -> Any:
    if "use" in grant.unsure:
        return _("not known")
    return show_moment(grant.last_used) if grant.last_used is not None else _("not seen")


@dataclass(frozen=True, slots=True)
class Entry:
    """A front end past its review; ``url`` leads to where it is reviewed."""

    name: str
    owner: str
    review_by: date
    standing: int
    list_url: str
    url: str


def list_front_ends(*, can_review: bool) -> list[Entry]:
    """Return those that are past their review."""
    return [_describe(item, can_review=can_review) for item in list_overdue(limit=50)]


def _describe(item: Overdue, *, can_review: bool) -> Entry:
    slug = item.front_end.slug
    return Entry(
        name=shown(str(item.front_end)),
        owner=shown(item.front_end.owner),
        review_by=item.review_by,
        standing=item.standing,
        list_url=link_to("review", front_end=slug),
        url=link_to("review", look_at=slug) if can_review else "",
    )


def word_moment_of(at: datetime) -> str:
    """Return as of when a list is, for its caption."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
