"""Differences between another CORS middleware and the guard as the audit keeps them: their keys, rows and budget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import router
from django.utils import timezone

from django_cors_guard import conf
from django_cors_guard.core.decision import Kind
from django_cors_guard.core.parity import Disparity
from django_cors_guard.models import ParityDifference

#: Differences get this part of AUDIT_ROWS_PER_HOUR, on top of it: they are kept while somebody moves in, no longer.
DIFFERENCE_SHARE: Final = 10

_HOUR: Final = timedelta(hours=1)

#: The compared headers of their answer and of ours, fit to be stored.
Answers = tuple[Mapping[str, str], Mapping[str, str]]


class DifferenceKey(NamedTuple):
    """What differences are added up by: the facts that they can be judged again by."""

    environment: str
    group: str
    difference: Disparity
    kind: Kind | str
    origin: str
    method: str
    host: str
    path: str
    requested_method: str
    requested_headers: str

    def as_overflow(self) -> DifferenceKey:
        """Return the key under which everything of this group and difference goes that exceeds the bounds."""
        return DifferenceKey(self.environment, self.group, self.difference, "", "", "", "", "", "", "")

    @property
    def overflow(self) -> bool:
        """Whether it is such a key: no browser sends an empty origin, and what sends one is not compared."""
        return not self.origin


def row_of(
    key: DifferenceKey, answers: Answers | None, *, times: int, first: datetime, last: datetime
) -> ParityDifference:
    """Return the row of one rollup, unsaved."""
    theirs, ours = answers or ({}, {})
    return ParityDifference(
        environment=key.environment,
        api_group=key.group,
        difference=str(key.difference),
        kind=str(key.kind),
        origin=key.origin,
        method=key.method,
        host=key.host,
        path=key.path,
        requested_method=key.requested_method,
        requested_headers=key.requested_headers,
        theirs=dict(theirs),
        ours=dict(ours),
        count=times,
        first_seen=first,
        last_seen=last,
    )


def count_budget() -> int:
    """Return how many more rows of differences this hour may have, over all processes. Raises without a database."""
    rows = ParityDifference.objects.using(router.db_for_write(ParityDifference))
    written = rows.filter(last_seen__gt=timezone.now() - _HOUR).exclude(origin="").count()
    return max(conf.current().audit_rows_per_hour // DIFFERENCE_SHARE, 1) - written
