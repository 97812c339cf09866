"""`cors_guard mode`."""

import pytest

from django_cors_guard.models import ApiGroup, Environment, GroupMode, PolicyChange, PolicyState
from django_cors_guard.store import load
from django_cors_guard.testing import override_cors_guard
from tests.factories import EnvironmentFactory, GroupModeFactory
from tests.management.cli import cors_guard


def revision() -> int:
    return PolicyState.objects.get().revision


def mode_of(environment: str, group: str) -> str:
    return str(load(environment).groups[group].mode)


def test_mode_alone_shows_the_modes(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    GroupModeFactory.create(environment=production, api_group=billing, mode="block")
    before = revision()

    run = cors_guard("mode")

    assert run.out.splitlines() == ["production: enforce", "  billing  block, its own mode", "  public   enforce"]
    assert revision() == before


def test_mode_sets_the_active_environments(production: Environment, public: ApiGroup) -> None:
    before = revision()

    run = cors_guard("mode", "monitor", "--reason", "the checkout is down")

    assert run.code == 0, run.err
    assert mode_of("production", "public") == "monitor"
    assert revision() == before + 1
    change = PolicyChange.objects.get(revision=before + 1)
    assert (change.source, change.reason, change.target) == ("cli", "the checkout is down", "environment:production")


def test_mode_of_another_environment_leaves_the_active_one(production: Environment, public: ApiGroup) -> None:
    EnvironmentFactory.create(slug="staging")

    run = cors_guard("mode", "block", "--environment", "staging")

    assert run.code == 0, run.err
    assert (mode_of("staging", "public"), mode_of("production", "public")) == ("block", "enforce")
    assert "Block also stops cross-site form posts" in run.err


def test_mode_of_a_group_is_set_changed_and_inherited_again(
    production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    for mode, expected in (("block", "block"), ("monitor", "monitor"), ("inherit", "enforce")):
        run = cors_guard("mode", mode, "--group", "billing")

        assert run.code == 0, run.err
        assert mode_of("production", "billing") == expected
        assert mode_of("production", "public") == "enforce"
    assert not GroupMode.objects.exists()


def test_mode_of_several_places_is_one_revision(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    EnvironmentFactory.create(slug="staging")
    before = revision()

    cors_guard(
        "mode", "monitor", "--environment", "production", "--environment", "staging",
        "--group", "public", "--group", "billing",
    )  # fmt: skip

    assert GroupMode.objects.filter(mode="monitor").count() == 4
    assert revision() == before + 1


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["enforce"], id="environment"),
        pytest.param(["block", "--group", "billing"], id="group"),
        pytest.param(["inherit", "--group", "public"], id="inherits already"),
    ],
)
def test_mode_that_holds_already_takes_no_revision(
    words: list[str], production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    GroupModeFactory.create(environment=production, api_group=billing, mode="block")
    before = revision()

    run = cors_guard("mode", *words)

    assert run.code == 0
    assert "Nothing to change." in run.out
    assert revision() == before


def test_mode_of_the_environment_names_the_groups_that_do_not_follow(
    production: Environment, public: ApiGroup, billing: ApiGroup
) -> None:
    GroupModeFactory.create(environment=production, api_group=billing, mode="block")

    run = cors_guard("mode", "monitor")

    assert "billing keeps the mode block of its own." in run.err
    assert "manage.py cors_guard mode monitor --environment production --group billing" in run.err
    assert mode_of("production", "billing") == "block"


def test_mode_stricter_than_max_mode_says_what_counts(production: Environment, public: ApiGroup) -> None:
    with override_cors_guard(MAX_MODE="enforce"):
        setting = cors_guard("mode", "block", "--group", "public")
        showing = cors_guard("mode")

    for run in (setting, showing):
        assert 'CORS_GUARD["MAX_MODE"] is enforce here' in run.err
        assert "enforce, its own mode" in run.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["strict"], "invalid choice: 'strict'", id="no mode"),
        pytest.param(["inherit"], "Only an API group can inherit a mode.", id="inherit without group"),
        pytest.param(["block", "--group", "publik"], "There is no API group “publik”", id="unknown group"),
        pytest.param(["block", "--environment", "prod"], "There is no environment “prod”", id="unknown environment"),
        pytest.param(
            ["monitor", "--environment", "production", "--environment", "prod"], "environment “prod”", id="second one"
        ),
    ],
)  # fmt: skip
def test_mode_with_bad_input_says_what_is_wrong_and_changes_nothing(
    words: list[str], told: str, production: Environment, public: ApiGroup
) -> None:
    before = revision()

    run = cors_guard("mode", *words)

    assert run.code != 0
    assert told in run.err
    assert revision() == before
