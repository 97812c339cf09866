"""Charts as tables: intervals by series. A script draws the bars from the table that is on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_cors_guard.services.overview.tallies import HOUR, Period, Series

#: More are added up as "others": nobody tells more colours and patterns apart.
MAX_SERIES: Final = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One interval: what each series counts in it."""

    label: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; ``columns`` name the series, the largest first."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Row


Word = Callable[[str], str]


def draw(
    name: str, title: str, series: Sequence[Series], begins: Sequence[datetime], period: Period, word: Word
) -> Chart:
    """Return the chart of ``series``; ``word`` turns the code of one into what it is called."""
    columns = list(_fold(series, word, len(begins)))
    rows = tuple(
        Row(label_interval(begin, period), tuple(counts[at] for _label, counts in columns))
        for at, begin in enumerate(begins)
    )
    totals = Row(_("All"), tuple(sum(counts) for _label, counts in columns))
    return Chart(name, title, tuple(label for label, _counts in columns), rows, totals)


def _fold(series: Sequence[Series], word: Word, steps: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    fits = len(series) <= MAX_SERIES
    for item in series if fits else series[: MAX_SERIES - 1]:
        yield word(item.code), item.counts
    if not fits:
        rest = series[MAX_SERIES - 1 :]
        yield _("others"), tuple(sum(item.counts[at] for item in rest) for at in range(steps))


def label_interval(begin: datetime, period: Period) -> str:
    """Return what to call the interval that began at ``begin``, in UTC."""
    # Django's formats have no short one for a day without its year.
    day = date_format(begin, pgettext("format of a day, as for Django's date filter", "j M"))
    return f"{day} {date_format(begin, 'H:i')}" if period.step == HOUR else day
