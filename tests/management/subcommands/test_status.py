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
from tests.processes import report


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
        "Processes",
        "  none has answered a request of late",
    ]


def test_status_tells_which_group_is_trusted_for_csrf(busy: None, billing: ApiGroup) -> None:
    ApiGroup.objects.filter(pk=billing.pk).update(trusted_for_csrf=True)

    run, found = cors_guard("status"), json.loads(cors_guard("status", format="json").out)

    assert "  billing  block, its own mode  /api/billing  with credentials, trusted for CSRF" in run.out.splitlines()
    assert [group["trusted_for_csrf"] for group in found["api_groups"]] == [True, False]
    assert "(cors_guard.W008)" in run.err


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


# --- processes --------------------------------------------------------------------------------------------------------


def test_status_lists_the_processes_of_the_environment(busy: None) -> None:
    EnvironmentFactory.create(slug="local")
    report("web-1", 11)
    report("web-2", 22, revision=1, token="gone", idle_since=timezone.now())
    report("web-3", 33, revision=1, token="gone")
    report("web-4", 44, environment="staging")

    run, found = cors_guard("status"), json.loads(cors_guard("status", format="json").out)

    lines = [line.split() for line in run.out.splitlines()[run.out.splitlines().index("Processes") + 1 :]]
    assert [line[:3] for line in lines] == [
        ["web-3:33", "production", "unconfirmed"],
        ["web-2:22", "production", "idle"],
        ["web-1:11", "production", "confirmed"],
    ]
    assert run.code == 0
    assert [(item["host"], item["standing"]) for item in found["processes"]] == [
        ("web-3", "unconfirmed"),
        ("web-2", "idle"),
        ("web-1", "confirmed"),
    ]


def test_status_says_that_no_process_has_reported(busy: None) -> None:
    assert cors_guard("status").out.splitlines()[-2:] == ["Processes", "  none has answered a request of late"]


def test_status_of_a_revision_says_yes_where_all_have_it(busy: None) -> None:
    report("web-1", 11)
    report("web-2", 22, revision=1, token="gone", idle_since=timezone.now())
    revision = PolicyState.objects.get().revision

    run = cors_guard("status", "--revision", str(revision))

    assert run.code == 0, run.err
    assert run.out.splitlines()[-1] == (
        f"Revision {revision} is out everywhere: 1 of 2 processes have confirmed it, 1 is idle and looks before its "
        "next decision."
    )


def test_status_of_a_revision_says_no_and_who_is_missing_until_when(busy: None) -> None:
    until = timezone.now() + timedelta(minutes=3)
    report("web-1", 11)
    report("web-2", 22, revision=1, token="gone", lapses_at=until)
    revision = PolicyState.objects.get().revision

    run = cors_guard("status", "--revision", str(revision), "--wait", "0.1")

    assert run.code == 1
    assert f"1 process of 2 has not confirmed revision {revision}: web-2:22 (production)." in run.err
    assert f"until {until:%H:%M:%S} UTC at the longest, then they refuse." in run.err


def test_status_of_a_revision_as_json(busy: None) -> None:
    report("web-1", 11)
    report("web-2", 22, revision=1, token="gone")
    revision = PolicyState.objects.get().revision

    run = cors_guard("status", "--revision", str(revision), "--format", "json")

    found = json.loads(run.out)
    assert run.code == 1
    assert (found["ok"], found["everywhere"], found["asked_revision"]) == (False, False, revision)
    assert found["counts"] == {"confirmed": 1, "idle": 0, "unconfirmed": 1, "unlisted": 0}
    assert [(item["pid"], item["standing"]) for item in found["processes"]] == [(22, "unconfirmed"), (11, "confirmed")]


def test_status_of_a_revision_looks_only_where_it_is_told_to(busy: None) -> None:
    report("web-1", 11, environment="staging", revision=1, token="gone")
    revision = str(PolicyState.objects.get().revision)

    assert cors_guard("status", "--revision", revision).code == 1
    assert cors_guard("status", "--revision", revision, "--environment", "staging").code == 1
    elsewhere = cors_guard("status", "--revision", revision, "--environment", "production")
    assert elsewhere.code == 0
    assert elsewhere.out.startswith("No process reports itself there")


def test_status_names_no_more_processes_than_anybody_reads(busy: None) -> None:
    for pid in range(1, 26):
        report(pid=pid, revision=1, token="gone")

    run = cors_guard("status", "--revision", str(PolicyState.objects.get().revision))

    assert "25 processes of 25 have not confirmed" in run.err
    assert "web-1:20 (production) and 5 more." in run.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["--revision", "999999"], "There is no revision 999999 yet", id="still to come"),
        pytest.param(["--revision", "0"], "is no revision", id="none"),
        pytest.param(["--revision", "-3"], "is no revision", id="negative"),
        pytest.param(["--revision", "ten"], "is no revision", id="a word"),
        pytest.param(["--revision", "9" * 30], "is no revision", id="longer than any"),
        pytest.param(["--revision", "1", "--wait", "soon"], "is no time to wait", id="no time"),
        pytest.param(["--revision", "1", "--wait", "-1"], "is no time to wait", id="before now"),
        pytest.param(["--revision", "1", "--wait", "nan"], "is no time to wait", id="not a number"),
        pytest.param(["--revision", "1", "--wait", "1e9"], "is no time to wait", id="for ever"),
        pytest.param(["--revision", "1", "--environment", "prod"], "no environment “prod”", id="misspelt"),
        pytest.param(["--wait", "3"], "go with --revision", id="wait for nothing"),
        pytest.param(["--environment", "production"], "go with --revision", id="environment of nothing"),
    ],
)
def test_status_of_what_makes_no_sense_says_what_to_do(words: list[str], told: str, busy: None) -> None:
    run = cors_guard("status", *words)

    assert run.code in {1, 2}
    assert told in run.err


@pytest.mark.parametrize(
    ("isolate", "words"),
    [("enforce", "with credentials, isolated"), ("monitor", "with credentials, isolation monitored")],
)
def test_status_tells_which_group_is_isolated(busy: None, billing: ApiGroup, isolate: str, words: str) -> None:
    ApiGroup.objects.filter(pk=billing.pk).update(isolate=isolate)

    run, found = cors_guard("status"), json.loads(cors_guard("status", format="json").out)

    assert f"  billing  block, its own mode  /api/billing  {words}" in run.out.splitlines()
    assert [group["isolate"] for group in found["api_groups"]] == [isolate, "off"]
