"""Where a revision is out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_cors_guard import services
from django_cors_guard.models import Environment, GuardProcess, PolicyState, policy_write
from django_cors_guard.services import ProcessStanding, describe_processes, propagation, wait_for
from tests.factories import EnvironmentFactory
from tests.processes import report

SOON = timedelta(minutes=5)


def bump() -> int:
    """Take a revision that the story tells of, and return it."""
    with policy_write(reason="test") as write:
        write.record("bumped", "policystate:1")
    return write.revision


def standings(revision: int, **options: Any) -> dict[str, str]:
    return {item.name: item.standing.value for item in describe_processes(revision, **options).processes}


def test_process_at_the_revision_or_a_later_one_is_confirmed(production: Environment) -> None:
    revision = bump()
    report("then")
    bump()
    report("later")
    assert standings(revision) == {"later:1": "confirmed", "then:1": "confirmed"}


def test_process_behind_is_unconfirmed_until_it_lapses(production: Environment) -> None:
    bump()
    report("web-1", 7)
    revision = bump()
    found = describe_processes(revision)
    (item,) = found.processes
    assert (item.standing, item.revision) == (ProcessStanding.UNCONFIRMED, revision - 1)
    assert item.lapses_in == pytest.approx(15 * 60, abs=30)
    assert item.lapses_at == found.lapses_at == found.at + timedelta(seconds=item.lapses_in)
    assert (found.everywhere, found.unconfirmed, found.missing) == (False, 1, (item,))


def test_process_behind_that_decides_nothing_is_idle(production: Environment) -> None:
    bump()
    report(idle_since=timezone.now())
    revision = bump()
    found = describe_processes(revision)
    assert (found.everywhere, found.idle, found.total, found.lapses_at) == (True, 1, 1, None)
    assert found.processes[0].standing is ProcessStanding.IDLE


def test_process_that_sleeps_at_the_revision_is_confirmed(production: Environment) -> None:
    revision = bump()
    report(idle_since=timezone.now())
    assert standings(revision) == {"web-1:1": "confirmed"}


def test_process_that_has_not_heard_from_the_database_yet_is_unconfirmed(production: Environment) -> None:
    report(revision=0, token="", confirmed_at=None)
    assert standings(bump()) == {"web-1:1": "unconfirmed"}


def test_higher_number_of_a_state_that_a_backup_has_undone_confirms_nothing(production: Environment) -> None:
    report("before the restore", revision=10**6, token="f" * 32)
    assert standings(bump()) == {"before the restore:1": "unconfirmed"}


def test_current_pair_confirms_also_where_the_story_does_not_tell_of_it(production: Environment) -> None:
    version = PolicyState.bump("default")
    report()
    assert standings(version.revision) == {"web-1:1": "confirmed"}


def test_process_that_has_lapsed_is_left_out(production: Environment) -> None:
    bump()
    report(lapses_at=timezone.now() - timedelta(seconds=1))
    report("flushed only", lapses_at=None, confirmed_at=None)
    found = describe_processes(bump())
    assert (found.processes, found.total, found.everywhere) == ((), 0, True)


def test_processes_elsewhere_are_left_out_where_places_are_named(production: Environment) -> None:
    staging = EnvironmentFactory.create(slug="staging")
    bump()
    report("here")
    report("there", environment="staging")
    revision = bump()
    assert standings(revision, environments=["production"]) == {"here:1": "unconfirmed"}
    assert standings(revision, environments=[staging]) == {"there:1": "unconfirmed"}
    assert len(standings(revision)) == 2
    assert describe_processes(revision, environments=[]).everywhere


def test_those_somebody_waits_for_come_first(production: Environment) -> None:
    bump()
    report("z")
    report("y", idle_since=timezone.now())
    revision = bump()
    report("a")
    assert list(standings(revision)) == ["z:1", "y:1", "a:1"]


def test_more_processes_than_are_listed_are_counted(
    production: Environment, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(propagation, "MAX_PROCESSES", 3)
    bump()
    for pid in range(1, 3):
        report("old", pid)
    report("old", 3, idle_since=timezone.now())
    revision = bump()
    for pid in range(1, 5):
        report("new", pid)
    with django_assert_num_queries(2):
        found = describe_processes(revision)
    assert (found.confirmed, found.idle, found.unconfirmed, found.total, found.unlisted) == (4, 1, 2, 7, 4)
    assert [item.name for item in found.processes] == ["old:1", "old:2", "old:3"]


def test_one_query_tells_of_all_processes(
    production: Environment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    revision = bump()
    for pid in range(1, 50):
        report(pid=pid)
    with django_assert_num_queries(1):
        found = describe_processes(revision)
    assert found.confirmed == len(found.processes) == 49


class Hand:
    """A clock that moves only while somebody pauses, and what happens meanwhile."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self._happenings = list(happenings)

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if self._happenings:
            self._happenings.pop(0)()


def test_waiting_ends_when_the_last_process_follows(production: Environment) -> None:
    bump()
    report()
    revision = bump()
    version = PolicyState.read("default")
    hand = Hand(int, lambda: GuardProcess.objects.update(revision=version.revision, token=version.token))
    found = list(wait_for(revision, seconds=30, pause=hand.pause, clock=hand))
    assert [item.everywhere for item in found] == [False, False, True]
    assert len(hand.pauses) == 2


def test_waiting_ends_when_the_time_is_over(production: Environment) -> None:
    bump()
    report()
    hand = Hand()
    *_, last = wait_for(bump(), seconds=5, pause=hand.pause, clock=hand)
    assert not last.everywhere
    assert hand.now == pytest.approx(105)
    assert max(hand.pauses) == propagation.LONGEST_PAUSE_SECONDS


def test_waiting_for_no_time_asks_once(production: Environment) -> None:
    bump()
    report()
    hand = Hand()
    assert len(list(wait_for(bump(), seconds=0, pause=hand.pause, clock=hand))) == 1
    assert hand.pauses == []


def test_receipt_names_the_revision_to_ask_for(production: Environment, public: object) -> None:
    services.trust("https://app.example.com", environment="production", api_group="public")
    report()
    receipt = services.revoke_origin("https://app.example.com", reason="leaked")
    assert standings(receipt.revision) == {"web-1:1": "unconfirmed"}
    GuardProcess.objects.all().delete()
    report()
    assert standings(receipt.revision) == {"web-1:1": "confirmed"}
