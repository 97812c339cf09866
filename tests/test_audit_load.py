"""The audit log under attack, in seconds; ``benchmarks/audit_load.py`` does the same with a million refusals."""

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from benchmarks.flood import Send, Sent, compose, send_from_event_loop, send_from_threads
from django_cors_guard import services
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.middleware import CorsGuardMiddleware
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, RejectedOrigin, Rejection
from django_cors_guard.recorder import Recorder, Refusal
from django_cors_guard.testing import flush_rejections, override_cors_guard
from tests.clocks import Clock

pytestmark = pytest.mark.django_db

TRUSTED = "https://app.example.com"
PENDING, BUDGET = 300, 400


def refusal_of(sent: Sent, **given: Any) -> Refusal:
    plain = Refusal(
        "public",
        Mode.ENFORCE,
        sent.origin,
        Reason.UNKNOWN_ORIGIN,
        Kind.ACTUAL,
        "GET",
        sent.path,
        sent.client,
        sent.user_agent,
    )
    return plain._replace(**given)


def from_network(number: int, client: str) -> Refusal:
    return refusal_of(Sent(f"https://a{number}.example.net", "/api/public", "agent", client))


def total() -> int:
    return Rejection.objects.aggregate(total=Sum("count"))["total"] or 0


# --- floods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flood", [pytest.param(send_from_threads, id="8 threads"), pytest.param(send_from_event_loop, id="event loop")]
)
def test_flood_is_counted_exactly_within_its_rows_and_memory(
    recorder: Recorder, clock: Clock, flood: Callable[[Send, int, int], None]
) -> None:
    rounds, count, origins = 4, 8_000, 6_400
    with override_cors_guard(AUDIT_MAX_PENDING=PENDING, AUDIT_ROWS_PER_HOUR=BUDGET):
        flood(lambda sent: recorder.refuse(refusal_of(sent)), count, origins)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(rounds):
                worker = threading.Thread(
                    target=flood, args=(lambda sent: recorder.refuse(refusal_of(sent)), count, origins)
                )
                worker.start()
                while worker.is_alive():
                    recorder.flush()  # here, for threads cannot share an in-memory database
                    worker.join(0.05)
                clock.mono += 61
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert len(recorder._refusals) <= PENDING
        recorder.flush(everything=True)
    assert total() == count * (rounds + 1)
    assert Rejection.objects.filter(overflow=False).count() <= BUDGET
    assert Rejection.objects.filter(overflow=True).count() <= rounds + 3, "one a group, reason and window"
    assert RejectedOrigin.objects.count() <= BUDGET
    assert peak <= 20_000_000


def test_what_exceeds_the_rows_of_an_hour_is_one_row_a_window(recorder: Recorder, clock: Clock) -> None:
    """However many batches a flush has, and however many flushes a window."""
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=10):
        for second in range(30):
            for number in range(20):
                recorder.refuse(from_network(second * 20 + number, f"198.51.{second}.{number}"))
            recorder.flush()
            clock.mono += 1
        assert Rejection.objects.filter(overflow=True).count() == 0
        clock.mono += 61
        recorder.flush()
        assert Rejection.objects.get(overflow=True).count == 590
    assert total() == 600


def test_noisy_key_leaves_two_rows_a_minute(recorder: Recorder, clock: Clock) -> None:
    refusal = from_network(1, "203.0.113.7")
    written = 0
    for minute in range(5):
        for _ in range(60):
            for _ in range(1000):
                recorder.refuse(refusal)
            recorder.flush()
            clock.mono += 1
        rows = Rejection.objects.count()
        assert rows - written <= 2, f"minute {minute}"
        written = rows
    recorder.flush(everything=True)
    assert total() == 300_000
    assert Rejection.objects.count() <= 10


# --- fairness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "flooding"),
    [
        pytest.param("truncated", ["198.51.100.1", "198.51.100.200"], id="truncated"),
        pytest.param("truncated", ["2001:db8:1::1", "2001:db8:1:ffff::2"], id="truncated IPv6"),
        pytest.param("full", ["198.51.100.1", "198.51.100.200"], id="full"),
        pytest.param("full", ["2001:db8:1::1", "2001:0db8:0001:ffff::2"], id="full IPv6"),
    ],
)
def test_network_gets_a_tenth_of_the_rows_over_all_processes(stored: str, flooding: list[str], clock: Clock) -> None:
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=100, AUDIT_CLIENT_IP=stored):
        for process in range(4):
            own = Recorder()
            for number in range(30):
                own.refuse(from_network(process * 30 + number, flooding[number % 2]))
            own.flush(everything=True)
        other = Recorder()
        for number in range(5):
            other.refuse(from_network(1000 + number, "203.0.113.7"))
        other.flush(everything=True)
    assert Rejection.objects.filter(overflow=False).exclude(client_ip__startswith="203.").count() == 10
    assert Rejection.objects.filter(overflow=False, client_ip__startswith="203.").count() == 5
    assert total() == 125


def test_network_gets_a_tenth_of_a_process_where_no_address_is_stored(recorder: Recorder) -> None:
    with override_cors_guard(AUDIT_ROWS_PER_HOUR=100, AUDIT_CLIENT_IP="none"):
        for number in range(30):
            recorder.refuse(from_network(number, "198.51.100.1"))
        recorder.flush(everything=True)
        for number in range(5):
            recorder.refuse(from_network(1000 + number, "203.0.113.7"))
        recorder.flush(everything=True)
    assert Rejection.objects.filter(overflow=False).count() == 15
    assert total() == 35


# --- through the middleware -------------------------------------------------------------------------------------------


def ask(origin: str, sent: Sent) -> HttpRequest:
    request = HttpRequest()
    request.method, request.path_info = "GET", sent.path
    request.META = {
        "HTTP_ORIGIN": origin,
        "HTTP_HOST": "api.example.com",
        "HTTP_USER_AGENT": sent.user_agent,
        "REMOTE_ADDR": sent.client,
    }
    return request


def test_refused_and_trusted_requests_in_turn_are_each_counted_once(production: Environment, public: ApiGroup) -> None:
    services.trust(TRUSTED, environment="production", api_group="public")
    guard = CorsGuardMiddleware(lambda request: HttpResponse())
    with override_cors_guard(REFRESH_SECONDS=3600):
        for sent in compose(0, 4_000, 1_000):
            guard(ask(sent.origin, sent))
            guard(ask(TRUSTED, sent))
        flush_rejections()
    assert total() == OriginUsage.objects.aggregate(total=Sum("count"))["total"] == 4_000
