"""The list of cards: what the cards of one page share, looked up once for all of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.rejections.nearest import link_neighbour, word_neighbour
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.explain import Difference
from django_cors_guard.explanation import NEARBY_REASONS
from django_cors_guard.models import RejectedOrigin
from django_cors_guard.models.nearby import Nearby, Refused, find_nearby
from django_cors_guard.models.rejection import CardStatus

_EXPLICABLE: Final = NEARBY_REASONS | {Reason.OTHER_GROUP, Reason.OTHER_ENVIRONMENT}
_ENDED: Final = frozenset({Difference.REVOKED, Difference.EXPIRED, Difference.SWITCHED_OFF})


class Page:
    """What the cards of one page share: the nearest grants, looked up for all of them at once when the first asks."""

    def __init__(self, cards: list[RejectedOrigin], *, links: bool) -> None:
        self._cards = [card for card in cards if card.last_reason in _EXPLICABLE]
        self.links = links

    @cached_property
    def _nearby(self) -> dict[int, Nearby | None]:
        asked = [Refused(card.origin, card.environment, card.api_group) for card in self._cards]
        return {card.pk: near for card, near in zip(self._cards, find_nearby(asked), strict=True)}

    def find(self, card: RejectedOrigin) -> Nearby | None:
        """Return the grant nearest to what was refused; of a trusted card, only one that has ended."""
        near = self._nearby.get(card.pk)
        is_moot = near is not None and card.status == CardStatus.TRUSTED and near.nearest.difference not in _ENDED
        return None if is_moot else near

    def show(self, card: RejectedOrigin) -> str:
        """Return it in words, with a link to the grant for those who may view it; blank for none."""
        near = self.find(card)
        if near is None or not self.links:
            return self.word(card)
        return link_neighbour(card, near)

    def word(self, card: RejectedOrigin) -> str:
        """Return it in words alone; blank for none."""
        near = self.find(card)
        return word_neighbour(card, near) if near is not None else ""


class CardList(ChangeList):
    """A list whose cards know the page they are on."""

    @property
    def narrowed_by(self) -> list[str]:
        """The parameters of all filters that are at work beside that of the status."""
        return [name for name in self.get_filters_params() if not name.startswith("status")]

    @property
    def widened(self) -> str:
        """The address of the list without them."""
        return self.get_query_string(remove=self.narrowed_by)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        cards: list[Any] = list(self.result_list)
        page = Page(cards, links=may_view_grants(request))
        model_admin: Any = self.model_admin
        for card in cards:
            # Django names the row beside its tick box.
            model_admin.make_visible(card)
            card.page = page
        self.result_list = cards
        # The number stands below the list; beside the search field Django would offer to "show all" of another default.
        self.full_result_count = self.result_count


def may_view_grants(request: HttpRequest) -> bool:
    """Whether the user may open the pages of trusted origins."""
    return may(request, "view_trustedorigin") or may(request, "change_trustedorigin")
