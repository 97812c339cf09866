"""Trusted origins in and out: the plan says all, and what is written is what it said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from django_cors_guard import services, signals
from django_cors_guard.core.files import COLUMNS, GrantRow, RowStatus, encode_csv, encode_json, read_grants
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    PolicyChange,
    PolicyState,
    TrustedOrigin,
)
from django_cors_guard.services import ImportPlan, PlanMoved
from django_cors_guard.services.transfer import Choice, walk_grants
from tests.core.files.test_writing import NOTES
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
OTHER = "https://shop.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def row(origin: str = ORIGIN, number: int = 2, **values: Any) -> GrantRow:
    return GrantRow(number, **{"environment": "production", "api_group": "public", "origin": origin, **values})


def plan_of(*rows: GrantRow, **given_as: Any) -> ImportPlan:
    return services.plan_import(rows, **given_as)


def apply(plan: ImportPlan, **given_as: Any) -> services.ImportResult:
    return services.apply_import(plan, **{"reason": "moved here", **given_as})


def trust(origin: str = ORIGIN, **values: Any) -> TrustedOrigin:
    return services.trust(origin, **{"environment": "production", "api_group": "public", **values})


def revision() -> int:
    return PolicyState.read("default").revision


def soon(days: float = 3) -> datetime:
    return timezone.now().replace(microsecond=123) + timedelta(days=days)


def counts(plan: ImportPlan) -> dict[str, int]:
    parts = {name: len(getattr(plan, name)) for name in ("additions", "changes", "refusals", "left_alone", "repeats")}
    return {name: count for name, count in {**parts, "unchanged": plan.unchanged}.items() if count}


def refused(plan: ImportPlan) -> list[str]:
    return [problem.code for refusal in plan.refusals for problem in refusal.problems]


def differences(plan: ImportPlan) -> list[tuple[str, Any, Any]]:
    (change,) = plan.changes
    return [(found.field, found.before, found.after) for found in change.differences]


# --- what a plan lists ------------------------------------------------------------------------------------------------


def test_plan_of_a_new_origin_is_an_addition_with_its_canonical_form_and_risks() -> None:
    FrontEndFactory.create()
    ends = soon()
    plan = plan_of(row(" HTTPS://Foo.github.io:443/ ", front_end="shop", note="n", expires_at=ends))
    (addition,) = plan.additions
    assert (addition.number, addition.place.origin, addition.given) == (2, "https://foo.github.io", plan.rows[0].origin)
    assert (addition.front_end, addition.note, addition.expires_at) == ("shop", "n", ends)
    assert "shared_hosting" in [risk.code for risk in addition.risks]
    assert "case" in [mend.code for mend in addition.mended]
    assert (counts(plan), TrustedOrigin.objects.count()) == ({"additions": 1}, 0)


def test_plan_of_what_is_here_is_unchanged() -> None:
    trust(note="n", expires_at=(ends := soon()))
    for same in (row(), row(" HTTPS://App.example.com "), row(note="n", expires_at=ends), row(status=RowStatus.ACTIVE)):
        assert counts(plan_of(same)) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param({"note": "new"}, [("note", "a\r\nb", "new")], id="note"),
        pytest.param({"note": "a\nb"}, None, id="note with other line ends"),
        pytest.param({"note": " "}, None, id="blank note"),
        pytest.param({"front_end": "shop"}, [("front_end", "", "shop")], id="front end"),
        pytest.param({"is_endless": True}, None, id="no end, and there is none"),
    ],
)
def test_plan_lists_what_changes_and_leaves_what_is_blank(
    values: dict[str, Any], found: list[tuple[str, str, str]] | None
) -> None:
    FrontEndFactory.create()
    trust(note="a\r\nb")
    plan = plan_of(row(**values))
    assert (differences(plan) if plan.changes else None) == found


def test_plan_moves_and_takes_off_an_end_only_when_the_file_says_so() -> None:
    trust(expires_at=(before := soon()))
    later = soon(9)
    assert counts(plan_of(row())) == {"unchanged": 1}
    assert differences(plan_of(row(expires_at=later))) == [("expires_at", before, later)]
    assert differences(plan_of(row(is_endless=True))) == [("expires_at", before, None)]


def test_plan_says_who_looks_after_a_grant_that_changes() -> None:
    trust()
    TrustedOrigin.objects.update(managed_by="ci")
    assert plan_of(row(note="x")).changes[0].managed_by == "ci"


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        pytest.param({"origin": "https://app.example.com/path"}, ["path"], id="origin"),
        pytest.param({"origin": ""}, ["empty"], id="no origin"),
        pytest.param({"origin": "http://app.example.com"}, ["needs_insecure_http"], id="safety rule"),
        pytest.param({"environment": "prodction"}, ["unknown_environment"], id="environment"),
        pytest.param({"environment": "", "api_group": ""}, ["empty_cell", "empty_cell"], id="nowhere"),
        pytest.param({"api_group": "pubic"}, ["unknown_api_group"], id="API group"),
        pytest.param({"api_group": "Public"}, ["unknown_api_group"], id="API group in capitals"),
        pytest.param({"front_end": "nobody"}, ["unknown_front_end"], id="front end"),
        pytest.param({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, ["invalid_expiry"], id="end in the past"),
        pytest.param(
            {"environment": "x", "api_group": "y", "front_end": "z", "origin": "null"},
            ["unknown_environment", "unknown_api_group", "unknown_front_end", "null_origin"],
            id="everything at once",
        ),
    ],
)
def test_plan_refuses_a_row_with_everything_that_is_wrong(values: dict[str, Any], codes: list[str]) -> None:
    plan = plan_of(row(**values), row(OTHER, 3))
    assert (refused(plan), [refusal.number for refusal in plan.refusals]) == (codes, [2])
    assert len(plan.additions) == 1


def test_plan_refuses_names_and_says_which_there_are() -> None:
    FrontEndFactory.create()
    plan = plan_of(row(environment="prodction", api_group="zzz", front_end="shp"))
    assert [problem.detail for problem in plan.refusals[0].problems] == ["production", "public", "shop"]


def test_plan_looks_for_what_was_meant_once_for_each_name_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def suggest(slug: str, known: list[str]) -> str:
        asked.append(slug)
        return "x"

    monkeypatch.setattr("django_cors_guard.services.transfer.planning.suggest", suggest)
    monkeypatch.setattr("django_cors_guard.services.transfer.planning.MAX_SUGGESTED", 2)
    plan = plan_of(*(row(number=number, environment=name) for number, name in enumerate("aabcb")))
    assert asked == ["a", "b"]
    assert [refusal.problems[0].detail for refusal in plan.refusals] == ["x", "x", "x", "", "x"]


@pytest.mark.parametrize("values", [{}, {"is_endless": True}, {"expires_at": timezone.now() + timedelta(days=31)}])
def test_plan_honours_the_longest_trust_for_new_grants_and_new_ends(values: dict[str, Any]) -> None:
    trust(OTHER, expires_at=soon())
    Environment.objects.update(max_trust_days=30)
    assert refused(plan_of(row(**values))) == ["trusted_too_long"]
    plan = plan_of(row(OTHER, **values))
    assert (refused(plan) or counts(plan)) == (["trusted_too_long"] if values else {"unchanged": 1})


def test_plan_describes_a_grant_that_a_rule_switched_off_but_moves_no_end_of_it() -> None:
    TrustedOriginFactory.create(origin="http://plain.example.com")
    assert refused(plan_of(row("http://plain.example.com", expires_at=soon()))) == ["needs_insecure_http"]
    assert counts(plan_of(row("http://plain.example.com", note="to be moved"))) == {"changes": 1}
    assert counts(plan_of(row("http://plain.example.com", status=RowStatus.SWITCHED_OFF))) == {"unchanged": 1}
    (left,) = plan_of(row("http://plain.example.com")).left_alone
    assert left.why == "switched_off_here"


def test_plan_never_reinstates() -> None:
    grant = services.revoke(trust(), actor=UserFactory.create(username="ana"), reason="leaked")
    plan = plan_of(row(note="x", is_endless=True))
    (left,) = plan.left_alone
    assert (left.why, left.pk, left.by, left.at, left.reason) == (
        "revoked_here",
        grant.pk,
        "ana",
        grant.revoked_at,
        "leaked",
    )
    assert counts(plan) == {"left_alone": 1}
    before = revision()
    apply(plan)
    grant.refresh_from_db()
    assert (grant.revoked_at is not None, grant.note, revision()) == (True, "", before)


def test_plan_names_who_revoked_though_the_user_has_gone() -> None:
    ana = UserFactory.create(username="ana")
    services.revoke(trust(), actor=ana, reason="first")
    grant = TrustedOrigin.objects.get()
    services.reinstate(grant, actor=ana, reason="mistake")
    bob = UserFactory.create(username="bob")
    services.revoke(grant, actor=bob, reason="leaked")
    bob.delete()
    assert [left.by for left in plan_of(row()).left_alone] == ["bob"]


@pytest.mark.parametrize(
    ("status", "values", "there", "why"),
    [
        pytest.param("revoked", {}, "active", "revoked_there", id="revoked there, active here"),
        pytest.param("revoked", {}, "revoked", None, id="revoked in both"),
        pytest.param("revoked", {}, "", "revoked_new", id="revoked there, unknown here"),
        pytest.param("active", {}, "revoked", "revoked_here", id="active there, revoked here"),
        pytest.param("expired", {"expires_at": soon(-9)}, "", "expired_new", id="expired there, unknown here"),
        pytest.param("expired", {}, "", "expired_new", id="expired there without an end, unknown here"),
        pytest.param("expired", {"expires_at": soon(-9)}, "active", "expired_there", id="expired there, active here"),
        pytest.param("", {}, "expired", "expired_here", id="expired here"),
        pytest.param("active", {}, "expired", "expired_here", id="active there, expired here"),
        pytest.param("expired", {}, "expired", None, id="expired in both"),
    ],
)
def test_plan_leaves_alone_where_file_and_policy_disagree(
    status: str, values: dict[str, Any], there: str, why: str | None
) -> None:
    if there:
        grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=soon(-1) if there == "expired" else None)
        if there == "revoked":
            services.revoke(grant, reason="x")
    plan = plan_of(row(status=RowStatus(status), **values))
    assert (why, counts(plan)) == (
        (plan.left_alone[0].why, {"left_alone": 1}) if plan.left_alone else (None, {"unchanged": 1})
    )


def test_plan_renews_what_has_expired_when_the_file_gives_a_later_end() -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=soon(-1))
    for status in RowStatus.UNSAID, RowStatus.EXPIRED:
        (change,) = plan_of(row(expires_at=soon(), status=status)).changes
        assert change.revives
    assert counts(plan_of(row(expires_at=TrustedOrigin.objects.get().expires_at))) == {"unchanged": 1}


def test_plan_adds_what_the_file_calls_expired_when_it_gives_a_later_end() -> None:
    assert counts(plan_of(row(expires_at=soon(), status=RowStatus.EXPIRED))) == {"additions": 1}


def test_plan_shortens_no_grant_into_the_past() -> None:
    trust()
    assert refused(plan_of(row(expires_at=soon(-1)))) == ["invalid_expiry"]


def test_plan_takes_the_first_of_rows_that_say_the_same_and_refuses_those_that_do_not() -> None:
    plan = plan_of(row(note="a"), row(f"{ORIGIN}/", 3, note="a"), row(ORIGIN, 4, note="b"), row(OTHER, 5))
    assert counts(plan) == {"additions": 2, "repeats": 1, "refusals": 1}
    assert [(repeat.number, repeat.first) for repeat in plan.repeats] == [(3, 2)]
    assert [(refusal.number, refusal.problems[0].value) for refusal in plan.refusals] == [(4, "2")]


def test_plan_says_of_additions_which_others_they_look_like() -> None:
    plan = plan_of(row("https://paypal.example"), row("https://paypa1.example", 3), row(OTHER, 4))
    assert [addition.alike for addition in plan.additions] == [
        ("https://paypa1.example",),
        ("https://paypal.example",),
        (),
    ]


def test_plan_says_where_a_grant_makes_no_difference() -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    assert plan_of(row(), row(OTHER, api_group="open")).open_groups == ("open",)
    assert plan_of(row()).open_groups == ()


def test_plan_keeps_the_problems_of_the_file() -> None:
    sheet = read_grants("environment,api_group,origin,expires_at\nproduction,public,https://a.example/b,soon\n")
    assert refused(services.plan_import(sheet.rows)) == ["bad_time", "path"]


# --- who may ----------------------------------------------------------------------------------------------------------


def test_plan_refuses_changes_of_protected_environments_but_nothing_that_is_there() -> None:
    trust()
    Environment.objects.update(protected=True)
    EnvironmentFactory.create(slug="staging")
    apprentice = user_with("add_trustedorigin")
    rows = row(), row(note="x"), row(OTHER, 3), row(OTHER, 4, environment="staging")
    plan = services.plan_import((rows[0], *rows[2:]), actor=apprentice)
    assert (counts(plan), refused(plan)) == ({"unchanged": 1, "additions": 1, "refusals": 1}, ["protected"])
    assert refused(plan_of(rows[1], actor=apprentice)) == ["protected"]
    for actor in (None, user_with("change_protected_environment")):
        assert not services.plan_import((rows[0], *rows[2:]), actor=actor).refusals


def test_plan_refuses_changes_to_those_who_may_only_add() -> None:
    trust()
    plan = plan_of(row(note="x"), row(OTHER, 3), may_change=False)
    assert (refused(plan), counts(plan)) == (["may_not_change"], {"additions": 1, "refusals": 1})


def test_apply_checks_again_who_may() -> None:
    plan = plan_of(row())
    Environment.objects.update(protected=True)
    with pytest.raises(ProtectedEnvironment):
        apply(plan, actor=user_with("add_trustedorigin"))
    assert not TrustedOrigin.objects.exists()


# --- what is written --------------------------------------------------------------------------------------------------


def test_apply_is_one_revision_with_an_entry_for_each_grant() -> None:
    ana, front_end, ends = UserFactory.create(username="ana"), FrontEndFactory.create(), soon()
    trust(OTHER, expires_at=soon(1))
    described = trust("https://third.example.com")
    before = revision()
    plan = plan_of(
        row(note="n\0", front_end="shop", expires_at=ends),
        row("https://new.example.com", 3),
        row(OTHER, 4, expires_at=ends, note="later"),
        row("https://third.example.com", 5, note="described"),
    )
    result = apply(plan, actor=ana, reason="moved", batch="b1")
    assert (result.revision, revision()) == (before + 1, before + 1)
    assert (result.trusted, result.changed, result.unchanged, result.batch) == (2, 2, 0, "b1")
    grant = TrustedOrigin.objects.get(origin=ORIGIN)
    assert (grant.created_by, grant.front_end, grant.expires_at) == (ana, front_end, ends)
    assert set(TrustedOrigin.objects.values_list("origin", "revision")) == {
        (ORIGIN, before + 1),
        ("https://new.example.com", before + 1),
        (OTHER, before + 1),
        ("https://third.example.com", described.revision),
    }
    story = PolicyChange.objects.filter(revision=before + 1)
    assert {(change.action, change.target) for change in story} == {
        ("trusted", f"trustedorigin:production/public/{ORIGIN}"),
        ("trusted", "trustedorigin:production/public/https://new.example.com"),
        ("renewed", f"trustedorigin:production/public/{OTHER}"),
    }
    assert {(change.actor, change.source, change.batch, change.reason) for change in story} == {
        (ana, "import", "b1", "moved")
    }
    renewed = story.get(action="renewed")
    before_and_after = [(side["note"], side["expires_at"]) for side in (renewed.before, renewed.after) if side]
    assert before_and_after[1] == ("later", ends.isoformat())
    assert before_and_after[0][0] == ""
    described.refresh_from_db()
    assert described.note == "described"


def test_apply_again_changes_nothing_and_takes_no_revision() -> None:
    rows = row(note="n", expires_at=soon()), row(OTHER, 3)
    apply(plan_of(*rows))
    before, story = revision(), PolicyChange.objects.count()
    plan = plan_of(*rows)
    result = apply(plan)
    assert (counts(plan), plan.is_empty) == ({"unchanged": 2}, True)
    assert (result.revision, result.trusted, result.changed, result.unchanged) == (None, 0, 0, 2)
    assert (revision(), PolicyChange.objects.count()) == (before, story)


def test_apply_of_descriptions_takes_no_revision() -> None:
    FrontEndFactory.create()
    grant, before = trust(), revision()
    result = apply(plan_of(row(note="x", front_end="shop")))
    grant.refresh_from_db()
    assert (grant.note, grant.front_end is not None, revision(), result.revision) == ("x", True, before, None)


def test_apply_closes_cards() -> None:
    ana = UserFactory.create()
    TrustedOriginFactory.create(origin=OTHER, expires_at=soon(-1))
    cards = [RejectedOriginFactory.create(origin=origin) for origin in (ORIGIN, OTHER, "https://other.example")]
    apply(plan_of(row(), row(OTHER, 3, expires_at=soon())), actor=ana)
    for card in cards:
        card.refresh_from_db()
    assert [(card.status, card.status_by) for card in cards] == [("trusted", ana), ("trusted", ana), ("new", None)]


def test_apply_tells_of_every_change(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    told = []

    def hear(change: PolicyChange, **_arguments: object) -> None:
        told.append((change.pk is not None, change.action))

    signals.policy_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            apply(plan_of(row(), row(OTHER, 3)))
    finally:
        signals.policy_changed.disconnect(hear)
    assert told == [(True, "trusted")] * 2


def test_apply_refuses_while_lines_are_refused_unless_they_are_left_out() -> None:
    plan = plan_of(row(), row("null", 3))
    with pytest.raises(InvalidRequest, match="some of the lines are refused"):
        apply(plan)
    assert not TrustedOrigin.objects.exists()
    result = apply(plan, leave_out_refused=True)
    assert (result.trusted, result.refused) == (1, 1)
    assert TrustedOrigin.objects.get().origin == ORIGIN


@pytest.mark.parametrize("reason", ["", " \n", "\0"])
def test_apply_asks_for_a_reason(reason: str) -> None:
    with pytest.raises(InvalidRequest, match="Say why"):
        apply(plan_of(row()), reason=reason)


def test_apply_gives_each_import_a_batch_of_its_own() -> None:
    batches = {apply(plan_of(row(origin))).batch for origin in (ORIGIN, OTHER)}
    assert len(batches) == 2
    assert set(PolicyChange.objects.filter(source="import").values_list("batch", flat=True)) == batches


# --- the plan seen is the plan applied --------------------------------------------------------------------------------


def revoke_it() -> None:
    services.revoke(TrustedOrigin.objects.get(origin=OTHER), reason="leaked")


MOVES: list[Any] = [
    pytest.param(lambda: trust(note="faster"), id="somebody trusted it"),
    pytest.param(revoke_it, id="somebody revoked it"),
    pytest.param(lambda: TrustedOrigin.objects.filter(origin=OTHER).update(note="mine"), id="somebody described it"),
    pytest.param(lambda: TrustedOrigin.objects.all().delete(), id="somebody deleted it"),
    pytest.param(lambda: Environment.objects.update(max_trust_days=1), id="a rule changed"),
    pytest.param(lambda: ApiGroup.objects.update(allow_credentials=True), id="a risk came up"),
    pytest.param(lambda: FrontEnd.objects.all().delete(), id="a front end went"),
    pytest.param(lambda: Environment.objects.update(slug="live"), id="an environment has another name"),
]


@pytest.mark.parametrize("move", MOVES)
def test_apply_writes_nothing_if_the_plan_would_be_another(move: Callable[[], Any]) -> None:
    FrontEndFactory.create()
    trust(OTHER, note="old")
    plan = plan_of(row(front_end="shop", expires_at=soon()), row(OTHER, 3, note="new", front_end="shop"))
    move()
    before, story = revision(), PolicyChange.objects.count()
    with pytest.raises(PlanMoved, match="Nothing was imported") as moved:
        apply(plan)
    assert moved.value.plan.digest != plan.digest
    assert moved.value.plan.digest == plan_of(*plan.rows).digest
    assert (revision(), PolicyChange.objects.count()) == (before, story)
    assert not TrustedOrigin.objects.filter(note="new").exists()


@pytest.mark.parametrize("moves", [1, 2])
def test_apply_goes_on_if_what_others_wrote_makes_no_difference(moves: int) -> None:
    plan = plan_of(row())
    for _ in range(moves):
        trust(f"https://elsewhere{revision()}.example.net")
    before = revision()
    assert apply(plan).revision == before + 1


def test_apply_writes_nothing_if_a_front_end_goes_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deletion takes no revision, so nothing else would tell."""
    FrontEndFactory.create()
    plan = plan_of(row(front_end="shop"))
    bump = PolicyState.bump

    def be_faster(using: str) -> Any:
        FrontEnd.objects.all().delete()
        return bump(using)

    monkeypatch.setattr(PolicyState, "bump", be_faster)
    with pytest.raises(PlanMoved):
        apply(plan)
    assert not TrustedOrigin.objects.exists()


def test_apply_gives_up_where_somebody_writes_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(row())
    bump = PolicyState.bump

    def bump_twice(using: str) -> Any:
        bump(using)
        return bump(using)

    monkeypatch.setattr(PolicyState, "bump", bump_twice)
    with pytest.raises(PlanMoved):
        apply(plan)
    assert not TrustedOrigin.objects.exists()


def test_apply_of_descriptions_notices_a_revocation() -> None:
    trust(OTHER)
    plan = plan_of(row(OTHER, note="x"))
    revoke_it()
    with pytest.raises(PlanMoved):
        apply(plan)
    assert TrustedOrigin.objects.get().note == ""


def test_apply_undoes_all_where_the_database_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    # What somebody wrote past this package, the plan may take for another origin and the database for the same.
    plan = plan_of(row(OTHER), row(number=3))
    version = plan.version
    trust()
    monkeypatch.setattr(PolicyState, "bump", lambda using: type(version)(version.revision + 1, "x" * 32))
    before = PolicyChange.objects.count()
    with pytest.raises(InvalidRequest, match="the database refuses"):
        apply(plan)
    assert set(TrustedOrigin.objects.values_list("origin", flat=True)) == {ORIGIN}
    assert PolicyChange.objects.count() == before


def test_digest_is_the_same_for_the_same_plan_and_another_for_another() -> None:
    rows = row(note="n"), row(OTHER, 3)
    first = plan_of(*rows)
    trust("https://elsewhere.example.net")
    assert first.digest == plan_of(*rows).digest
    assert first.version != plan_of(*rows).version
    assert len({first.digest, plan_of(rows[0]).digest, plan_of(row(note="m"), rows[1]).digest}) == 3
    apply(first)
    assert plan_of(row()).digest != plan_of(row(), row(OTHER, 3)).digest


# --- bounds -----------------------------------------------------------------------------------------------------------


def some_rows(count: int) -> list[GrantRow]:
    return [row(f"https://app{number}.example.com", number + 2, note="x") for number in range(count)]


def test_plan_and_apply_ask_as_often_for_many_rows_as_for_few() -> None:
    asked = []
    for count in (3, 60):
        rows = some_rows(count)
        with CaptureQueriesContext(connection) as queries:
            plan = services.plan_import(rows)
        planned = len(queries)
        with CaptureQueriesContext(connection) as queries:
            apply(plan)
        asked.append((planned, len(queries)))
        TrustedOrigin.objects.all().delete()
    assert asked[0] == asked[1]
    assert asked[0][0] <= 8


def revoke_elsewhere(grant: TrustedOrigin) -> None:
    services.revoke(grant, reason="now")
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_planning_takes_no_lock(production: Environment) -> None:
    """While a plan is made inside a transaction, somebody else revokes; were a lock held, that would wait for ever."""
    grant = trust()
    with transaction.atomic():
        plan = plan_of(row(OTHER), row(note="x"))
        if connection.vendor != "sqlite":
            thread = threading.Thread(target=revoke_elsewhere, args=[grant])
            thread.start()
            thread.join(timeout=60)
            assert not thread.is_alive()
    assert plan.additions


# --- the way out ------------------------------------------------------------------------------------------------------


def walk(choice: Choice | None = None, **given_as: Any) -> list[dict[str, Any]]:
    return [found for block in walk_grants(choice or Choice(), **given_as) for found in block]


def origins(choice: Choice) -> list[str]:
    return [found["origin"] for found in walk(choice)]


def test_walk_tells_all_of_a_grant() -> None:
    ana = UserFactory.create(username="ana")
    grant = trust(actor=ana, note="n", expires_at=soon(), front_end=FrontEndFactory.create())
    TrustedOrigin.objects.update(managed_by="ci")
    services.revoke(grant, actor=ana, reason="leaked")
    (found,) = walk()
    grant.refresh_from_db()
    assert list(found) == list(COLUMNS)
    assert found == {
        "environment": "production",
        "api_group": "public",
        "origin": ORIGIN,
        "front_end": "shop",
        "note": "n",
        "expires_at": grant.expires_at,
        "status": "revoked",
        "revoked_at": grant.revoked_at,
        "revoked_by": "ana",
        "revoke_reason": "leaked",
        "created_at": grant.created_at,
        "created_by": "ana",
        "managed_by": "ci",
        "last_used": None,
    }


def test_walk_says_when_a_grant_was_last_used_if_asked() -> None:
    grant, unused = trust(), trust(OTHER)
    latest, _earlier = (OriginUsageFactory.create(trusted_origin=grant, last_seen=soon(days)) for days in (-1, -3))
    found = {item["origin"]: item["last_used"] for item in walk(usage=True)}
    assert found[ORIGIN] == latest.last_seen
    assert found[unused.origin] is None
    assert {item["last_used"] for item in walk()} == {None}


def test_walk_goes_by_environment_group_and_origin_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.services.transfer.walking.BLOCK", 2)
    for slug in ("staging", "alpha"):
        EnvironmentFactory.create(slug=slug)
    ApiGroupFactory.create(slug="billing")
    names = ["c", "a", "b", "e", "d"]
    for environment, group in (("staging", "public"), ("production", "public"), ("production", "billing")):
        for name in names:
            trust(f"https://{name}.example", environment=environment, api_group=group)
    blocks = list(walk_grants(Choice()))
    assert [len(block) for block in blocks] == [2, 2, 1] * 3
    assert [(item["environment"], item["api_group"], item["origin"]) for block in blocks for item in block] == [
        (environment, group, f"https://{name}.example")
        for environment, group in (("production", "billing"), ("production", "public"), ("staging", "public"))
        for name in sorted(names)
    ]


def test_walk_honours_what_was_chosen() -> None:
    staging, billing, shop = (
        EnvironmentFactory.create(slug="staging"),
        ApiGroupFactory.create(slug="billing"),
        FrontEndFactory.create(),
    )
    trust("https://a.example", front_end=shop)
    trust("https://b.example", environment=staging)
    trust("https://c.example", api_group=billing)
    services.revoke(trust("https://d.example"), reason="x")
    TrustedOriginFactory.create(origin="https://e.example", expires_at=soon(-1))
    TrustedOriginFactory.create(origin="http://f.example")
    assert origins(Choice(environments=[staging])) == ["https://b.example"]
    assert origins(Choice(api_groups=[billing])) == ["https://c.example"]
    assert origins(Choice(front_ends=[shop])) == ["https://a.example"]
    assert origins(Choice(statuses=["revoked"])) == ["https://d.example"]
    assert origins(Choice(statuses=["expired"])) == ["https://e.example"]
    assert origins(Choice(statuses=["switched_off"])) == ["http://f.example"]
    assert origins(Choice(statuses=["revoked", "expired"])) == ["https://d.example", "https://e.example"]
    assert len(origins(Choice(statuses=["active"]))) == 3
    assert len(origins(Choice())) == 6


def test_walk_asks_once_for_each_block() -> None:
    for name in range(30):
        trust(f"https://a{name}.example", actor=UserFactory.create(), front_end=FrontEndFactory.create(slug=f"s{name}"))
    for name in range(5):
        EnvironmentFactory.create(slug=f"empty{name}")
    with CaptureQueriesContext(connection) as queries:
        assert len(walk(usage=True)) == 30
    assert len(queries) == 5


@pytest.mark.parametrize("use_tz", [True, False])
def test_moments_of_files_are_aware_whatever_the_database_has(settings: Settings, use_tz: bool) -> None:
    settings.TIME_ZONE, settings.USE_TZ = "Europe/Berlin", use_tz
    ends = datetime(2099, 7, 1, 12, tzinfo=UTC)
    apply(plan_of(row(expires_at=ends)))
    assert [item["expires_at"] for item in walk()] == [ends]
    assert counts(plan_of(row(expires_at=ends))) == {"unchanged": 1}
    assert counts(plan_of(row(expires_at=ends + timedelta(hours=1)))) == {"changes": 1}


# --- there and back ---------------------------------------------------------------------------------------------------

LABELS = st.text("abcxyz019-", min_size=1, max_size=8).map(lambda text: f"a{text}b")
GRANTS = st.dictionaries(
    st.tuples(
        st.sampled_from(["production", "staging"]),
        st.sampled_from(["public", "billing"]),
        st.builds(
            "https://{}.{}.example{}".format, LABELS, st.sampled_from(["app", "bücher"]), st.sampled_from(["", ":8443"])
        ),
    ),
    st.tuples(
        NOTES,
        st.sampled_from([None, "shop"]),
        st.none()
        | st.integers(10**5, 10**9).map(lambda seconds: timedelta(seconds=seconds, microseconds=seconds % 10**6)),
    ),
    max_size=6,
)


@pytest.mark.parametrize("encode", [encode_csv, encode_json])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grants=GRANTS)
def test_what_is_exported_is_the_same_after_an_import_into_an_empty_policy(
    encode: Callable[..., Iterator[bytes]], grants: dict[tuple[str, str, str], tuple[str, str | None, timedelta | None]]
) -> None:
    with transaction.atomic():
        EnvironmentFactory.create(slug="staging")
        ApiGroupFactory.create(slug="billing")
        FrontEndFactory.create()
        for (environment, group, origin), (note, front_end, span) in grants.items():
            trust(
                origin,
                environment=environment,
                api_group=group,
                note=note,
                front_end=front_end,
                expires_at=timezone.now() + span if span is not None else None,
            )
        before = told()
        data = b"".join(encode(walk_grants(Choice()), COLUMNS))
        TrustedOrigin.objects.all().delete()
        sheet = read_grants(data)
        assert bool(sheet.rows) == bool(grants)
        plan = services.plan_import(sheet.rows)
        assert counts(plan) == ({"additions": len(grants)} if grants else {})
        apply(plan)
        assert told() == before
        assert counts(services.plan_import(sheet.rows)) == ({"unchanged": len(grants)} if grants else {})
        transaction.set_rollback(True)


def told() -> list[tuple[Any, ...]]:
    wanted = "environment__slug", "api_group__slug", "origin", "front_end__slug", "note", "expires_at", "revoked_at"
    return sorted(TrustedOrigin.objects.values_list(*wanted), key=str)


def test_export_of_everything_into_the_same_policy_changes_nothing() -> None:
    trust(note="=n", expires_at=soon())
    services.revoke(trust(OTHER), reason="x")
    TrustedOriginFactory.create(origin="https://e.example", expires_at=soon(-1))
    TrustedOriginFactory.create(origin="http://f.example")
    for encode in (encode_csv, encode_json):
        sheet = read_grants(b"".join(encode(walk_grants(Choice()), COLUMNS)))
        assert counts(services.plan_import(sheet.rows)) == {"unchanged": 4}
