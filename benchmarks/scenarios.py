"""The scenarios of ``audit_load``; imported once Django is set up."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, Final
from unittest import mock

from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse

from benchmarks import scratch
from benchmarks.flood import Sent, compose, send_from_event_loop, send_from_threads
from django_cors_guard import conf, services
from django_cors_guard.core.decision import Kind, Mode, Reason
from django_cors_guard.middleware import CorsGuardMiddleware, judge
from django_cors_guard.models import ApiGroup, ApiRoute, Environment, OriginUsage, Rejection
from django_cors_guard.recorder import Recorder, Refusal, recorder
from django_cors_guard.store import store

TRUSTED: Final = "https://app.example.com"
MEMORY_AIM: Final = 20 * scratch.MEGABYTE
REFUSED_AIM: Final = 10.0
USE_AIM: Final = 0.5
MINUTES: Final = 5
A_SECOND: Final = 1000
ROWS_A_MINUTE: Final = 2
SAMPLES: Final = 40_000
WARM_UP: Final = 5_000


def run(name: str, refusals: int, origins: int) -> None:
    """Set up an environment and an API group, and run the scenario ``name``."""
    scratch.migrate()
    Environment.objects.create(slug="production", name="Production")
    group = ApiGroup.objects.create(slug="public", name="Public")
    ApiRoute.objects.create(api_group=group, path_prefix="/api/public")
    services.trust(TRUSTED, environment="production", api_group="public")
    if name == "noisy-client":
        bother()
    elif name == "cost":
        compare_costs()
    else:
        flood(name, refusals, origins)


def ask(sent: Sent, origin: str | None = None) -> HttpRequest:
    """Return the request that a server would make of ``sent``."""
    request = HttpRequest()
    request.method, request.path_info = "GET", sent.path
    request.META = {
        "HTTP_ORIGIN": origin or sent.origin,
        "HTTP_HOST": "api.example.com",
        "HTTP_USER_AGENT": sent.user_agent,
        "REMOTE_ADDR": sent.client,
    }
    return request


def _answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def _answer_async(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def flood(name: str, refusals: int, origins: int) -> None:
    """Send ``refusals`` requests while the recorder's thread writes, and count what is in the database afterwards."""
    asynchronous = name == "event-loop"
    guard: Any = CorsGuardMiddleware(_answer_async if asynchronous else _answer)
    send_all = send_from_event_loop if asynchronous else send_from_threads

    def send(sent: Sent) -> object:
        return guard(ask(sent))

    send_all(send, WARM_UP, origins)
    before = scratch.memory()
    scratch.forget_peak()
    began = time.perf_counter()
    send_all(send, refusals, origins)
    seconds = time.perf_counter() - began
    recorder.close()
    grown = scratch.peak_memory() - before
    found = Rejection.objects.aggregate(
        total=Sum("count"), rows=Count("pk", filter=Q(overflow=False)), overflow=Count("pk", filter=Q(overflow=True))
    )
    budget = conf.current().audit_rows_per_hour
    _report(
        name,
        f"{refusals:,} refusals of {origins:,} origins in {seconds:.0f} s ({refusals / seconds:,.0f} a second); "
        f"counted {found['total']:,}; {found['rows']:,} rows (budget {budget:,}), {found['overflow']} of overflow; "
        f"peak memory +{grown / scratch.MEGABYTE:.1f} MB",
        found["total"] == refusals + WARM_UP and found["rows"] <= budget and grown <= MEMORY_AIM,
    )


class _HandWound(Recorder):
    """A recorder that nothing but this module flushes."""

    def _settle(self, config: conf.GuardSettings) -> None:
        pass


def bother() -> None:
    """One client that is refused a thousand times a second, for five minutes of a simulated clock."""
    own = _HandWound()
    refusal = Refusal(
        "public", Mode.ENFORCE, "https://a.example", Reason.UNKNOWN_ORIGIN, Kind.ACTUAL, "GET", "/", "203.0.113.7", ""
    )
    most = rows = 0
    with mock.patch("django_cors_guard.recorder.monotonic") as clock:
        for minute in range(MINUTES):
            for second in range(60):
                clock.return_value = 1000.0 + 60 * minute + second
                for _ in range(A_SECOND):
                    own.refuse(refusal)
                own.flush()
            most, rows = max(most, Rejection.objects.count() - rows), Rejection.objects.count()
        own.flush(everything=True)
    total = Rejection.objects.aggregate(total=Sum("count"))["total"]
    _report(
        "noisy-client",
        f"{total:,} refusals; at most {most} rows a minute",
        most <= ROWS_A_MINUTE and total == 60 * MINUTES * A_SECOND,
    )


def compare_costs() -> None:
    """Trusted and refused requests in turn; then allowed ones whose use is counted, and is not."""
    guard = CorsGuardMiddleware(_answer)
    spent: dict[str, list[int]] = {name: [] for name in ("trusted", "new", "repeated", "counted", "not counted")}
    first = next(compose(1, 1, 1))
    policy = store.current()
    for number, sent in enumerate(compose(0, SAMPLES, 200_000)):
        _time(spent["trusted"], partial(guard, ask(sent, TRUSTED)))
        _time(spent["new"], partial(guard, ask(sent)))
        _time(spent["repeated"], partial(guard, ask(first)))
        # Either goes first as often as the other: what goes second finds everything in the processor's caches.
        decide = partial(judge, ask(sent, TRUSTED), policy)
        if number % 2:
            _time(spent["counted"], decide)
        with mock.patch.object(recorder, "use", _use_nothing):
            _time(spent["not counted"], decide)
        if not number % 2:
            _time(spent["counted"], decide)
    recorder.close()
    half = {name: median(times[len(times) // 2 :]) / 1000 for name, times in spent.items()}
    new, repeated = half["new"] - half["trusted"], half["repeated"] - half["trusted"]
    use = half["counted"] - half["not counted"]
    _report(
        "cost",
        f"a trusted request takes {half['trusted']:.1f} µs; a refused one {new:+.1f} µs if it is new (into overflow), "
        f"{repeated:+.1f} µs if it was seen; counting a use takes {use:.2f} µs",
        max(new, repeated) <= REFUSED_AIM and use <= USE_AIM,
    )
    if OriginUsage.objects.aggregate(total=Sum("count"))["total"] != 2 * SAMPLES:
        raise SystemExit("Uses were lost.")


def _use_nothing(group: str, origin: str, method: str) -> None:
    pass


def _time(times: list[int], work: Callable[[], object]) -> None:
    began = time.perf_counter_ns()
    work()
    times.append(time.perf_counter_ns() - began)


def _report(name: str, text: str, is_good: bool) -> None:
    print(f"{name}: {text}{'' if is_good else '  MISSED'}", flush=True)
