"""How the guard stands: what this process enforces, and what the database holds."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError

from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, policy_write
from django_cors_guard.models.revision import Source
from django_cors_guard.services.overview.standing import (
    SWITCHES,
    OwnMode,
    Standing,
    Trouble,
    describe_standing,
    read_newest,
)
from django_cors_guard.store import store
from django_cors_guard.testing import override_cors_guard
from tests.factories import ApiGroupFactory, ApiRouteFactory, EnvironmentFactory, GroupModeFactory, UserFactory

pytestmark = pytest.mark.django_db


def stand() -> Standing:
    """Return how a process stands that has just answered a request."""
    store.current()
    return describe_standing(Environment.objects.all())


@pytest.fixture
def production() -> Environment:
    ApiRouteFactory.create()
    return EnvironmentFactory.create()


def test_standing_tells_environment_mode_and_revision(production: Environment) -> None:
    found = stand()
    assert (found.slug, found.environment, found.mode, found.max_mode) == ("production", production, "enforce", "block")
    assert found.revision == PolicyState.read("default").revision
    assert found.age_seconds is not None
    assert (found.own_modes, found.switches, found.open_groups, found.troubles) == ((), (), (), ())
    assert not found.is_capped


def test_standing_tells_the_mode_in_force_under_the_brake(production: Environment) -> None:
    Environment.objects.update(mode="block")
    with override_cors_guard(MAX_MODE="monitor"):
        found = stand()
    assert (found.mode, found.max_mode, found.is_capped) == ("monitor", "monitor", True)
    with override_cors_guard(MAX_MODE="block"):
        assert not stand().is_capped


def test_standing_tells_groups_whose_mode_in_force_differs(production: Environment) -> None:
    for slug, mode in (("strict", "block"), ("same", "enforce"), ("lax", "monitor")):
        GroupModeFactory.create(environment=production, api_group=ApiGroupFactory.create(slug=slug), mode=mode)
    assert stand().own_modes == (OwnMode("lax", "monitor"), OwnMode("strict", "block"))
    with override_cors_guard(MAX_MODE="enforce"):
        assert stand().own_modes == (OwnMode("lax", "monitor"),)


def test_standing_tells_switches_and_open_groups(production: Environment) -> None:
    Environment.objects.update(allow_loopback=True, allow_insecure_http=True)
    ApiGroup.objects.update(any_origin=True)
    found = stand()
    assert found.switches == ("allow_insecure_http", "allow_loopback")
    assert found.open_groups == ("public",)


def test_switches_are_all_there_are() -> None:
    named = {field.name for field in Environment._meta.fields if field.name.startswith("allow_")}
    assert set(SWITCHES) == named


TROUBLES = [
    pytest.param(lambda: Environment.objects.all().delete(), [Trouble.ENVIRONMENT_MISSING], id="environment"),
    pytest.param(lambda: ApiGroup.objects.all().delete(), [Trouble.NO_GROUP], id="groups"),
    pytest.param(lambda: ApiGroup.objects.get().routes.all().delete(), [Trouble.NO_ROUTE], id="routes"),
]


@pytest.mark.parametrize(("break_it", "troubles"), TROUBLES)
def test_standing_tells_what_is_missing(production: Environment, break_it: Any, troubles: list[Trouble]) -> None:
    break_it()
    assert list(stand().troubles) == troubles


def test_standing_without_a_policy_says_so(production: Environment) -> None:
    store.forget()
    found = describe_standing(Environment.objects.all())
    assert (found.mode, found.revision, found.age_seconds) == ("", 0, None)
    assert found.troubles == (Trouble.NO_POLICY,)
    assert not found.is_capped


@pytest.mark.parametrize(
    ("limit", "trouble"),
    [pytest.param(900, Trouble.UNCONFIRMED, id="serves on"), pytest.param(0, Trouble.LAPSED, id="lapsed")],
)
def test_standing_while_the_database_is_away_says_so(
    production: Environment, monkeypatch: pytest.MonkeyPatch, limit: int, trouble: Trouble
) -> None:
    def refuse(*_: object) -> None:
        raise DatabaseError("gone")

    with override_cors_guard(MAX_STALE_SECONDS=limit):
        store.current()
        monkeypatch.setattr(PolicyState, "read", refuse)
        store.nudge()
        store.current()
        found = describe_standing([production])
    assert found.troubles == (trouble,)


def test_newest_tells_who_wrote_it_and_how(production: Environment) -> None:
    ana = UserFactory.create(username="ana")
    with policy_write(actor=ana, source=Source.ADMIN, reason="x"):
        ApiGroupFactory.create(slug="other")
    store.current()
    newest = read_newest()
    change = PolicyChange.objects.latest("pk")
    assert (newest.revision, newest.at, newest.by, newest.source) == (change.revision, change.at, "ana", "admin")
    assert newest.is_here


def test_newest_that_this_process_has_not_read_is_not_here(production: Environment) -> None:
    store.current()
    before = read_newest()
    PolicyState.bump("default")
    newest = read_newest()
    assert (before.is_here, newest.is_here) == (True, False)
    assert newest.revision == before.revision + 1
    assert (newest.at, newest.by, newest.source) == (None, "", "")


def test_newest_tells_no_story_of_another_token(production: Environment) -> None:
    PolicyState.objects.update(token="restored")
    assert read_newest().at is None


def test_newest_of_an_empty_database_is_nought() -> None:
    PolicyState.objects.all().delete()
    newest = read_newest()
    assert (newest.revision, newest.at) == (0, None)
