"""`cors_guard suggest-access`."""

import json
import shlex
from datetime import timedelta

import pytest
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, PolicyState, TrustedOrigin
from tests.factories import OriginUsageFactory, RejectionFactory, TrustedOriginFactory
from tests.management.cli import cors_guard

APP = "https://app.example.com"


@pytest.fixture
def recorded(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """One origin: public was used, reports never, and billing refused it."""
    reports = ApiGroup.objects.create(slug="reports", name="Reports", allow_methods=["GET"])
    now, old = timezone.now(), timezone.now() - timedelta(days=80)
    RejectionFactory.create(first_seen=old, last_seen=old)
    for group in (public, reports):
        TrustedOriginFactory.create(origin=APP, environment=production, api_group=group)
    TrustedOrigin.objects.update(created_at=old)
    used = TrustedOrigin.objects.get(api_group=public)
    OriginUsageFactory.create(trusted_origin=used, count=12, first_seen=now, last_seen=now)
    RejectionFactory.create(
        origin=APP, api_group="billing", reason="other_group", count=5, first_seen=now, last_seen=now
    )


def test_proposal_is_told_with_commands_that_carry_it_out(recorded: None) -> None:
    version = PolicyState.objects.values().get()
    run = cors_guard("suggest-access")
    assert run.code == 0, run.err
    assert "production, by the last 30 days: 1 to keep, 1 to revoke, 1 to trust" in run.out
    assert "public   keep    used 12 times, last " in run.out
    assert "reports  revoke  not used" in run.out
    assert "billing  trust   refused 5 times, last " in run.out
    assert "proves only that somebody sent those bytes" in run.err
    assert PolicyState.objects.values().get() == version

    for line in run.out.splitlines():
        if line.startswith("manage.py cors_guard "):
            done = cors_guard(*shlex.split(line)[2:])
            assert done.code == 0, done.err
    active = TrustedOrigin.objects.filter(revoked_at=None).values_list("api_group__slug", flat=True)
    assert sorted(active) == ["billing", "public"]
    assert TrustedOrigin.objects.get(api_group__slug="reports").revoke_reason == "not used for 30 days"
    run = cors_guard("suggest-access", "--days", "20")
    assert "1 to keep, 0 to revoke, 0 to trust" in run.out
    assert "Nothing to suggest." in run.out


def test_proposal_as_json_has_every_origin_with_its_groups(recorded: None) -> None:
    run = cors_guard("suggest-access", "--format", "json", "--days", "60")
    told = json.loads(run.out)
    assert (told["environment"], told["days"]) == ("production", 60)
    (origin,) = told["origins"]
    assert origin["origin"] == APP
    assert [(item["api_group"], item["advice"], item["count"]) for item in origin["api_groups"]] == [
        ("billing", "trust", 5),
        ("public", "keep", 12),
        ("reports", "revoke", 0),
    ]
    assert told["commands"] == [
        f"manage.py cors_guard revoke {APP} --environment production --group reports --reason 'not used for 60 days'",
        f"manage.py cors_guard trust {APP} --environment production --group billing",
    ]


def test_audit_that_is_too_young_calls_nothing_unused(production: Environment, public: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=APP, environment=production, api_group=public)
    TrustedOrigin.objects.update(created_at=timezone.now() - timedelta(days=50))
    run = cors_guard("suggest-access")
    assert "0 to keep, 0 to revoke, 0 to trust" in run.out
    assert "nothing is called unused" in run.err


def test_longer_span_than_use_is_kept_is_cut_and_said(recorded: None) -> None:
    run = cors_guard("suggest-access", "--days", "400")
    assert "by the last 90 days" in run.out
    assert "Use is kept for 90 days" in run.err


def test_who_manages_what_should_go_is_told(recorded: None) -> None:
    TrustedOrigin.objects.filter(api_group__slug="reports").update(managed_by="policy")
    run = cors_guard("suggest-access")
    assert "not used (managed by policy)" in run.out
    assert "is best changed there" in run.err


def test_doubts_are_told_beside_what_is_proposed(recorded: None, billing: ApiGroup, production: Environment) -> None:
    open_group = ApiGroup.objects.create(slug="open", name="Open", any_origin=True, allow_methods=["GET"])
    for group in (open_group, ApiGroup.objects.create(slug="young", name="Young", allow_methods=["GET"])):
        TrustedOriginFactory.create(origin=APP, environment=production, api_group=group)
    run = cors_guard("suggest-access")
    assert "open to any origin, so its use is not recorded" in run.out
    assert "not used, and younger than that" in run.out


def test_unknown_environment_is_refused(recorded: None) -> None:
    assert cors_guard("suggest-access", "--environment", "nowhere").code == 2
