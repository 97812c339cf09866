import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import (
    CorsGuardError,
    InvalidRequest,
    ProtectedEnvironment,
    RefusedOrigin,
    UnknownName,
)
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, RejectedOrigin, TrustedOrigin
from django_cors_guard.models.rejection import card_key
from django_cors_guard.services import AccessMoved, AccessPlan, Change, Kind
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

ORIGIN, OTHER = "https://app.example.com", "https://other.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """Every test has an environment and two API groups."""


def revision() -> int:
    return PolicyState.read("default").revision


def want(origin: str = ORIGIN, group: str = "public", *, trusted: bool = True, **fields: Any) -> Change:
    return Change(origin, group, trusted, **fields)


def plan(*changes: Change) -> AccessPlan:
    return services.plan_access("production", changes)


def soon(days: float = 1) -> Any:
    return timezone.now() + timedelta(days=days)


# --- planning ---------------------------------------------------------------------------------------------------------


def make_none() -> None:
    """There is no grant."""


def make_active() -> None:
    TrustedOriginFactory.create(origin=ORIGIN)


def make_expired() -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=soon(-1))


def make_revoked() -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), actor=UserFactory.create(username="ana"), reason="x")


def make_too_long() -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    Environment.objects.update(max_trust_days=30)


@pytest.mark.parametrize(
    ("make", "trusted", "kind", "needs_end"),
    [
        pytest.param(make_none, True, Kind.TRUST, True, id="nothing there, ticked"),
        pytest.param(make_none, False, Kind.KEEP, False, id="nothing there, unticked"),
        pytest.param(make_active, True, Kind.KEEP, False, id="active, ticked"),
        pytest.param(make_active, False, Kind.REVOKE, False, id="active, unticked"),
        pytest.param(make_expired, True, Kind.RENEW, True, id="expired, ticked"),
        pytest.param(make_expired, False, Kind.REVOKE, False, id="expired, unticked"),
        pytest.param(make_revoked, True, Kind.REINSTATE, False, id="revoked, ticked"),
        pytest.param(make_revoked, False, Kind.KEEP, False, id="revoked, unticked"),
        pytest.param(make_too_long, True, Kind.RENEW, True, id="living too long, ticked"),
        pytest.param(make_too_long, False, Kind.REVOKE, False, id="living too long, unticked"),
    ],
)
def test_plan_says_what_a_change_comes_to(make: Callable[[], None], trusted: bool, kind: Kind, needs_end: bool) -> None:
    make()
    before = revision()
    (step,) = plan(want(trusted=trusted)).steps
    assert (step.kind, step.needs_end, step.problems) == (kind, needs_end, ())
    assert revision() == before


def test_plan_names_problems_and_risks_of_what_would_be_trusted() -> None:
    made = plan(want("http://app.example.com", "billing"), want("https://me.github.io", "billing"))
    refused, risky = made.steps
    assert [problem.code for problem in refused.problems] == ["needs_insecure_http", "needs_insecure_credentials"]
    assert [risk.code for risk in risky.risks] == ["shared_hosting", "credentials"]
    assert risky.problems == ()
    assert made.problems == refused.problems


def test_plan_refuses_changes_where_a_group_is_open_to_everybody() -> None:
    make_active()
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    made = plan(want(trusted=False), want(OTHER))
    assert [problem.code for problem in made.problems] == ["open_group"]
    with pytest.raises(RefusedOrigin, match="open to any origin"):
        services.apply_access(made, reason="x")


def test_plan_counts_what_a_grant_was_used_for_in_the_last_month() -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    last = timezone.now() - timedelta(days=2)
    OriginUsageFactory.create(trusted_origin=grant, count=5, last_seen=last)
    OriginUsageFactory.create(trusted_origin=grant, count=7, last_seen=last - timedelta(days=1), method="POST")
    OriginUsageFactory.create(trusted_origin=grant, count=100, last_seen=last - timedelta(days=40))
    OriginUsageFactory.create(count=1000, last_seen=last)
    (step,) = plan(want(trusted=False)).steps
    assert (step.use.count, step.use.last_seen) == (12, last)
    (unused,) = plan(want(OTHER)).steps
    assert unused.use.count == 0


def test_plan_says_who_had_revoked_what_would_be_reinstated() -> None:
    make_revoked()
    (step,) = plan(want()).reinstatements
    assert step.revoked_by == "ana"
    assert step.grant is not None
    assert step.grant.revoke_reason == "x"
    assert plan(want()).needs_reason


@pytest.mark.parametrize(
    ("expires_at", "max_trust_days", "needs_end"),
    [
        pytest.param(soon(-1), None, True, id="it has ended"),
        pytest.param(soon(1), None, False, id="it ends tomorrow"),
        pytest.param(None, 30, True, id="it lives too long"),
        pytest.param(soon(5), 30, False, id="within what is allowed"),
    ],
)
def test_plan_says_whether_what_is_reinstated_needs_an_end(
    expires_at: Any, max_trust_days: int | None, needs_end: bool
) -> None:
    make_revoked()
    TrustedOrigin.objects.update(expires_at=expires_at)
    Environment.objects.update(max_trust_days=max_trust_days)
    made = plan(want())
    assert (made.steps[0].needs_end, made.needs_end, made.problems) == (needs_end, needs_end, ())


def test_plan_spells_origins_as_they_are_stored_and_the_last_wish_counts() -> None:
    make_active()
    (step,) = plan(want(trusted=True), want("HTTPS://App.example.com/", trusted=False)).steps
    assert (step.origin, step.kind) == (ORIGIN, Kind.REVOKE)


def test_plan_says_which_cells_are_no_longer_as_they_were_seen() -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    seen = services.state_of(grant)
    assert not plan(want(trusted=False, seen=seen)).has_moved
    assert not plan(want(trusted=False)).has_moved
    services.revoke(grant, reason="x")
    made = plan(want(trusted=False, seen=seen), want(OTHER, seen=""))
    assert [step.has_moved for step in made.steps] == [True, False]
    assert [made.has_moved, made.steps[0].kind] == [True, Kind.KEEP]


@pytest.mark.parametrize("name", ["group", "environment", "bad\0group"])
def test_plan_for_an_unknown_place_names_those_that_exist(name: str) -> None:
    with pytest.raises(UnknownName, match=r"public|production"):
        services.plan_access("nowhere" if name == "environment" else "production", [want(group=name)])


def test_plan_of_too_many_changes_is_refused() -> None:
    changes = [want(f"https://a{n}.example.com") for n in range(services.MAX_CHANGES + 1)]
    with pytest.raises(InvalidRequest, match="301 changes"):
        plan(*changes)
    assert len(plan(*changes[1:]).additions) == services.MAX_CHANGES


@pytest.mark.parametrize("many", [2, 30])
def test_queries_of_a_plan_do_not_grow(many: int, billing: ApiGroup) -> None:
    FrontEndFactory.create()
    grants = [TrustedOriginFactory.create(origin=f"https://a{n}.example.com") for n in range(many)]
    changes = [want(grant.origin, trusted=False) for grant in grants]
    changes += [want(grant.origin, "billing", front_end="shop") for grant in grants]
    with CaptureQueriesContext(connection) as queries:
        plan(*changes)
    assert len(queries) == 7


# --- applying ---------------------------------------------------------------------------------------------------------


def test_applying_writes_all_kinds_in_one_revision_and_one_batch() -> None:
    ana, shop = UserFactory.create(username="ana2"), FrontEndFactory.create()
    make_revoked()
    TrustedOriginFactory.create(origin=OTHER)
    TrustedOriginFactory.create(origin="https://old.example.com", expires_at=soon(-1), note="Kept.", front_end=shop)
    before, ends = revision(), soon(7)
    receipt = services.apply_access(
        plan(
            want(),
            want(OTHER, trusted=False),
            want("https://old.example.com"),
            want("https://new.example.com", "billing", front_end="shop"),
        ),
        actor=ana,
        reason="Moving house.",
        expires_at=ends,
    )
    assert revision() == receipt.revision == before + 1
    assert [len(part) for part in (receipt.trusted, receipt.revoked, receipt.reinstated, receipt.renewed)] == [1] * 4
    changes = PolicyChange.objects.filter(revision=receipt.revision)
    assert {change.batch for change in changes} == {receipt.batch}
    assert receipt.batch
    assert {(change.action, change.target.partition(":")[2], change.reason, change.actor) for change in changes} == {
        ("reinstated", f"production/public/{ORIGIN}", "Moving house.", ana),
        ("revoked", f"production/public/{OTHER}", "Moving house.", ana),
        ("renewed", "production/public/https://old.example.com", "Moving house.", ana),
        ("trusted", "production/billing/https://new.example.com", "Moving house.", ana),
    }
    assert changes.count() == 4
    new = TrustedOrigin.objects.get(origin="https://new.example.com")
    assert (new.front_end, new.expires_at, new.created_by) == (shop, ends, ana)
    old = TrustedOrigin.objects.get(origin="https://old.example.com")
    assert (old.expires_at, old.note, old.front_end) == (ends, "Kept.", shop)
    assert TrustedOrigin.objects.get(origin=ORIGIN).expires_at is None
    revoked = TrustedOrigin.objects.get(origin=OTHER)
    assert (revoked.revoked_by, revoked.revoke_reason) == (ana, "Moving house.")


def test_applying_without_an_end_renews_until_revoked() -> None:
    make_expired()
    services.apply_access(plan(want()))
    grant = TrustedOrigin.objects.get()
    assert (grant.expires_at, grant.status()) == (None, "active")


def test_reinstating_what_has_ended_gives_it_the_new_end_in_one_change() -> None:
    make_revoked()
    TrustedOrigin.objects.update(expires_at=soon(-1))
    made, ends = plan(want()), soon(3)
    receipt = services.apply_access(made, reason="Back.", expires_at=ends)
    assert TrustedOrigin.objects.get().expires_at == ends
    (change,) = PolicyChange.objects.filter(revision=receipt.revision)
    assert change.action == "reinstated"
    assert change.before is not None
    assert change.after is not None
    assert change.before["expires_at"] < change.after["expires_at"] == ends.isoformat()


def test_reinstating_what_has_not_ended_keeps_its_end() -> None:
    make_revoked()
    ends = soon(5)
    TrustedOrigin.objects.update(expires_at=ends)
    services.apply_access(plan(want()), reason="Back.", expires_at=soon(1))
    assert TrustedOrigin.objects.get().expires_at == ends


@pytest.mark.parametrize(
    ("make", "trusted"),
    [pytest.param(make_active, False, id="revoking"), pytest.param(make_revoked, True, id="reinstating")],
)
@pytest.mark.parametrize("reason", ["", " \0 "])
def test_applying_without_a_needed_reason_is_refused(make: Callable[[], None], trusted: bool, reason: str) -> None:
    make()
    made, before = plan(want(trusted=trusted)), revision()
    with pytest.raises(InvalidRequest, match="Say why"):
        services.apply_access(made, reason=reason)
    assert revision() == before


def test_trusting_and_renewing_need_no_reason() -> None:
    make_expired()
    services.apply_access(plan(want(), want(OTHER)))
    assert TrustedOrigin.objects.active().count() == 2


@pytest.mark.parametrize(
    ("days", "words"),
    [
        pytest.param(None, "limits how long", id="no end"),
        pytest.param(31, "limits how long", id="too late an end"),
        pytest.param(-1, "lies in the past", id="an end in the past"),
    ],
)
def test_applying_with_an_end_that_is_not_allowed_is_refused(days: int | None, words: str) -> None:
    Environment.objects.update(max_trust_days=30)
    made, before = plan(want()), revision()
    with pytest.raises(RefusedOrigin, match=words):
        services.apply_access(made, expires_at=soon(days) if days is not None else None)
    assert revision() == before
    services.apply_access(made, expires_at=soon(29))
    assert TrustedOrigin.objects.active().count() == 1


def test_applying_a_plan_with_a_problem_writes_nothing_of_it() -> None:
    made, before = plan(want(), want("http://app.example.com")), revision()
    with pytest.raises(RefusedOrigin):
        services.apply_access(made)
    assert (revision(), TrustedOrigin.objects.count()) == (before, 0)


def test_applying_nothing_takes_no_revision() -> None:
    make_active()
    before = revision()
    receipt = services.apply_access(plan(want(), want(OTHER, trusted=False)))
    assert (receipt.revision, receipt.batch, revision()) == (before, "", before)


def revoke_it() -> None:
    services.revoke(TrustedOrigin.objects.get(origin=ORIGIN), reason="Emergency.")


def trust_it() -> None:
    services.trust(OTHER, environment="production", api_group="public")


def purge_it() -> None:
    TrustedOrigin.objects.filter(origin=ORIGIN).delete()


def switch_a_rule() -> None:
    Environment.objects.update(max_trust_days=9)


def allow_credentials() -> None:
    ApiGroup.objects.filter(slug="public").update(allow_credentials=True)


def delete_the_environment() -> None:
    TrustedOrigin.objects.all().delete()
    Environment.objects.all().delete()


@pytest.mark.parametrize(
    "happens",
    [revoke_it, trust_it, purge_it, switch_a_rule, allow_credentials, delete_the_environment],
    ids=lambda happens: happens.__name__,
)
def test_plan_that_is_no_longer_true_is_not_applied(happens: Callable[[], None]) -> None:
    make_active()
    made = plan(want(trusted=False), want(OTHER))
    happens()
    before, rows = revision(), list(TrustedOrigin.objects.values_list("origin", "revoked_at"))
    with pytest.raises(AccessMoved):
        services.apply_access(made, reason="x", expires_at=soon())
    assert revision() == before
    assert list(TrustedOrigin.objects.values_list("origin", "revoked_at")) == rows


def test_what_happens_elsewhere_leaves_a_plan_true() -> None:
    make_active()
    made = plan(want(trusted=False))
    TrustedOriginFactory.create(origin=ORIGIN, api_group=ApiGroup.objects.get(slug="billing"))
    TrustedOriginFactory.create(origin=ORIGIN, environment=EnvironmentFactory.create(slug="staging"))
    ApiGroup.objects.filter(slug="billing").update(max_age=5)
    services.apply_access(made, reason="x")
    assert TrustedOrigin.objects.revoked().count() == 1


def test_plan_of_an_earlier_time_lets_nobody_undo_what_expired_since() -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=soon(1))
    made = plan(want(trusted=False))
    TrustedOrigin.objects.update(expires_at=soon(-1))
    with pytest.raises(AccessMoved):
        services.apply_access(made, reason="x")


def test_applying_in_a_protected_environment_needs_the_permission() -> None:
    Environment.objects.update(protected=True)
    apprentice, operator = user_with("add_trustedorigin"), user_with("change_protected_environment")
    made, before = plan(want()), revision()
    with pytest.raises(ProtectedEnvironment):
        services.apply_access(made, actor=apprentice)
    assert revision() == before
    services.apply_access(made, actor=operator)
    assert TrustedOrigin.objects.count() == 1


def test_front_end_that_has_gone_is_left_out() -> None:
    services.apply_access(plan(want(front_end="gone"), want(OTHER, front_end="bad\0slug")))
    assert set(TrustedOrigin.objects.values_list("front_end", flat=True)) == {None}


def test_applying_locks_all_cards_in_the_order_of_their_keys_first() -> None:
    origins = [f"https://a{n}.example.com" for n in range(10)]
    for origin in origins:
        RejectedOriginFactory.create(origin=origin)
    for origin in origins[:3]:
        services.revoke(TrustedOriginFactory.create(origin=origin), reason="x")
    TrustedOriginFactory.create(origin=origins[4], expires_at=soon(-1))
    made = plan(*(want(origin) for origin in origins))
    with CaptureQueriesContext(connection) as queries:
        services.apply_access(made, reason="x")
    cards = [query["sql"] for query in queries if "rejectedorigin" in query["sql"]]
    assert all(card_key("production", "public", origin) in cards[0] for origin in origins)
    assert cards[0].startswith("SELECT")
    assert "ORDER BY" in cards[0]
    assert ("FOR UPDATE" in cards[0]) == connection.features.has_select_for_update
    assert set(RejectedOrigin.objects.values_list("status", flat=True)) == {"trusted"}


# --- two at once ------------------------------------------------------------------------------------------------------


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all of them from threads that start together; return what each returns or raises."""
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    barrier, results = threading.Barrier(len(works)), list[Any]([None] * len(works))

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = works[number]()
        except Exception as error:  # noqa: BLE001 - returned
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_who_apply_the_same_cells_at_once_do_not_both_succeed() -> None:
    origins = [f"https://a{n}.example.com" for n in range(5)]
    for origin in origins:
        TrustedOriginFactory.create(origin=origin)
    made = plan(*(want(origin, trusted=False) for origin in origins))
    before = revision()
    results = at_once(*(partial(services.apply_access, made, reason=who) for who in ("one", "two")))
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["AccessMoved", "AccessReceipt"]
    assert revision() == before + 1
    assert TrustedOrigin.objects.revoked().values_list("revoke_reason", flat=True).distinct().count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_apply_other_cells_at_once_both_succeed() -> None:
    origins = [f"https://a{n}.example.com" for n in range(20)]
    plans = [plan(*(want(origin) for origin in origins[half::2])) for half in (0, 1)]
    for origin in origins:
        RejectedOriginFactory.create(origin=origin)
    results = at_once(*(partial(services.apply_access, made) for made in plans))
    assert [len(result.trusted) for result in results] == [10, 10]
    assert len({result.revision for result in results}) == 2


@pytest.mark.django_db(transaction=True)
def test_revocation_at_the_same_time_is_never_undone() -> None:
    for round_ in range(5):
        origin = f"https://r{round_}.example.com"
        grant = TrustedOriginFactory.create(origin=origin, expires_at=soon(-1))
        made = plan(want(origin))
        applied, revoked = at_once(partial(services.apply_access, made), partial(services.revoke, grant, reason="Now."))
        assert isinstance(revoked, TrustedOrigin)
        assert isinstance(applied, services.AccessReceipt | AccessMoved), repr(applied)
        grant.refresh_from_db()
        assert grant.revoke_reason == "Now."


@pytest.mark.django_db(transaction=True)
def test_snapshot_of_an_outer_transaction_hides_no_revocation() -> None:
    if connection.vendor != "mysql":
        pytest.skip("other databases show the latest commit, or refuse the write")
    grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=soon(-1))
    wrapper: Any = connections["default"]
    original = getattr(wrapper, "isolation_level", None)
    other = connections.create_connection("default")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    wrapper.isolation_level = "repeatable read"
    try:
        with transaction.atomic():
            made = plan(want())
            with other.cursor() as cursor:
                cursor.execute("UPDATE cors_guard_trustedorigin SET revoked_at = NOW(6), revoke_reason = 'Now.'")
                cursor.execute("COMMIT")
            with pytest.raises(CorsGuardError):
                services.apply_access(made)
    finally:
        other.close()
        wrapper.isolation_level = original
        connection.close()
    grant.refresh_from_db()
    assert grant.revoke_reason == "Now."


def test_groups_and_routes_are_not_touched() -> None:
    ApiRouteFactory.create(api_group=ApiGroupFactory.create(slug="third"))
    services.apply_access(plan(want(group="third")))
    assert ApiGroup.objects.count() == 3


def test_plan_without_risks_is_applied_all_the_same() -> None:
    made = services.plan_access("production", [want("https://me.github.io", "billing")], risks=False)
    assert made.steps[0].risks == ()
    services.apply_access(made)
    assert TrustedOrigin.objects.active().count() == 1
