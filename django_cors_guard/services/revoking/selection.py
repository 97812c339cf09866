"""Several grants, by what revoking them would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django_cors_guard.models import Environment, TrustedOrigin
from django_cors_guard.services.revoking.receipts import Place, Receipt, date_receipt


@dataclass(frozen=True, slots=True)
class Selection:
    """What revoking several grants closes, what is closed already, and where closing would do nothing."""

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

    def write_receipt(self, revision: int) -> Receipt:
        """Return the receipt of closing what can be closed."""
        return date_receipt(
            [grant.api_group for grant in self.closing],
            origin="",
            revision=revision,
            closed=tuple(map(Place.of, self.closing)),
            refused=(),
            already_revoked=tuple(map(Place.of, self.revoked)),
            patterns=(),
            remaining=(),
            open_groups=tuple(sorted({grant.api_group.slug for grant in self.pointless})),
        )
