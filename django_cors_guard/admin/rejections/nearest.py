"""The nearest trusted thing in words: how it differs from what a card says was refused, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from django_cors_guard.admin.display import shown, word_day
from django_cors_guard.core.explain import Difference
from django_cors_guard.models import RejectedOrigin, TrustedOrigin
from django_cors_guard.models.nearby import Nearby
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.wording import word_nearest

#: More places than anybody reads in a cell are not named.
MAX_PLACES: Final = 3
#: Longest scheme that is quoted.
MAX_SCHEME: Final = 30

_HERE: Final = frozenset({Difference.REVOKED, Difference.EXPIRED, Difference.SWITCHED_OFF})
_ELSEWHERE: Final = frozenset({Difference.OTHER_GROUP, Difference.OTHER_ENVIRONMENT})


def word_neighbour(card: RejectedOrigin, near: Nearby) -> str:
    """Return how the nearest grant differs from what ``card`` says was refused."""
    candidate, difference = near.nearest.candidate, near.nearest.difference
    has_ended = difference in _ELSEWHERE and candidate.status != "active"
    words = word_nearest(
        f"{difference}_ended" if has_ended else difference,
        origin=shown(candidate.origin),
        places=_name_places(near),
        status=_word_status(candidate.status),
        by=shown(candidate.by) or _("an unknown user"),
        at=_word_at(candidate.at),
        sent=_scheme_of(card.origin),
        scheme=_scheme_of(candidate.origin),
    )
    remarks = ", ".join(_list_remarks(card, near))
    return f"{words} ({remarks})" if remarks else words


def link_neighbour(card: RejectedOrigin, near: Nearby) -> str:
    """Return the same as a link to the grant."""
    return format_html('<a href="{}">{}</a>', grant_url(near.row), word_neighbour(card, near))


def grant_url(grant: TrustedOrigin) -> str:
    """Return where the page of ``grant`` is."""
    return reverse("admin:cors_guard_trustedorigin_change", args=[grant.pk])


def word_grant(grant: TrustedOrigin) -> str:
    """Return what to call a grant: its origin and its place."""
    place = _("%(group)s in %(environment)s") % _names_of(grant)
    return f"{shown(grant.origin)} ({place})"


def _list_remarks(card: RejectedOrigin, near: Nearby) -> Iterator[str]:
    candidate, difference = near.nearest.candidate, near.nearest.difference
    if difference in _HERE | _ELSEWHERE:
        if candidate.origin != card.origin:
            yield _("through %(origin)s") % {"origin": shown(candidate.origin)}
        return
    if candidate.environment != card.environment:
        yield _("%(group)s in %(environment)s") % _names_of(near.row)
    elif candidate.api_group != card.api_group:
        yield _("for %(group)s") % _names_of(near.row)
    if candidate.status != "active":
        yield _word_status(candidate.status)


def _names_of(grant: TrustedOrigin) -> dict[str, str]:
    return {"group": shown(str(grant.api_group)), "environment": shown(str(grant.environment))}


def _name_places(near: Nearby) -> str:
    is_group = near.nearest.difference is Difference.OTHER_GROUP
    names = list(dict.fromkeys(_names_of(row)["group" if is_group else "environment"] for row in near.rows))
    shortened = [*names[:MAX_PLACES], *(["…"] if len(names) > MAX_PLACES else [])]
    return get_text_list(shortened, _("and"))


def _word_status(status: str) -> str:
    return str(Status(status).label)


def _word_at(at: datetime | None) -> str:
    if at is None:
        return ""
    return word_day(at) if at.year == timezone.now().year else date_format(at, "DATE_FORMAT")


def _scheme_of(origin: str) -> str:
    return shown(origin.partition("://")[0], MAX_SCHEME)
