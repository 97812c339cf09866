"""Several rejected origins at once, on their way to the form for trusting. As everywhere, only ids are taken over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from django_cors_guard.admin.rejections.cards import CARD, Reading, judge_card, may_see_cards, read_card, read_keys
from django_cors_guard.admin.trusting.ask import Asked, Spot
from django_cors_guard.admin.trusting.lines import Line
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, TrustedOrigin

_R = TypeVar("_R", Environment, ApiGroup)

#: Cards that one page takes.
MAX_CARDS: Final = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Cards by what can be trusted from them and what cannot; ``missing`` are those that are not there (any more)."""

    ready: tuple[Reading, ...]
    barred: tuple[Reading, ...]
    missing: int

    def is_product(self) -> bool:
        """Whether every origin was refused in every place, so that a form with one list of each says the same."""
        origins = {reading.card.origin for reading in self.ready}
        return len(self.ready) == len(origins) * len(self.environments()) * len(self.api_groups())

    def environments(self) -> list[Environment]:
        """Return those that would change."""
        return list(
            {row.pk: row for row in (reading.environment for reading in self.ready) if row is not None}.values()
        )

    def api_groups(self) -> list[ApiGroup]:
        """Return those that could be called."""
        return _each_once(reading.api_group for reading in self.ready)

    def as_initial(self) -> dict[str, Any]:
        """Return what the form begins with, if it is a product."""
        return {
            "origins": "\n".join(dict.fromkeys(reading.card.origin for reading in self.ready)),
            "environments": [row.pk for row in self.environments()],
            "api_groups": [row.pk for row in self.api_groups()],
        }

    def as_asked(self) -> list[Asked]:
        """Return a line for each origin, with the places where just that one was refused."""
        readings: dict[str, list[Reading]] = {}
        for reading in self.ready:
            readings.setdefault(reading.card.origin, []).append(reading)
        return [
            Asked(Line(number, origin), tuple(_list_spots(ones)), self._address_without(ones))
            for number, (origin, ones) in enumerate(readings.items(), start=1)
        ]

    def _address_without(self, left_out: Iterable[Reading]) -> str:
        keys = {reading.card.pk for reading in left_out}
        others = [(CARD, reading.card.pk) for reading in self.ready if reading.card.pk not in keys]
        return f"{reverse('admin:cors_guard_trustedorigin_add')}?{urlencode(others)}" if others else ""


def read_batch(request: HttpRequest) -> Batch | None:
    """Return the cards that the address names, as far as the user may see them; None if it names none."""
    if CARD not in request.GET:
        return None
    given = list(dict.fromkeys(request.GET.getlist(CARD)))[:MAX_CARDS]
    keys = read_keys(given)
    rows = RejectedOrigin.objects.filter(pk__in=keys) if keys and may_see_cards(request) else []
    cards = sorted(rows, key=lambda card: keys.index(card.pk))
    readings = [read_card(cards[0])] if len(cards) == 1 else _read_cards(cards)
    return Batch(
        ready=tuple(reading for reading in readings if not reading.obstacles),
        barred=tuple(reading for reading in readings if reading.obstacles),
        missing=len(given) - len(cards),
    )


def _read_cards(cards: list[RejectedOrigin]) -> list[Reading]:
    """As ``read_card`` for several, in three queries."""
    environments = {row.slug: row for row in Environment.objects.filter(slug__in={card.environment for card in cards})}
    groups = {row.slug: row for row in ApiGroup.objects.filter(slug__in={card.api_group for card in cards})}
    there = TrustedOrigin.objects.filter(origin__in={card.origin for card in cards}).select_related("revoked_by")
    grants = {(row.environment_id, row.api_group_id, row.origin): row for row in there}
    return [_read_card(card, environments.get(card.environment), groups.get(card.api_group), grants) for card in cards]


def _read_card(
    card: RejectedOrigin,
    environment: Environment | None,
    group: ApiGroup | None,
    grants: dict[tuple[int, int, str], TrustedOrigin],
) -> Reading:
    place = (environment.pk, group.pk, card.origin) if environment is not None and group is not None else None
    return judge_card(card, environment, group, grants.get(place) if place is not None else None)


def _each_once(rows: Iterable[_R | None]) -> list[_R]:
    return list({row.pk: row for row in rows if row is not None}.values())


def _list_spots(readings: Iterable[Reading]) -> Iterator[Spot]:
    for reading in readings:
        if reading.environment is not None and reading.api_group is not None:
            yield Spot(reading.environment, reading.api_group)
