"""How the operator's pages answer when there is much to show: ``python -m benchmarks.admin_pages`` (PostgreSQL).

Fills a database of its own with 100,000 trusted origins and 1,000,000 rejected ones, asks every page of the desk
through the whole of Django, and prints the queries of each with p50 and p95 in milliseconds. Below stand, for each page
that took long, its slowest query and that one's plan.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from statistics import quantiles
from typing import Final
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from benchmarks import scratch

DATABASE: Final = "cors_guard_benchmark_pages"
WARM_UP: Final = 2
QUERIES_AIM: Final = 16
SLOW: Final = 300.0

#: Grants in three environments and six API groups, of forty front ends and of none; some ended one way or another.
GRANTS: Final = """
INSERT INTO cors_guard_trustedorigin (environment_id, api_group_id, origin, front_end_id, note, created_at, expires_at,
    revoked_at, revoke_reason, managed_by, revision)
SELECT
    (SELECT id FROM cors_guard_environment ORDER BY id OFFSET g % 3 LIMIT 1),
    (SELECT id FROM cors_guard_apigroup ORDER BY id OFFSET g / 3 % 6 LIMIT 1),
    'https://c' || g / 18 || '.customers.example.com',
    CASE WHEN g < 720 THEN (SELECT min(id) FROM cors_guard_frontend) + g / 18 END,
    '', now() - interval '1 day' * (g % 400),
    CASE WHEN g % 50 = 0 THEN now() + interval '1 day' * (g % 700 - 350) END,
    CASE WHEN g % 97 = 0 THEN now() - interval '1 day' * (g % 300) END,
    CASE WHEN g % 97 = 0 THEN 'The customer left.' ELSE '' END, '', 1
FROM generate_series(0, {grants} - 1) AS g
"""
#: Ten rows of use for two grants of three.
USAGE: Final = """
INSERT INTO cors_guard_originusage (trusted_origin_id, origin, method, count, first_seen, last_seen)
SELECT t.id, t.origin, CASE WHEN n % 3 = 0 THEN 'POST' ELSE 'GET' END, 1 + n,
    now() - interval '1 hour' * (n * 200 + t.id % 200), now() - interval '1 hour' * (n * 200 + t.id % 200)
FROM cors_guard_trustedorigin AS t, generate_series(0, 9) AS n WHERE t.id % 3 > 0
"""
CARDS: Final = """
INSERT INTO cors_guard_rejectedorigin (environment, api_group, origin, key, status, count, first_seen, last_seen,
    last_reason, recent)
SELECT
    CASE WHEN g % 50 = 0 THEN 'staging' ELSE 'production' END,
    CASE WHEN g % 1000 = 7 THEN 'billing' ELSE 'public' END,
    CASE WHEN g % 20 = 0 THEN 'http://c' || g % 5000 || '.customers.example.com:' || 1000 + g % 60000
        ELSE 'https://a' || g || '.example.net' END,
    md5(g::text) || md5(g::text || 'x'),
    CASE WHEN g % 10 = 0 THEN 'ignored' WHEN g % 77 = 0 THEN 'trusted' ELSE 'new' END,
    1 + floor(1000 * random() ^ 6), now() - interval '90 days', now() - interval '1 second' * (g * 7.7),
    CASE WHEN g % 5000 = 1 THEN 'revoked' WHEN g % 97 = 0 THEN 'null_origin' ELSE 'unknown_origin' END,
    jsonb_build_object(to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD'), g % 9)
FROM generate_series(1, {cards}) AS g
"""
TALLIES: Final = """
INSERT INTO cors_guard_rejectiontally (key, hour, environment, api_group, reason, count)
SELECT md5(concat_ws('/', h, e, a, r)) || md5(concat_ws('-', h, e, a, r)),
    date_trunc('hour', now()) - interval '1 hour' * h, e, a, r, 1 + floor(1000 * random() ^ 3)
FROM generate_series(0, 24 * 90) AS h, unnest(ARRAY['production', 'staging']) AS e,
    unnest(ARRAY['public', 'billing', 'partners']) AS a,
    unnest(ARRAY['unknown_origin', 'revoked', 'method_not_allowed', 'null_origin']) AS r
"""
#: Of which as many as the audit writes in a few days; what pages read of the log itself is bounded by newest rows.
REJECTIONS: Final = """
INSERT INTO cors_guard_rejection (environment, api_group, mode, origin, reason, kind, method, path, count, first_seen,
    last_seen, written_at, client_ip, user_agent, overflow)
SELECT 'production', CASE WHEN g % 1000 = 7 THEN 'billing' ELSE 'public' END,
    CASE WHEN g % 4 = 0 THEN 'monitor' ELSE 'enforce' END, 'https://a' || g % 20000 || '.example.net', 'unknown_origin',
    CASE WHEN g % 9 = 0 THEN 'navigation' ELSE 'actual' END, 'GET', '/api/public/p' || g % 2000, 1 + g % 7,
    now() - interval '1 second' * (g * 2), now() - interval '1 second' * (g * 2), now(), '203.0.113.0/24',
    'Mozilla/5.0', false
FROM generate_series(1, {rejections}) AS g
"""
CHANGES: Final = """
INSERT INTO cors_guard_policychange (revision, token, at, actor_label, source, batch, action, target, before,
    after, reason)
SELECT g, md5(g::text), now() - interval '1 minute' * ({changes} - g), 'ana', 'admin', '', 'trusted',
    'trustedorigin:production/public/https://c' || g / 18 || '.customers.example.com', NULL,
    jsonb_build_object('origin', 'https://c' || g / 18 || '.customers.example.com', 'note', ''), ''
FROM generate_series(1, {changes}) AS g
"""


@dataclass(frozen=True)
class Page:
    """One page: its name, the URL's, and the query."""

    name: str
    view: str
    query: dict[str, str]
    args: tuple[int, ...] = ()

    def url(self) -> str | None:
        """Return its address; None where this version of the admin has no such page."""
        try:
            path = reverse(f"admin:cors_guard_{self.view}", args=self.args)
        except NoReverseMatch:
            return None
        return f"{path}?{urlencode(self.query)}" if self.query else path


@dataclass(frozen=True)
class Measured:
    """What came of a page: how many queries, milliseconds, and what to say if it took long."""

    page: Page
    queries: int
    p50: float
    p95: float
    plan: str

    def __str__(self) -> str:
        verdict = "" if self.queries <= QUERIES_AIM else f"  missed (aim {QUERIES_AIM} queries)"
        return f"{self.page.name:<52}{self.queries:>8}{self.p50:>9.0f}{self.p95:>9.0f}{verdict}"


def list_pages(ids: dict[str, int]) -> Iterator[Page]:
    """Yield every page of the desk, and the filters and searches of its lists."""
    yield Page("overview", "overview", {})
    yield Page("overview, 30 days", "overview", {"period": "30d"})
    for name, query in {
        "first page": {},
        "all": {"status": "all"},
        "status, ignored": {"status": "ignored"},
        "environment, rare": {"environment": "staging"},
        "API group, rare": {"api_group": "billing"},
        "reason, rare": {"last_reason": "revoked"},
        "status and group": {"status": "ignored", "api_group": "billing"},
        "search, whole": {"q": "https://a500001.example.net"},
        "search, beginning": {"q": "https://a50000"},
        "search, nothing": {"q": "https://nobody"},
        "last page": {"status": "all", "p": "40"},
    }.items():
        yield Page(f"rejected origins: {name}", "rejectedorigin_changelist", query)
    yield Page("rejected origin", "rejectedorigin_change", {}, (ids["rejectedorigin"],))
    yield Page("rejections: first page", "rejection_changelist", {})
    for name, query in {
        "first page": {},
        "last page": {"p": "40"},
        "environment": {"environment__id__exact": "1"},
        "search, part": {"q": "c4711."},
        "search, nothing": {"q": "nobody"},
        **{f"status, {status}": {"status": status} for status in GRANT_STATUSES},
    }.items():
        yield Page(f"trusted origins: {name}", "trustedorigin_changelist", query)
    yield Page("trusted origin", "trustedorigin_change", {}, (ids["trustedorigin"],))
    yield Page("history of a trusted origin", "trustedorigin_history", {}, (ids["trustedorigin"],))
    yield Page("trust", "trustedorigin_add", {})
    yield Page("trust, from a rejected origin", "trustedorigin_add", {"card": f"{ids['rejectedorigin']}"})
    yield Page("revoke here", "trustedorigin_revoke", {}, (ids["trustedorigin"],))
    yield Page("revoke everywhere", "trustedorigin_revoke_everywhere", {}, (ids["trustedorigin"],))
    yield Page("access matrix", "access", {"environment": "production"})
    yield Page("access matrix, filtered", "access", {"environment": "production", "q": "c47"})
    yield Page("check an origin", "check", {"origin": "https://c47.customers.example.com", "path": "/api/public/x"})
    yield Page("check, from a rejected origin", "check", {"card": f"{ids['rejectedorigin']}"})
    yield Page("history: first page", "policychange_changelist", {})
    yield Page("history: search", "policychange_changelist", {"q": "https://c47.customers.example.com"})
    yield Page("change", "policychange_change", {}, (ids["policychange"],))
    yield Page("environment", "environment_change", {}, (ids["environment"],))
    yield Page("API group", "apigroup_change", {}, (ids["apigroup"],))
    yield Page("front end", "frontend_change", {}, (ids["frontend"],))
    yield Page("import", "import", {})


GRANT_STATUSES: Final = ("active", "expiring", "expired", "revoked", "switched_off", "never_used", "unused")


def fill(grants: int, cards: int) -> None:
    """Put the rows into the empty tables."""
    scratch.migrate()
    get_user_model().objects.create_superuser("benchmark")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SELECT setseed(0.5)")
        _create_frame()
        counts = {"grants": grants, "cards": cards, "rejections": cards // 2, "changes": grants * 10}
        for statement in (GRANTS, USAGE, CARDS, TALLIES, REJECTIONS, CHANGES):
            cursor.execute(statement.format(**counts))
        cursor.execute("VACUUM ANALYZE")


def _create_frame() -> None:
    from django_cors_guard.models import ApiGroup, Environment, FrontEnd  # noqa: PLC0415 - only once Django is set up

    for slug in ("production", "staging", "local"):
        Environment.objects.create(slug=slug, name=slug.title())
    for slug in ("public", "billing", "partners", "search", "media", "reports"):
        ApiGroup.objects.create(slug=slug, name=slug.title(), allow_credentials=slug == "billing")
    for number in range(40):
        FrontEnd.objects.create(slug=f"front-end-{number}", name=f"Front end {number}", owner="Web team")


def find_ids() -> dict[str, int]:
    """Return a row of each kind that has a page."""
    found = {}
    with connection.cursor() as cursor:
        for table in ("rejectedorigin", "trustedorigin", "policychange", "environment", "apigroup", "frontend"):
            cursor.execute(f"SELECT min(id) FROM cors_guard_{table}")  # noqa: S608 - the names stand above
            found[table] = cursor.fetchone()[0]
    return found


def measure(page: Page, requests: int) -> Measured | None:
    """Ask for ``page`` so often; None where there is no such page."""
    url = page.url()
    if url is None:
        return None
    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get(username="benchmark"))
    spent: list[float] = []
    for _ in range(WARM_UP + requests):
        began = time.perf_counter()
        response = client.get(url)
        spent.append(1000 * (time.perf_counter() - began))
        if response.status_code != HTTPStatus.OK:
            raise SystemExit(f"{page.name}: {response.status_code} {url} {response.get('Location', '')}")
    cuts = quantiles(spent[WARM_UP:], n=20, method="inclusive")
    queries, plan = _explain(client, url)
    return Measured(page, queries, cuts[9], cuts[18], plan if cuts[18] > SLOW else "")


def _explain(client: Client, url: str) -> tuple[int, str]:
    """Return how many queries a page takes, and the plan of the longest."""
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    slowest = max(queries.captured_queries, key=lambda query: float(query["time"]))
    times = ", ".join(f"{1000 * float(query['time']):.0f}" for query in queries.captured_queries)
    if not slowest["sql"].startswith("SELECT"):
        return len(queries), f"queries: {times} ms"
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + slowest["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    return len(queries), f"queries: {times} ms\n{slowest['sql'][:3000]}\n{plan}"


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grants", type=int, default=100_000)
    parser.add_argument("--cards", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=10, help="of each page")
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--keep", action="store_true", help="keep the database, and use one that was kept")
    given = parser.parse_args()
    with scratch.scratch_database(DATABASE, keep=given.keep) as (url, is_new):
        scratch.set_up(url)
        try:
            if is_new:
                began = time.perf_counter()
                fill(given.grants, given.cards)
                print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
            report(given.requests, given.only)
        finally:
            connection.close()


def report(requests: int, only: str) -> None:
    """Print a line for each page, then the plans of those that took long."""
    print(f"{'page':<52}{'queries':>8}{'p50':>9}{'p95':>9}")
    slow: list[Measured] = []
    for page in list_pages(find_ids()):
        if only not in page.name:
            continue
        measured = measure(page, requests)
        print(measured or f"{page.name:<52} (no such page yet)", flush=True)
        if measured is not None and measured.plan:
            slow.append(measured)
    for measured in slow:
        print(f"\n--- {measured.page.name}\n{measured.plan}")


if __name__ == "__main__":
    main()
