"""Catching up row by row comes to exactly what reading all rows comes to, whatever was written in whichever way."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.core.management import call_command
from django.core.serializers import serialize
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from django_cors_guard import services
from django_cors_guard.core import books
from django_cors_guard.core.decision import Reason
from django_cors_guard.core.policy import Policy
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    PolicyChange,
    PolicyState,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.models.revision import Version
from django_cors_guard.store.loading import follow, heed_revocations, load
from django_cors_guard.store.rows import MAX_ROWS_BEHIND
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    GroupModeFactory,
    TrustedOriginFactory,
)

pytestmark = pytest.mark.django_db

ORIGINS = [
    "https://app.example.com",
    "https://b.example.com:8443",
    "http://plain.example.com",
    "http://localhost:3000",
    "https://*.example.com",
    "http://localhost:*",
    "capacitor://localhost",
    "https://203.0.113.7",
    "https://xn--bcher-kva.example",
    "https://Not-Canonical.example",
]
SWITCHES = ["allow_insecure_http", "allow_insecure_credentials", "allow_loopback", "allow_subdomain_patterns"]


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """``max_trust_days`` counts from the moment of compiling, so that moment stands still."""
    moment = time.time()
    monkeypatch.setattr("django_cors_guard.store.loading.time", lambda: moment)


@pytest.fixture(params=["copied", "layered"])
def depth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on small books, and on what would be large ones."""
    if request.param == "layered":
        monkeypatch.setattr(books, "SMALL_BOOK", 1)
        monkeypatch.setattr(books, "FOLD_PART", 1)


def version() -> Version:
    return PolicyState.read("default")


def plain(policy: Policy | None) -> Any:
    """What is to be equal: all but the order in which rows were left out."""
    assert policy is not None
    return replace(policy, left_out=()), frozenset(policy.left_out)


def sow() -> None:
    """Two groups in the process's environment and another one, each with some of everything."""
    production, staging = EnvironmentFactory.create(), EnvironmentFactory.create(slug="staging")
    groups = [ApiGroupFactory.create(), ApiGroupFactory.create(slug="billing", allow_credentials=True)]
    for group in groups:
        ApiRouteFactory.create(api_group=group)
    GroupModeFactory.create(environment=production, api_group=groups[1])
    for number, origin in enumerate(ORIGINS[:-1]):
        row(origin, groups[number % 2], production)
        row(origin, groups[0], staging)


def row(origin: str, group: ApiGroup, environment: Environment) -> None:
    """A grant that nobody validates."""
    TrustedOrigin.objects.bulk_create([TrustedOrigin(environment=environment, api_group=group, origin=origin)])


# --- each kind of write -----------------------------------------------------------------------------------------------


def grants(number: int) -> Any:
    """The grants of one origin, a set of up to two."""
    return TrustedOrigin.objects.filter(origin=ORIGINS[number % len(ORIGINS)]).exclude(environment__slug="staging")


def group(number: int) -> ApiGroup:
    return ApiGroup.objects.order_by("pk")[number % ApiGroup.objects.count()]


def production() -> Environment:
    return Environment.objects.order_by("pk")[0]


def _trust(number: int) -> None:
    services.trust(ORIGINS[number % 9], environment=production(), api_group=group(number // 9))


def _revoke(number: int) -> None:
    services.revoke(grants(number).get(), reason="x")


def _revoke_everywhere(number: int) -> None:
    services.revoke_origin(ORIGINS[number % 9], reason="x")


def _reinstate(number: int) -> None:
    services.reinstate(grants(number).get(), reason="x")


def _expire(number: int) -> None:
    grants(number).update(expires_at=timezone.now() + timedelta(days=number % 60 - 20))


def _save(number: int) -> None:
    for found in grants(number):
        found.expires_at = timezone.now() + timedelta(days=number % 40)
        found.save()


def _save_field(number: int) -> None:
    for found in grants(number):
        found.expires_at = timezone.now() + timedelta(days=3)
        found.save(update_fields=["expires_at"])


def _update_revoked(number: int) -> None:
    grants(number).filter(revoked_at=None).update(revoked_at=timezone.now())


def _bulk_update(number: int) -> None:
    rows = list(grants(number).filter(revoked_at=None))
    for found in rows:
        found.expires_at = timezone.now() + timedelta(days=number)
    TrustedOrigin.objects.bulk_update(rows, ["expires_at"])


def _bulk_create(number: int) -> None:
    if not grants(number).filter(api_group=group(number // 10)).exists():
        row(ORIGINS[number % 10], group(number // 10), production())


def _upsert(number: int) -> None:
    unique = {"unique_fields": ["environment", "api_group", "origin"]} if connection.vendor != "mysql" else {}
    wanted = TrustedOrigin(
        environment=production(),
        api_group=group(number // 9),
        origin=ORIGINS[number % 9],
        expires_at=timezone.now() + timedelta(days=number % 50 - 5),
    )
    TrustedOrigin.objects.bulk_create([wanted], update_conflicts=True, update_fields=["expires_at"], **unique)


def _upsert_positionally(number: int) -> None:
    unique = ["environment", "api_group", "origin"] if connection.vendor != "mysql" else None
    wanted = TrustedOrigin(
        environment=production(), api_group=group(number // 9), origin=ORIGINS[number % 9], expires_at=timezone.now()
    )
    TrustedOrigin.objects.bulk_create([wanted], None, False, True, ["expires_at"], unique)


def _update_stamped_by_hand(number: int) -> None:
    grants(number).update(expires_at=timezone.now(), revision=0)


def _related_create(number: int) -> None:
    text = f"https://related-{number}.example.com"
    if not production().trusted_origins.filter(origin=text).exists():
        production().trusted_origins.create(api_group=group(number), origin=text)


def _elsewhere(number: int) -> None:
    TrustedOrigin.objects.filter(environment__slug="staging").update(expires_at=timezone.now())


def _delete(number: int) -> None:
    grants(number).delete()


def _load_fixture(number: int) -> None:
    found = list(grants(number)[:1])
    if found:
        with TemporaryDirectory() as directory:
            path = Path(directory) / "grants.json"
            path.write_text(serialize("json", found))
            call_command("loaddata", str(path), verbosity=0)


def _change_group(number: int) -> None:
    found = group(number)
    found.allow_methods = [["GET"], ["GET", "PUT"], ["*"]][number % 3]
    found.max_age = number
    found.save()


def _break_group(number: int) -> None:
    ApiGroup.objects.filter(pk=group(number).pk).update(allow_methods=["CONNECT"])


def _flip_credentials(number: int) -> None:
    found = group(number)
    ApiGroup.objects.filter(pk=found.pk).update(allow_credentials=not found.allow_credentials, any_origin=False)


def _open_group(number: int) -> None:
    ApiGroup.objects.filter(pk=group(number).pk, allow_credentials=False).update(any_origin=bool(number % 2))


def _rename_group(number: int) -> None:
    ApiGroup.objects.filter(pk=group(number).pk).update(slug=f"g{number}")


def _swap_groups(number: int) -> None:
    one, other = ApiGroup.objects.order_by("pk")[:2]
    with policy_write():
        ApiGroup.objects.filter(pk=one.pk).update(slug="meanwhile")
        ApiGroup.objects.filter(pk=other.pk).update(slug=one.slug)
        ApiGroup.objects.filter(pk=one.pk).update(slug=other.slug)


def _add_group(number: int) -> None:
    if not ApiGroup.objects.filter(slug=f"new{number}").exists():
        with policy_write():
            row(ORIGINS[number % 9], ApiGroupFactory.create(slug=f"new{number}"), production())


def _set_mode(number: int) -> None:
    mode = ["monitor", "enforce", "block"][number % 3]
    GroupMode.objects.update_or_create(environment=production(), api_group=group(number), defaults={"mode": mode})


def _drop_mode(number: int) -> None:
    GroupMode.objects.filter(api_group=group(number)).delete()


def _add_route(number: int) -> None:
    if not ApiRoute.objects.filter(path_prefix=f"/r{number}").exists():
        ApiRouteFactory.create(api_group=group(number), path_prefix=f"/r{number}", host=["", "a.test"][number % 2])


def _move_route(number: int) -> None:
    ApiRoute.objects.filter(path_prefix__startswith="/r").update(api_group=group(number))


def _environment_mode(number: int) -> None:
    Environment.objects.filter(pk=production().pk).update(mode=["monitor", "enforce", "block"][number % 3])


def _flip_switch(number: int) -> None:
    name = SWITCHES[number % len(SWITCHES)]
    found = production()
    setattr(found, name, not getattr(found, name))
    found.save()


def _limit_trust(number: int) -> None:
    Environment.objects.filter(pk=production().pk).update(max_trust_days=[None, 10, 30][number % 3])


def _rename_environment(number: int) -> None:
    found = production()
    found.slug = "elsewhere" if found.slug == "production" else f"e{number}"
    found.save()


def _exchange_environments(number: int) -> None:
    one, other = Environment.objects.order_by("pk")[:2]
    with policy_write():
        Environment.objects.filter(pk=one.pk).update(slug="meanwhile")
        Environment.objects.filter(pk=other.pk).update(slug=one.slug)
        Environment.objects.filter(pk=one.pk).update(slug=other.slug)


def _nothing(number: int) -> None:
    with policy_write():
        pass


def _require_rebuild(number: int) -> None:
    with policy_write(rebuild=True):
        pass


FOLLOWED: list[Callable[[int], None]] = [
    _trust,
    _revoke,
    _revoke_everywhere,
    _reinstate,
    _expire,
    _save,
    _save_field,
    _update_revoked,
    _bulk_update,
    _upsert,
    _upsert_positionally,
    _update_stamped_by_hand,
    _related_create,
    _elsewhere,
    _change_group,
    _open_group,
    _add_group,
    _set_mode,
    _add_route,
    _move_route,
    _environment_mode,
    _nothing,
]
REBUILT: list[Callable[[int], None]] = [
    _delete,
    _load_fixture,
    _flip_credentials,
    _rename_group,
    _swap_groups,
    _drop_mode,
    _flip_switch,
    _limit_trust,
    _rename_environment,
    _exchange_environments,
    _require_rebuild,
]
#: What they are called with to have something to do; the others with 2.
NUMBERS: dict[Callable[[int], None], int] = {_trust: 9, _reinstate: 1}
EITHER = [_bulk_create, _break_group]  # as it happens: a row that is not canonical, a group with credentials


def _name(write: Callable[[int], None]) -> str:
    return write.__name__.strip("_")


STEPS = st.lists(
    st.tuples(st.sampled_from([*FOLLOWED, *FOLLOWED, *REBUILT, *EITHER]), st.integers(0, 39)), min_size=1, max_size=12
)


@given(steps=STEPS)
@settings(
    max_examples=30, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_caught_up_policy_is_the_one_that_all_rows_make(depth: None, steps: list[tuple[Any, int]]) -> None:
    with transaction.atomic():
        sow()
        policy = load("production")
        for write, number in steps:
            try:
                with transaction.atomic():
                    write(number)
            except (CorsGuardError, IntegrityError, ObjectDoesNotExist, MultipleObjectsReturned):
                continue
            fresh = load("production")
            followed = follow(policy, version())
            if followed is not None:
                assert plain(followed) == plain(fresh), write
            assert plain(load("production", known=policy)) == plain(fresh), write
            policy = followed or load("production", known=policy)
        transaction.set_rollback(True)


@pytest.fixture
def sown(db: None) -> Policy:
    sow()
    services.revoke(grants(1).get(), reason="x")
    return load("production")


@pytest.mark.parametrize("write", FOLLOWED, ids=_name)
def test_write_is_caught_up_with_row_by_row(sown: Policy, depth: None, write: Callable[[int], None]) -> None:
    before = version()
    write(NUMBERS.get(write, 2))
    assert version() != before
    followed = follow(sown, version())
    assert plain(followed) == plain(load("production"))


@pytest.mark.parametrize("write", REBUILT, ids=_name)
def test_write_that_may_concern_every_row_takes_all_rows(sown: Policy, write: Callable[[int], None]) -> None:
    before = version()
    write(1)
    assert version() != before
    assert follow(sown, version()) is None


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_revocation_costs_five_statements_with_the_look(sown: Policy, django_assert_num_queries: Any) -> None:
    services.revoke(grants(0).get(), reason="x")
    with django_assert_num_queries(5):
        assert follow(sown, version()) is not None


def test_only_newer_rows_are_read(sown: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    services.revoke(grants(0).get(), reason="x")
    original = books.Amendment.enter

    def enter(pen: books.Amendment, origin: str, ends: float) -> None:
        seen.append(origin)
        original(pen, origin, ends)

    monkeypatch.setattr(books.Amendment, "enter", enter)
    follow(sown, version())
    assert seen == [ORIGINS[0]]


def test_whoever_is_many_rows_behind_reads_all(sown: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.store.rows.MAX_ROWS_BEHIND", 2)
    assert MAX_ROWS_BEHIND >= 1000
    TrustedOrigin.objects.filter(environment__slug="production").update(expires_at=timezone.now())
    assert follow(sown, version()) is None


def test_revocations_are_heeded_where_all_rows_have_to_be_read(
    sown: Policy, depth: None, django_assert_num_queries: Any
) -> None:
    """Beside a purge, and whatever else takes all rows: another group's credentials, say."""
    group = grants(0).get().api_group
    group.allow_credentials = not group.allow_credentials
    group.save()
    TrustedOrigin.objects.filter(origin=ORIGINS[1]).delete()
    revoked = services.revoke(grants(0).get(), reason="x")
    services.revoke(TrustedOriginFactory.create(environment=revoked.environment), reason="of a group not known yet")
    assert follow(sown, version()) is None
    with django_assert_num_queries(1):
        heeded = heed_revocations(sown)
    judged = heeded.groups[group.slug].judge_origin(ORIGINS[0], time.time())
    assert (judged, heeded.version) == (Reason.REVOKED, sown.version)
    assert heeded.groups[group.slug].rules == sown.groups[group.slug].rules
    assert heed_revocations(heeded) is heeded, "nothing more to heed"


# --- where the policy at hand comes from ------------------------------------------------------------------------------


def test_version_that_the_database_never_was_at_is_not_caught_up_from(sown: Policy) -> None:
    """As after a backup of an older state was restored, and written to since."""
    strange = replace(sown, token="of another history")
    _nothing(0)
    _nothing(0)
    assert follow(strange, version()) is None


def test_version_that_went_back_is_not_caught_up_with(sown: Policy) -> None:
    PolicyState.objects.update(revision=sown.revision - 1, token="restored")
    assert follow(sown, version()) is None


def test_rolled_back_version_is_not_caught_up_from(sown: Policy) -> None:
    with transaction.atomic():
        services.revoke(grants(0).get(), reason="x")
        unborn = load("production")
        transaction.set_rollback(True)
    _nothing(0)
    _nothing(0)
    assert follow(unborn, version()) is None


def test_each_version_stands_in_the_story(sown: Policy) -> None:
    """What the others can be told from."""
    for write in FOLLOWED:
        write(NUMBERS.get(write, 2))
        pair = version()
        assert PolicyChange.objects.filter(revision=pair.revision, token=pair.token).exists(), write


def test_version_that_moves_meanwhile_is_followed_on(sown: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    services.revoke(grants(0).get(), reason="x")
    first, moves, original = version(), iter([0, 2]), PolicyState.trace

    def trace(using: str, since: Version) -> Any:
        # After the rows were read, and before this question is asked.
        for number in moves:
            services.trust(f"https://late-{number}.example.com", environment="production", api_group="public")
            break
        return original(using, since)

    monkeypatch.setattr(PolicyState, "trace", trace)
    followed = follow(sown, first)
    assert followed is not None
    assert followed.version == version()
    assert plain(followed) == plain(load("production"))


def test_version_that_never_rests_is_kept_under_the_pair_read_before_the_rows(
    sown: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _nothing(0)
    original = PolicyState.trace

    def trace(using: str, since: Version) -> Any:
        _nothing(0)
        return original(using, since)

    monkeypatch.setattr(PolicyState, "trace", trace)
    followed = follow(sown, version())
    assert followed is not None
    assert followed.version != version(), "so the next look catches up again"


# --- rows that are left out -------------------------------------------------------------------------------------------


def test_rows_left_out_are_counted_on(sown: Policy) -> None:
    """Switched off by a rule, mended, and the reverse."""
    assert sown.left_out_count > 0
    Environment.objects.filter(slug="production").update(max_trust_days=10)
    policy = load("production")
    TrustedOrigin.objects.filter(environment__slug="production", revoked_at=None).update(
        expires_at=timezone.now() + timedelta(days=1)
    )
    mended = follow(policy, version())
    assert plain(mended) == plain(load("production"))
    assert mended is not None
    assert mended.left_out_count < policy.left_out_count
    TrustedOrigin.objects.filter(environment__slug="production", revoked_at=None).update(
        expires_at=timezone.now() + timedelta(days=100)
    )
    broken = follow(mended, version())
    assert plain(broken) == plain(load("production"))
    assert broken is not None
    assert broken.left_out_count > mended.left_out_count


def test_row_that_is_not_canonical_takes_all_rows(sown: Policy) -> None:
    """It stands in no book, so nobody knows whether it has been counted."""
    row(ORIGINS[-1], group(0), production())
    assert follow(sown, version()) is None
