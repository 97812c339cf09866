"""What becomes of a grant that is there already when its origin is trusted again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils.translation import gettext as _

from django_cors_guard.admin.display import shown, word_moment
from django_cors_guard.admin.trusting.expiry import word_end
from django_cors_guard.core.origins import Problem
from django_cors_guard.models import FrontEnd, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.wording import word_problem


class Effect(StrEnum):
    """Every outcome, new grants included."""

    NEW = "new"
    STAYS = "stays"  # nothing is written
    DESCRIBED = "described"  # front end or note, and nothing that requests would notice
    RENEWED = "renewed"  # it ends at another time
    NEEDS_END = "needs_end"  # it is worth nothing, and would go on so without an end that lies ahead
    REVOKED = "revoked"  # refused


@dataclass(frozen=True, slots=True)
class Choices:
    """What goes with every grant of a request."""

    ends: datetime | None = None
    note: str = ""
    front_end: FrontEnd | None = None


def effect_on(grant: TrustedOrigin | None, status: str, chosen: Choices) -> Effect:
    """Return what trusting does to ``grant``, as the services would do it."""
    if grant is None:
        return Effect.NEW
    if status == Status.REVOKED:
        return Effect.REVOKED
    if chosen.ends is not None and chosen.ends != grant.expires_at:
        return Effect.RENEWED
    if status != Status.ACTIVE:
        return Effect.NEEDS_END
    other_owner = chosen.front_end is not None and chosen.front_end.pk != grant.front_end_id
    return Effect.DESCRIBED if other_owner or chosen.note not in ("", grant.note) else Effect.STAYS


def word_effect_on(grant: TrustedOrigin, effect: Effect, chosen: Choices) -> str:
    """Return the same in a sentence or two."""
    values = {"end": word_end(grant.expires_at), "later": word_end(chosen.ends)}
    if effect == Effect.STAYS:
        return _("Trusted already, %(end)s: nothing changes.") % values
    if effect == Effect.DESCRIBED:
        return _("Trusted already, %(end)s: only its front end and note are rewritten with yours.") % values
    if effect == Effect.RENEWED:
        return _word_renewal(grant) % values
    if effect == Effect.REVOKED:
        return _word_revocation(grant)
    if grant.expires_at is not None and not grant.find_faults():
        return _("Its grant expired on %(at)s. Choose an end that lies ahead, or change the grant.") % {
            "at": word_moment(grant.expires_at)
        }
    faults = " ".join(word_problem(fault) for fault in grant.find_faults())
    return _("There is a grant, and a safety rule has switched it off. %(faults)s") % {"faults": faults}


def _word_renewal(grant: TrustedOrigin) -> str:
    if grant.status() == Status.ACTIVE:
        return _("Trusted already, %(end)s. From now on: %(later)s.")
    return _("There is a grant that lets nobody in (%(end)s). It holds again: %(later)s.")


def _word_revocation(grant: TrustedOrigin) -> str:
    told = _("Revoked on %(at)s by %(by)s (%(reason)s).") % {
        "at": word_moment(grant.revoked_at) if grant.revoked_at is not None else "",
        # Asking the story for a name, one by one, would be too much for a page.
        "by": grant.revoked_by.get_username() if grant.revoked_by is not None else _("an unknown user"),
        "reason": shown(grant.revoke_reason) or _("no reason given"),
    }
    return f"{word_problem(Problem('revoked', grant.origin))} {told}"
