"""What is foretold of grants is held against what saving really does to them."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services.consequences.codes import Consequence, ConsequenceCode, Weighed
from django_cors_guard.services.consequences.environment_changes import SWITCHES, weigh_environment
from django_cors_guard.services.consequences.fates import MAX_SAMPLES, foresee_switches
from django_cors_guard.services.consequences.group_changes import weigh_group
from tests.factories import ApiGroupFactory, EnvironmentFactory, FrontEndFactory, TrustedOriginFactory

ORIGINS = (
    "https://app.example.com",
    "https://app.example.com:8443",
    "https://*.example.com",
    "https://*.preview.example.org:8443",
    "https://localhost",
    "https://localhost:*",
    "https://dev.localhost:3000",
    "https://127.0.0.1:8443",
    "https://127.9.9.9",
    "https://[::1]:8443",
    "https://[::ffff:7f00:1]",
    "https://[2001:db8::1]",
    "https://203.0.113.7",
    "https://xn--mnchen-3ya.example",
    "http://app.example.com",
    "http://*.example.com",
    "http://localhost:3000",
    "http://localhost:*",
    "http://127.0.0.1",
    "http://[::1]",
    "http://[2001:db8::2]:8080",
    "capacitor://localhost",
    "chrome-extension://abcdefghijklmnop",
    # Written past the parser.
    "HTTPS://UPPER.EXAMPLE.COM",
    "https://app.example.com/",
    "https://localhost.",
)
ENDS = (None, -5, 5, 40, 400)


@pytest.fixture
def groups(public: ApiGroup, billing: ApiGroup) -> list[ApiGroup]:
    return [billing, public]


@pytest.fixture
def grants(production: Environment, groups: list[ApiGroup]) -> list[TrustedOrigin]:
    """Grants of every kind in both groups, of every length; some are revoked."""
    now = timezone.now()
    rows = [
        TrustedOrigin(
            environment=production,
            api_group=group,
            origin=origin,
            expires_at=now + timedelta(days=days) if (days := ENDS[number % len(ENDS)]) is not None else None,
            revoked_at=now if number % 11 == 10 else None,
        )
        for group in groups
        for number, origin in enumerate(ORIGINS)
    ]
    TrustedOrigin.objects.bulk_create(rows)
    return rows


def read_statuses() -> dict[int, Status]:
    rows = TrustedOrigin.objects.select_related("environment", "api_group")
    return {grant.pk: grant.status() for grant in rows}


def numbers(weighed: Weighed) -> Counter[str]:
    return Counter({found.code.value: found.count for found in weighed.consequences})


def find(weighed: Weighed, code: ConsequenceCode) -> Consequence | None:
    return next((found for found in weighed.consequences if found.code is code), None)


def weigh(environment: Environment, **values: Any) -> Weighed:
    """Return what changing the stored environment so would mean."""
    after = Environment.objects.get(pk=environment.pk)
    for name, value in values.items():
        setattr(after, name, value)
    before = Environment.objects.get(pk=environment.pk)
    groups = list(ApiGroup.objects.order_by("slug"))
    return weigh_environment(before, after, modes_before={}, modes_after={}, groups=groups)


def _assert_foretold(weighed: Weighed, before: dict[int, Status], after: dict[int, Status]) -> None:
    closed = {pk for pk, status in before.items() if status is Status.ACTIVE and after[pk] is not Status.ACTIVE}
    opened = {pk for pk, status in after.items() if status is Status.ACTIVE and before[pk] is not Status.ACTIVE}
    told = numbers(weighed)
    assert (told["grants_closed"], told["grants_opened"]) == (len(closed), len(opened))
    for code, pks in ((ConsequenceCode.GRANTS_CLOSED, closed), (ConsequenceCode.GRANTS_OPENED, opened)):
        rows = TrustedOrigin.objects.filter(pk__in=pks).select_related("api_group", "environment")
        found = find(weighed, code)
        named = set(found.samples) if found is not None else set()
        origins = {grant.origin for grant in rows}
        assert {sample.rpartition(" (")[0] for sample in named} <= origins
        assert len(named) == min(len(pks), MAX_SAMPLES)


@pytest.mark.parametrize("seed", range(24))
def test_what_is_foretold_of_an_environment_is_what_saving_it_does(
    production: Environment, grants: list[TrustedOrigin], seed: int
) -> None:
    chance = random.Random(seed)
    choices: dict[str, tuple[Any, ...]] = dict.fromkeys(SWITCHES, (True, False))
    choices["max_trust_days"] = (None, 1, 30, 365)
    for name, values in choices.items():
        setattr(production, name, chance.choice(values))
    production.save()
    wanted = {name: chance.choice(values) for name, values in choices.items()}
    weighed, before = weigh(production, **wanted), read_statuses()
    for name, value in wanted.items():
        setattr(production, name, value)
    production.save()
    _assert_foretold(weighed, before, read_statuses())


@pytest.mark.parametrize("switches", [{}, {"allow_insecure_http": True}, dict.fromkeys(SWITCHES, True)])
@pytest.mark.parametrize("days", [None, 30])
@pytest.mark.parametrize("credentials", [True, False])
def test_what_is_foretold_of_credentials_is_what_saving_the_group_does(
    production: Environment,
    public: ApiGroup,
    grants: list[TrustedOrigin],
    switches: dict[str, bool],
    days: int | None,
    credentials: bool,
) -> None:
    Environment.objects.update(**{**dict.fromkeys(SWITCHES, False), **switches}, max_trust_days=days)
    ApiGroup.objects.filter(pk=public.pk).update(allow_credentials=not credentials)
    before_row, after_row = ApiGroup.objects.get(pk=public.pk), ApiGroup.objects.get(pk=public.pk)
    after_row.allow_credentials = credentials
    weighed = weigh_group(before_row, after_row, routes_before=[], routes_after=[])
    before = read_statuses()
    after_row.save()
    after = read_statuses()
    _assert_foretold(weighed, before, after)
    mine = TrustedOrigin.objects.filter(api_group=public)
    active = [grant for grant in mine if after[grant.pk] is Status.ACTIVE]
    told = find(weighed, ConsequenceCode.CREDENTIALS_ON if credentials else ConsequenceCode.CREDENTIALS_OFF)
    assert told is not None
    assert told.count == len(active)
    if credentials:
        assert told.values["patterns"] == sum("*" in grant.origin for grant in active)


@pytest.mark.parametrize("is_on", [True, False])
def test_trusting_for_csrf_concerns_the_grants_in_force(
    production: Environment, billing: ApiGroup, is_on: bool
) -> None:
    for _ in range(3):
        TrustedOriginFactory.create(api_group=billing)
    services.revoke(TrustedOriginFactory.create(api_group=billing), reason="x")
    TrustedOriginFactory.create()  # another group's
    ApiGroup.objects.filter(pk=billing.pk).update(trusted_for_csrf=not is_on)
    before, after = ApiGroup.objects.get(pk=billing.pk), ApiGroup.objects.get(pk=billing.pk)
    after.trusted_for_csrf = is_on

    weighed = weigh_group(before, after, routes_before=[], routes_after=[])

    code = ConsequenceCode.CSRF_ON if is_on else ConsequenceCode.CSRF_OFF
    assert [(found.code, found.count) for found in weighed.consequences] == [(code, 3)]
    assert weighed.is_grave


def test_front_ends_are_counted_once(production: Environment, public: ApiGroup) -> None:
    shop, desk = FrontEndFactory.create(), FrontEndFactory.create(slug="desk")
    for front_end in (shop, shop, desk, None):
        TrustedOriginFactory.create(front_end=front_end)
    services.revoke(TrustedOriginFactory.create(front_end=FrontEndFactory.create(slug="gone")), reason="x")
    after = ApiGroup.objects.get(pk=public.pk)
    after.allow_credentials = True
    told = find(weigh_group(public, after, routes_before=[], routes_after=[]), ConsequenceCode.CREDENTIALS_ON)
    assert told is not None
    assert (told.count, told.values["front_ends"]) == (4, 2)


@pytest.mark.parametrize("base", [False, True])
def test_each_switch_by_itself_does_what_is_said_beside_it(
    production: Environment, grants: list[TrustedOrigin], base: bool
) -> None:
    Environment.objects.update(**dict.fromkeys(SWITCHES, base), max_trust_days=30)
    production.refresh_from_db()
    foreseen = foresee_switches(production)
    assert foreseen
    for switch in SWITCHES:
        told = numbers(weigh(production, **{switch: not base}))
        found = foreseen.get(switch)
        assert (found.closes if found else 0, found.opens if found else 0) == (
            told["grants_closed"],
            told["grants_opened"],
        )


def test_switch_that_no_grant_needs_costs_no_word(production: Environment, public: ApiGroup) -> None:
    TrustedOriginFactory.create()
    Environment.objects.update(allow_loopback=True)
    assert weigh(production, allow_loopback=False).consequences == ()
    assert [found.code for found in weigh(production, allow_custom_schemes=True).consequences] == [
        ConsequenceCode.CUSTOM_SCHEMES_ON
    ]


def test_grants_that_live_too_long_are_said_with_the_days(production: Environment, public: ApiGroup) -> None:
    TrustedOriginFactory.create_batch(2)
    TrustedOriginFactory.create(expires_at=timezone.now() + timedelta(days=3))
    weighed = weigh(production, max_trust_days=7)
    told = find(weighed, ConsequenceCode.TRUST_SHORTENED)
    assert told is not None
    assert (told.count, told.values) == (2, {"days": 7})
    assert numbers(weighed)["grants_closed"] == 2
    assert weigh(production, max_trust_days=10**9).consequences == ()


def test_only_so_many_are_named_and_the_rest_is_counted(production: Environment, public: ApiGroup) -> None:
    Environment.objects.update(allow_loopback=True)
    TrustedOrigin.objects.bulk_create(
        TrustedOrigin(environment=production, api_group=public, origin=f"http://localhost:{port}")
        for port in range(3000, 3000 + MAX_SAMPLES + 3)
    )
    told = find(weigh(production, allow_loopback=False), ConsequenceCode.GRANTS_CLOSED)
    assert told is not None
    assert (told.count, len(told.samples), told.more) == (MAX_SAMPLES + 3, MAX_SAMPLES, 3)
    assert told.samples[0] == "http://localhost:3000 (public)"


def test_weighing_takes_few_questions_however_many_grants(
    production: Environment, groups: list[ApiGroup], django_assert_max_num_queries: Any
) -> None:
    Environment.objects.update(allow_insecure_http=True)
    TrustedOrigin.objects.bulk_create(
        TrustedOrigin(environment=production, api_group=groups[1], origin=f"http://app{number}.example.com")
        for number in range(6000)
    )
    after = ApiGroup.objects.get(pk=groups[1].pk)
    after.allow_credentials = True
    with django_assert_max_num_queries(2):
        told = numbers(weigh_group(groups[1], after, routes_before=[], routes_after=[]))
    assert (told["insecure_closed"], told["grants_closed"]) == (6000, 6000)
    with django_assert_max_num_queries(5):
        told = numbers(weigh(production, allow_insecure_http=False))
    assert (told["switch_off"], told["grants_closed"]) == (6000, 6000)


def test_new_environment_and_group_have_no_grants_to_lose() -> None:
    weighed = weigh_environment(
        None, EnvironmentFactory.build(slug="new", allow_loopback=True), modes_before={}, modes_after={}, groups=[]
    )
    assert [found.code for found in weighed.consequences] == [ConsequenceCode.LOOPBACK_ON]
    group = ApiGroupFactory.build(slug="new")
    assert weigh_group(None, group, routes_before=[], routes_after=[]).consequences == ()
