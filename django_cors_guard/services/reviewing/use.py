"""What grants were used for up to a moment, as far as that is kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import router
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.models import OriginUsage, TrustedOrigin

#: Uses are counted over so many days before the moment.
USE_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class UseBefore:
    """Last use, and number of uses of late, by grant."""

    last: dict[int, datetime]
    count: dict[int, int]

    @classmethod
    def read(cls, ids: Collection[int], at: datetime, *, counts: bool) -> UseBefore:
        """Read what was recorded up to ``at``. Two queries; one without ``counts``."""
        using = router.db_for_read(OriginUsage)
        usage = OriginUsage.objects.using(using).filter(last_seen__lte=at)
        # The end of an index for each grant; a GROUP BY would read all their rows.
        last = usage.filter(trusted_origin=OuterRef("pk")).order_by("-last_seen").values("last_seen")[:1]
        rows = TrustedOrigin.objects.using(using).filter(pk__in=list(ids)).annotate(seen=Subquery(last)).order_by("pk")
        seen = {pk: found for pk, found in rows.values_list("pk", "seen") if found is not None}
        if not counts:
            return cls(seen, {})
        recent = usage.filter(trusted_origin__in=list(seen), last_seen__gt=at - timedelta(days=USE_DAYS))
        sums = recent.values("trusted_origin_id").annotate(total=Sum("count")).order_by()
        return cls(seen, dict(sums.values_list("trusted_origin_id", "total")))


def kept_since() -> datetime:
    """Return how far back use is known: no longer than rows are kept."""
    return timezone.now() - timedelta(days=conf.current().audit_retention_days)
