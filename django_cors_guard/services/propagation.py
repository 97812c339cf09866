"""Where a revision is out: per process whether it decides by it, and else until when at most it trusts by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from time import monotonic, sleep
from typing import Any, Final

from django.db.models import (
    BooleanField,
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone

from django_cors_guard.models import Environment, GuardProcess, PolicyChange, PolicyState
from django_cors_guard.models.process import moment
from django_cors_guard.models.revision import Version
from django_cors_guard.services.places import alias

#: Most processes that are listed, the unconfirmed first; the rest is only counted.
MAX_PROCESSES: Final = 1000
#: Pauses between two questions while somebody waits; processes look once a second.
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 1.0


class ProcessStanding(StrEnum):
    """How one process stands to a revision."""

    CONFIRMED = "confirmed"  # it decides by this revision, or by a later one
    IDLE = "idle"  # it has decided nothing of late, and looks before its next decision
    UNCONFIRMED = "unconfirmed"  # it may still decide by an earlier one, until ``lapses_at`` at the latest


#: The order of a list: first those that somebody has to wait for.
ORDER: Final = (ProcessStanding.UNCONFIRMED, ProcessStanding.IDLE, ProcessStanding.CONFIRMED)


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One process. ``lapses_in`` are the seconds from the moment of the report until it refuses by itself.

    They are told by the database's clock, so that no host's counts; ``lapses_at`` is that moment by the clock here.
    ``revision`` is 0 and ``confirmed_at`` None where it has not heard from the database yet.
    """

    host: str
    pid: int
    environment: str
    revision: int
    standing: ProcessStanding
    confirmed_at: datetime | None
    idle_since: datetime | None
    started_at: datetime
    lapses_at: datetime
    lapses_in: float

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.host}:{self.pid}"


@dataclass(frozen=True, slots=True)
class Propagation:
    """Where ``revision`` is out, as of ``at``. ``unlisted`` processes are counted, and not among ``processes``.

    Processes that trust nothing any more, because they have not been confirmed for so long, are left out.
    """

    revision: int
    at: datetime
    processes: tuple[ProcessReport, ...]
    confirmed: int
    idle: int
    unconfirmed: int

    @property
    def total(self) -> int:
        """How many processes there are."""
        return self.confirmed + self.idle + self.unconfirmed

    @property
    def unlisted(self) -> int:
        """How many of them are only counted."""
        return self.total - len(self.processes)

    @property
    def everywhere(self) -> bool:
        """Whether no process may still decide by an earlier revision."""
        return self.unconfirmed == 0

    @property
    def missing(self) -> tuple[ProcessReport, ...]:
        """The processes that may, as far as they are listed."""
        return tuple(item for item in self.processes if item.standing is ProcessStanding.UNCONFIRMED)

    @property
    def lapses_at(self) -> datetime | None:
        """When the last of those that are listed refuses by itself; None if there are none."""
        return max((item.lapses_at for item in self.missing), default=None)


def describe_processes(revision: int, *, environments: Iterable[Environment | str] | None = None) -> Propagation:
    """Return how the processes of ``environments`` (None: all) stand to ``revision``. One query, two if there are many.

    A process is confirmed by a version that the database knows: after a backup was restored, numbers come again.
    """
    at = timezone.now()
    rows = _judge(_find(environments), revision)
    listed = [_report(row, at) for row in rows.order_by("rank", "environment", "host", "pid", "pk")[:MAX_PROCESSES]]
    counts = Counter(item.standing for item in listed)
    if len(listed) == MAX_PROCESSES:
        ranks = rows.order_by().values_list("rank").annotate(count=Count("pk"))
        counts = Counter({ORDER[rank]: count for rank, count in ranks})
    return Propagation(revision, at, tuple(listed), **{standing.value: counts[standing] for standing in ORDER})


def _find(environments: Iterable[Environment | str] | None) -> QuerySet[GuardProcess]:
    rows = GuardProcess.objects.using(alias()).filter(lapses_at__gt=moment(0))
    if environments is None:
        return rows
    return rows.filter(environment__in={item if isinstance(item, str) else item.slug for item in environments})


def _judge(rows: QuerySet[GuardProcess], revision: int) -> QuerySet[Any]:
    pair = {"revision": OuterRef("revision"), "token": OuterRef("token")}
    told, current = PolicyChange.objects.filter(**pair), PolicyState.objects.filter(**pair)
    is_true = Case(When(Exists(told) | Exists(current), then=Value(True)), default=False, output_field=BooleanField())
    left = ExpressionWrapper(F("lapses_at") - moment(0), output_field=DurationField())
    rows = rows.annotate(is_true=is_true, left=left)
    return rows.annotate(
        rank=Case(
            When(Q(is_true=True, revision__gte=revision), then=Value(ORDER.index(ProcessStanding.CONFIRMED))),
            When(idle_since__isnull=False, then=Value(ORDER.index(ProcessStanding.IDLE))),
            default=Value(ORDER.index(ProcessStanding.UNCONFIRMED)),
        )
    )


def _report(row: Any, at: datetime) -> ProcessReport:
    return ProcessReport(
        host=row.host,
        pid=row.pid,
        environment=row.environment,
        revision=row.revision,
        standing=ORDER[row.rank],
        confirmed_at=row.confirmed_at,
        idle_since=row.idle_since,
        started_at=row.started_at,
        lapses_at=at + row.left,
        lapses_in=row.left / timedelta(seconds=1),
    )


def wait_for(
    revision: int,
    *,
    seconds: float,
    environments: Iterable[Environment | str] | None = None,
    pause: Callable[[float], None] = sleep,
    clock: Callable[[], float] = monotonic,
) -> Iterator[Propagation]:
    """Yield how ``revision`` spreads, until it is out everywhere or ``seconds`` are over; at least once."""
    places = tuple(environments) if environments is not None else None
    end, step = clock() + seconds, FIRST_PAUSE_SECONDS
    while True:
        found = describe_processes(revision, environments=places)
        yield found
        left = end - clock()
        if found.everywhere or left <= 0:
            return
        pause(min(step, left))
        step = min(2 * step, LONGEST_PAUSE_SECONDS)


def read_current() -> Version:
    """Return the version that the database holds."""
    return PolicyState.read(alias())


def reports_from(environment: str) -> bool:
    """Whether there is such an environment, or a process that says it runs in it."""
    using = alias()
    named = Environment.objects.using(using).filter(slug=environment)
    return named.exists() or GuardProcess.objects.using(using).filter(environment=environment).exists()
