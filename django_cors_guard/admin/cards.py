"""From a rejected origin to a grant: what may be taken over from a card, and what stands against it.

Whoever can send a request chooses what a card says, so only an exact origin, spelt as browsers send it, ever reaches
the form, and always by the card's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem
from django_cors_guard.exceptions import InvalidRequest, RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, TrustedOrigin
from django_cors_guard.services import check_card_origin
from django_cors_guard.wording import word_problem

#: The one parameter that prefills the form for trusting.
CARD: str = "card"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a card comes to. ``obstacles`` say in words why nothing can be trusted from it; none: it can."""

    card: RejectedOrigin
    environment: Environment | None
    api_group: ApiGroup | None
    grant: TrustedOrigin | None
    obstacles: tuple[str, ...]

    def as_initial(self) -> dict[str, Any]:
        """Return what the form begins with."""
        if self.obstacles or self.environment is None or self.api_group is None:
            return {}
        return {"environment": self.environment.pk, "api_group": self.api_group.pk, "origin": self.card.origin}


def find_card(request: HttpRequest) -> RejectedOrigin | None:
    """Return the card that the request names, if it is there and the user may see it."""
    key = request.GET.get(CARD, "")
    # 18 digits fit into every database's BIGINT.
    if not (key.isascii() and key.isdecimal() and len(key) <= 18) or not _may_see_cards(request):  # noqa: PLR2004
        return None
    return RejectedOrigin.objects.filter(pk=int(key)).first()


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


def _may_see_cards(request: HttpRequest) -> bool:
    user: Any = request.user
    return any(user.has_perm(f"cors_guard.{verb}_rejectedorigin") for verb in ("view", "change"))
