from typing import Any

import pytest

from django_cors_guard import services
from django_cors_guard.exceptions import InvalidRequest, ProtectedEnvironment
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from tests.factories import ApiGroupFactory, EnvironmentFactory, TrustedOriginFactory, user_with


@pytest.fixture
def grants(production: Environment, public: ApiGroup) -> list[TrustedOrigin]:
    return [TrustedOriginFactory.create(origin=f"https://a{number}.example.com") for number in range(3)]


def revision() -> int:
    return PolicyState.read("default").revision


def test_several_grants_are_closed_in_one_revision_and_each_is_in_the_story(grants: list[TrustedOrigin]) -> None:
    before, actor = revision(), user_with()
    receipt = services.revoke_many(grants[:2], actor=actor, reason="Drill.")
    assert revision() == before + 1 == receipt.revision
    assert [place.origin for place in receipt.closed] == ["https://a0.example.com", "https://a1.example.com"]
    story = PolicyChange.objects.filter(revision=receipt.revision)
    assert {(change.action, change.actor, change.reason) for change in story} == {("revoked", actor, "Drill.")}
    assert story.count() == 2
    for grant in grants:
        grant.refresh_from_db()
    assert [grant.revoked_at is not None for grant in grants] == [True, True, False]
    assert (grants[0].revoked_by, grants[0].revoke_reason) == (actor, "Drill.")


def test_what_is_revoked_or_open_stays_and_is_named(grants: list[TrustedOrigin]) -> None:
    services.revoke(grants[0], reason="before")
    opened = ApiGroupFactory.create(slug="open", any_origin=True)
    pointless = TrustedOriginFactory.create(api_group=opened)
    receipt = services.revoke_many([*grants, pointless], reason="Drill.")
    assert [place.origin for place in receipt.closed] == ["https://a1.example.com", "https://a2.example.com"]
    assert [place.origin for place in receipt.already_revoked] == ["https://a0.example.com"]
    assert receipt.open_groups == ("open",)
    grants[0].refresh_from_db()
    pointless.refresh_from_db()
    assert grants[0].revoke_reason == "before"
    assert pointless.revoked_at is None


def test_nothing_to_close_takes_no_revision(grants: list[TrustedOrigin]) -> None:
    services.revoke(grants[0], reason="x")
    before = revision()
    receipt = services.revoke_many([grants[0]], reason="again")
    assert (receipt.closed, revision()) == ((), before)


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_reason_has_to_be_given(grants: list[TrustedOrigin], reason: str) -> None:
    with pytest.raises(InvalidRequest, match="Say why"):
        services.revoke_many(grants, reason=reason)
    assert not TrustedOrigin.objects.revoked().exists()


def test_protected_environment_refuses_all_of_it(grants: list[TrustedOrigin]) -> None:
    shielded = EnvironmentFactory.create(slug="shielded", protected=True)
    row = TrustedOriginFactory.create(environment=shielded)
    with pytest.raises(ProtectedEnvironment):
        services.revoke_many([*grants, row], actor=user_with("change_trustedorigin"), reason="x")
    assert not TrustedOrigin.objects.revoked().exists()
    services.revoke_many([*grants, row], actor=user_with("change_protected_environment"), reason="x")
    assert TrustedOrigin.objects.revoked().count() == 4


def test_row_that_no_parser_would_take_can_be_closed(grants: list[TrustedOrigin]) -> None:
    TrustedOrigin.objects.filter(pk=grants[0].pk).update(origin="https://Upper.example.com")
    services.revoke_many([grants[0]], reason="x")
    assert TrustedOrigin.objects.revoked().get().origin == "https://Upper.example.com"


def test_grant_that_changed_since_it_was_read_is_looked_at_again(grants: list[TrustedOrigin]) -> None:
    stale: Any = TrustedOrigin.objects.get(pk=grants[0].pk)
    services.revoke(grants[0], reason="first")
    services.revoke_many([stale], reason="second")
    assert TrustedOrigin.objects.get(pk=stale.pk).revoke_reason == "first"
