"""What a decision counts under: each has exactly one outcome, and nothing of it comes from the sender."""

import pytest

from django_cors_guard.core.answers import COLD, COLD_PREFLIGHT, COLD_REFUSED, UNGUARDED, GroupRules, prepare_answers
from django_cors_guard.core.decision import Decision, Isolation, Mode, Outcome, Reason, label_of
from django_cors_guard.core.handshakes import FAILED, Handshake
from django_cors_guard.core.policy import build_group

RULES = GroupRules("g", shown_methods=("GET",))


def test_outcomes_of_mode_enforce() -> None:
    answers = prepare_answers(RULES, Mode.ENFORCE)
    assert answers.no_origin.label == "g no_origin no_origin"
    assert answers.same_origin[Reason.UNKNOWN_ORIGIN].label == "g same_origin same_origin"
    assert answers.actual[Reason.TRUSTED].label == "g allowed trusted"
    assert answers.preflight[Reason.TRUSTED].label == "g preflight trusted"
    assert answers.actual[Reason.UNKNOWN_ORIGIN].label == "g refused unknown_origin"
    assert answers.actual[Reason.REVOKED].label == "g blocked revoked"
    assert answers.preflight[Reason.UNKNOWN_ORIGIN].label == "g blocked unknown_origin"
    assert answers.wrong_request[Reason.HEADER_NOT_ALLOWED].label.split()[1] == "blocked"


def test_a_preflight_with_a_wrong_method_counts_under_what_it_was_refused_for() -> None:
    answers = prepare_answers(RULES, Mode.ENFORCE)
    assert answers.wrong_request[Reason.METHOD_NOT_ALLOWED].label == "g blocked method_not_allowed"


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.BLOCK])
def test_outcomes_of_a_group_that_is_open(mode: Mode) -> None:
    answers = prepare_answers(GroupRules("open", any_origin=True), mode)
    assert {answers.no_origin.label, answers.actual[Reason.ANY_ORIGIN].label} == {"open allowed any_origin"}


def test_mode_block_blocks() -> None:
    answers = prepare_answers(RULES, Mode.BLOCK)
    assert {answers.actual[reason].label.split()[1] for reason in (Reason.UNKNOWN_ORIGIN, Reason.EXPIRED)} == {
        "blocked"
    }
    assert answers.wrong_method[Reason.TRUSTED].label == "g blocked method_not_allowed"


def test_mode_monitor_watches() -> None:
    answers = prepare_answers(RULES, Mode.MONITOR)
    refused = (*answers.actual.values(), *answers.preflight.values(), *answers.wrong_request.values())
    assert {decision.label.split()[1] for decision in refused if decision.rejected} == {"watched"}
    assert answers.preflight[Reason.TRUSTED].label == "g allowed trusted"


@pytest.mark.parametrize(
    ("isolate", "outcome"), [(Isolation.MONITOR, Outcome.WATCHED), (Isolation.ENFORCE, Outcome.BLOCKED)]
)
def test_isolation_counts_as_what_it_does(isolate: Isolation, outcome: Outcome) -> None:
    decision = prepare_answers(GroupRules("g", isolate=isolate), Mode.ENFORCE).cross_site
    assert decision is not None
    assert decision.label == f"g {outcome} cross_site"


@pytest.mark.parametrize(
    ("decision", "label"),
    [
        (UNGUARDED, " unguarded unguarded"),
        (COLD, " undecided no_policy"),
        (COLD_REFUSED, " refused no_policy"),
        (COLD_PREFLIGHT, " blocked no_policy"),
    ],
)
def test_outcomes_without_a_group(decision: Decision, label: str) -> None:
    assert decision.label == label


@pytest.mark.parametrize(
    ("handshake", "label"),
    [
        (Handshake(Reason.TRUSTED, "g", Mode.ENFORCE, used=True), "g allowed trusted"),
        (Handshake(Reason.REVOKED, "g", Mode.ENFORCE, 403, rejected=Reason.REVOKED), "g blocked revoked"),
        (Handshake(Reason.EXPIRED, "g", Mode.MONITOR, rejected=Reason.EXPIRED), "g watched expired"),
        (Handshake(Reason.NO_ORIGIN), " no_origin no_origin"),
        (FAILED, " blocked no_policy"),
    ],
)
def test_handshakes_count_as_requests_do(handshake: Handshake, label: str) -> None:
    assert label_of(handshake) == label


def test_every_decision_of_every_group_has_an_outcome_and_plain_labels() -> None:
    seen = set()
    for mode in Mode:
        for closed in (None, Reason.NO_POLICY):
            answers = build_group(RULES, mode, {}, {}, closed).answers
            books = (
                answers.same_origin,
                answers.actual,
                answers.wrong_method,
                answers.preflight,
                answers.wrong_request,
            )
            for decision in (answers.no_origin, *(decision for book in books for decision in book.values())):
                assert type(decision.label) is str, "hashing an enumeration takes a call"
                group, outcome, reason = decision.label.split(" ")
                assert (group, Reason(reason)) == ("g", decision.reason)
                seen.add(Outcome(outcome))
    assert seen == set(Outcome) - {Outcome.UNGUARDED, Outcome.UNDECIDED}
