"""From a rejected origin to a grant: what may be taken over from a card, and what stands against it.

Whoever can send a request chooses what a card says, so only an exact origin, spelt as browsers send it, ever reaches
the form, and always by the card's id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.core.origins import Problem
from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, TrustedOrigin
from django_cors_guard.services import check_card_origin
from django_cors_guard.wording import word_problem

#: The one parameter that prefills the form for trusting.
CARD: Final = "card"
#: This many digits fit into every database's BIGINT.
MAX_DIGITS: Final = 18
#: What every page that shows refusals says of them.
PROVES_NOTHING: Final = gettext_lazy(
    "A rejection proves only that somebody sent those bytes; whoever did chose the origin, too."
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a card comes to. ``obstacles`` say in words why nothing can be trusted from it; none: it can."""

    card: RejectedOrigin
    environment: Environment | None
    api_group: ApiGroup | None
    grant: TrustedOrigin | None
    obstacles: tuple[str, ...]


def trust_url(*cards: RejectedOrigin) -> str:
    """Return where the form for trusting opens, prefilled from the cards."""
    return f"{reverse('admin:cors_guard_trustedorigin_add')}?{urlencode([(CARD, card.pk) for card in cards])}"


def find_card(request: HttpRequest) -> RejectedOrigin | None:
    """Return the card that the request names, if it is there and the user may see it."""
    keys = read_keys([request.GET.get(CARD, "")])
    return RejectedOrigin.objects.filter(pk=keys[0]).first() if keys and may_see_cards(request) else None


def read_keys(given: Iterable[str]) -> list[int]:
    """Return those of the texts that may be the key of a card."""
    return [int(text) for text in given if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS]


def read_card(card: RejectedOrigin) -> Reading:
    """Look up what the card names, and say what stands against trusting from it."""
    environment = Environment.objects.filter(slug=card.environment).first()
    group = ApiGroup.objects.filter(slug=card.api_group).first()
    grant = (
        TrustedOrigin.objects.filter(environment=environment, api_group=group, origin=card.origin)
        .select_related("environment", "api_group", "revoked_by")
        .first()
        if environment is not None and group is not None
        else None
    )
    return judge_card(card, environment, group, grant)


def judge_card(
    card: RejectedOrigin, environment: Environment | None, group: ApiGroup | None, grant: TrustedOrigin | None
) -> Reading:
    """Say what stands against trusting from ``card``, of which the rest was looked up."""
    obstacles = list_origin_obstacles(card.origin)
    if environment is None:
        obstacles.append(_("There is no environment “%(slug)s” (any more).") % {"slug": card.environment})
    if group is None:
        obstacles.append(_("There is no API group “%(slug)s” (any more).") % {"slug": card.api_group})
    if grant is not None and grant.revoked_at is not None:
        obstacles.append(word_problem(Problem("revoked", card.origin)))
    return Reading(card, environment, group, grant, tuple(obstacles))


def list_origin_obstacles(origin: str) -> list[str]:
    """Return in words why ``origin``, as some request sent it, cannot be trusted."""
    try:
        check_card_origin(origin)
    except RefusedOrigin as error:
        return [word_problem(problem) for problem in error.problems]
    except InvalidRequest as error:
        return [error.message]
    return []


def may_see_cards(request: HttpRequest) -> bool:
    """Whether the user may look at rejected origins."""
    user: Any = request.user
    return any(user.has_perm(f"cors_guard.{verb}_rejectedorigin") for verb in ("view", "change"))
