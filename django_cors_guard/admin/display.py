"""How values are shown. What a sender or another program chose is made visible and cut before it reaches a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.core.problems import MAX_VALUE_LENGTH, show
from django_cors_guard.models import ApiGroup, Environment, FrontEnd
from django_cors_guard.models.trusted_origin import Status, TrustedOrigin
from django_cors_guard.services.worth import SOON, longest_silence

#: Longest text in a cell of a list.
CELL: Final = 80

#: Longest name in a sentence, and longest text of several lines.
MAX_NAME: Final = 60
MAX_TEXT: Final = 2000

_PLAIN_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " "})

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


def shown(text: str, limit: int = CELL) -> str:
    """Return ``text`` with everything invisible escaped (direction marks, too), and cut to ``limit`` characters."""
    visible = show(with_plain_spaces(text))
    is_whole = len(visible) <= limit and len(text) <= MAX_VALUE_LENGTH
    return visible if is_whole else f"{visible[: limit - 1]}…"


def shown_text(text: str) -> str:
    """Return what may have several lines, such as a reason, made visible and cut."""
    whole = with_plain_spaces(text[:MAX_TEXT])
    visible = "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in whole)
    return visible if len(text) <= MAX_TEXT else f"{visible}…"


def with_plain_spaces(text: str) -> str:
    """Return ``text`` with plain spaces for those that only keep a line from breaking, as French has them in “« »”."""
    return text.translate(_PLAIN_SPACES)


def name_of(row: Environment | ApiGroup | FrontEnd) -> str:
    """Return what to call a row of the small tables."""
    return shown(str(row), MAX_NAME)


def badge(kind: str, text: str) -> SafeString:
    """Return a badge. It says in words what its colour hints at."""
    return format_html('<span class="cors-guard-badge cors-guard-{}">{}</span>', kind.replace("_", "-"), text)


def status_badge(grant: TrustedOrigin) -> SafeString:
    """Return what a grant is worth now."""
    status = grant.status()
    return badge(status.value, str(Status(status).label))


def grant_badges(grant: TrustedOrigin, last_used: datetime | None) -> SafeString:
    """Return what a grant is worth now, when it ends if that is soon, and whether anybody makes use of it."""
    return format_html_join(" ", "{}", ((found,) for found in _list_badges(grant, last_used)))


def _list_badges(grant: TrustedOrigin, last_used: datetime | None) -> Iterator[SafeString]:
    now = timezone.now()
    if grant.status(now) != Status.ACTIVE:
        yield status_badge(grant)
        return
    if grant.expires_at is not None and grant.expires_at <= now + SOON:
        yield badge("expiring_soon", _("expires %(day)s") % {"day": word_day(grant.expires_at)})
    else:
        yield status_badge(grant)
    silence = longest_silence()
    if grant.api_group.any_origin:
        return  # where every origin is let in, nothing tells of the use of one
    if max(grant.created_at, last_used or grant.created_at) <= now - silence:
        yield badge("unused", _("unused for %(time)s") % {"time": word_duration(silence.total_seconds())})
    elif last_used is None:
        yield badge("never_used", _("never used"))


def unicode_of(text: str) -> str:
    """Return an origin as an address bar may show it, or blank where that is no different."""
    origin = parse_canonical(text)
    found = origin.unicode if origin is not None else text
    return shown(found, MAX_VALUE_LENGTH) if found != text else ""


def show_origin(text: str, limit: int = CELL) -> SafeString | str:
    """Return an origin and, beside punycode, what it stands for."""
    spelt = unicode_of(text)
    if not spelt:
        return shown(text, limit)
    # What runs from right to left must not reorder what stands around it.
    return format_html('{} <bdi class="cors-guard-unicode">({})</bdi>', shown(text, limit), spelt)


def show_moment(at: datetime) -> SafeString:
    """Return how long ago something was; the exact time is its title."""
    since = timezone.now() - at
    words = _("just now") if since < timedelta(minutes=1) else _("%(time)s ago") % {"time": timesince(at, depth=1)}
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), word_moment(at), words)


def show_day(at: datetime) -> SafeString:
    """Return the day of a time; the exact time is its title."""
    day = timezone.localdate(at) if timezone.is_aware(at) else at.date()
    words = date_format(day, "DATE_FORMAT")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), word_moment(at), words)


def word_moment(at: datetime) -> str:
    """Return a time as a person reads it, in the time zone of the page."""
    return date_format(timezone.localtime(at) if timezone.is_aware(at) else at, "DATETIME_FORMAT")


def word_day(at: datetime) -> str:
    """Return a day near by, without its year."""
    day: date = timezone.localdate(at) if timezone.is_aware(at) else at.date()
    return date_format(day, "MONTH_DAY_FORMAT")


def word_group(slug: str) -> str:
    """Return what to call an API group that a log knows by its slug; the guard's own paths are no row of the table."""
    return _("the guard's own paths") if slug == OWN_GROUP else shown(slug)


def word_place(environment: str, api_group: str) -> str:
    """Return where something was refused, from two slugs; rows of a time without a policy know no group."""
    if not api_group:
        return shown(environment)
    return _("%(group)s in %(environment)s") % {"group": word_group(api_group), "environment": shown(environment)}


def word_duration(seconds: float) -> str:
    """Return a length of time in one unit, rounded."""
    if seconds < 2 * _MINUTE:
        count = ceil(seconds)
        return ngettext("%(count)d second", "%(count)d seconds", count) % {"count": count}
    if seconds < 2 * _HOUR:
        return _("%(count)d minutes") % {"count": round(seconds / _MINUTE)}
    if seconds < 2 * _DAY:
        return _("%(count)d hours") % {"count": round(seconds / _HOUR)}
    return _("%(count)d days") % {"count": round(seconds / _DAY)}
