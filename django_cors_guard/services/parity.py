"""The recorded differences from another CORS middleware, each judged again by the policy of now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from time import time
from typing import Any, Final

from django.utils import timezone

from django_cors_guard.core.decision import Kind, Mode, PlainFacts, Reason
from django_cors_guard.core.origins import pattern_candidates
from django_cors_guard.core.parity import Difference, compare
from django_cors_guard.core.policy import Policy
from django_cors_guard.models import Environment, OriginUsage, ParityDifference, Rejection, TrustedOrigin
from django_cors_guard.models.rejection import MAX_STORED
from django_cors_guard.own_paths import own_paths
from django_cors_guard.services.grants import ROWS_PER_QUERY
from django_cors_guard.services.places import alias
from django_cors_guard.store import load_about

#: What differences are told apart by.
_COLUMNS: Final = (
    "difference",
    "api_group",
    "origin",
    "kind",
    "method",
    "host",
    "path",
    "requested_method",
    "requested_headers",
)
#: More kinds of differences than this are only counted: whoever knows an origin that is let in chooses the paths.
MAX_FINDINGS: Final = 10_000
_CHUNK: Final = 2000
#: Rows a statement deletes, so that no flush of the audit has to wait for it.
_BATCH: Final = 1000
_MAX_METHOD: Final = 64
_MAX_VALUE: Final = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Requests of one kind that the two would have answered differently, and what they would do now.

    ``difference`` and ``api_group`` are as they were recorded; ``now`` is None where the two agree by now, or where it
    cannot be judged again: a part of the request was too long to keep (``is_whole`` is false), or, with a blank origin,
    only counted.
    """

    difference: str
    api_group: str
    origin: str
    kind: str
    method: str
    host: str
    path: str
    requested_method: str
    requested_headers: str
    theirs: dict[str, str]
    ours: dict[str, str]
    count: int
    first_seen: datetime
    last_seen: datetime
    is_whole: bool
    now: Difference | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the two would answer alike today."""
        return self.is_whole and self.now is None


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Everything recorded in an environment. ``monitored`` are the API groups of which requests are compared.

    ``seen_first`` and ``seen_last`` say from when to when requests of other origins were counted there at all: where
    none were, no difference means nothing.
    """

    environment: str
    monitored: tuple[str, ...]
    findings: tuple[Finding, ...]
    seen_first: datetime | None
    seen_last: datetime | None

    @property
    def unsettled(self) -> list[Finding]:
        """What would still change at the switch, the most frequent first."""
        return [finding for finding in self.findings if not finding.is_settled]

    @property
    def settled(self) -> list[Finding]:
        """What was mended since it was recorded."""
        return [finding for finding in self.findings if finding.is_settled]


def read_parity(environment: str, *, row: Environment | None = None, since: datetime | None = None) -> ParityReport:
    """Return the differences of ``environment`` that were seen ``since`` then: a few queries."""
    found = _read_findings(environment, since)
    policy = load_about(environment, _find_grants(environment, {item.origin for item in found}), row=row)
    now = time()
    judged = [_judge_again(item, policy, now) for item in found]
    monitored = tuple(sorted(slug for slug, group in policy.groups.items() if group.mode is Mode.MONITOR))
    first, last = _find_traffic(environment, monitored, since)
    ordered = sorted(judged, key=lambda item: (-item.count, item.difference, item.api_group, item.origin, item.path))
    return ParityReport(environment, monitored, tuple(ordered), first, last)


def forget_parity(environment: str) -> int:
    """Delete what was recorded in ``environment``; return how many requests that were."""
    rows = ParityDifference.objects.using(alias()).filter(environment=environment, last_seen__lte=timezone.now())
    total, after = 0, 0
    while batch := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", "count")[:_BATCH]):
        first, last = batch[0][0], batch[-1][0]
        rows.filter(pk__gte=first, pk__lte=last).delete()
        total, after = total + sum(count for _pk, count in batch), last
    return total


def _read_findings(environment: str, since: datetime | None) -> list[Finding]:
    rows = ParityDifference.objects.using(alias()).filter(environment=environment)
    if since is not None:
        rows = rows.filter(last_seen__gte=since)
    found: dict[tuple[Any, ...], Finding] = {}
    # The newest first: they are judged, whatever number came before them.
    for row in rows.order_by("-pk").iterator(chunk_size=_CHUNK):
        key = _key_of(row)
        if key not in found and len(found) >= MAX_FINDINGS:
            row = _only_counted(row)  # noqa: PLW2901 - nothing else of it is kept
            key = _key_of(row)
        other = found.get(key)
        found[key] = _finding_of(row) if other is None else _add(other, row)
    return list(found.values())


def _key_of(row: ParityDifference) -> tuple[Any, ...]:
    return (*(getattr(row, name) for name in _COLUMNS), json.dumps(row.theirs, sort_keys=True))


def _only_counted(row: ParityDifference) -> ParityDifference:
    """Return what an overflow row of its group and difference would say."""
    kept = {name: getattr(row, name) for name in ("difference", "api_group", "count", "first_seen", "last_seen")}
    return ParityDifference(environment=row.environment, kind="", **kept)


def _finding_of(row: ParityDifference) -> Finding:
    texts = {name: getattr(row, name) for name in _COLUMNS}
    theirs, ours = _as_answer(row.theirs), _as_answer(row.ours)
    return Finding(
        **texts,
        theirs=theirs,
        ours=ours,
        count=row.count,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        is_whole=_is_whole(row, theirs),
    )


def _add(found: Finding, row: ParityDifference) -> Finding:
    return replace(
        found,
        count=found.count + row.count,
        first_seen=min(found.first_seen, row.first_seen),
        last_seen=max(found.last_seen, row.last_seen),
    )


def _as_answer(stored: Any) -> dict[str, str]:
    """A column of JSON may hold anything."""
    return {str(name): str(value) for name, value in stored.items()} if isinstance(stored, dict) else {}


def _is_whole(row: ParityDifference, theirs: dict[str, str]) -> bool:
    """Whether the request was stored as it came: neither cut nor escaped."""
    texts = (row.origin, row.host, row.path, row.requested_headers)
    methods = (row.method, row.requested_method)
    return (
        bool(row.origin)
        and all(len(text) < MAX_STORED and "\\" not in text for text in texts)
        and all(len(method) < _MAX_METHOD and "\\" not in method for method in methods)
        and all(len(value) < _MAX_VALUE and "\\" not in value for value in theirs.values())
    )


def _judge_again(found: Finding, policy: Policy, now: float) -> Finding:
    if not found.is_whole:
        return found
    asks = found.kind == Kind.PREFLIGHT
    facts = PlainFacts(
        method=found.method,
        path=found.path,
        origin=found.origin,
        requested_method=found.requested_method if asks else None,
        requested_headers=found.requested_headers if asks else None,
        host=found.host,
        own_path=own_paths().cover(found.path),
    )
    return replace(found, now=compare(facts, policy, found.theirs, now))


def _find_grants(environment: str, origins: Iterable[str]) -> list[TrustedOrigin]:
    """Return the grants of ``environment`` that have a say in ``origins``."""
    texts = sorted({text for origin in origins if origin for text in (origin, *pattern_candidates(origin))})
    rows = TrustedOrigin.objects.using(alias()).filter(environment__slug=environment)
    return [
        grant
        for start in range(0, len(texts), ROWS_PER_QUERY)
        for grant in rows.filter(origin__in=texts[start : start + ROWS_PER_QUERY])
    ]


def _find_traffic(
    environment: str, groups: tuple[str, ...], since: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return when requests of other origins were first and last counted in ``groups``; each from an end of an index."""
    used = OriginUsage.objects.using(alias()).filter(
        trusted_origin__environment__slug=environment, trusted_origin__api_group__slug__in=groups
    )
    refused = Rejection.objects.using(alias()).filter(environment=environment, mode=Mode.MONITOR)
    # What isolation records is no request that CORS has a say in.
    refused = refused.exclude(reason=Reason.CROSS_SITE.value)
    first: list[datetime] = []
    last: list[datetime] = []
    for rows in (used, refused):
        kept = rows.filter(last_seen__gte=since) if since is not None else rows
        first += kept.order_by("last_seen").values_list("first_seen", flat=True)[:1]
        last += kept.order_by("-last_seen").values_list("last_seen", flat=True)[:1]
    return min(first, default=None), max(last, default=None)
