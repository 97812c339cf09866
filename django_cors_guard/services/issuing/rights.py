"""What an account may have trusted without any permission: by the shapes, places and limits of its issuers.

Names that are asked for are compared with those of the account's own issuers, and with nothing else: a refusal confirms
neither that an environment or API group exists nor that an origin is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard.core.lifetimes import format_lifetime
from django_cors_guard.core.origins import Origin, parse_origin
from django_cors_guard.core.policy import CLOCK_SLACK
from django_cors_guard.exceptions import InvalidRequest, NotIssuable, RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, OriginIssuer, TrustedOrigin
from django_cors_guard.services.grants import require_origin
from django_cors_guard.services.places import alias

#: Shapes that a refusal spells out.
MAX_SHAPES: Final = 10


@dataclass(frozen=True, slots=True)
class Right:
    """One origin that one issuer may have trusted, and the API groups that were asked for."""

    origin: Origin
    issuer: OriginIssuer
    environment: Environment
    groups: tuple[ApiGroup, ...]

    def owns(self, grant: TrustedOrigin) -> bool:
        """Whether ``grant`` is one of the issuer's own."""
        return grant.managed_by == self.issuer.manager_name


@dataclass(frozen=True, slots=True)
class Ask:
    """What an account asks for; None: whatever its issuer says."""

    origin: Origin
    actor: Any
    environment: str | None
    api_groups: tuple[str, ...] | None

    @classmethod
    def of(cls, origin: str, actor: Any, environment: str | None, api_groups: Iterable[str] | None) -> Ask:
        """Read it; raises RefusedOrigin for what is no origin."""
        groups = tuple(dict.fromkeys(api_groups)) if api_groups is not None else None
        return cls(read_origin(origin), actor, environment, groups)

    def find_right(self, *, lock: bool = False) -> Right:
        """Return the right to it; raises NotIssuable, or InvalidRequest where the environment has to be named."""
        own = find_issuers(self.actor, lock=lock)
        shaped = [issuer for issuer in own if issuer.shape.covers(self.origin.text)]
        if not shaped:
            raise NotIssuable(_word_shapes(own))
        found = [right for right in map(self._fit, shaped) if right is not None]
        if not found:
            raise NotIssuable(_("This account may not do that in that environment, or for those API groups."))
        if len({right.environment.pk for right in found}) > 1:
            slugs = ", ".join(sorted({right.environment.slug for right in found}))
            text = _("Name the environment, for this account may do that in several: %(slugs)s.")
            raise InvalidRequest(text % {"slugs": slugs})
        return found[0] if len(found) == 1 else _choose(found)

    def _fit(self, issuer: OriginIssuer) -> Right | None:
        issuer.environment = place = Environment.objects.using(alias()).get(pk=issuer.environment_id)
        groups = {group.slug: group for group in issuer.api_groups.using(alias()).order_by("slug")}
        chosen = self.api_groups if self.api_groups is not None else tuple(groups)
        fits = self.environment in {None, place.slug} and chosen and groups.keys() >= set(chosen)
        return Right(self.origin, issuer, place, tuple(groups[slug] for slug in chosen)) if fits else None


def find_issuers(actor: Any, *, lock: bool = False) -> list[OriginIssuer]:
    """Return the issuers of a user, by slug."""
    if not isinstance(actor, get_user_model()):
        # Nobody, or somebody of whom the database knows nothing.
        return []
    rows = OriginIssuer.objects.using(alias()).filter(user=actor.pk).order_by("slug")
    return list(rows.select_for_update() if lock else rows)


def is_covered(origin: str, *, actor: Any) -> bool:
    """Whether ``origin`` has the shape of one of the issuers of ``actor``; not for what is no origin."""
    parsed = parse_origin(origin).origin
    return parsed is not None and any(issuer.shape.covers(parsed.text) for issuer in find_issuers(actor))


def read_origin(origin: str) -> Origin:
    """Return the origin that was typed; raises RefusedOrigin with everything that is wrong with it."""
    parsed = parse_origin(origin)
    if parsed.origin is None:
        raise RefusedOrigin(origin[:255], parsed.problems)
    return parsed.origin


def find_end(right: Right, *, ttl: timedelta | None, expires_at: datetime | None) -> datetime:
    """Return when the grants shall end, as asked, or at the latest time there may be.

    Raises NotIssuable for a later time, and what stands against such grants.
    """
    now = timezone.now()
    limit = min(right.issuer.max_ttl, right.issuer.longest_life)
    asked = _read_end(now, ttl, expires_at)
    # A client reckons by its own clock.
    if asked is not None and asked > now + limit + timedelta(seconds=CLOCK_SLACK):
        text = _("This account may have origins trusted for %(limit)s from now at the most.")
        raise NotIssuable(text % {"limit": format_lifetime(limit)})
    end = now + limit if asked is None else min(asked, now + limit)
    for group in right.groups:
        if group.any_origin:
            text = _("The API group “%(group)s” is open to any origin, so trusting one would do nothing.")
            raise InvalidRequest(text % {"group": group.slug})
        require_origin(right.origin.text, right.environment, group, end)
    return end


def _read_end(now: datetime, ttl: timedelta | None, expires_at: datetime | None) -> datetime | None:
    if ttl is not None and expires_at is not None:
        raise InvalidRequest(_("Give either how long it shall live, or when it shall end."))
    if expires_at is not None and settings.USE_TZ and timezone.is_naive(expires_at):
        raise InvalidRequest(_("Give the expiry with its time zone."))
    return now + ttl if ttl is not None else expires_at


def _choose(found: Sequence[Right]) -> Right:
    """Where several issuers fit, the one whose grants are there already goes on with them."""
    origin, environment = found[0].origin.text, found[0].environment
    there = TrustedOrigin.objects.using(alias()).filter(environment=environment, origin=origin)
    managers = set(there.values_list("managed_by", flat=True))
    return next((right for right in found if right.issuer.manager_name in managers), found[0])


def _word_shapes(issuers: Sequence[OriginIssuer]) -> str:
    """The account's own shapes are no secret to it."""
    if not issuers:
        return _("This account may not do that.")
    shapes = ", ".join(issuer.shape.spell("…") for issuer in issuers[:MAX_SHAPES])
    return _("This account may only trust origins of this shape: %(shapes)s.") % {"shapes": shapes}
