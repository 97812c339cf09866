"""Hosts whose clocks differ: what a list says of a moment is still so, or it says that it does not know."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from django_cors_guard.services import Unsure, list_grants
from django_cors_guard.services.reviewing import trails
from django_cors_guard.services.reviewing.grants import UNKNOWN, GrantReview
from django_cors_guard.services.reviewing.trails import Cut
from tests.services.reviewing.hours import Hours, wind
from tests.services.reviewing.test_as_of import Operator, compare, see

MINE, OTHER, LATE = "https://app.example.com", "https://other.example.com", "https://late.example.com"
STEPS = 30


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    return wind(monkeypatch)


@pytest.fixture
def place(production: Environment, public: ApiGroup) -> dict[str, Any]:
    return {"environment": production, "api_group": public}


@contextmanager
def ahead(hours: Hours, by: float) -> Iterator[None]:
    """Write on a host whose clock is so many hours ahead."""
    hours.now += timedelta(hours=by)
    yield
    hours.now -= timedelta(hours=by)


def tell(at: datetime | None) -> dict[str, GrantReview]:
    found = list(list_grants(at))
    assert len({grant.origin for grant in found}) == len(found)
    return {grant.origin: grant for grant in found}


def list_limits(at: datetime | None) -> set[str]:
    return {caveat.code.value for caveat in list_grants(at).list_caveats()}


@pytest.mark.parametrize("by", [0.5, 8760], ids=["minutes", "year"])
def test_clock_ahead_makes_what_follows_certain_while_it_is_ahead_of_now(
    by: float, hours: Hours, place: dict[str, Any]
) -> None:
    grant = services.trust(MINE, **place)
    hours.step(0.1)
    with ahead(hours, by):
        services.trust(OTHER, **place)
    hours.step(0.1)
    services.revoke(grant, reason="stolen")
    services.trust(LATE, **place)
    hours.step(0.1)
    told = tell(hours.now)
    # The last one says itself that it was made later.
    assert {origin: grant.status for origin, grant in told.items()} == {
        MINE: "revoked",
        LATE: "active",
        OTHER: UNKNOWN,
    }


def test_clock_ahead_makes_what_follows_doubtful_afterwards(hours: Hours, place: dict[str, Any]) -> None:
    quiet = services.trust("https://quiet.example.com", **place)
    grant = services.trust(MINE, **place)
    hours.step()
    with ahead(hours, 24):
        services.trust(OTHER, **place)
    hours.step()
    services.revoke(grant, reason="stolen")
    services.trust(LATE, **place)
    between = hours.step()
    hours.step(48)
    told = tell(between)
    assert (told[MINE].status, told[MINE].revoked_at) == (UNKNOWN, None)
    assert Unsure.STATE in told[MINE].unsure
    assert Unsure.EXISTENCE not in told[MINE].unsure
    assert Unsure.EXISTENCE in told[OTHER].unsure
    assert Unsure.EXISTENCE in told[LATE].unsure
    assert (told[LATE].id, told[LATE].reason) == (None, "")
    # Nothing was done to it while the clocks disagreed.
    assert told[quiet.origin].status == "active"
    assert Unsure.STATE not in told[quiet.origin].unsure
    assert "clocks_disagree" in list_limits(between)
    assert "clocks_disagree" not in list_limits(None)
    assert "clocks_disagree" not in list_limits(hours.now)


def test_last_entry_of_a_clock_ahead_is_in_doubt(hours: Hours, place: dict[str, Any]) -> None:
    services.trust(MINE, **place)
    hours.step()
    with ahead(hours, 2):
        services.trust(OTHER, **place)
    hours.step(0.5)
    told = tell(hours.now)
    assert told[MINE].status == "active"
    assert (told[OTHER].status, Unsure.EXISTENCE in told[OTHER].unsure) == (UNKNOWN, True)


def test_deleted_while_clocks_disagreed_is_listed_in_doubt(hours: Hours, place: dict[str, Any]) -> None:
    grant = services.trust(MINE, **place)
    hours.step()
    with ahead(hours, 24):
        services.trust(OTHER, **place)
    grant.delete()
    between = hours.step()
    services.trust(LATE, **place)
    at = between - timedelta(hours=0.4)
    hours.step(48)
    services.trust("https://end.example.com", **place)
    with ahead(hours, -48):
        services.trust("https://behind.example.com", **place)
    assert Unsure.EXISTENCE in tell(at)[MINE].unsure


def test_rules_changed_while_clocks_disagreed_are_unsure(hours: Hours, place: dict[str, Any]) -> None:
    services.trust(MINE, **place)
    hours.step()
    with ahead(hours, 24):
        services.trust(OTHER, **place)
    place["environment"].allow_loopback = True
    place["environment"].save()
    between = hours.step()
    hours.step(48)
    told = tell(between)
    assert (told[MINE].status, Unsure.RULES in told[MINE].unsure) == (UNKNOWN, True)


@pytest.mark.parametrize("careless", [False, True], ids=["services", "bulk writes"])
@pytest.mark.parametrize("seed", range(6))
def test_past_is_told_as_it_was_or_doubted(
    seed: int, careless: bool, hours: Hours, production: Environment, public: ApiGroup
) -> None:
    Environment.objects.create(slug="staging", name="Staging", allow_loopback=True)
    operator, random = Operator(seed, hours, careless=careless), Random(seed)
    seen: list[tuple[datetime, dict[str, dict[str, Any]]]] = []
    written: dict[int, datetime] = {}
    for _step in range(STEPS):
        with ahead(hours, random.choice([0, 0, 0, 0, 3, -3, 100])):
            operator.act()
        for pk in PolicyChange.objects.exclude(pk__in=written).values_list("pk", flat=True):
            written[pk] = hours.now
        seen.append((between := hours.step(), see(between)))
    compared = 0
    for at, snapshot in seen:
        cut = Cut.find(at, hours.now)
        # Entries that no other one contradicts are believed.
        if all(cut.is_doubtful(pk) or cut.is_later(pk) == (then > at) for pk, then in written.items()):
            compare(at, snapshot)
            compared += cut.doubtful is not None
    assert compared


def test_revoked_after_the_moment_is_no_evidence_for_it(hours: Hours, place: dict[str, Any]) -> None:
    grant = services.trust(MINE, **place)
    at = hours.step()
    services.revoke(grant, reason="gone")
    hours.step()
    last = PolicyChange.objects.order_by("-pk")[0]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cors_guard_policychange WHERE id = %s", [last.pk])
    told = tell(at)[MINE]
    # What the entry before it says still holds: the row was written later.
    assert (told.status, told.revoked_at) == ("active", None)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cors_guard_policychange")
    told = tell(at)[MINE]
    assert (told.status, told.revoked_at, Unsure.STATE in told.unsure) == (UNKNOWN, None, True)


def test_row_that_was_made_anew_is_not_the_one_of_then(hours: Hours, place: dict[str, Any]) -> None:
    services.trust(MINE, **place).delete()
    services.trust(MINE, **place)
    at = hours.step()
    TrustedOrigin.objects.get().delete()
    new = services.trust(MINE, **place)
    hours.step()
    told = tell(at)[MINE]
    assert (told.status, told.id, Unsure.USE in told.unsure) == ("active", None, True)
    assert tell(None)[MINE].id == new.pk


def test_more_bulk_writes_than_are_told_apart_are_a_doubt(
    hours: Hours, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trails, "MAX_SWEEPS", 1)
    services.trust(MINE, **place)
    for _time in range(2):
        TrustedOrigin.objects.update(expires_at=hours.now + timedelta(days=9))
    at = hours.step()
    for _time in range(2):
        TrustedOrigin.objects.update(expires_at=None)
    hours.step()
    told = tell(at)[MINE]
    assert (told.status, told.expires_at) == (UNKNOWN, None)
    assert Unsure.STATE in told.unsure


def test_list_of_now_reads_no_bulk_change_and_no_renewal(hours: Hours, place: dict[str, Any]) -> None:
    grant = services.trust(MINE, **place)
    services.review([grant], reason="looked at")

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            (told,) = list_grants().page(10).grants
        assert (told.status, told.reviewed_at is not None) == ("active", True)
        return len(queries)

    few = count()
    for day in range(120):
        TrustedOrigin.objects.update(expires_at=hours.now + timedelta(days=day + 1))
    assert count() == few
    for day in range(5):
        end = hours.now + timedelta(days=200 + day)
        services.amend(TrustedOrigin.objects.get(), note="", front_end=None, expires_at=end)
    trail = trails.read_trails({grant.target(): grant.pk}, Cut())[grant.target()]
    assert trail.before is not None
    assert trail.before.action == "reviewed"
