"""The database finds exactly the grants that the model says are worth so: asked of awkward rows, and at random."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import worth
from django_cors_guard.testing import override_cors_guard
from tests.factories import ApiGroupFactory, EnvironmentFactory, OriginUsageFactory, TrustedOriginFactory

SWITCHES = (
    "allow_insecure_http",
    "allow_insecure_credentials",
    "allow_loopback",
    "allow_subdomain_patterns",
    "allow_custom_schemes",
)

LONG = "a" * 63

#: Every shape there is, canonical and nearly so; nothing but the first lines may be written by the services.
ORIGINS = [
    "https://app.example.com", "https://app.example.com:8443", "https://app.example.com:65535", "https://a",
    "http://app.example.com", "http://app.example.com:8080", "https://under_score.example.com", "https://-a.-",
    "https://localhost", "http://localhost", "https://localhost:3000", "http://localhost:*", "https://localhost:*",
    "http://app.localhost", "http://a.b.localhost:81", "https://*.app.localhost", "http://*.app.localhost",
    "http://localhost.example.com", "https://notlocalhost", "https://localhost-.example.com",
    "http://127.0.0.1", "http://127.0.0.1:*", "https://127.255.255.255:1", "http://127.example.com", "https://127.1",
    "https://128.0.0.1", "http://10.0.0.1", "https://256.0.0.1", "https://1.2.3.4.5",
    "http://[::1]", "http://[::1]:*", "http://[::1]:3000", "https://[::ffff:7f00:1]", "https://[::ffff:7f01:1]:1",
    "https://[::ffff:7f:1]", "https://[::ffff:8000:1]", "http://[2001:db8::1]", "http://[::7f00:1]", "https://[::01]",
    "https://*.example.com", "http://*.example.com", "https://*.example.com:8443", "https://*.github.io",
    "https://*.com", "https://*", "https://app.*.com",
    "https://xn--bcher-kva.example", "https://xn--a.example", "https://xn--.example", "http://xn--bcher-kva.localhost",
    "capacitor://localhost", "ionic://app", "chrome-extension://abcdefghijklmnopabcdefghijklmnop", "ftp://a.example",
    "htps://a.example", "x://a", "capacitor://Upper", "httpsx://app.example",
    "https://Upper.example.com", "HTTPS://shout.example.com", "https://app.example.com/", " https://app.example.com",
    "https://app.example.com:443", "http://app.example.com:80", "https://app.example.com:80", "http://a.example:443",
    "https://app.example.com:0", "https://app.example.com:080", "https://app.example.com:65536",
    "https://app.example.com:", "https://app.example.com\n", "https://app.example.com.", "https://.example.com",
    "https://a..example.com", "https://app.example.0x1", "https://app.example.7", "https://app.example.0x",
    "https://user@app.example.com", "https://app.example.com?x", "https://app example.com", "https://büro.example",
    "null", "*", "app.example.com", "https://", "http://localhost:*\n", "https://localhost.",
    f"https://{LONG}.example.com", f"https://{LONG}a.example.com", f"https://{LONG}a", f"http://{LONG}a", f"http://{LONG}",
    f"https://{'.'.join([LONG] * 4)}", f"https://{LONG}.{LONG}.{LONG}.{LONG[:61]}",
]  # fmt: skip


def write(origin: str, environment: Environment, group: ApiGroup, **values: Any) -> TrustedOrigin:
    """Write a row as a program might that knows no services."""
    row = TrustedOrigin(environment=environment, api_group=group, origin=origin, **values)
    TrustedOrigin.objects.bulk_create([row])
    return row


def sort_out(now: datetime) -> dict[Status, set[int]]:
    """Return the ids of all grants by what the model says of each."""
    found: dict[Status, set[int]] = {status: set() for status in Status}
    for grant in TrustedOrigin.objects.select_related("environment", "api_group"):
        found[grant.status(now)].add(grant.pk)
    return found


def ask(now: datetime) -> dict[Status, set[int]]:
    """Return the same as the database finds it."""
    grants = TrustedOrigin.objects.all()
    return {status: {row.pk for row in worth.with_status(grants, status, now)} for status in Status}


def switches(*on: str) -> dict[str, bool]:
    return {name: name in on for name in SWITCHES}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(switches(), id="all off"),
        pytest.param(switches(*SWITCHES), id="all on"),
        *(pytest.param(switches(name), id=f"only {name}") for name in SWITCHES),
        *(pytest.param(switches(*(set(SWITCHES) - {name})), id=f"all but {name}") for name in SWITCHES),
    ],
)
def test_database_finds_every_shape_as_the_model_judges_it(values: dict[str, bool], db: None) -> None:
    environment = EnvironmentFactory.create(**values)
    groups = [ApiGroupFactory.create(), ApiGroupFactory.create(slug="billing", allow_credentials=True)]
    for group in groups:
        for origin in ORIGINS:
            write(origin, environment, group)
    now = timezone.now()
    assert ask(now) == sort_out(now)


def test_environments_are_judged_each_by_its_own_rules(db: None) -> None:
    for slug, names in (("lax", SWITCHES), ("strict", ()), ("http", ("allow_insecure_http",))):
        environment = EnvironmentFactory.create(slug=slug, **switches(*names))
        for origin in ("http://app.example.com", "https://app.example.com", "http://localhost"):
            write(origin, environment, ApiGroupFactory.create())
    now = timezone.now()
    assert ask(now) == sort_out(now)
    assert len(ask(now)[Status.SWITCHED_OFF]) == 3


@pytest.mark.parametrize("days", [None, 1, 30])
def test_longest_trust_is_judged_as_the_model_does(days: int | None, db: None) -> None:
    environment = EnvironmentFactory.create(max_trust_days=days)
    now = timezone.now()
    for number, age in enumerate((-40, -1, 0, 0.9, 1.1, 29, 31, 400)):
        write(f"https://a{number}.example", environment, ApiGroupFactory.create(), expires_at=now + timedelta(days=age))
    write("https://forever.example", environment, ApiGroupFactory.create())
    assert ask(now) == sort_out(now)


def test_what_is_revoked_is_nothing_else(db: None) -> None:
    environment, now = EnvironmentFactory.create(), timezone.now()
    for number, ends in enumerate((None, now - timedelta(days=1), now + timedelta(days=1))):
        write(f"http://a{number}.example", environment, ApiGroupFactory.create(), expires_at=ends, revoked_at=now)
    found = ask(now)
    assert found == sort_out(now)
    assert len(found[Status.REVOKED]) == 3


hosts = st.text(alphabet="abx01-_.*:[]nlocalhost127f", min_size=1, max_size=24)
texts = st.one_of(
    st.sampled_from(ORIGINS),
    st.builds(str.__add__, st.sampled_from(["https://", "http://", "app://", "https://*."]), hosts),
    st.builds(str.__add__, st.sampled_from(ORIGINS), st.sampled_from(["", ".", ":1", ":*", "\n", "x", "0"])),
).filter(lambda text: len(text) <= 300)
rows = st.fixed_dictionaries({"origin": texts, "ends": st.sampled_from([None, -1, 3, 100]), "revoked": st.booleans()})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=40), st.sets(st.sampled_from(SWITCHES)), st.booleans(), st.booleans())
def test_database_and_model_agree_on_any_rows(
    db: None, given_rows: list[dict[str, Any]], on: set[str], credentials: bool, limited: bool
) -> None:
    TrustedOrigin.objects.all().delete()
    Environment.objects.all().delete()
    ApiGroup.objects.all().delete()
    environment = EnvironmentFactory.create(**switches(*on), max_trust_days=30 if limited else None)
    group = ApiGroupFactory.create(allow_credentials=credentials)
    now = timezone.now()
    # A collation that ignores case or accents takes some for the same.
    unique = {row["origin"].casefold().strip(): row for row in given_rows}
    for row in unique.values():
        ends = None if row["ends"] is None else now + timedelta(days=row["ends"])
        write(row["origin"], environment, group, expires_at=ends, revoked_at=now if row["revoked"] else None)
    assert ask(now) == sort_out(now)


# --- what is worth looking at -----------------------------------------------------------------------------------------


@pytest.fixture
def now(production: Environment, public: ApiGroup) -> datetime:
    return timezone.now()


def origins(rows: QuerySet[TrustedOrigin]) -> set[str]:
    return {row.origin.removeprefix("https://") for row in rows}


def test_grants_that_end_within_a_fortnight_expire_soon(now: datetime) -> None:
    for name, days in (("past", -1), ("soon", 13.9), ("later", 14.1)):
        TrustedOriginFactory.create(origin=f"https://{name}", expires_at=now + timedelta(days=days))
    TrustedOriginFactory.create(origin="https://forever")
    TrustedOriginFactory.create(origin="http://off", expires_at=now + timedelta(days=1))
    TrustedOriginFactory.create(origin="https://revoked", expires_at=now + timedelta(days=1), revoked_at=now)
    assert origins(worth.expiring_soon(TrustedOrigin.objects.all(), now)) == {"soon"}


def test_active_grants_without_any_use_on_record_were_never_used(now: datetime) -> None:
    OriginUsageFactory.create(trusted_origin=TrustedOriginFactory.create(origin="https://used"))
    TrustedOriginFactory.create(origin="https://unused")
    TrustedOriginFactory.create(origin="https://revoked", revoked_at=now)
    TrustedOriginFactory.create(origin="https://expired", expires_at=now - timedelta(days=1))
    opened = ApiGroupFactory.create(slug="open", any_origin=True)
    TrustedOriginFactory.create(origin="https://open", api_group=opened)
    assert origins(worth.never_used(TrustedOrigin.objects.all(), now)) == {"unused"}


@pytest.mark.parametrize(
    ("created", "seen", "is_unused"),
    [
        pytest.param(91, None, True, id="old, never used"),
        pytest.param(91, 91, True, id="used before"),
        pytest.param(91, 89, False, id="used since"),
        pytest.param(89, None, False, id="too young to say"),
        pytest.param(91, 100, True, id="used long before"),
    ],
)
def test_grant_is_unused_that_is_old_enough_and_was_not_used_since(
    now: datetime, created: int, seen: int | None, is_unused: bool
) -> None:
    grant = TrustedOriginFactory.create(created_at=now - timedelta(days=created))
    if seen is not None:
        OriginUsageFactory.create(trusted_origin=grant, last_seen=now - timedelta(days=seen))
    found = worth.unused(TrustedOrigin.objects.all(), now)
    assert list(found) == ([grant] if is_unused else [])


def test_grants_that_are_no_longer_worth_anything_are_not_called_unused(now: datetime, billing: ApiGroup) -> None:
    long_ago = now - timedelta(days=400)
    TrustedOriginFactory.create(origin="https://unused", created_at=long_ago)
    TrustedOriginFactory.create(origin="https://revoked", created_at=long_ago, revoked_at=now)
    TrustedOriginFactory.create(origin="https://expired", created_at=long_ago, expires_at=now - timedelta(days=1))
    opened = ApiGroupFactory.create(slug="open", any_origin=True)
    TrustedOriginFactory.create(origin="https://open", created_at=long_ago, api_group=opened)
    assert origins(worth.unused(TrustedOrigin.objects.all(), now)) == {"unused"}


@pytest.mark.parametrize(("kept", "days"), [(30, 30), (90, 90), (400, 90)])
def test_silence_is_no_longer_than_use_is_kept_on_record(kept: int, days: int) -> None:
    with override_cors_guard(AUDIT_RETENTION_DAYS=kept):
        assert worth.longest_silence() == timedelta(days=days)


@pytest.mark.parametrize(
    ("find", "queries"),
    [
        pytest.param(lambda rows: worth.with_status(rows, Status.REVOKED), 1, id="revoked"),
        pytest.param(lambda rows: worth.with_status(rows, Status.SWITCHED_OFF), 3, id="switched off"),
        pytest.param(worth.never_used, 3, id="never used"),
    ],
)
def test_question_takes_a_fixed_number_of_queries(
    now: datetime, find: Callable[..., Any], queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(4):
        environment = EnvironmentFactory.create(slug=f"e{number}", max_trust_days=number)
        write("http://App", environment, ApiGroupFactory.create())
    with django_assert_num_queries(queries):
        list(find(TrustedOrigin.objects.all()))
