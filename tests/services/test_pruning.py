"""Which expired grants `prune` deletes, and which it must not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from django_cors_guard.services import pruning
from tests.factories import EnvironmentFactory, TrustedOriginFactory
from tests.issuing import make_issuer, preview
from tests.management.cli import cors_guard

ORIGIN = "https://old.example.com"


def ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def left() -> set[str]:
    return set(TrustedOrigin.objects.values_list("origin", flat=True))


@pytest.mark.parametrize(
    ("grant", "is_kept"),
    [
        pytest.param({"expires_at": 31}, False, id="operator's, ended long ago"),
        pytest.param({"expires_at": 31, "managed_by": "issuer:previews"}, False, id="issuer's, ended long ago"),
        pytest.param({"expires_at": 29}, True, id="ended lately"),
        pytest.param({"expires_at": None}, True, id="without an end"),
        pytest.param({"expires_at": 31, "revoked_at": 40}, True, id="revoked"),
        pytest.param({"expires_at": 31, "managed_by": "policy.yaml"}, True, id="a policy file's"),
        pytest.param({"expires_at": 31, "origin": "https://*.old.example.com"}, True, id="pattern"),
    ],
)
def test_prune_deletes_what_ended_long_ago_and_nobody_revoked(
    grant: dict[str, Any], is_kept: bool, production: Environment
) -> None:
    times = {name: ago(value) if isinstance(value, int) else value for name, value in grant.items()}
    made = TrustedOriginFactory.create(**{"origin": ORIGIN, **times})
    would = cors_guard("prune", "--days", "30", "--dry-run")
    assert left() == {made.origin}
    done = cors_guard("prune", "--days", "30")
    for run in (would, done):
        assert run.code == 0, run.err
        assert f"expired grants    {0 if is_kept else 1}" in run.out
    assert (left() == {made.origin}) is is_kept


@pytest.mark.parametrize(
    "pattern", [{}, {"expires_at": ago(1)}, {"revoked_at": ago(1)}], ids=["active", "ended", "revoked"]
)
def test_prune_opens_nothing_that_a_pattern_covers(
    pattern: dict[str, Any], production: Environment, public: ApiGroup
) -> None:
    production.allow_subdomain_patterns = True
    production.save()
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=ago(100))
    TrustedOriginFactory.create(origin="https://*.example.com", **pattern)
    assert cors_guard("prune", "--days", "30").code == 0
    assert ORIGIN in left()
    answer = Client().get("/api/public/hello", headers={"origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_prune_heeds_no_pattern_of_another_environment(production: Environment) -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=ago(100))
    TrustedOriginFactory.create(origin="https://*.example.com", environment=EnvironmentFactory.create(slug="staging"))
    cors_guard("prune", "--days", "30")
    assert ORIGIN not in left()


def test_hundreds_come_and_go_and_leave_no_dead_rows(
    production: Environment, public: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = make_issuer(max_active=500)
    monkeypatch.setattr(pruning, "BATCH", 40)
    for number in range(100):
        services.issue(preview(number), actor=issuer.user)
        services.withdraw(preview(number), actor=issuer.user)
    services.issue(preview(100), actor=issuer.user)
    TrustedOrigin.objects.exclude(origin=preview(100)).update(expires_at=ago(100))
    before = PolicyState.read("default").revision

    assert "expired grants    100" in cors_guard("prune", "--days", "30").out

    assert left() == {preview(100)}
    assert PolicyState.read("default").revision == before + 3
    entries: list[Any] = list(PolicyChange.objects.filter(revision__gt=before).order_by("pk"))
    assert [(entry.action, entry.target, entry.after["count"]) for entry in entries] == [
        ("deleted", "trustedorigin:*", 40),
        ("deleted", "trustedorigin:*", 40),
        ("deleted", "trustedorigin:*", 20),
    ]
    told = {target for entry in entries for target in entry.before["targets"]}
    assert told == {f"trustedorigin:production/public/{preview(number)}" for number in range(100)}
    assert all("Pruned" in entry.reason and entry.source == "cli" for entry in entries)


def test_prune_with_nothing_to_delete_takes_no_revision(production: Environment, public: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=ago(100))
    TrustedOriginFactory.create(origin="https://*.example.com")
    before = PolicyState.read("default")
    assert cors_guard("prune", "--days", "30").code == 0
    assert PolicyState.read("default") == before


def test_grant_that_is_renewed_meanwhile_stays(
    production: Environment, public: ApiGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=ago(100))
    delete = pruning._delete

    def renew_first(ended_before: datetime, keys: list[int]) -> int:
        TrustedOrigin.objects.filter(pk=grant.pk).update(expires_at=None)
        return delete(ended_before, keys)

    monkeypatch.setattr(pruning, "_delete", renew_first)
    cors_guard("prune", "--days", "30")
    assert left() == {ORIGIN}
