import logging
import os
import random
import string
import threading
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.db import (
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
)
from django.db.models import Sum
from django.utils import timezone

from django_cors_guard import ledger, services
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.ledger import Writer
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    GuardProcess,
    OriginUsage,
    RejectedOrigin,
    Rejection,
)
from django_cors_guard.recorder import Recorder, Refusal, stored_client, tidy_text
from django_cors_guard.testing import override_cors_guard
from tests.clocks import Clock
from tests.factories import ApiGroupFactory, EnvironmentFactory

pytestmark = pytest.mark.django_db

STRANGER = "https://stranger.example.net"


def refusal(**given: Any) -> Refusal:
    plain = Refusal(
        "public",
        Mode.ENFORCE,
        STRANGER,
        Reason.UNKNOWN_ORIGIN,
        Kind.ACTUAL,
        "GET",
        "/api/public",
        "203.0.113.7",
        "Firefox",
    )
    return plain._replace(**given)


def total() -> int:
    return Rejection.objects.aggregate(total=Sum("count"))["total"] or 0


# --- rollups ----------------------------------------------------------------------------------------------------------


def test_first_sighting_is_written_and_repeats_wait_for_their_window(recorder: Recorder, clock: Clock) -> None:
    recorder.refuse(refusal())
    recorder.flush()
    assert total() == 1
    for _ in range(500):
        recorder.refuse(refusal())
    clock.mono += 30
    recorder.flush()
    assert total() == 1
    clock.mono += 31
    recorder.flush()
    assert sorted(Rejection.objects.values_list("count", flat=True)) == [1, 500]


def test_key_writes_at_most_twice_a_window(recorder: Recorder, clock: Clock) -> None:
    """One noisy key for five minutes at a flush a second."""
    for _ in range(300):
        for _ in range(10):
            recorder.refuse(refusal())
        recorder.flush()
        clock.mono += 1
    recorder.flush(everything=True)
    assert total() == 3000
    assert Rejection.objects.count() <= 2 * 6


def test_rows_are_kept_apart_by_what_was_refused(recorder: Recorder) -> None:
    for given in (
        {},
        {"group": "billing"},
        {"mode": Mode.BLOCK},
        {"origin": "https://b.example.net"},
        {"reason": Reason.EXPIRED},
        {"kind": Kind.PREFLIGHT},
        {"method": "PUT"},
        {"path": "/api/public/x"},
    ):
        recorder.refuse(refusal(**given))
    recorder.refuse(refusal(user_agent="Chrome", client="198.51.100.9"))
    recorder.flush(everything=True)
    assert sorted(Rejection.objects.values_list("count", flat=True)) == [1] * 7 + [2]


def test_everything_is_stored_as_it_was(recorder: Recorder, production: Environment) -> None:
    recorder.refuse(refusal())
    recorder.flush()
    row = Rejection.objects.get()
    assert (row.environment, row.api_group, row.mode, row.origin) == ("production", "public", "enforce", STRANGER)
    assert (row.reason, row.kind, row.method, row.path) == ("unknown_origin", "actual", "GET", "/api/public")
    assert (row.client_ip, row.user_agent, row.overflow) == ("203.0.113.0/24", "Firefox", False)
    assert row.first_seen <= row.last_seen


def test_project_without_time_zones_is_served_as_well(
    recorder: Recorder, production: Environment, public: ApiGroup, settings: Any
) -> None:
    settings.USE_TZ = False
    ends = timezone.now() + timedelta(days=1)
    services.trust("https://app.example.com", environment="production", api_group="public", expires_at=ends)
    recorder.use("public", "https://app.example.com", "GET")
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    assert (total(), OriginUsage.objects.get().count) == (1, 1)
    assert services.explain("https://app.example.com", path="/api/public").allowed


def test_usage_is_rolled_up_by_grant_origin_and_method(
    recorder: Recorder, production: Environment, public: ApiGroup
) -> None:
    grant = services.trust("https://app.example.com", environment="production", api_group="public")
    for _ in range(5):
        recorder.use("public", "https://app.example.com", "GET")
    recorder.use("public", "https://app.example.com", "POST")
    recorder.use("public", "https://gone.example.com", "GET")
    recorder.flush(everything=True)
    rows = OriginUsage.objects.order_by("pk").values_list("trusted_origin", "origin", "method", "count")
    assert list(rows) == [
        (grant.pk, "https://app.example.com", "GET", 5),
        (grant.pk, "https://app.example.com", "POST", 1),
        (None, "https://gone.example.com", "GET", 1),
    ]


def test_usage_tells_when_within_a_flush(
    recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch, production: Environment, public: ApiGroup
) -> None:
    """Three uses in one window, each a flush apart from the next; then a window in which nothing came for a while."""
    now = [1_000_000.0]
    monkeypatch.setattr("django_cors_guard.recorder.time", lambda: now[0])
    services.trust("https://app.example.com", environment="production", api_group="public")

    def pass_by(seconds: int, *, using: bool = False) -> None:
        if using:
            recorder.use("public", "https://app.example.com", "GET")
        for _ in range(seconds):
            now[0] += 1
            clock.mono += 1
            recorder.flush()

    pass_by(1, using=True)
    pass_by(10)
    for _ in range(3):
        pass_by(5, using=True)
    pass_by(60)
    rows = OriginUsage.objects.order_by("pk").values_list("count", "first_seen", "last_seen")
    spans = [(count, first.timestamp() - 1_000_000, last.timestamp() - 1_000_000) for count, first, last in rows]
    assert [count for count, _first, _last in spans] == [1, 3]
    assert spans[0][1:] == (0, 1)
    _count, first, last = spans[1]
    assert 10 <= first <= 11
    assert 21 <= last <= 22


def test_method_of_any_length_is_one_key_of_usage(recorder: Recorder, production: Environment) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=1):
        for _ in range(3):
            recorder.use("public", "https://app.example.com", "X" * 5000)
    recorder.flush(everything=True)
    assert list(OriginUsage.objects.values_list("method", "count")) == [("X" * 64, 3)]


# --- bounds -----------------------------------------------------------------------------------------------------------


def _flood(recorder: Recorder, count: int, seed: int, client: str | None = None) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        name = "".join(chance.choices(string.ascii_lowercase, k=8))
        recorder.refuse(
            refusal(
                origin=f"https://{name}.example.net",
                path=f"/{name}",
                user_agent=name,
                client=client or f"203.{chance.randrange(256)}.{chance.randrange(256)}.1",
            )
        )


def test_flood_stays_within_its_rows_and_every_refusal_is_counted(recorder: Recorder, clock: Clock) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=50, AUDIT_ROWS_PER_HOUR=80):
        for round_number in range(10):
            _flood(recorder, 1000, round_number)
            clock.mono += 61
            recorder.flush()
        recorder.flush(everything=True)
    assert total() == 10_000
    assert Rejection.objects.filter(overflow=False).count() <= 80
    assert Rejection.objects.filter(overflow=True).count() <= 2 * 11
    assert RejectedOrigin.objects.count() <= 80
    overflow = Rejection.objects.filter(overflow=True)[0]
    assert (overflow.origin, overflow.path, overflow.client_ip, overflow.user_agent) == ("", "", "", "")
    assert (overflow.api_group, overflow.reason) == ("public", "unknown_origin")


def test_flood_from_threads_loses_nothing(recorder: Recorder) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=100):
        threads = [threading.Thread(target=_flood, args=(recorder, 2000, seed)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recorder.flush(everything=True)
    assert total() == 16_000


def test_million_unknown_origins_leave_memory_flat(recorder: Recorder, clock: Clock) -> None:
    """A short form of it; memory is bounded by AUDIT_MAX_PENDING, whatever the number of origins."""
    _flood(recorder, 3000, 0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _flood(recorder, 30_000, 1)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000


def test_flood_from_one_network_leaves_room_for_others(recorder: Recorder) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=100):
        _flood(recorder, 1000, 0, client="198.51.100.66")
        recorder.refuse(refusal(client="203.0.113.7"))
        recorder.flush(everything=True)
    assert Rejection.objects.filter(client_ip="198.51.100.0/24").count() == 10
    assert Rejection.objects.filter(origin=STRANGER, overflow=False).exists()
    assert total() == 1001


def test_flood_from_one_network_takes_a_tenth_of_the_rows_of_an_hour(recorder: Recorder, clock: Clock) -> None:
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=100):
        for seed in range(5):
            _flood(recorder, 50, seed, client="198.51.100.66")
            clock.mono += 61
            recorder.flush(everything=True)
        recorder.refuse(refusal(client="203.0.113.7"))
        recorder.flush(everything=True)
    assert Rejection.objects.filter(client_ip="198.51.100.0/24").count() == 10
    assert Rejection.objects.filter(client_ip="203.0.113.0/24").count() == 1
    assert total() == 251


def test_overflow_of_uses_is_counted(recorder: Recorder) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=10):
        for n in range(50):
            recorder.use("public", f"https://a{n}.example.com", "GET")
        recorder.flush(everything=True)
    assert OriginUsage.objects.aggregate(total=Sum("count"))["total"] == 50
    assert OriginUsage.objects.get(origin="").count == 40


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("https://a.example", "https://a.example", id="plain"),
        pytest.param("a\x00b", r"a\x00b", id="NUL"),
        pytest.param("a\r\nb", r"a\x0d\x0ab", id="line break"),
        pytest.param("é", r"\xe9", id="latin"),
        pytest.param("\u202e", r"\u202e", id="right-to-left mark"),
        pytest.param("\ud800", r"\ud800", id="surrogate"),
        pytest.param("💥", r"\U0001f4a5", id="emoji"),
        pytest.param("x" * 1_000_000, "x" * 255, id="a megabyte"),
        pytest.param("é" * 1000, (r"\xe9" * 64)[:255], id="cut after escaping"),
    ],
)
def test_stored_text_is_printable_ascii_and_cut(text: str, stored: str) -> None:
    assert tidy_text(text) == stored


@pytest.mark.parametrize("piece", ["\x00", "\ud800", "💥", "é" * 400, "'\"; DROP TABLE", "\\x00", "\u202e", "%s{}"])
def test_hostile_row_never_costs_its_batch(recorder: Recorder, piece: str) -> None:
    recorder.refuse(refusal())
    recorder.refuse(
        refusal(origin=piece, path=piece, user_agent=piece, method=piece, client=piece, reason=Reason.MALFORMED_ORIGIN)
    )
    recorder.refuse(refusal(origin="https://b.example.net"))
    recorder.flush(everything=True)
    assert total() == 3
    assert not Rejection.objects.filter(overflow=True).exists()


def test_row_that_the_database_refuses_is_found_and_counted(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = ledger._rejection

    def picky(entry: Any) -> Rejection:
        if "bad" in entry.key.origin:
            raise DataError("value too long")
        return original(entry)

    monkeypatch.setattr(ledger, "_rejection", picky)
    for n in range(40):
        recorder.refuse(refusal(origin=f"https://a{n}.example.net", client=f"203.0.{n}.1"))
    recorder.refuse(refusal(origin="https://bad.example.net"))
    recorder.flush(everything=True)
    assert (total(), Rejection.objects.get(overflow=True).count) == (41, 1)
    assert "counted as overflow" in caplog.text


# --- cards ------------------------------------------------------------------------------------------------------------


def test_card_adds_up_what_its_origin_was_refused(recorder: Recorder, clock: Clock) -> None:
    recorder.refuse(refusal(path="/a"))
    recorder.refuse(refusal(path="/b", reason=Reason.EXPIRED))
    recorder.flush(everything=True)
    recorder.refuse(refusal(path="/c"))
    recorder.flush(everything=True)
    card = RejectedOrigin.objects.get()
    assert (card.count, card.status, card.last_reason) == (3, "new", "unknown_origin")
    assert card.first_seen <= card.last_seen


def test_card_is_new_again_when_its_grant_has_ended(
    recorder: Recorder, production: Environment, public: ApiGroup
) -> None:
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    grant = services.trust(STRANGER, environment="production", api_group="public")
    assert RejectedOrigin.objects.get().status == "trusted"
    recorder.refuse(refusal(reason=Reason.METHOD_NOT_ALLOWED))
    recorder.flush(everything=True)
    assert RejectedOrigin.objects.get().status == "trusted", "the grant holds; a method was refused"
    services.revoke(grant, reason="x")
    recorder.refuse(refusal(reason=Reason.REVOKED))
    recorder.flush(everything=True)
    assert RejectedOrigin.objects.get().status == "new"


def test_ignored_card_stays_ignored(recorder: Recorder) -> None:
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    RejectedOrigin.objects.update(status="ignored")
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    card = RejectedOrigin.objects.get()
    assert (card.status, card.count) == ("ignored", 2)


@pytest.mark.parametrize(
    "given", [{"reason": Reason.NO_POLICY}, {"group": "own.paths", "reason": Reason.OWN_PATHS}, {"group": ""}]
)
def test_refusal_that_no_trust_could_mend_makes_no_card(recorder: Recorder, given: dict[str, Any]) -> None:
    recorder.refuse(refusal(**given))
    recorder.flush(everything=True)
    assert Rejection.objects.count() == 1
    assert not RejectedOrigin.objects.exists()


@pytest.mark.parametrize(
    ("environment", "group", "reason"),
    [
        ("production", "billing", "other_group"),
        ("staging", "public", "other_environment"),
        ("staging", "billing", "other_environment"),
    ],
)
def test_reason_is_refined_when_it_is_written(
    recorder: Recorder, production: Environment, environment: str, group: str, reason: str
) -> None:
    EnvironmentFactory.create(slug=environment)
    ApiGroupFactory.create(slug=group)
    services.trust(STRANGER, environment=environment, api_group=group)
    recorder.refuse(refusal())
    recorder.flush()
    assert Rejection.objects.get().reason == reason
    assert RejectedOrigin.objects.get().last_reason == reason


def _refuse_and_flush(worker: int, errors: list[Exception]) -> None:
    own = Recorder()
    try:
        for _ in range(10):
            for n in range(20):
                own.refuse(refusal(origin=f"https://a{(n + worker) % 20}.example.net", client=f"203.0.{n}.1"))
            own.flush(everything=True)
            while own._outbox:
                own.flush(everything=True)
    except Exception as error:  # noqa: BLE001 - the test reports it
        errors.append(error)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_counts_stay_exact_with_several_writers() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    errors: list[Exception] = []
    threads = [threading.Thread(target=_refuse_and_flush, args=(worker, errors)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert total() == 800
    assert sorted(RejectedOrigin.objects.values_list("count", flat=True)) == [40] * 20


# --- the database is away ---------------------------------------------------------------------------------------------


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    switch = [True]
    original = Writer._write_chunk

    def write(self: Writer, entries: Any, using: str) -> None:
        if switch[0]:
            raise OperationalError("connection refused")
        original(self, entries, using)

    monkeypatch.setattr(Writer, "_write_chunk", write)
    return switch


def test_rollups_wait_while_the_database_is_away(
    recorder: Recorder, clock: Clock, away: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "django_cors_guard")
    with override_cors_guard(AUDIT_MAX_PENDING=50):
        for seed in range(20):
            _flood(recorder, 100, seed)
            recorder.flush()
            clock.mono += 61
        assert total() == 0
        assert len(recorder._refusals) <= 50
        assert sum(len(batch.entries) for batch in recorder._outbox) <= 52
        away[0] = False
        clock.mono += 120
        recorder.flush()
        recorder.flush(everything=True)
    assert total() == 2000
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"], "one line per change of state"


def test_what_is_not_written_yet_can_be_told(recorder: Recorder, clock: Clock, away: list[bool]) -> None:
    assert (recorder.count_unwritten(), recorder.failures) == (0, 0)
    for number in range(3):
        recorder.refuse(refusal(origin=f"https://s{number}.example.net"))
    recorder.use("public", STRANGER, "GET")
    assert recorder.count_unwritten() == 3, "refusals alone"
    away[0] = True
    recorder.flush()
    recorder.refuse(refusal())
    assert (recorder.count_unwritten(), recorder.failures) == (4, 1)
    away[0] = False
    recorder.flush(everything=True)
    assert (recorder.count_unwritten(), recorder.failures, total()) == (0, 0, 4)


def test_lost_reply_to_a_commit_does_not_count_twice(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Writer._write_chunk

    def committed_but_silent(self: Writer, entries: Any, using: str) -> None:
        original(self, entries, using)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(Writer, "_write_chunk", committed_but_silent)
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    monkeypatch.setattr(Writer, "_write_chunk", original)
    recorder.flush(everything=True)
    assert (total(), RejectedOrigin.objects.get().count) == (1, 1)


def test_purged_process_row_is_written_again(recorder: Recorder) -> None:
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    GuardProcess.objects.all().delete()
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    assert GuardProcess.objects.get().pid == os.getpid()
    assert total() == 2


def test_fork_loses_and_doubles_nothing(recorder: Recorder) -> None:
    recorder.refuse(refusal())
    child = Recorder()
    child.__dict__.update(recorder.__dict__)
    child.after_fork()
    child.flush(everything=True)
    assert total() == 0
    recorder.flush(everything=True)
    assert total() == 1


def test_no_thread_starts_in_a_test_suite(recorder: Recorder) -> None:
    recorder.refuse(refusal())
    recorder.use("public", STRANGER, "GET")
    assert recorder._thread is None


@pytest.mark.parametrize("error", [ProgrammingError, InternalError, OperationalError, InterfaceError])
def test_state_of_the_database_is_waited_for_and_costs_no_count(
    recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A table that is not there yet, a standby that does not write: no reason to drop what was refused."""
    original = Writer._write_chunk

    def refuse(self: Writer, entries: Any, using: str) -> None:
        raise error("not now")

    monkeypatch.setattr(Writer, "_write_chunk", refuse)
    for n in range(5):
        recorder.refuse(refusal(origin=f"https://a{n}.example.net"))
    for _ in range(3):
        recorder.flush(everything=True)
    monkeypatch.setattr(Writer, "_write_chunk", original)
    recorder.flush(everything=True)
    assert (total(), Rejection.objects.filter(overflow=True).count()) == (5, 0)


def test_failed_tries_are_not_charged_to_a_network(recorder: Recorder, clock: Clock, away: list[bool]) -> None:
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=100):
        for n in range(8):
            recorder.refuse(refusal(origin=f"https://a{n}.example.net"))
        for _ in range(5):
            recorder.flush(everything=True)
        away[0] = False
        recorder.flush(everything=True)
    assert Rejection.objects.filter(overflow=False).count() == 8


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "", "unix:"])
def test_clients_that_cannot_be_told_apart_share_the_whole_budget(recorder: Recorder, client: str) -> None:
    with override_cors_guard(AUDIT_MAX_PENDING=50):
        _flood(recorder, 40, 0, client=client or " ")
        recorder.flush(everything=True)
    assert Rejection.objects.filter(overflow=False).count() == 40


def test_first_use_does_not_write_under_its_own_lock(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads do not run the request itself has to write, and writing takes the lock."""
    monkeypatch.setattr("django_cors_guard.conf.in_tests", lambda: False)
    monkeypatch.setattr(recorder, "flush", lambda: recorder._take(everything=False))
    recorder._thread = threading.current_thread()
    worker = threading.Thread(target=recorder.use, args=("public", STRANGER, "GET"), daemon=True)
    worker.start()
    worker.join(10)
    assert not worker.is_alive()


def test_end_of_the_process_does_not_wait_for_a_flush_that_hangs(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_cors_guard.recorder.CLOSE_SECONDS", 0.05)
    recorder.refuse(refusal())
    with recorder._flush_lock:
        recorder.flush(everything=True)
    assert total() == 0
    recorder.flush(everything=True)
    assert total() == 1


def test_repeats_from_before_a_grant_do_not_reopen_its_card(
    recorder: Recorder, production: Environment, public: ApiGroup
) -> None:
    recorder.refuse(refusal())
    recorder.flush(everything=True)
    recorder.refuse(refusal())
    services.trust(STRANGER, environment="production", api_group="public")
    recorder.flush(everything=True)
    assert RejectedOrigin.objects.get().status == "trusted"
    assert set(Rejection.objects.values_list("reason", flat=True)) == {"unknown_origin"}


def test_method_of_a_use_is_stored_cut_and_printable(recorder: Recorder) -> None:
    recorder.use("public", STRANGER, "\x1b" * 1000)
    recorder.flush(everything=True)
    method = OriginUsage.objects.get().method
    assert method.isprintable()
    assert len(method) <= 64


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "stored"), [("none", ""), ("truncated", "203.0.113.0/24"), ("full", "203.0.113.7")])
def test_client_address_is_stored_as_the_setting_says(recorder: Recorder, how: str, stored: str) -> None:
    assert stored_client("203.0.113.7", how) == stored
    assert stored_client("no address", how) == ""
    assert "%" not in stored_client("fe80::1%\x1b[31m", how)
    with override_cors_guard(AUDIT_CLIENT_IP=how):
        recorder.refuse(refusal())
        recorder.flush(everything=True)
    assert Rejection.objects.get().client_ip == stored


def test_grants_are_found_by_pattern_where_no_exact_row_is(
    recorder: Recorder, production: Environment, public: ApiGroup
) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    services.trust("https://*.example.com", environment="production", api_group="public")
    nearer = services.trust("https://*.apps.example.com", environment="production", api_group="public")
    recorder.use("public", "https://a.apps.example.com", "GET")
    recorder.flush(everything=True)
    assert OriginUsage.objects.get().trusted_origin_id == nearer.pk
