"""How fast the audit log answers with millions of rows: ``python -m benchmarks.audit_queries`` (PostgreSQL).

Fills a database of its own in a single statement, then asks the API through the whole of Django, middleware and session
included, and prints p50 and p95 of each kind of request, and the peak memory of a full export. Where an aim is missed,
the plan of the slowest query stands below.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from statistics import quantiles
from typing import Any, Final, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from benchmarks import scratch

DATABASE: Final = "cors_guard_benchmark_queries"
DAYS: Final = 90
PAGE_SIZE: Final = 50
WARM_UP: Final = 2
LIST_AIM: Final = 30.0
SUMMARY_AIM: Final = 300.0
EXPORT_AIM: Final = 60 * scratch.MEGABYTE

#: 20,000 origins of which a few send most, 2,000 paths, and the odd one out of everything.
FILL: Final = """
INSERT INTO cors_guard_rejection (environment, api_group, mode, origin, reason, kind, method, path, count, first_seen,
    last_seen, written_at, client_ip, user_agent, overflow)
SELECT
    CASE WHEN g % 50 = 0 THEN 'staging' ELSE 'production' END,
    CASE WHEN g % 1000 = 7 THEN 'billing' WHEN g % 3 = 0 THEN 'partners' ELSE 'public' END,
    CASE WHEN g % 997 = 0 THEN 'monitor' ELSE 'enforce' END,
    CASE WHEN g % 200 = 0 THEN '' ELSE 'https://a' || floor(20000 * random() ^ 3) || '.example.net' END,
    CASE WHEN g % 5000 = 1 THEN 'revoked' WHEN g % 97 = 0 THEN 'null_origin' WHEN g % 13 = 0 THEN 'method_not_allowed'
        ELSE 'unknown_origin' END,
    CASE WHEN g % 3001 = 0 THEN 'websocket' WHEN g % 4 = 0 THEN 'preflight' ELSE 'actual' END,
    CASE WHEN g % 2003 = 0 THEN 'DELETE' WHEN g % 5 = 0 THEN 'POST' ELSE 'GET' END,
    CASE WHEN g % 200 = 0 THEN '' ELSE '/api/public/p' || floor(2000 * random() ^ 2) || '/' || g % 10 END,
    1 + floor(100 * random() ^ 6),
    now() - interval '{days} days' * (1 - g / {rows}.0) - interval '60 seconds',
    now() - interval '{days} days' * (1 - g / {rows}.0),
    now() - interval '{days} days' * (1 - g / {rows}.0),
    '203.0.' || g % 256 || '.0/24',
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/' || g % 40,
    g % 200 = 0
FROM generate_series(1, {rows}) AS g
"""


@dataclass(frozen=True)
class Question:
    """One kind of request: its name, the view, its parameters (anew for each request), and the aim in milliseconds."""

    name: str
    view: str
    ask: Callable[[int], dict[str, str]]
    aim: float


@dataclass(frozen=True)
class Measured:
    """What came of it, in milliseconds, and what to say where the aim was missed."""

    question: Question
    p50: float
    p95: float
    plan: str

    def __str__(self) -> str:
        verdict = "" if self.p95 <= self.question.aim else f"  missed (aim {self.question.aim:.0f})"
        return f"{self.question.name:<42}{self.p50:>9.1f}{self.p95:>9.1f}{verdict}"


def list_questions() -> Iterator[Question]:
    """Yield what an operator, an incident responder and a dashboard ask."""
    fixed: dict[str, dict[str, str]] = {
        "first page": {},
        "environment, common": {"environment": "production"},
        "environment, rare": {"environment": "staging"},
        "api_group, common": {"api_group": "public"},
        "api_group, rare": {"api_group": "billing"},
        "origin, common": {"origin": "https://a0.example.net"},
        "origin, never seen": {"origin": "https://nobody.example.org"},
        "origin_prefix, common": {"origin_prefix": "https://a1"},
        "origin_prefix, rare": {"origin_prefix": "https://a1999"},
        "origin_prefix, never seen": {"origin_prefix": "https://nobody"},
        "reason, common": {"reason": "unknown_origin"},
        "reason, rare": {"reason": "revoked"},
        "reason, never seen": {"reason": "expired"},
        "kind, common": {"kind": "actual"},
        "kind, rare": {"kind": "websocket"},
        "kind, never seen": {"kind": "navigation"},
        "mode, rare": {"mode": "monitor"},
        "mode, never seen": {"mode": "block"},
        "method, common": {"method": "POST"},
        "method, rare": {"method": "DELETE"},
        "method, never seen": {"method": "PATCH"},
        "path_prefix, common": {"path_prefix": "/api/public/p1"},
        "path_prefix, rare": {"path_prefix": "/api/public/p1999/3"},
        "path_prefix, never seen": {"path_prefix": "/nothing"},
        "everything at once": {
            "environment": "production",
            "api_group": "public",
            "reason": "method_not_allowed",
            "kind": "actual",
            "method": "POST",
            "path_prefix": "/api/public/p1",
        },
    }
    for name, parameters in fixed.items():
        yield Question(f"list: {name}", "rejection-list", _always(parameters), LIST_AIM)
    yield Question("list: origin, another each time", "rejection-list", _ask_origin, LIST_AIM)
    yield Question("list: since and until, an hour", "rejection-list", _ask_hour, LIST_AIM)
    yield Question(
        "list: 90 days, reason, never seen", "rejection-list", _ask_long_ago({"reason": "expired"}), LIST_AIM
    )
    yield Question("list: 90 days, method, never seen", "rejection-list", _ask_long_ago({"method": "PATCH"}), LIST_AIM)
    yield Question("list: page 1,000 by cursor", "rejection-list", _ask_page(1000, {}), LIST_AIM)
    yield Question(
        "list: page 1,000, reason", "rejection-list", _ask_page(1000, {"reason": "unknown_origin"}), LIST_AIM
    )
    yield Question("summary: 7 days", "rejection-summary", _ask_days(7, "hour"), SUMMARY_AIM)
    yield Question("summary: 7 days of one origin", "rejection-summary", _ask_origin, SUMMARY_AIM)
    yield Question("summary, series: 30 days by day", "rejection-summary", _ask_days(30, "day"), SUMMARY_AIM)


def _always(parameters: dict[str, str]) -> Callable[[int], dict[str, str]]:
    return lambda _number: parameters


def _ask_origin(number: int) -> dict[str, str]:
    return {"origin": f"https://a{number * 37 % 20000}.example.net"}


def _ago(**span: float) -> str:
    return (datetime.now(tz=UTC) - timedelta(**span)).isoformat()


def _ask_hour(number: int) -> dict[str, str]:
    return {"since": _ago(hours=25 * number + 2), "until": _ago(hours=25 * number + 1)}


def _ask_long_ago(parameters: dict[str, str]) -> Callable[[int], dict[str, str]]:
    return lambda _number: {**parameters, "since": _ago(days=DAYS + 1)}


def _ask_days(days: int, interval: str) -> Callable[[int], dict[str, str]]:
    return lambda _number: {"since": _ago(days=days), "interval": interval}


def _ask_page(number: int, parameters: dict[str, str]) -> Callable[[int], dict[str, str]]:
    """Follow ``next`` once; then the page is asked for again and again."""
    pages: list[str] = []
    parameters = {**parameters, "since": _ago(days=DAYS + 1)}

    def ask(_number: int) -> dict[str, str]:
        if not pages:
            pages.append(_find_cursor(number, parameters))
        return {**parameters, "cursor": pages[0], "page_size": f"{PAGE_SIZE}"}

    return ask


def _find_cursor(number: int, parameters: dict[str, str]) -> str:
    client = sign_in()
    given = {**parameters, "page_size": "1000"}
    for _ in range((number - 1) * PAGE_SIZE // 1000):
        following = client.get(reverse("cors_guard:rejection-list"), given).json()["next"]
        given = {**given, "cursor": following.partition("cursor=")[2].partition("&")[0]}
    return given["cursor"]


def sign_in() -> Client:
    """Return a client of an administrator."""
    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get(username="benchmark"))
    return client


def fill(rows: int) -> None:
    """Put so many rejections, of ninety days, into the empty tables."""
    migrate_and_sign_up()
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("SET synchronous_commit = off")
        indexes = _drop_indexes(cursor)
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(FILL.format(rows=rows, days=DAYS))
        for definition in indexes:
            cursor.execute(definition)
        # As autovacuum does before long: what it notes down is what index-only scans live on.
        cursor.execute("VACUUM ANALYZE cors_guard_rejection")


def migrate_and_sign_up() -> None:
    """Create the tables, and an administrator."""
    scratch.migrate()
    get_user_model().objects.create_superuser("benchmark")
    environment = apps.get_model("cors_guard", "Environment")
    for slug in ("production", "staging"):
        environment._default_manager.create(slug=slug, name=slug)
    group = apps.get_model("cors_guard", "ApiGroup")
    for slug in ("public", "partners", "billing"):
        group._default_manager.create(slug=slug, name=slug)


def _drop_indexes(cursor: Any) -> list[str]:
    """A table is filled faster without them."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'cors_guard_rejection' "
        "AND indexname NOT LIKE '%%_pkey'"
    )
    found = cursor.fetchall()
    for name, _definition in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _name, definition in found]


def measure(question: Question, requests: int) -> Measured | None:
    """Ask ``requests`` times; None where this version of the API has no such view."""
    try:
        url = reverse(f"cors_guard:{question.view}")
    except NoReverseMatch:
        return None
    client = sign_in()
    spent: list[float] = []
    slowest: dict[str, str] = {}
    for number in range(WARM_UP + requests):
        parameters = question.ask(number)
        began = time.perf_counter()
        response = client.get(url, parameters)
        spent.append(1000 * (time.perf_counter() - began))
        if spent[-1] == max(spent[WARM_UP:], default=0.0):
            slowest = parameters
        if response.status_code != HTTPStatus.OK:
            raise SystemExit(f"{question.name}: {response.status_code} {response.content[:500]!r}")
    cuts = quantiles(spent[WARM_UP:], n=20, method="inclusive")
    missed = cuts[18] > question.aim
    return Measured(question, cuts[9], cuts[18], _explain(client, url, slowest) if missed else "")


def _explain(client: Client, url: str, parameters: dict[str, str]) -> str:
    """Return the plan of the query that takes longest, now that it has been asked for just before."""
    with CaptureQueriesContext(connection) as queries:
        client.get(url, parameters)
    slowest = max(queries.captured_queries, key=lambda query: float(query["time"]))
    times = ", ".join(f"{1000 * float(query['time']):.0f}" for query in queries.captured_queries)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + slowest["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    return f"queries: {times} ms\n{slowest['sql']}\n{plan}"


def measure_export() -> None:
    """Read a whole export, and print its size, its time and what it took of memory. Runs in a process of its own."""
    client = sign_in()
    url = reverse("cors_guard:rejection-export")
    client.get(url, {"until": _ago(days=DAYS - 0.01), "since": _ago(days=DAYS)})
    before = scratch.memory()
    scratch.forget_peak()
    began = time.perf_counter()
    response = cast(StreamingHttpResponse, client.get(url, {"since": _ago(days=DAYS + 1)}))
    lines = size = 0
    for block in response:
        lines += block.count(b"\n")
        size += len(block)
    grown = scratch.peak_memory() - before
    verdict = "" if grown <= EXPORT_AIM else f"  missed (aim {EXPORT_AIM // scratch.MEGABYTE})"
    print(
        f"export: NDJSON, {lines:,} rows, {size / scratch.MEGABYTE:,.0f} MB in {time.perf_counter() - began:.0f} s, "
        f"peak memory +{grown / scratch.MEGABYTE:.1f} MB over {before / scratch.MEGABYTE:.0f} MB{verdict}"
    )


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--requests", type=int, default=40, help="of each kind")
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--keep", action="store_true", help="keep the database, and use one that was kept")
    parser.add_argument("--export", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.export:
        scratch.set_up(given.export)
        measure_export()
        return
    with scratch.scratch_database(DATABASE, keep=given.keep) as (url, is_new):
        scratch.set_up(url)
        if is_new:
            began = time.perf_counter()
            fill(given.rows)
            print(f"{given.rows:,} rows in {time.perf_counter() - began:.0f} s", flush=True)
        try:
            report(url, given.requests, given.only)
        finally:
            connection.close()


def report(url: str, requests: int, only: str) -> None:
    """Print a line for each question, then the plans of those that missed their aim."""
    print(f"{'milliseconds':<42}{'p50':>9}{'p95':>9}")
    missed: list[Measured] = []
    for question in list_questions():
        if only not in question.name:
            continue
        measured = measure(question, requests if question.view == "rejection-list" else max(requests // 4, 4))
        print(measured or f"{question.name:<42} (no such view yet)", flush=True)
        if measured is not None and measured.plan:
            missed.append(measured)
    if only in "export":
        subprocess.run([sys.executable, "-m", "benchmarks.audit_queries", "--export", url], check=True)
    for measured in missed:
        print(f"\n--- {measured.question.name}\n{measured.plan}")


if __name__ == "__main__":
    main()
