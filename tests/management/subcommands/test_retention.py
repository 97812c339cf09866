"""`cors_guard prune`."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from django_cors_guard.management.subcommands import retention
from django_cors_guard.models import (
    GuardProcess,
    OriginUsage,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    Rejection,
    TrustedOrigin,
)
from django_cors_guard.testing import override_cors_guard
from tests.factories import RejectedOriginFactory, RejectionFactory, TrustedOriginFactory
from tests.management.cli import cors_guard


@pytest.fixture
def grant(db: None) -> TrustedOrigin:
    return TrustedOriginFactory.create()


def leave_behind(days: int, grant: TrustedOrigin) -> None:
    """Leave one row of each kind that was last needed so many days ago; each was first seen long before."""
    seen = timezone.now() - timedelta(days=days)
    span = {"first_seen": seen - timedelta(days=400), "last_seen": seen}
    RejectionFactory.create(**span)
    OriginUsage.objects.create(trusted_origin=grant, origin=grant.origin, method="GET", count=1, **span)
    for status in ("new", "ignored", "trusted"):
        RejectedOriginFactory.create(origin=f"https://{status}-{days}.example.net", status=status, **span)
    _leave_process(started_at=seen)
    _leave_process(started_at=seen - timedelta(days=400), confirmed_at=seen)


def _leave_process(**times: datetime) -> None:
    GuardProcess.objects.create(id=uuid.uuid4(), host="web", pid=1, environment="production", **times)


def counts() -> tuple[int, int, int, int]:
    return (
        Rejection.objects.count(),
        OriginUsage.objects.count(),
        RejectedOrigin.objects.count(),
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
    assert counts() == (left, left, left * 3, left * 2)
    assert f"rejections        {3 - left}" in run.out
    assert f"rejected origins  {9 - 3 * left}" in run.out
    assert (PolicyChange.objects.count(), PolicyState.objects.values().get()) == (story, version)
    assert TrustedOrigin.objects.count() == 1


def test_prune_dry_run_counts_and_deletes_nothing(grant: TrustedOrigin) -> None:
    leave_behind(31, grant)

    run = cors_guard("prune", "--days", "30", "--dry-run")

    assert counts() == (1, 1, 3, 2)
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
    assert counts() == (1, 1, 3, 2)
