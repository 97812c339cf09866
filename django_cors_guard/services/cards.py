"""Triage: what becomes of a rejected origin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
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
from django_cors_guard.services.places import alias, retry_deadlocks
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


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of several cards: those that changed, as they were before, and how many are settled by a grant."""

    changed: tuple[RejectedOrigin, ...]
    trusted: int


def ignore(card: RejectedOrigin, *, actor: AbstractBaseUser | None = None) -> RejectedOrigin:
    """Set ``card`` aside and return it; it goes on counting. What is ignored already stays as it is.

    It is no change of the policy and takes no revision. Raises InvalidRequest for a card that is trusted.
    """
    if ignore_cards([card.pk], actor=actor).trusted:
        raise InvalidRequest(_("This origin is trusted here. Revoke it if it should not be."))
    return _reread(card)


def reopen(card: RejectedOrigin, *, actor: AbstractBaseUser | None = None) -> RejectedOrigin:
    """Take ``card`` back to *new* from where it was set aside, and return it. What is new already stays as it is.

    It is no change of the policy and takes no revision. Raises InvalidRequest for a card that is trusted.
    """
    if reopen_cards([card.pk], actor=actor).trusted:
        raise InvalidRequest(
            _("This origin was trusted here. Its card is new again by itself once it is refused after its grant ended.")
        )
    return _reread(card)


@retry_deadlocks
def ignore_cards(keys: Iterable[int], *, actor: AbstractBaseUser | None = None) -> Settled:
    """Set aside those of the cards with these primary keys that are new, in one go; the others stay as they are."""
    return _settle(keys, CardStatus.NEW, CardStatus.IGNORED, actor)


@retry_deadlocks
def reopen_cards(keys: Iterable[int], *, actor: AbstractBaseUser | None = None) -> Settled:
    """Take back to *new* those of the cards with these primary keys that were set aside; others stay as they are."""
    return _settle(keys, CardStatus.IGNORED, CardStatus.NEW, actor)


def _settle(keys: Iterable[int], before: CardStatus, after: CardStatus, actor: AbstractBaseUser | None) -> Settled:
    rows = RejectedOrigin.objects.using(alias())
    with transaction.atomic(using=alias()):
        # Locked in the order in which the audit log locks them, so that neither stands in the other's way.
        named = list(rows.filter(pk__in=list(keys)).order_by("key").select_for_update())
        changed = tuple(card for card in named if card.status == before)
        if changed:
            rows.filter(pk__in=[card.pk for card in changed]).update(status=after, **signature_of(actor))
    return Settled(changed, sum(card.status == CardStatus.TRUSTED for card in named))


def _reread(card: RejectedOrigin) -> RejectedOrigin:
    card.refresh_from_db(using=alias())
    return card
