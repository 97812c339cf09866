"""How often origins were refused lately: one query for a whole page of cards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncDate

from django_cors_guard.api import times
from django_cors_guard.api.exact import group_exactly, text_of
from django_cors_guard.api.times import as_stored
from django_cors_guard.models import RejectedOrigin, Rejection
from django_cors_guard.models.rejection import card_key

DAYS: Final = 7


def find_trends(cards: Iterable[RejectedOrigin]) -> dict[str, list[dict[str, Any]]]:
    """Return, by the key of each card, how many refusals each of the last seven days (of UTC) had, oldest first.

    It counts what the log still holds: what exceeded its bounds counts on no card's days.
    """
    wanted = list(cards)
    days = _list_days()
    counts: dict[tuple[str, date], int] = {}
    for row in _read(wanted, days[0]) if wanted else []:
        place = (card_key(row["environment"], row["api_group"], text_of(row["name"])), row["day"])
        counts[place] = counts.get(place, 0) + row["total"]
    return {card.key: [{"day": day, "count": counts.get((card.key, day), 0)} for day in days] for card in wanted}


def _list_days() -> list[date]:
    today = times.now().date()
    return [today - timedelta(days=back) for back in reversed(range(DAYS))]


def _read(cards: list[RejectedOrigin], first: date) -> QuerySet[Any, dict[str, Any]]:
    rows = Rejection.objects.filter(
        origin__in={card.origin for card in cards},
        environment__in={card.environment for card in cards},
        api_group__in={card.api_group for card in cards},
        last_seen__gte=as_stored(datetime.combine(first, time.min, tzinfo=UTC)),
        overflow=False,
    )
    zone = UTC if settings.USE_TZ else None
    grouped: QuerySet[Any, dict[str, Any]] = (
        group_exactly(rows, "origin")
        .annotate(day=TruncDate(F("last_seen"), tzinfo=zone))
        .values("name", "environment", "api_group", "day")
        .annotate(total=Sum("count"))
        .order_by()
    )
    return grouped
