"""How values are shown. What a sender or another program chose is made visible and cut before it reaches a page."""

from __future__ import annotations

from math import ceil
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.core.problems import MAX_VALUE_LENGTH, show
from django_cors_guard.models.trusted_origin import Status, TrustedOrigin

#: Longest text in a cell of a list.
CELL: Final = 80

_MINUTE: Final = 60
_HOUR: Final = 3600


def shown(text: str, limit: int = CELL) -> str:
    """Return ``text`` with everything invisible escaped (direction marks, too), and cut to ``limit`` characters."""
    visible = show(text)
    is_whole = len(visible) <= limit and len(text) <= MAX_VALUE_LENGTH
    return visible if is_whole else f"{visible[: limit - 1]}…"


def badge(kind: str, text: str) -> SafeString:
    """Return a badge. It says in words what its colour hints at."""
    return format_html('<span class="cors-guard-badge cors-guard-{}">{}</span>', kind.replace("_", "-"), text)


def status_badge(grant: TrustedOrigin) -> SafeString:
    """Return what a grant is worth now."""
    status = grant.status()
    return badge(status.value, str(Status(status).label))


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
    return _("%(count)d hours") % {"count": round(seconds / _HOUR)}
