"""Grants that were ticked in the list, by what revoking them would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.models import Environment, TrustedOrigin
from django_cors_guard.services import Place, Receipt


@dataclass(frozen=True, slots=True)
class Selection:
    """What an action on several grants closes, what is closed already, and where closing would do nothing."""

    closing: tuple[TrustedOrigin, ...]
    revoked: tuple[TrustedOrigin, ...]
    pointless: tuple[TrustedOrigin, ...]

    @classmethod
    def of(cls, grants: Iterable[TrustedOrigin]) -> Selection:
        """Sort ``grants``; in a group that is open to any origin a revocation would do nothing."""
        rows = list(grants)
        still = [grant for grant in rows if grant.revoked_at is None]
        return cls(
            closing=tuple(grant for grant in still if not grant.api_group.any_origin),
            revoked=tuple(grant for grant in rows if grant.revoked_at is not None),
            pointless=tuple(grant for grant in still if grant.api_group.any_origin),
        )

    def environments(self) -> list[Environment]:
        """Return the environments that would change."""
        return [grant.environment for grant in self.closing]

    def longest_preflight(self) -> float:
        """Return for how many seconds browsers may act on cached preflights."""
        longest = max((grant.api_group.max_age for grant in self.closing), default=0)
        return conf.current().refresh_seconds + longest

    def as_receipt(self, revision: int) -> Receipt:
        """Return the receipt of all of them."""
        at = timezone.now()
        return Receipt(
            origin="",
            revision=revision,
            at=at,
            closed=_places(self.closing),
            refused=(),
            already_revoked=_places(self.revoked),
            patterns=(),
            remaining=(),
            open_groups=tuple(sorted({grant.api_group.slug for grant in self.pointless})),
            preflights_until=at + timedelta(seconds=self.longest_preflight()),
            refresh_seconds=conf.current().refresh_seconds,
        )


def _places(grants: Iterable[TrustedOrigin]) -> tuple[Place, ...]:
    return tuple(Place(grant.environment.slug, grant.api_group.slug, grant.origin) for grant in grants)
