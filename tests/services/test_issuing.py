"""Issuing where two ask at once, and what a caller of the services gets."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import (
    InvalidRequest,
    NotIssuable,
    RefusedOrigin,
    RevokedOrigin,
    TooManyActive,
    TooManyNew,
)
from django_cors_guard.models import ApiGroup, Environment, OriginIssuer, TrustedOrigin
from tests.factories import ApiGroupFactory, EnvironmentFactory, TrustedOriginFactory, UserFactory
from tests.issuing import PREVIEW, make_issuer, preview


@pytest.mark.django_db(transaction=True)
def test_no_more_are_in_force_than_may_be_however_many_ask_at_once() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    issuer = make_issuer(max_active=5)
    refused, errors = list[int](), list[Exception]()
    start = threading.Barrier(6)

    def ask(worker: int) -> None:
        try:
            start.wait(timeout=30)
            for number in range(3):
                try:
                    services.issue(preview(10 * worker + number), actor=issuer.user)
                except TooManyActive:
                    refused.append(worker)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert TrustedOrigin.objects.active().count() == 5
    assert len(refused) == 13


@pytest.mark.django_db(transaction=True)
def test_same_origin_asked_for_at_once_is_issued_once() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads cannot share an in-memory database")
    issuer = make_issuer()
    outcomes, errors = list[str](), list[Exception]()
    start = threading.Barrier(4)

    def ask() -> None:
        try:
            start.wait(timeout=30)
            issued = services.issue(PREVIEW, actor=issuer.user)
            outcomes.extend(item.outcome for item in issued.touched)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(outcomes) == ["issued", "renewed", "renewed", "renewed"]
    assert TrustedOrigin.objects.count() == 1


def test_issuer_whose_limit_was_lowered_renews_what_it_has(production: Environment, public: ApiGroup) -> None:
    issuer = make_issuer()
    for number in range(3):
        services.issue(preview(number), actor=issuer.user)
    issuer.max_active, issuer.max_ttl = 1, timedelta(hours=1)
    issuer.save()
    services.issue(preview(0), actor=issuer.user)
    end = TrustedOrigin.objects.get(origin=preview(0)).expires_at
    assert end is not None
    assert end <= timezone.now() + timedelta(hours=1)
    with pytest.raises(TooManyActive):
        services.issue(preview(3), actor=issuer.user)


def test_two_issuers_of_one_account_go_on_with_what_each_gave(production: Environment, public: ApiGroup) -> None:
    second = make_issuer(slug="b")
    services.issue(PREVIEW, actor=second.user)
    make_issuer(slug="a", user=second.user)
    assert services.issue(PREVIEW, actor=second.user).issuer == second
    assert services.issue(preview(1), actor=second.user).issuer.slug == "a"


def test_issuer_without_groups_may_do_nothing(production: Environment) -> None:
    issuer = make_issuer()
    issuer.api_groups.clear()
    with pytest.raises(NotIssuable):
        services.issue(PREVIEW, actor=issuer.user)


@pytest.mark.parametrize(("origin", "error"), [("nonsense", RefusedOrigin), ("https://app.example.com", NotIssuable)])
def test_withdraw_refuses_what_issue_refuses(
    origin: str, error: type[Exception], production: Environment, public: ApiGroup
) -> None:
    with pytest.raises(error):
        services.withdraw(origin, actor=make_issuer().user)


def test_naive_end_is_refused(production: Environment, public: ApiGroup) -> None:
    naive = timezone.now().replace(tzinfo=None) + timedelta(hours=1)
    with pytest.raises(InvalidRequest, match="time zone"):
        services.issue(PREVIEW, actor=make_issuer().user, expires_at=naive)


def test_stranger_is_told_nothing_of_others(production: Environment, public: ApiGroup) -> None:
    make_issuer()
    with pytest.raises(NotIssuable, match=r"^This account may not do that\.$"):
        services.issue(PREVIEW, actor=UserFactory.create())


def test_withdrawing_in_one_group_leaves_the_others(production: Environment, public: ApiGroup) -> None:
    billing = ApiGroupFactory.create(slug="billing")
    issuer = make_issuer(api_groups=[public, billing])
    services.issue(PREVIEW, actor=issuer.user)
    services.withdraw(PREVIEW, actor=issuer.user, api_groups=["billing"])
    assert [grant.api_group for grant in TrustedOrigin.objects.active()] == [public]


PATTERN = "https://*.preview.example.com"
COVERED = "https://pr7.preview.example.com"


@pytest.fixture
def under_a_pattern(production: Environment, public: ApiGroup) -> OriginIssuer:
    """An issuer of names that the operators' pattern covers, too."""
    production.allow_subdomain_patterns = True
    production.save()
    services.trust(PATTERN, environment=production, api_group=public)
    return make_issuer(host_prefix="pr", host_suffix=".preview.example.com", api_groups=[public])


def test_pattern_that_operators_revoked_is_reopened_for_no_name(under_a_pattern: OriginIssuer) -> None:
    services.revoke_origin(PATTERN, reason="taken over")
    with pytest.raises(RevokedOrigin) as caught:
        services.issue(COVERED, actor=under_a_pattern.user)
    assert (caught.value.origin, "taken over" in caught.value.message) == (COVERED, False)


def test_own_grant_is_not_renewed_once_operators_revoke_the_pattern_above_it(
    under_a_pattern: OriginIssuer, production: Environment
) -> None:
    pattern = TrustedOrigin.objects.get(origin=PATTERN)
    TrustedOrigin.objects.filter(pk=pattern.pk).delete()
    services.issue(COVERED, actor=under_a_pattern.user)
    services.trust(PATTERN, environment=production, api_group="public")
    services.revoke(TrustedOrigin.objects.get(origin=PATTERN), reason="taken over")
    with pytest.raises(RevokedOrigin):
        services.issue(COVERED, actor=under_a_pattern.user)


def test_name_that_a_pattern_lets_in_gets_no_grant_of_its_own_to_end(under_a_pattern: OriginIssuer) -> None:
    """An exact row decides alone: once it had ended, the pattern would let the origin in no more."""
    (issued,) = services.issue(COVERED, actor=under_a_pattern.user).touched
    (ended,) = services.withdraw(COVERED, actor=under_a_pattern.user).touched
    assert (issued.outcome, ended.outcome, issued.is_own) == ("unchanged", "unchanged", False)
    assert not TrustedOrigin.objects.filter(origin=COVERED).exists()


def test_grant_in_another_environment_is_not_its_own(production: Environment, public: ApiGroup) -> None:
    """A policy file that was carried over may have brought it, managed by an issuer of the same name."""
    there = TrustedOriginFactory.create(origin=PREVIEW, api_group=public, managed_by="issuer:previews")
    issuer = make_issuer(environment=EnvironmentFactory.create(slug="staging"), api_groups=[public])
    services.withdraw(PREVIEW, actor=issuer.user, revoke=True)
    there.refresh_from_db()
    assert (there.revoked_at, there.expires_at) == (None, None)


def test_what_was_closed_for_good_makes_no_room_for_ever_more_rows(production: Environment, public: ApiGroup) -> None:
    issuer = make_issuer(max_active=1)
    for number in range(10):
        services.issue(preview(number), actor=issuer.user)
        services.withdraw(preview(number), actor=issuer.user, revoke=True)
    with pytest.raises(TooManyNew, match="within a day"):
        services.issue(preview(10), actor=issuer.user)
    assert TrustedOrigin.objects.count() == 10
