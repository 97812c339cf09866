"""What a list says of a moment that has gone is what was so at that moment, or it says that it does not know."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db.models import QuerySet

from django_cors_guard import services
from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from django_cors_guard.services import Unsure, list_grants
from django_cors_guard.services.pruning import prune_grants
from django_cors_guard.services.reviewing.grants import UNKNOWN
from tests.factories import FrontEndFactory, UserFactory
from tests.services.reviewing.hours import Hours, wind

ORIGINS = [f"https://app{number}.example.com" for number in range(5)] + ["http://localhost:3000"]
STEPS = 30


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    return wind(monkeypatch)


class Operator:
    """Does something at random, through the services or past them."""

    def __init__(self, seed: int, hours: Hours, *, careless: bool) -> None:
        self.random, self.hours = Random(seed), hours
        self.actor = UserFactory.create(username="ana", is_superuser=True)
        self.places = [Environment.objects.get(slug="production"), Environment.objects.get(slug="staging")]
        self.deeds: list[Callable[[], object]] = [
            *[self.trust] * 6,
            self.amend,
            self.describe,
            self.revoke,
            self.reinstate,
            self.review,
            self.review,
            self.revert,
            self.switch,
            self.delete,
            self.prune,
        ]
        if careless:
            self.deeds += [self.bulk_create, self.bulk_update, self.update_all, self.bulk_delete]

    def act(self) -> None:
        # It may be refused, or there is nothing to do it with.
        with suppress(CorsGuardError, IndexError):
            self.random.choice(self.deeds)()

    def pick(self) -> TrustedOrigin:
        rows: list[TrustedOrigin] = list(TrustedOrigin.objects.order_by("pk"))
        return self.random.choice(rows)

    def end(self) -> datetime | None:
        return self.random.choice([None, self.hours.now + timedelta(hours=self.random.randint(1, 12))])

    def trust(self) -> None:
        place = self.random.choice(self.places)
        services.trust(
            self.random.choice(ORIGINS),
            environment=place,
            api_group="public",
            actor=self.actor,
            note=f"at {self.hours.now}",
            expires_at=self.end(),
        )

    def amend(self) -> None:
        services.amend(
            self.pick(),
            actor=self.actor,
            note=f"amended at {self.hours.now}",
            front_end=FrontEndFactory.create(slug=f"f{self.hours.now:%d%H}"),
            expires_at=self.end(),
        )

    def describe(self) -> None:
        grant = self.pick()
        grant.note = f"rewritten at {self.hours.now}"
        grant.save()

    def revoke(self) -> None:
        services.revoke(self.pick(), actor=self.actor, reason="gone")

    def reinstate(self) -> None:
        services.reinstate(self.pick(), actor=self.actor, reason="back")

    def review(self) -> None:
        services.review([self.pick(), self.pick()], actor=self.actor, reason="looked at")

    def revert(self) -> None:
        changes = list(PolicyChange.objects.filter(target__startswith="trustedorigin:").order_by("-pk")[:10])
        services.revert(self.random.choice(changes), actor=self.actor, reason="a slip")

    def switch(self) -> None:
        place = self.random.choice(self.places)
        place.allow_loopback = not place.allow_loopback
        place.save()

    def delete(self) -> None:
        self.pick().delete()

    def prune(self) -> None:
        list(prune_grants(self.hours.now - timedelta(hours=3)))

    def bulk_create(self) -> None:
        origin = f"https://bulk{self.random.randint(1, 3)}.example.com"
        rows = [
            TrustedOrigin(environment=place, api_group=ApiGroup.objects.get(), origin=origin) for place in self.places
        ]
        if not TrustedOrigin.objects.filter(origin=origin).exists():
            TrustedOrigin.objects.bulk_create(rows)

    def bulk_update(self) -> None:
        some: QuerySet[TrustedOrigin] = TrustedOrigin.objects.filter(
            revoked_at=None, origin=self.random.choice(ORIGINS)
        )
        some.update(expires_at=self.end())

    def update_all(self) -> None:
        TrustedOrigin.objects.filter(revoked_at=None).update(expires_at=self.end())

    def bulk_delete(self) -> None:
        TrustedOrigin.objects.filter(origin=self.random.choice(ORIGINS)).delete()


def see(now: datetime) -> dict[str, dict[str, Any]]:
    rows = TrustedOrigin.objects.select_related("environment", "api_group", "front_end", "reviewed_by")
    return {
        row.identity(): {
            "status": row.status(now).value,
            "expires_at": row.expires_at,
            "revoked_at": row.revoked_at,
            "reviewed_at": row.reviewed_at,
            "reviewed_by": row.reviewed_by.username if row.reviewed_by else "",
            "trusted_at": row.created_at,
            "note": row.note,
            "front_end": row.front_end.slug if row.front_end else "",
            "managed_by": row.managed_by,
        }
        for row in rows
    }


#: Which fields a doubt takes away.
DOUBTED = {
    Unsure.STATE: {"status", "expires_at", "revoked_at", "reviewed_at", "reviewed_by"},
    Unsure.EXISTENCE: {"status", "trusted_at"},
    Unsure.RULES: {"status"},
    Unsure.NOTE: {"note"},
    Unsure.FRONT_END: {"front_end"},
    Unsure.MANAGED_BY: {"managed_by"},
}


def compare(at: datetime, seen: dict[str, dict[str, Any]]) -> tuple[list[Unsure], int]:
    """Compare what is said of ``at`` with what was seen then; return all doubts, and how many were certain."""
    doubts: list[Unsure] = []
    told = {f"{grant.environment}/{grant.api_group}/{grant.origin}": grant for grant in list_grants(at)}
    invented = {name for name in set(told) - set(seen) if Unsure.EXISTENCE not in told[name].unsure}
    assert (set(seen) - set(told), invented) == (set(), set())
    for name, grant in told.items():
        doubts += grant.unsure
        doubted = {field for doubt in grant.unsure for field in DOUBTED.get(doubt, ())}
        wanted = {field: value for field, value in seen.get(name, {}).items() if field not in doubted}
        assert {field: getattr(grant, field) for field in wanted} == wanted, (name, at)
        assert (grant.status == UNKNOWN) == bool({Unsure.STATE, Unsure.EXISTENCE, Unsure.RULES} & set(grant.unsure))
    return doubts, sum(grant.status != UNKNOWN for grant in told.values())


@pytest.mark.parametrize("careless", [False, True], ids=["services", "bulk writes"])
@pytest.mark.parametrize("seed", range(4))
def test_past_is_told_as_it_was(
    seed: int, careless: bool, hours: Hours, production: Environment, public: ApiGroup
) -> None:
    Environment.objects.create(slug="staging", name="Staging", allow_loopback=True)
    operator = Operator(seed, hours, careless=careless)
    seen: list[tuple[datetime, dict[str, dict[str, Any]]]] = []
    for _step in range(STEPS):
        operator.act()
        seen.append((between := hours.step(), see(between)))
    compared = [compare(at, snapshot) for at, snapshot in seen]
    doubts = [doubt for found, _certain in compared for doubt in found]
    if not careless:
        assert not {Unsure.STATE, Unsure.EXISTENCE, Unsure.RULES} & set(doubts)
    # Also where somebody is careless, some of what is told is certain.
    told = sum(len(snapshot) for _at, snapshot in seen)
    assert told > STEPS / 2
    assert sum(certain for _doubts, certain in compared) > STEPS / 2


def test_renamed_environment_makes_what_was_done_before_uncertain(
    hours: Hours, production: Environment, public: ApiGroup
) -> None:
    grant = services.trust(ORIGINS[0], environment="production", api_group="public")
    at = hours.step()
    services.revoke(grant, reason="gone")
    hours.step()
    production.slug = "live"
    production.save()
    hours.step()
    (told,) = list_grants(at)
    assert (told.environment, told.status, told.revoked_at) == ("live", UNKNOWN, None)
    assert Unsure.STATE in told.unsure
    (now,) = list_grants()
    assert now.status == "revoked"
