"""The trend of a card: its last seven days as a small picture, and in words for those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

#: Sizes in the units of the picture, which are pixels of the page.
BAR: Final = 9
GAP: Final = 3
HEIGHT: Final = 24
#: A day with one refusal among days with thousands still shows, and a day without any leaves a trace of its place.
LOWEST: Final = 3
TRACE: Final = 1

Trend = Sequence[tuple[date, int]]


def today() -> date:
    """Return the day it is in UTC, whose days the cards count."""
    return datetime.now(UTC).date()


def word_trend(trend: Trend) -> str:
    """Return the counts, oldest first, in a sentence."""
    counts = ", ".join(str(count) for _day, count in trend)
    return _("%(counts)s refusals in the last %(days)d days") % {"counts": counts, "days": len(trend)}


def draw_trend(trend: Trend) -> SafeString:
    """Return the picture: attributes alone, since a strict content policy lets no style in."""
    most = max((count for _day, count in trend), default=0)
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"{}></rect>',
        (
            (at * (BAR + GAP), HEIGHT - height, BAR, height, _EMPTY if not count else "")
            for at, (_day, count) in enumerate(trend)
            for height in [_height_of(count, most)]
        ),
    )
    width = max(len(trend) * (BAR + GAP) - GAP, 0)
    return format_html(
        '<svg class="cors-guard-trend" role="img" width="{0}" height="{1}" viewBox="0 0 {0} {1}" focusable="false">'
        "<title>{2}</title>{3}</svg>",
        width,
        HEIGHT,
        word_trend(trend),
        bars,
    )


_EMPTY: Final = SafeString(' class="cors-guard-trend-empty"')


def _height_of(count: int, most: int) -> int:
    return max(round(HEIGHT * (count / most)), LOWEST) if count else TRACE
