"""`cors_guard status`."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin
from django_cors_guard.testing import override_cors_guard
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    GroupModeFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
)
from tests.management.cli import cors_guard


@pytest.fixture
def busy(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """An environment in which a little of everything has happened, and another one that must not be counted."""
    now = timezone.now()
    here = {"environment": production, "api_group": public}
    for _ in range(3):
        TrustedOriginFactory.create(**here)
    TrustedOriginFactory.create(**here, expires_at=now + timedelta(days=1))
    TrustedOriginFactory.create(**here, expires_at=now - timedelta(days=1))
    TrustedOriginFactory.create(**here, revoked_at=now)
    TrustedOriginFactory.create(**here, origin="http://plain.example.com")
    odd = TrustedOriginFactory.create(**here)
    TrustedOrigin.objects.filter(pk=odd.pk).update(origin="https://Odd.example.com")
    TrustedOriginFactory.create(environment=EnvironmentFactory.create(slug="staging"), api_group=public)
    GroupModeFactory.create(environment=production, api_group=billing, mode="block")
    RejectionFactory.create(count=3, last_seen=now - timedelta(minutes=5))
    RejectionFactory.create(count=4, last_seen=now - timedelta(hours=5))
    RejectionFactory.create(count=50, last_seen=now - timedelta(days=2))
    RejectionFactory.create(count=600, environment="staging", last_seen=now)
    RejectedOriginFactory.create()
    RejectedOriginFactory.create(origin="https://ignored.example.net", status="ignored")


def test_status_tells_what_the_guard_does(busy: None) -> None:
    run = cors_guard("status")

    assert run.code == 0, run.err
    assert run.out.splitlines() == [
        "production: enforce",
        f"  revision          {PolicyState.objects.get().revision}",
        "  strictest mode    block (MAX_MODE)",
        "  trusted origins   4 active, 1 expired, 1 revoked, 2 switched off",
        "  refused requests  3 in the last hour, 7 in the last day",
        "  rejected origins  1 new",
        "API groups",
        "  billing  block, its own mode  /api/billing  with credentials",
        "  public   enforce              /api/public",
    ]


def test_status_as_json_tells_the_same(busy: None) -> None:
    run = cors_guard("status", format="json")

    found = json.loads(run.out)
    assert run.code == 0
    assert (found["ok"], found["environment"], found["mode_in_force"]) == (True, "production", "enforce")
    assert found["revision"] == PolicyState.objects.get().revision
    assert found["grants"] == {"active": 4, "expired": 1, "revoked": 1, "switched_off": 2}
    assert (found["rejections_last_hour"], found["rejections_last_day"]) == (3, 7)
    assert [(group["slug"], group["mode"], group["own_mode"]) for group in found["api_groups"]] == [
        ("billing", "block", "block"),
        ("public", "enforce", ""),
    ]


def test_status_names_what_breaks_a_safety_rule(busy: None) -> None:
    run = cors_guard("status")

    assert "Switched off in public: http://plain.example.com. http://plain.example.com is not encrypted" in run.err
    assert "Switched off in public: https://Odd.example.com." in run.err


def test_status_counts_the_grants_of_a_malformed_group_as_switched_off(
    production: Environment, public: ApiGroup
) -> None:
    TrustedOriginFactory.create(environment=production, api_group=public)
    ApiGroup.objects.filter(pk=public.pk).update(allow_methods=["TRACE"])

    run = cors_guard("status")

    assert "0 active, 0 expired, 0 revoked, 1 switched off" in run.out
    assert "Switched off in public: the whole API group." in run.err


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        pytest.param({"MAX_MODE": "monitor"}, 'CORS_GUARD["MAX_MODE"] is monitor here', id="capped"),
        pytest.param({"REFRESH_SECOND": 1}, "(cors_guard.E002)", id="a check of the settings"),
        pytest.param({}, "(cors_guard.W005)", id="a check of the database"),
    ],
)
def test_status_warns(keys: dict[str, object], told: str, production: Environment, public: ApiGroup) -> None:
    with override_cors_guard(**keys):
        run = cors_guard("status")

    assert run.code == 0
    assert told in run.err


def test_status_does_not_repeat_a_check_that_was_silenced(
    production: Environment, public: ApiGroup, settings: Settings
) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ["cors_guard.W005"]

    assert "W005" not in cors_guard("status").err


def test_status_under_max_mode_shows_the_modes_that_count(production: Environment, public: ApiGroup) -> None:
    with override_cors_guard(MAX_MODE="monitor"):
        run = cors_guard("status")

    assert run.out.startswith("production: monitor\n")
    assert "  public  monitor" in run.out


def test_status_warns_of_groups_that_guard_nothing(production: Environment) -> None:
    without_group = cors_guard("status")
    ApiGroupFactory.create(slug="feed")
    without_route = cors_guard("status")

    assert "There is no API group, so nothing is guarded." in without_group.err
    assert "The API group “feed” has no route, so it guards nothing." in without_route.err


@pytest.mark.parametrize("words", [pytest.param([], id="text"), pytest.param(["--format", "json"], id="json")])
def test_status_without_the_active_environment_is_exit_code_1_and_says_how_to_create_it(
    words: list[str], public: ApiGroup
) -> None:
    run = cors_guard("status", *words)

    assert run.code == 1
    assert "No origin is trusted. There is no environment “production”" in run.err
    assert "manage.py cors_guard init --environment production" in run.err
    if words:
        assert json.loads(run.out)["ok"] is False
