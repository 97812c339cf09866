"""Metrics for Prometheus (extra ``prometheus``): ``CORS_GUARD["METRICS"] = "prometheus"`` registers them.

They stand on whatever page shows prometheus_client's registry. In one process they are read when that page is asked
for. Where ``PROMETHEUS_MULTIPROC_DIR`` is set, any process answers for all: then each writes its own to the files that
prometheus_client keeps there, whenever ``decisions_counted`` is sent, so that the page is about two seconds behind.

An age that is written down does not grow. So what is exported is *when* the policy was last confirmed, and ``time() -
cors_guard_policy_confirmed_timestamp_seconds`` is its age; ``cors_guard_policy_age_seconds`` is there only where it is
read live. An idle process looks before its next decision, so its age alone is no trouble: see
``cors_guard_policy_failed_looks``.
"""

from __future__ import annotations

import os
from collections import Counter as Tallies
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import time
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from django.core.exceptions import ImproperlyConfigured

from django_cors_guard import conf, metrics
from django_cors_guard.metrics import Count
from django_cors_guard.recorder import recorder
from django_cors_guard.signals import decisions_counted
from django_cors_guard.store import Freshness, store

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.multiprocess import mark_process_dead
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImproperlyConfigured(
        "django_cors_guard.prometheus needs prometheus_client: pip install 'django-cors-guard[prometheus]'"
    ) from error

__all__ = ["register"]

DECISIONS: Final = "cors_guard_decisions"
_DECISIONS_HELP: Final = "Decisions about requests and WebSocket handshakes."
_LABELS: Final = ("environment", "group", "outcome", "reason")
_AGE: Final = "cors_guard_policy_age_seconds"
_AGE_HELP: Final = "Seconds since the database last confirmed the policy that this process decides by."

#: Names the directory in which processes share their metrics; prometheus_client, too, asks whether it is there at all.
SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"

UID: Final = "cors_guard.prometheus"


class Reading(NamedTuple):
    """One gauge. ``read`` returns None where there is nothing to tell yet.

    ``mode`` is how prometheus_client puts those of several processes together.
    """

    name: str
    documentation: str
    mode: Any
    read: Callable[[Freshness], float | None]


READINGS: Final = (
    Reading(
        "cors_guard_policy_confirmed_timestamp_seconds",
        "When the database last confirmed the policy that this process decides by, in seconds since the epoch.",
        "liveall",
        lambda fresh: None if fresh.age_seconds is None else time() - fresh.age_seconds,
    ),
    Reading(
        "cors_guard_policy_revision",
        "Revision of the policy that this process decides by.",
        "liveall",
        lambda fresh: fresh.revision,
    ),
    Reading(
        "cors_guard_policy_failed_looks",
        "Looks at the database for another policy that have failed in a row; 0 once one succeeds.",
        "liveall",
        lambda fresh: fresh.failures,
    ),
    Reading(
        "cors_guard_policy_usable",
        "1 if grants count in this process; 0 without a policy, without its environment, or once all have lapsed.",
        "liveall",
        lambda fresh: fresh.known and not fresh.lapsed,
    ),
    Reading(
        "cors_guard_audit_unwritten",
        "Refusals in memory that are not in the audit log yet.",
        "livesum",
        lambda _: recorder.count_unwritten(),
    ),
    Reading(
        "cors_guard_audit_failed_flushes",
        "Attempts to write the audit log that have failed in a row; 0 once one succeeds.",
        "livemax",
        lambda _: recorder.failures,
    ),
)


class LiveCollector(Collector):
    """What this process knows at the moment it is asked. No I/O."""

    def describe(self) -> Iterable[Metric]:
        """Name what ``collect`` yields, without a look at anything: settings may not be complete yet."""
        yield CounterMetricFamily(DECISIONS, _DECISIONS_HELP, labels=_LABELS)
        for name, documentation, _mode, _read in READINGS:
            yield GaugeMetricFamily(name, documentation, labels=_LABELS[:1])
        yield GaugeMetricFamily(_AGE, _AGE_HELP, labels=_LABELS[:1])

    def collect(self) -> Iterator[Metric]:
        environment, fresh = conf.current().environment, store.freshness()
        decisions = CounterMetricFamily(DECISIONS, _DECISIONS_HELP, labels=_LABELS)
        for group, outcome, reason, times in metrics.list_totals():
            decisions.add_metric((environment, group, outcome, reason), times)
        yield decisions
        values = [(item.name, item.documentation, item.read(fresh)) for item in READINGS]
        for name, documentation, value in (*values, (_AGE, _AGE_HELP, fresh.age_seconds)):
            gauge = GaugeMetricFamily(name, documentation, labels=_LABELS[:1])
            if value is not None:
                gauge.add_metric((environment,), value)
            yield gauge


class Writer:
    """What this process has to tell, written where its siblings find it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(DECISIONS, _DECISIONS_HELP, _LABELS, registry=registry)
        self._gauges = [
            (read, Gauge(name, documentation, _LABELS[:1], registry=registry, multiprocess_mode=mode))
            for name, documentation, mode, read in READINGS
        ]
        self._unwritten: Tallies[tuple[str, str, str]] = Tallies()
        os.register_at_fork(after_in_child=self._unwritten.clear)
        decisions_counted.connect(self.write, dispatch_uid=UID, weak=False)
        metrics.at_the_end(self.leave)
        metrics.tell_while(lambda: bool(recorder.failures or recorder.count_unwritten()))

    def write(self, *, counts: Iterable[Count], freshness: Freshness, **_: Any) -> None:
        """Receiver of ``decisions_counted``. What could not be written waits for the next time."""
        environment = conf.current().environment
        for group, outcome, reason, times in counts:
            self._unwritten[group, outcome, reason] += times
        for label in list(self._unwritten):
            self._decisions.labels(environment, *label).inc(self._unwritten[label])
            del self._unwritten[label]
        for read, gauge in self._gauges:
            value = read(freshness)
            if value is not None:
                gauge.labels(environment).set(value)

    def leave(self) -> None:
        """Take this process's gauges away: it ends. What it has counted stays."""
        folder = os.environ.get(SHARED)
        if folder and Path(folder).is_dir():
            mark_process_dead(os.getpid(), folder)  # type: ignore[no-untyped-call]


_registered: Final[WeakSet[CollectorRegistry]] = WeakSet()


def register(registry: CollectorRegistry = REGISTRY) -> None:
    """Have ``registry`` show the guard's metrics. A second call does nothing.

    ``CORS_GUARD["METRICS"] = "prometheus"`` does it for prometheus_client's own registry.
    """
    if registry in _registered:
        return
    if SHARED not in os.environ:
        registry.register(LiveCollector())
    else:
        Writer(registry)
    _registered.add(registry)
