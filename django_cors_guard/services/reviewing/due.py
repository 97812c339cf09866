"""What is due for review: as a condition of the database, and judged grant by grant.

The clock of a grant starts when it was trusted, and again with each review. A new expiry or a reinstatement after the
review is something that nobody has reviewed yet, so it makes the grant due at once; an issuer's account renews its own
all the time, within bounds that were decided on elsewhere, so there it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from django_cors_guard.models import PolicyChange, TrustedOrigin
from django_cors_guard.models.issuer import ISSUER_PREFIX
from django_cors_guard.models.trusted_origin import REVIEWED

#: A quarter.
OLDER_THAN: Final = 90
MAX_DAYS: Final = 36_500


class DueReason(StrEnum):
    """Why a grant is due."""

    FRONT_END = "front_end"  # its front end is past its day of review
    NEVER = "never"  # it was never reviewed, and is old enough
    LONG_AGO = "long_ago"  # its last review was long ago
    CHANGED = "changed"  # it was renewed or reinstated since its review


@dataclass(frozen=True, slots=True)
class Dates:
    """What tells whether a grant is due: as of when, and what its own dates are."""

    created_at: datetime | None
    reviewed_at: datetime | None
    review_by: date | None
    managed_by: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Due:
    """The rule: what was not looked at for ``older_than`` days is due at ``now`` (as ``timezone.now()`` gives it)."""

    now: datetime
    older_than: int = OLDER_THAN

    @property
    def since(self) -> datetime:
        """What was looked at before then was so long ago."""
        return self.now - timedelta(days=self.older_than)

    @property
    def today(self) -> date:
        """The day of UTC, as on the other pages."""
        return (self.now.astimezone(UTC) if timezone.is_aware(self.now) else self.now).date()

    def judge(self, dates: Dates) -> tuple[DueReason, ...]:
        """Return why a grant that still stands is due, the gravest first."""
        found = []
        if dates.review_by is not None and dates.review_by < self.today:
            found.append(DueReason.FRONT_END)
        if dates.reviewed_at is None:
            if dates.created_at is not None and dates.created_at <= self.since:
                found.append(DueReason.NEVER)
        elif dates.reviewed_at <= self.since:
            found.append(DueReason.LONG_AGO)
        if dates.reviewed_at is not None and dates.is_changed and not _is_issued(dates.managed_by):
            found.append(DueReason.CHANGED)
        return tuple(found)

    def narrow(self, rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
        """Return those of ``rows`` that stand and are due, as ``judge`` has it."""
        old = Q(reviewed_at=None, created_at__lte=self.since) | Q(reviewed_at__lte=self.since)
        changed = Q(reviewed_at__isnull=False) & ~holds(rows.db) & ~Q(managed_by__startswith=ISSUER_PREFIX)
        due = old | changed | Q(front_end__review_by__lt=self.today)
        return rows.filter(due, Q(expires_at=None) | Q(expires_at__gt=self.now), revoked_at=None)


def holds(using: str) -> Q:
    """The condition that a grant's last change was its review."""
    story = PolicyChange.objects.using(using).filter(revision=OuterRef("revision"), action=REVIEWED)
    # Each write of the policy stamps the row, so a later one carries another revision.
    return Q(Exists(story))


def _is_issued(managed_by: str) -> bool:
    return managed_by.startswith(ISSUER_PREFIX)
