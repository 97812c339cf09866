"""What becoming stricter does to a refusal is held against the decisions themselves."""

from dataclasses import replace

import pytest

from django_cors_guard.core.answers import ORIGIN_REFUSALS, GroupRules, prepare_answers
from django_cors_guard.core.decision import Decision, Isolation, Kind, Mode, Reason
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiGroup
from django_cors_guard.services.consequences.modes import (
    Effect,
    Step,
    cap,
    effect_of,
    find_steps,
    list_isolating,
    list_modes,
    read_own_modes,
)
from django_cors_guard.testing import override_cors_guard
from tests.factories import ApiGroupFactory, EnvironmentFactory, GroupModeFactory

FORBIDDEN = 403
STEPS = [
    Step("api", Mode.MONITOR, Mode.ENFORCE),
    Step("api", Mode.MONITOR, Mode.BLOCK),
    Step("api", Mode.ENFORCE, Mode.BLOCK),
]
#: Transient, and not what an operator chooses.
REASONS = [reason for reason in ORIGIN_REFUSALS if reason is not Reason.NO_POLICY]


def decide(mode: Mode, kind: Kind, reason: Reason) -> Decision:
    answers = prepare_answers(GroupRules("api", shown_methods=("GET",)), mode)
    return (answers.preflight if kind is Kind.PREFLIGHT else answers.actual)[reason]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.before} to {step.after}")
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("kind", list(Kind))
def test_effect_is_what_the_decisions_of_both_modes_differ_in(step: Step, kind: Kind, reason: Reason) -> None:
    before, after = decide(step.before, kind, reason), decide(step.after, kind, reason)
    effect = effect_of(step, kind.value, reason.value)
    is_newly_stopped = after.status == FORBIDDEN and before.status != FORBIDDEN
    if is_newly_stopped:
        assert effect is (Effect.NOT_SENT if kind is Kind.PREFLIGHT else Effect.BLOCKED)
    elif kind is Kind.ACTUAL and after.strip and not before.strip:
        # The view runs either way; from then on nothing that it sets lets the page read the answer.
        assert effect is Effect.UNREADABLE
    else:
        assert effect is None


@pytest.mark.parametrize("reason", [Reason.METHOD_NOT_ALLOWED, Reason.HEADER_NOT_ALLOWED])
def test_preflight_of_a_trusted_origin_that_asks_for_too_much_is_not_let_through_once_it_is_enforced(
    reason: Reason,
) -> None:
    found = [effect_of(step, Kind.PREFLIGHT, reason) for step in STEPS]
    assert found == [Effect.NOT_SENT, Effect.NOT_SENT, None]


def test_outage_tells_nothing_of_what_would_be() -> None:
    assert {effect_of(step, Kind.ACTUAL, Reason.NO_POLICY) for step in STEPS} == {None}


def test_becoming_milder_stops_nobody() -> None:
    assert effect_of(Step("api", Mode.BLOCK, Mode.ENFORCE), Kind.ACTUAL, Reason.UNKNOWN_ORIGIN) is None
    assert effect_of(Step("api", Mode.BLOCK, Mode.BLOCK), Kind.ACTUAL, Reason.UNKNOWN_ORIGIN) is None


def test_modes_in_force_are_the_groups_own_then_the_environments_and_none_is_stricter_than_the_brake(
    db: None,
) -> None:
    environment = EnvironmentFactory.create(mode="block")
    GroupModeFactory.create(environment=environment, api_group=ApiGroupFactory.create(slug="shop"), mode="monitor")
    GroupModeFactory.create(environment=EnvironmentFactory.create(slug="other"), mode="enforce")
    own = read_own_modes(environment)
    assert own == {"shop": "monitor"}
    assert list_modes(environment, own, ["public", "shop"]) == {
        "public": Mode.BLOCK,
        "shop": Mode.MONITOR,
        OWN_GROUP: Mode.BLOCK,
    }
    with override_cors_guard(MAX_MODE="enforce"):
        assert list_modes(environment, own, ["public"]) == {"public": Mode.ENFORCE, OWN_GROUP: Mode.ENFORCE}
    assert read_own_modes(EnvironmentFactory.build()) == {}


def test_what_is_no_mode_counts_as_enforce() -> None:
    assert cap("of the future") is Mode.ENFORCE


def test_only_groups_whose_mode_changes_are_steps() -> None:
    before = {"a": Mode.MONITOR, "b": Mode.ENFORCE, "c": Mode.BLOCK}
    after = {"a": Mode.MONITOR, "b": Mode.BLOCK, "c": Mode.ENFORCE, "new": Mode.BLOCK}
    steps = find_steps(before, after)
    assert [(step.api_group, step.is_stricter) for step in steps] == [("b", True), ("c", False)]


@pytest.mark.parametrize("isolates", [True, False])
def test_what_isolation_refuses_depends_on_the_mode_only_where_the_group_monitors(isolates: bool) -> None:
    rules = GroupRules("api", isolate=Isolation.ENFORCE if isolates else Isolation.MONITOR)
    for step in STEPS:
        before, after = (prepare_answers(rules, mode).cross_site for mode in (step.before, step.after))
        assert before is not None
        assert after is not None
        effect = effect_of(replace(step, isolates=isolates), Kind.NO_CORS, Reason.CROSS_SITE)
        assert effect is (Effect.BLOCKED if after.status and not before.status else None)


def test_steps_know_which_groups_isolate() -> None:
    isolates = {"a": "enforce", "b": "monitor", "c": "off", "d": "odd"}
    groups = [ApiGroup(slug=slug, isolate=isolate) for slug, isolate in isolates.items()]
    before, after = dict.fromkeys(isolates, Mode.MONITOR), dict.fromkeys(isolates, Mode.ENFORCE)
    steps = find_steps(before, after, list_isolating(groups))
    assert [step.isolates for step in steps] == [True, False, False, True]
