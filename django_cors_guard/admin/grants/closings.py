"""What a revocation closes, in words: what it was used for lately, whose that is, and what browsers still remember."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_cors_guard.admin.display import name_of, show_moment, show_origin, shown, word_duration
from django_cors_guard.admin.links import link_to
from django_cors_guard.models import FrontEnd, TrustedOrigin
from django_cors_guard.services.revoking.radius import BlastRadius, Closing
from django_cors_guard.services.usage import Tally, Use

NOT_RECORDED: Final[Any] = gettext_lazy("The API group is open to any origin: use is not recorded.")


@dataclass(frozen=True, slots=True)
class Line:
    """One name, how often it was seen, and when last."""

    name: SafeString | str
    count: int
    last_seen: datetime

    @property
    def ago(self) -> SafeString:
        return show_moment(self.last_seen)

    @property
    def times(self) -> str:
        return number_format(self.count, force_grouping=True)


@dataclass(frozen=True, slots=True)
class UseInWords:
    """What one grant was used for lately; without ``last_used`` nothing was seen."""

    rate: str
    last_used: SafeString | str = ""
    methods: tuple[Line, ...] = ()
    origins: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontEndInWords:
    """Whose a grant is, and whom to call."""

    name: str
    owner: str
    contact: str
    is_external: bool


def word_front_end(row: FrontEnd | None) -> FrontEndInWords | None:
    """Return the front end of a grant, if it is known."""
    if row is None:
        return None
    return FrontEndInWords(name_of(row), shown(row.owner), shown(row.contact, 255), row.external)


@dataclass(frozen=True, slots=True)
class ClosingInWords:
    """One place that will be closed."""

    origin: SafeString | str
    api_group: str
    environment: str
    pattern: str
    front_end: FrontEndInWords | None
    use: UseInWords
    cached: str


@dataclass(frozen=True, slots=True)
class PlaceInWords:
    """One grant that is named and no more."""

    origin: SafeString | str
    api_group: str
    environment: str
    url: str


def word_grants(grants: Iterable[TrustedOrigin]) -> list[PlaceInWords]:
    """Return grants by their names."""
    return [
        PlaceInWords(
            show_origin(grant.origin, 255),
            name_of(grant.api_group),
            name_of(grant.environment),
            link_to("trustedorigin_change", grant.pk),
        )
        for grant in grants
    ]


def word_closings(radius: BlastRadius) -> list[ClosingInWords]:
    """Return what the page of a revocation says of each place that it closes."""
    return [_word_closing(closing, radius.window) for closing in radius.closings]


def word_use(grant: TrustedOrigin, use: Use | None, a_day: float, window: timedelta) -> UseInWords:
    """Return what was seen of a grant within ``window``."""
    if grant.api_group.any_origin:
        return UseInWords(str(NOT_RECORDED))
    if use is None:
        seconds = window.total_seconds()
        return UseInWords(_("Nothing was seen in the last %(time)s.") % {"time": word_duration(seconds)})
    return UseInWords(
        rate=_word_rate(a_day),
        last_used=show_moment(use.last_seen),
        methods=tuple(_list_lines(use.methods)),
        origins=tuple(Line(show_origin(tally.name), tally.count, tally.last_seen) for tally in use.origins),
    )


def _word_closing(closing: Closing, window: timedelta) -> ClosingInWords:
    grant = closing.grant
    return ClosingInWords(
        origin=show_origin(closing.place.origin, 255),
        api_group=name_of(grant.api_group),
        environment=name_of(grant.environment),
        pattern=shown(grant.origin) if closing.is_covered else "",
        front_end=word_front_end(grant.front_end),
        use=word_use(grant, closing.use, closing.a_day, window),
        cached=word_duration(grant.api_group.max_age),
    )


def _word_rate(a_day: float) -> str:
    if a_day < 1:
        return _("Less than one request a day.")
    count = round(a_day)
    words = ngettext("About one request a day.", "About %(count)s requests a day.", count)
    return words % {"count": number_format(count, force_grouping=True)}


def _list_lines(tallies: Iterable[Tally]) -> Iterable[Line]:
    return (Line(shown(tally.name), tally.count, tally.last_seen) for tally in tallies)
