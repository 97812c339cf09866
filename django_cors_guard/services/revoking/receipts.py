"""Receipts: what a revocation did, and what it could not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.origins import Origin
from django_cors_guard.models import ApiGroup, TrustedOrigin
from django_cors_guard.services.revoking.matches import Matches


@dataclass(frozen=True, slots=True)
class Place:
    """One grant by its names."""

    environment: str
    api_group: str
    origin: str

    @classmethod
    def of(cls, grant: TrustedOrigin) -> Place:
        """Return where ``grant`` is."""
        return cls(grant.environment.slug, grant.api_group.slug, grant.origin)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``revoke_origin`` did, and what it could not do.

    ``closed`` are the grants that were revoked; ``refused`` those of them that are new rows, left because only a
    pattern had matched. ``patterns`` still trust other origins, and where a pattern was revoked, ``remaining`` are
    grants of their own below it. ``open_groups`` let any origin read. Until
    ``preflights_until`` browsers may act on answers they have cached. Processes follow within ``refresh_seconds``.
    Sessions, tokens and clients that send no Origin are not affected by any of this. ``origin`` is blank where
    ``revoke_many`` closed grants of several.
    """

    origin: str
    revision: int
    at: datetime
    closed: tuple[Place, ...]
    refused: tuple[Place, ...]
    already_revoked: tuple[Place, ...]
    patterns: tuple[Place, ...]
    remaining: tuple[Place, ...]
    open_groups: tuple[str, ...]
    preflights_until: datetime
    refresh_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as plain values, times in ISO 8601."""
        found = asdict(self)
        return found | {"at": self.at.isoformat(), "preflights_until": self.preflights_until.isoformat()}


def write_receipt(origin: Origin, matches: Matches, groups: list[ApiGroup], revision: int) -> Receipt:
    """Return the receipt of closing ``matches``."""
    left = tuple(Place(place.slug, group.slug, origin.text) for place, group, _grant in matches.covered)
    touched = {grant.api_group_id for grant in (*matches.exact, *matches.revoked)}
    touched |= {group.pk for _place, group, _grant in matches.covered}
    return date_receipt(
        [group for group in groups if group.pk in touched],
        origin=origin.text,
        revision=revision,
        closed=(*map(Place.of, matches.exact), *left),
        refused=left,
        already_revoked=tuple(map(Place.of, matches.revoked)),
        patterns=tuple(map(Place.of, matches.patterns)),
        remaining=tuple(map(Place.of, matches.remaining)),
        open_groups=tuple(group.slug for group in groups if group.any_origin),
    )


def date_receipt(touched: Iterable[ApiGroup], **found: Any) -> Receipt:
    """Return a receipt of now, with the end of the preflights that browsers have cached."""
    at, refresh = timezone.now(), conf.current().refresh_seconds
    longest = max((group.max_age for group in touched), default=0)
    return Receipt(at=at, preflights_until=at + timedelta(seconds=refresh + longest), refresh_seconds=refresh, **found)
