"""The sums that are kept beside the rows of the audit log: tallies by the hour, and the last days of each card."""

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.models import DateTimeField, QuerySet, Sum, Value
from django.db.models.functions import Cast
from django.utils import timezone

from django_cors_guard import ledger, services
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.ledger import Batch, Entry, RefusalKey, Writer
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, Rejection, RejectionTally
from django_cors_guard.models.rejection import add_to_trend
from tests.factories import NOW, RejectedOriginFactory, UserFactory

pytestmark = pytest.mark.django_db

STRANGER = "https://stranger.example.net"
TODAY = NOW.date()
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the database's clock it is noon of the third of May."""
    monkeypatch.setattr(ledger, "Now", lambda: Cast(Value(_as_stored(NOW)), DateTimeField()))


def _as_stored(moment: datetime) -> datetime:
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def entry(times: int = 1, at: datetime = NOW, **key: Any) -> Entry:
    plain = RefusalKey("production", "public", Mode.ENFORCE, STRANGER, Reason.UNKNOWN_ORIGIN, Kind.ACTUAL, "GET", "/a")
    return Entry(plain._replace(**key), times, at.timestamp(), at.timestamp())


def write(*entries: Entry) -> None:
    assert Writer().write(Batch(entries)) == []


def tallies() -> dict[tuple[str, str, str, str], int]:
    return {
        (f"{row.hour.astimezone(UTC):%d %H:%M}", row.environment, row.api_group, row.reason): row.count
        for row in RejectionTally.objects.all()
    }


def recent() -> dict[str, int]:
    found: dict[str, int] = RejectedOrigin.objects.get().recent
    return found


# --- tallies ----------------------------------------------------------------------------------------------------------


def test_tallies_add_up_by_hour_place_and_reason() -> None:
    late = NOW + timedelta(minutes=59, seconds=59)
    write(
        entry(3),
        entry(4, at=late, path="/b", origin="https://other.test"),
        entry(5, at=NOW + timedelta(hours=1)),
        entry(6, reason=Reason.EXPIRED),
        entry(7, group="billing"),
        entry(8, environment="staging"),
    )
    write(entry(10))
    assert tallies() == {
        ("03 12:00", "production", "public", "unknown_origin"): 17,
        ("03 13:00", "production", "public", "unknown_origin"): 5,
        ("03 12:00", "production", "public", "expired"): 6,
        ("03 12:00", "production", "billing", "unknown_origin"): 7,
        ("03 12:00", "staging", "public", "unknown_origin"): 8,
    }


def test_tallies_count_what_makes_no_card_and_what_exceeded_the_bounds() -> None:
    write(
        entry(1),
        ledger.as_overflow(entry(20)),
        entry(300, group="own.paths", reason=Reason.OWN_PATHS),
        entry(4000, group="", reason=Reason.NO_POLICY),
    )
    assert sum(tallies().values()) == Rejection.objects.aggregate(total=Sum("count"))["total"] == 4321
    assert tallies()["03 12:00", "production", "public", "unknown_origin"] == 21
    assert RejectedOrigin.objects.get().count == 1


def test_tally_has_the_reason_that_its_rows_have(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    services.trust(STRANGER, environment="production", api_group="billing")
    write(entry(2))
    assert {row.reason for row in Rejection.objects.all()} == {"other_group"}
    assert tallies() == {("03 12:00", "production", "public", "other_group"): 2}


def test_hours_are_those_of_utc_also_where_the_project_has_no_time_zones(settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Kolkata"
    write(entry(2))
    row = RejectionTally.objects.get()
    assert row.hour == datetime(2026, 5, 3, 17, 30)  # noqa: DTZ001 - as such a project stores it
    assert recent() == {"2026-05-03": 2}


def test_batch_that_is_refused_leaves_no_count_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise ValueError("too long for its column")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_usages", refuse)
        (overflow,) = Writer().write(Batch((entry(5),)))
    assert sum(tallies().values()) == 0
    write(*overflow.entries)
    assert tallies() == {("03 12:00", "production", "public", "unknown_origin"): 5}


def test_two_flushes_that_interleave_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes in between: after the first has seen that a row is missing, and before it inserts its own."""
    plain = QuerySet.bulk_create
    others = [(entry(10, at=NOW - DAY),), (entry(100), entry(7, origin="https://other.test"))]

    def insert_late(rows: Any, *args: Any, **kwargs: Any) -> Any:
        if others and kwargs.get("ignore_conflicts"):
            write(*others.pop())
        return plain(rows, *args, **kwargs)

    monkeypatch.setattr(QuerySet, "bulk_create", insert_late)
    write(entry(1))
    assert others == []
    assert tallies() == {
        ("03 12:00", "production", "public", "unknown_origin"): 108,
        ("02 12:00", "production", "public", "unknown_origin"): 10,
    }
    card = RejectedOrigin.objects.get(origin=STRANGER)
    assert (card.count, card.recent) == (111, {"2026-05-02": 10, "2026-05-03": 101})


@pytest.mark.django_db(transaction=True)
def test_sums_stay_exact_with_several_writers_at_once() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    errors: list[Exception] = []

    def work(worker: int) -> None:
        writer = Writer()
        try:
            for round_ in range(10):
                batch = [entry(1, at=NOW - DAY * (n % 7), origin=f"https://a{n}.test") for n in range(20)]
                left = [Batch(tuple(batch[worker:] + batch[:worker]))]
                while left:
                    left += writer.write(left.pop())
                assert round_ >= 0
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(tallies().values()) == 800
    assert [card.recent for card in RejectedOrigin.objects.order_by("pk")] == [
        {(NOW - DAY * (int(card.origin[9:-5]) % 7)).date().isoformat(): 40}
        for card in RejectedOrigin.objects.order_by("pk")
    ]


# --- the last days of a card ------------------------------------------------------------------------------------------


def test_days_are_those_of_utc(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    midnight = datetime(2026, 5, 3, tzinfo=UTC)
    write(entry(2, at=midnight - timedelta(milliseconds=1)), entry(3, at=midnight, path="/b"))
    assert recent() == {"2026-05-02": 2, "2026-05-03": 3}


def test_flush_with_several_days_of_one_card_adds_to_each() -> None:
    write(entry(1))
    write(
        entry(2, path="/b"),
        entry(30, at=NOW - DAY, path="/c"),
        entry(400, path="/d"),
        entry(5, origin="https://o.test"),
    )
    card = RejectedOrigin.objects.get(origin=STRANGER)
    assert card.recent == {"2026-05-02": 30, "2026-05-03": 403}
    assert card.trend(TODAY)[-2:] == [(TODAY - DAY, 30), (TODAY, 403)]


def test_card_keeps_seven_days_and_no_more() -> None:
    write(*(entry(at + 1, at=NOW - DAY * at, path=f"/{at}") for at in range(10)))
    assert recent() == {(TODAY - DAY * at).isoformat(): at + 1 for at in range(7)}
    assert RejectedOrigin.objects.get().count == 55


def test_overflow_counts_for_no_card() -> None:
    write(entry(1), ledger.as_overflow(entry(9)))
    assert recent() == {"2026-05-03": 1}


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param([], id="list"),
        pytest.param(["2026-05-03"], id="list of days"),
        pytest.param("2026-05-03", id="text"),
        pytest.param(7, id="number"),
        pytest.param({"2026-05-03": "7"}, id="count in words"),
        pytest.param({"2026-05-03": -7}, id="negative"),
        pytest.param({"2026-05-03": 0.5}, id="fraction"),
        pytest.param({"2026-05-03": True}, id="yes"),
        pytest.param({"2026-05-03": None}, id="none"),
        pytest.param({"2026-05-03": {"2026-05-03": 1}}, id="nested"),
        pytest.param({"2026-05-03": 2**63}, id="more than any count"),
        pytest.param({f"zz{at}": 1 for at in range(9)}, id="behind every day"),
        pytest.param({"": 1, "today": 2, "2026-05-32": 3, "20260503": 4, "2026-W18-7": 5}, id="no days"),
        pytest.param({"<script>": "<b>", "\u202e": []}, id="hostile"),
    ],
)
def test_flush_passes_over_what_somebody_wrote_by_hand(kept: Any) -> None:
    RejectedOriginFactory.create(recent=kept)
    write(entry(5))
    assert {day: count for day, count in recent().items() if count} == {"2026-05-03": 5}
    assert RejectedOrigin.objects.get().count == 6
    assert sum(tallies().values()) == 5


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("null", id="null"),
        pytest.param('{"2026-05-03": ' + "1" * 5000 + "}", id="number of 5000 digits"),
        pytest.param('{"2026-05-03": ' + "[" * 900 + "]" * 900 + "}", id="deeper than Python goes"),
    ],
)
def test_flush_and_trend_pass_over_what_python_cannot_read(text: str) -> None:
    if connection.vendor == "mysql" and "[[[" in text:
        pytest.skip("MariaDB refuses JSON of that depth")
    card = RejectedOriginFactory.create()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cors_guard_rejectedorigin SET recent = %s", [text])
    card.refresh_from_db()
    assert {count for _day, count in card.trend(TODAY)} == {0}
    write(entry(5))
    assert recent() == {"2026-05-03": 5}


# --- clocks that are wrong --------------------------------------------------------------------------------------------


def test_days_that_a_wrong_clock_left_behind_block_no_real_ones() -> None:
    ahead = {(TODAY + DAY * at).isoformat(): 9 for at in range(100, 107)}
    RejectedOriginFactory.create(recent=ahead)
    write(entry(5))
    assert recent() == {"2026-05-03": 5}


def test_refusal_that_a_wrong_clock_dates_ahead_is_counted_today() -> None:
    write(entry(2, at=NOW + DAY * 300))
    write(entry(3))
    assert recent() == {"2026-05-03": 5}


def test_refusal_that_a_wrong_clock_dates_back_pushes_no_day_out() -> None:
    days = {(TODAY - DAY * at).isoformat(): 1 for at in range(7)}
    RejectedOriginFactory.create(recent=days)
    write(entry(2, at=datetime(1971, 1, 1, tzinfo=UTC)))
    assert recent() == days


def test_tomorrow_may_have_begun_by_the_clock_of_another_process() -> None:
    write(entry(2, at=NOW + DAY))
    write(entry(3))
    assert recent() == {"2026-05-03": 3, "2026-05-04": 2}


def test_late_flush_does_not_take_back_what_was_seen_last() -> None:
    write(entry(1, reason=Reason.EXPIRED))
    write(entry(1, at=NOW - timedelta(hours=5)))
    card = RejectedOrigin.objects.get()
    assert (card.last_seen, card.last_reason, card.count) == (NOW, "expired", 2)


def test_later_flush_says_what_was_seen_last() -> None:
    write(entry(1))
    write(entry(1, at=NOW + timedelta(hours=1), reason=Reason.EXPIRED))
    card = RejectedOrigin.objects.get()
    assert (card.last_seen, card.last_reason) == (NOW + timedelta(hours=1), "expired")


def test_last_sighting_that_lies_ahead_is_set_right() -> None:
    RejectedOriginFactory.create(last_seen=NOW + DAY * 300, last_reason="expired")
    write(entry(1))
    card = RejectedOrigin.objects.get()
    assert (card.last_seen, card.last_reason) == (NOW, "unknown_origin")


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "after", "is_signed"),
    [("trusted", "new", False), ("ignored", "ignored", True), ("new", "new", True)],
)
def test_only_a_card_that_comes_back_by_itself_loses_its_signature(status: str, after: str, is_signed: bool) -> None:
    ana = UserFactory.create(username="ana")
    RejectedOriginFactory.create(status=status, status_by=ana, status_at=NOW)
    write(entry(1))
    card = RejectedOrigin.objects.get()
    assert (card.status, card.status_by == ana, card.status_at == NOW) == (after, is_signed, is_signed)


# --- add_to_trend -----------------------------------------------------------------------------------------------------


def test_trend_of_any_days_keeps_the_latest_seven_up_to_tomorrow() -> None:
    days = Counter({date(2026, 5, at): at for at in range(1, 11)})
    kept = add_to_trend({}, days, TODAY)
    assert kept == {"2026-05-01": 1, "2026-05-02": 2, "2026-05-03": 3 + sum(range(5, 11)), "2026-05-04": 4}
    assert add_to_trend(kept, {}, TODAY) == kept
