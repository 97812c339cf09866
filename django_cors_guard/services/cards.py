"""Triage: what becomes of a rejected origin."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import (
    Problem,
    parse_canonical,
    parse_origin,
)
from django_cors_guard.exceptions import (
    InvalidRequest,
    RefusedOrigin,
)
from django_cors_guard.models import (
    FrontEnd,
    RejectedOrigin,
    TrustedOrigin,
)
from django_cors_guard.models.rejection import MAX_STORED, CardStatus
from django_cors_guard.services.grants import mark_card, signature_of
from django_cors_guard.services.places import alias
from django_cors_guard.services.trusting import trust


def check_card_origin(origin: str) -> None:
    """Raise RefusedOrigin or InvalidRequest if ``origin``, as some request sent it, cannot be trusted from its card.

    Whoever can send a request chooses what a card says, so only an exact origin, spelt as browsers send it, will do.
    """
    if len(origin) >= MAX_STORED:
        message = _("It was cut to %(limit)d characters, so it is not what was sent.")
        raise InvalidRequest(message % {"limit": MAX_STORED})
    parsed = parse_origin(origin)
    if parsed.origin is None:
        # No suggestion here: what a stranger sent is either an origin or it is not.
        raise RefusedOrigin(origin, tuple(problem._replace(detail="") for problem in parsed.problems))
    if parse_canonical(origin) is None:
        raise RefusedOrigin(origin, (Problem("not_canonical", origin),))
    if parsed.origin.is_pattern:
        raise InvalidRequest(
            _("It is a pattern. Browsers send none: somebody made it up, to be let in with more than one origin.")
        )


def trust_card(
    card: RejectedOrigin,
    *,
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> TrustedOrigin:
    """Trust the origin of ``card`` where it was refused, as ``trust`` would; raises what ``check_card_origin`` does."""
    check_card_origin(card.origin)
    grant = trust(
        card.origin,
        environment=card.environment,
        api_group=card.api_group,
        actor=actor,
        note=note,
        expires_at=expires_at,
        front_end=front_end,
    )
    # Where the grant stood already, say because only a method was refused, nothing else had marked the card.
    mark_card(grant, CardStatus.TRUSTED, actor)
    return grant


def ignore(card: RejectedOrigin, *, actor: AbstractBaseUser | None = None) -> RejectedOrigin:
    """Set ``card`` aside and return it; it goes on counting. What is ignored already stays as it is.

    It is no change of the policy and takes no revision. Raises InvalidRequest for a card that is trusted.
    """
    rows = RejectedOrigin.objects.using(alias()).filter(pk=card.pk)
    rows.filter(status=CardStatus.NEW).update(status=CardStatus.IGNORED, **signature_of(actor))
    card.refresh_from_db(using=alias())
    if card.status == CardStatus.TRUSTED:
        raise InvalidRequest(_("This origin is trusted here. Revoke it if it should not be."))
    return card
