"""`cors_guard prune`."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard.management.subcommands import retention
from django_cors_guard.models import (
    GuardProcess,
    OriginUsage,
    ParityDifference,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    Rejection,
    RejectionTally,
    TrustedOrigin,
)
from django_cors_guard.testing import override_cors_guard
from tests.factories import (
    ParityDifferenceFactory,
    RejectedOriginFactory,
    RejectionFactory,
    RejectionTallyFactory,
    TrustedOriginFactory,
)
from tests.management.cli import cors_guard


@pytest.fixture
def grant(db: None) -> TrustedOrigin:
    return TrustedOriginFactory.create()


def leave_behind(days: int, grant: TrustedOrigin) -> None:
    """Leave one row of each kind that was last needed so many days ago; each was first seen long before."""
    seen = timezone.now() - timedelta(days=days)
    span = {"first_seen": seen - timedelta(days=400), "last_seen": seen}
    RejectionFactory.create(**span)
    RejectionTallyFactory.create(hour=seen)
    ParityDifferenceFactory.create(**span)
    OriginUsage.objects.create(trusted_origin=grant, origin=grant.origin, method="GET", count=1, **span)
    for status in ("new", "ignored", "trusted"):
        RejectedOriginFactory.create(origin=f"https://{status}-{days}.example.net", status=status, **span)
    _leave_process(started_at=seen)
    _leave_process(started_at=seen - timedelta(days=400), confirmed_at=seen)


def _leave_process(**times: datetime) -> None:
    GuardProcess.objects.create(id=uuid.uuid4(), host="web", pid=1, environment="production", **times)


def counts() -> tuple[int, int, int, int, int, int]:
    return (
        ParityDifference.objects.count(),
        Rejection.objects.count(),
        OriginUsage.objects.count(),
        RejectedOrigin.objects.count(),
        RejectionTally.objects.count(),
        GuardProcess.objects.count(),
    )


@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param([], 2, id="retention of the setting"),
        pytest.param(["--days", "8"], 1, id="fewer days"),
        pytest.param(["--days", "1"], 0, id="one day"),
        pytest.param(["--days", "100"], 3, id="more days"),
    ],
)
def test_prune_deletes_what_was_last_seen_before_the_retention(
    words: list[str], left: int, grant: TrustedOrigin
) -> None:
    for days in (7, 29, 31):
        leave_behind(days, grant)
    story, version = PolicyChange.objects.count(), PolicyState.objects.values().get()

    with override_cors_guard(AUDIT_RETENTION_DAYS=30):
        run = cors_guard("prune", *words)

    assert run.code == 0, run.err
    assert counts() == (left, left, left, left * 3, left, left * 2)
    assert f"rejections        {3 - left}" in run.out
    assert f"differences       {3 - left}" in run.out
    assert f"rejected origins  {9 - 3 * left}" in run.out
    assert (PolicyChange.objects.count(), PolicyState.objects.values().get()) == (story, version)
    assert TrustedOrigin.objects.count() == 1


def test_prune_dry_run_counts_and_deletes_nothing(grant: TrustedOrigin) -> None:
    leave_behind(31, grant)

    run = cors_guard("prune", "--days", "30", "--dry-run")

    assert counts() == (1, 1, 1, 3, 1, 2)
    assert "Would be deleted, older than 30 days:" in run.out
    assert "rejected origins  3" in run.out


def test_prune_goes_on_until_the_last_batch_and_tells_its_progress(
    grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        RejectionFactory.create()
    seen = timezone.now() - timedelta(days=100)
    Rejection.objects.update(last_seen=seen)

    run = cors_guard("prune", verbosity=2)

    assert not Rejection.objects.exists()
    assert [line for line in run.out.splitlines() if "so far" in line] == [
        "rejections: 2 deleted so far",
        "rejections: 4 deleted so far",
        "rejections: 5 deleted so far",
    ]


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "36501", "９"])
def test_prune_with_bad_days_says_which_are_good(days: str, grant: TrustedOrigin) -> None:
    leave_behind(400, grant)

    run = cors_guard("prune", f"--days={days}")

    assert run.code != 0
    assert f"'{days}' is no number of days: give one from 1 to 36500." in run.err
    assert counts() == (1, 1, 1, 3, 1, 2)


def _leave_rejections(count: int, *, days: int) -> list[int]:
    seen = timezone.now() - timedelta(days=days)
    rows = RejectionFactory.build_batch(count, first_seen=seen, last_seen=seen)
    return [row.pk for row in Rejection.objects.bulk_create(rows)]


def test_prune_finds_old_rows_wherever_they_stand(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and times do not quite go together: what waited out an outage is written late."""
    monkeypatch.setattr(retention, "BATCH", 3)
    kept = _leave_rejections(2, days=1)
    _leave_rejections(4, days=100)
    kept += _leave_rejections(7, days=1)
    _leave_rejections(1, days=100)
    kept += _leave_rejections(5, days=1)

    run = cors_guard("prune", "--days", "30")

    assert sorted(Rejection.objects.values_list("pk", flat=True)) == kept
    assert "rejections        5" in run.out


def test_prune_touches_no_more_than_a_batch_in_a_statement(
    grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each statement is its own transaction: no long one, whatever the size of the table."""
    monkeypatch.setattr(retention, "BATCH", 10)
    leave_behind(31, grant)
    _leave_rejections(34, days=31)
    deleted: list[int] = []
    looked_at: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE"):
            deleted.append(context["cursor"].rowcount)
        elif "COUNT" not in sql:
            looked_at.append(sql)
        return result

    with connection.execute_wrapper(watch), CaptureQueriesContext(connection) as queries:
        assert cors_guard("prune", "--days", "30").code == 0

    assert sum(deleted) == 35 + 1 + 1 + 3 + 1 + 2
    assert max(deleted) == 10
    assert all("LIMIT" in sql for sql in looked_at)
    assert not [query for query in queries if query["sql"].startswith(("SAVEPOINT", "BEGIN"))]


def test_prune_that_was_stopped_says_what_went_and_goes_on_next_time(
    grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    _leave_rejections(7, days=100)
    original = retention._delete_batches

    def stopped(shelf: retention.Shelf, cutoff: datetime) -> Iterator[int]:
        batches = original(shelf, cutoff)
        yield next(batches)
        yield next(batches)
        raise KeyboardInterrupt

    output = StringIO()
    monkeypatch.setattr(retention, "_delete_batches", stopped)
    with pytest.raises(KeyboardInterrupt):
        call_command("cors_guard", "prune", stdout=output)
    assert "rejections  4" in output.getvalue()
    assert Rejection.objects.count() == 3

    monkeypatch.undo()
    assert "rejections        3" in cors_guard("prune").out
    assert not Rejection.objects.exists()


def test_prune_that_takes_long_says_how_far_it_is(grant: TrustedOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    ticks = iter(range(0, 1000, 3))
    monkeypatch.setattr(retention, "monotonic", lambda: next(ticks))
    _leave_rejections(8, days=100)

    told = [line for line in cors_guard("prune").out.splitlines() if "so far" in line]

    assert 1 <= len(told) < 4
    assert all(line.startswith("rejections: ") for line in told)
