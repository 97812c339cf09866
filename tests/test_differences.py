"""Differences in the audit's memory and on their way to rows: exact, bounded, and fit to be stored."""

import threading
from typing import Any

import pytest
from django.db import DataError, OperationalError
from django.db.models import Sum

from django_cors_guard import differences, ledger
from django_cors_guard.core.decision import Kind, Mode, PlainFacts, Reason
from django_cors_guard.core.parity import Difference, Disparity
from django_cors_guard.models import ParityDifference, RejectedOrigin, Rejection, RejectionTally
from django_cors_guard.recorder import Recorder, Refusal
from django_cors_guard.testing import override_cors_guard
from tests.clocks import Clock

pytestmark = pytest.mark.django_db

THEIRS = "https://theirs.example.com"


def differ(
    recorder: Recorder, *, disparity: Disparity = Disparity.GUARD_REFUSES, group: str = "public", **facts: Any
) -> None:
    given = {"path": "/api/public", "origin": THEIRS, "host": "testserver", **facts}
    answer = {"access-control-allow-origin": str(given["origin"])}
    recorder.differ(PlainFacts(**given), Difference(disparity, group, Reason.UNKNOWN_ORIGIN, False, answer, {}))


def total() -> int:
    return ParityDifference.objects.aggregate(total=Sum("count"))["total"] or 0


def refuse(recorder: Recorder, number: int) -> None:
    recorder.refuse(
        Refusal(
            "public", Mode.MONITOR, f"https://a{number}.net", Reason.UNKNOWN_ORIGIN, Kind.ACTUAL, "GET", "/", "", ""
        )
    )


def test_first_sighting_is_written_and_repeats_wait_for_their_window(recorder: Recorder, clock: Clock) -> None:
    differ(recorder)
    recorder.flush()
    for _ in range(500):
        differ(recorder)
    clock.mono += 30
    recorder.flush()
    assert total() == 1
    clock.mono += 31
    recorder.flush()
    assert sorted(ParityDifference.objects.values_list("count", flat=True)) == [1, 500]
    row = ParityDifference.objects.first()
    assert row is not None
    assert (row.environment, row.api_group, row.difference, row.kind) == (
        "production",
        "public",
        "guard_refuses",
        "actual",
    )
    assert row.theirs == {"access-control-allow-origin": THEIRS}


def test_rows_are_kept_apart_by_what_is_judged_again(recorder: Recorder) -> None:
    asks = {"method": "OPTIONS", "requested_method": "PUT"}
    table: tuple[dict[str, Any], ...] = (
        {},
        {"origin": "https://b.example.com"},
        {"group": "billing"},
        {"disparity": Disparity.EXPOSED},
        {"method": "POST"},
        {"path": "/x"},
        {"host": "other"},
        asks,
        {**asks, "requested_method": "PATCH"},
        {**asks, "requested_headers": "x-a"},
        # Of what is no preflight these say nothing.
        {"requested_headers": "x-a"},
    )
    for given in table:
        differ(recorder, **given)
    recorder.flush(everything=True)
    assert sorted(ParityDifference.objects.values_list("count", flat=True)) == [1] * 9 + [2]


def test_differences_make_no_card_and_no_tally(recorder: Recorder) -> None:
    differ(recorder)
    recorder.flush(everything=True)
    models: tuple[Any, ...] = (Rejection, RejectedOrigin, RejectionTally)
    assert [model.objects.count() for model in models] == [0, 0, 0]


def test_flood_stays_within_its_rows_and_every_request_is_counted(recorder: Recorder, clock: Clock) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=50, AUDIT_ROWS_PER_HOUR=200):
        for round_number in range(5):
            for number in range(200):
                differ(recorder, path=f"/{round_number}/{number}")
            clock.mono += 61
            recorder.flush()
        recorder.flush(everything=True)
    assert total() == 1000
    assert ParityDifference.objects.exclude(origin="").count() == 20
    assert ParityDifference.objects.filter(origin="").count() <= 6
    overflow = ParityDifference.objects.filter(origin="")[0]
    assert (overflow.api_group, overflow.difference, overflow.path, overflow.theirs) == (
        "public",
        "guard_refuses",
        "",
        {},
    )


def test_refusals_and_differences_leave_each_other_their_rows(recorder: Recorder) -> None:
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=30):
        for number in range(100):
            differ(recorder, path=f"/{number}")
            refuse(recorder, number)
        recorder.flush(everything=True)
    assert Rejection.objects.filter(overflow=False).count() == 30
    assert ParityDifference.objects.exclude(origin="").count() == 3
    assert (total(), Rejection.objects.aggregate(total=Sum("count"))["total"]) == (100, 100)


def test_overflow_of_both_waits_side_by_side_for_its_window(recorder: Recorder, clock: Clock) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=1):
        for number in range(5):
            differ(recorder, path=f"/{number}")
            refuse(recorder, number)
        recorder.flush()
        assert (total(), Rejection.objects.count()) == (1, 1)
        clock.mono += 61
        recorder.flush()
    assert ParityDifference.objects.get(origin="").count == 4
    assert Rejection.objects.get(overflow=True).count == 4


def test_flood_from_threads_loses_nothing(recorder: Recorder) -> None:
    def work(worker: int) -> None:
        for number in range(500):
            differ(recorder, path=f"/{worker}/{number % 50}")

    with override_cors_guard(AUDIT_MAX_PENDING=100):
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recorder.flush(everything=True)
    assert total() == 4000


def test_outage_loses_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("away")

    for number in range(5):
        differ(recorder, path=f"/{number}")
    with monkeypatch.context() as patch:
        patch.setattr(ledger.Writer, "_write_chunk", fail)
        recorder.flush(everything=True)
        assert total() == 0
    differ(recorder, path="/5")
    recorder.flush(everything=True)
    assert total() == 6


def test_row_that_the_database_refuses_is_found_and_counted(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = differences.row_of

    def picky(key: Any, *args: Any, **kwargs: Any) -> ParityDifference:
        if "bad" in key.path:
            raise DataError("value too long")
        return original(key, *args, **kwargs)

    monkeypatch.setattr(ledger, "row_of", picky)
    for number in range(20):
        differ(recorder, path=f"/{number}")
    differ(recorder, path="/bad")
    refuse(recorder, 1)
    recorder.flush(everything=True)
    assert (total(), ParityDifference.objects.get(origin="").count) == (21, 1)
    assert Rejection.objects.count() == 1
    assert "counted as overflow" in caplog.text


@pytest.mark.parametrize("piece", ["\x00", "\ud800", "💥", "é" * 4000, "'\"; DROP TABLE", "\\x00", "\u202e", "%s{}"])
def test_hostile_text_is_stored_as_ascii_and_cut(recorder: Recorder, piece: str) -> None:
    facts: dict[str, Any] = {"method": "OPTIONS", "requested_method": piece, "requested_headers": piece}
    differ(recorder, origin=f"h{piece}", path=piece, host=piece, **facts)
    differ(recorder)
    recorder.flush(everything=True)
    assert (total(), ParityDifference.objects.filter(origin="").count()) == (2, 0)
    row = ParityDifference.objects.get(kind="preflight")
    texts = (row.origin, row.path, row.host, row.requested_method, row.requested_headers, *row.theirs.values())
    assert all(text.isascii() and text.isprintable() for text in texts)
    assert len(row.origin) <= 255
    assert len(row.theirs["access-control-allow-origin"]) <= 1000
