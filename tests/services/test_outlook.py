"""What the log says of a change of modes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_cors_guard.core.decision import Mode
from django_cors_guard.models import Rejection
from django_cors_guard.services.consequences import outlook as module
from django_cors_guard.services.consequences.modes import Step
from django_cors_guard.services.consequences.outlook import MAX_GROUPS, MAX_LISTED, Outlook, look_ahead
from tests.factories import RejectedOriginFactory, RejectionFactory, RejectionTallyFactory

pytestmark = pytest.mark.django_db

ENFORCING = Step("public", Mode.MONITOR, Mode.ENFORCE)
BLOCKING = Step("public", Mode.ENFORCE, Mode.BLOCK)
STRANGER = "https://stranger.example.net"


def ago(**time: int) -> datetime:
    return timezone.now() - timedelta(**time)


def reject(**values: Any) -> Rejection:
    seen = values.pop("seen", ago(hours=1))
    return RejectionFactory.create(**{"mode": "monitor", "first_seen": seen, "last_seen": seen, **values})


def look(*steps: Step, **values: Any) -> Outlook:
    return look_ahead("production", steps or (ENFORCING,), **values)


def test_refusals_of_the_mode_in_force_are_added_up_by_what_happens_kind_reason_and_method() -> None:
    reject(count=5, method="POST")
    reject(count=2, kind="preflight", method="PUT")
    reject(count=3, kind="navigation", method="POST", origin="null", reason="null_origin")
    reject(count=4, reason="revoked", kind="no_cors")
    found = look()
    assert found.total == 11
    assert found.by_effect == (("unreadable", 5), ("blocked", 4), ("not_sent", 2))
    assert found.by_kind == (("actual", 5), ("no_cors", 4), ("preflight", 2))
    assert found.by_reason == (("unknown_origin", 7), ("revoked", 4))
    assert found.by_method == (("POST", 5), ("GET", 4), ("PUT", 2))
    assert (found.rows, found.is_cut) == (4, False)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"mode": "enforce"}, id="another mode"),
        pytest.param({"environment": "staging"}, id="another environment"),
        pytest.param({"api_group": "billing"}, id="another group"),
        pytest.param({"seen": ago(days=8)}, id="too long ago"),
        pytest.param({"reason": "no_policy"}, id="an outage"),
    ],
)
def test_what_says_nothing_of_the_change_does_not_count(values: dict[str, Any]) -> None:
    reject(**values)
    assert (look().total, look().callers) == (0, ())


def test_period_is_chosen() -> None:
    reject(seen=ago(days=8))
    reject(seen=ago(days=31))
    assert (look(days=7).total, look(days=30).total) == (0, 1)


def test_callers_are_listed_by_number_with_their_cards() -> None:
    card = RejectedOriginFactory.create(origin=STRANGER)
    RejectedOriginFactory.create(origin=STRANGER, api_group="billing")
    reject(origin=STRANGER, count=3)
    reject(origin=STRANGER, count=4, kind="preflight", reason="expired")
    reject(origin="https://quiet.example.net")
    first, second = look().callers
    assert (first.origin, first.api_group, first.count, first.card) == (STRANGER, "public", 7, card.pk)
    assert first.kinds == ("preflight", "actual")
    assert first.reasons == ("expired", "unknown_origin")
    assert first.effects == ("not_sent", "unreadable")
    assert (second.origin, second.count, second.card) == ("https://quiet.example.net", 1, None)


def test_only_so_many_callers_are_listed_and_the_rest_is_counted() -> None:
    for number in range(MAX_LISTED + 2):
        reject(origin=f"https://app{number}.example.net", count=number + 1)
    found = look()
    assert (len(found.callers), found.more_callers) == (MAX_LISTED, 2)
    assert found.callers[0].count == MAX_LISTED + 2


def test_form_posts_that_block_would_stop_are_named_by_path() -> None:
    for path, count in (("/saml/acs", 6), ("/oauth/callback", 2)):
        reject(
            mode="enforce",
            kind="navigation",
            origin="null",
            reason="null_origin",
            method="POST",
            path=path,
            count=count,
        )
    reject(mode="enforce", kind="actual")
    found = look(BLOCKING)
    assert [(item.path, item.method, item.origin, item.count) for item in found.callbacks] == [
        ("/saml/acs", "POST", "null", 6),
        ("/oauth/callback", "POST", "null", 2),
    ]
    assert found.more_callbacks == 0
    assert look(ENFORCING).callbacks == ()


def test_many_callbacks_are_cut_and_counted() -> None:
    for number in range(MAX_LISTED + 3):
        reject(mode="enforce", kind="navigation", path=f"/callback/{number}")
    found = look(BLOCKING)
    assert (len(found.callbacks), found.more_callbacks) == (MAX_LISTED, 3)


def test_what_exceeded_the_bounds_of_the_log_is_unknown() -> None:
    reject(origin="", kind="", method="", path="", overflow=True, count=40)
    reject(origin="", kind="", method="", path="", overflow=True, count=2, mode="enforce")
    found = look()
    assert (found.total, found.unknown) == (0, 40)


def test_newest_rows_alone_are_read_and_it_says_that_there_are_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    reject(origin="https://oldest.example.net", count=100)
    for _ in range(3):
        reject(count=1)
    found = look()
    assert (found.total, found.rows, found.is_cut) == (3, 3, True)


def test_rows_that_were_not_read_because_they_are_too_old_cut_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    for days in (20, 10, 9, 1):
        reject(seen=ago(days=days))
    found = look()
    assert (found.total, found.is_cut) == (1, False)


def test_several_groups_are_read_together_each_with_its_own_step() -> None:
    reject(api_group="public", mode="enforce", kind="preflight")
    reject(api_group="public", mode="enforce", count=2)
    reject(api_group="billing", mode="monitor", kind="preflight", count=5)
    reject(api_group="billing", mode="enforce", count=7)
    found = look(BLOCKING, Step("billing", Mode.MONITOR, Mode.BLOCK), Step("idle", Mode.BLOCK, Mode.ENFORCE))
    assert found.total == 7
    assert found.by_effect == (("not_sent", 5), ("blocked", 2))
    assert [step.api_group for step in found.steps] == ["public", "billing"]


def test_of_very_many_groups_those_refused_most_are_looked_into_and_the_others_named() -> None:
    slugs = [f"group{number}" for number in range(MAX_GROUPS + 2)]
    for number, slug in enumerate(slugs):
        reject(api_group=slug)
        RejectionTallyFactory.create(api_group=slug, count=number + 1, hour=ago(hours=1))
    RejectionTallyFactory.create(api_group="group0", count=10_000, hour=ago(days=9))
    RejectionTallyFactory.create(api_group="group0", count=10_000, hour=ago(hours=1), environment="staging")
    found = look(*(Step(slug, Mode.MONITOR, Mode.ENFORCE) for slug in slugs))
    assert found.skipped == ("group0", "group1")
    assert found.total == MAX_GROUPS


def test_nothing_that_becomes_stricter_asks_nothing(
    django_assert_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    with django_assert_num_queries(0):
        found = look_ahead("production", [Step("public", Mode.BLOCK, Mode.MONITOR)])
    assert (found.total, found.steps) == (0, ())


def test_one_group_takes_two_questions_and_reads_by_its_index(
    django_assert_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    reject()
    with django_assert_num_queries(2) as asked:
        look()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked.captured_queries[0]['sql']}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "cors_guard_rejection_group" in plan
        assert "TEMP B-TREE" not in plan


def test_what_isolation_will_refuse_is_a_caller_without_origin_and_card() -> None:
    reject(count=3, origin="", reason="cross_site", kind="no_cors")
    found = look(Step("public", Mode.MONITOR, Mode.ENFORCE, isolates=True))
    (caller,) = found.callers
    assert (caller.origin, caller.count, caller.effects, caller.card) == ("", 3, ("blocked",), None)
    assert look().total == 0, "isolation itself only monitors"
