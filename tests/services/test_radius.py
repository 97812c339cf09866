from datetime import timedelta

import pytest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import RefusedOrigin
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.services.revoking.radius import BlastRadius, survey_revocation, survey_selection
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.services.revoking.selection import Selection
from tests.factories import ApiGroupFactory, EnvironmentFactory, OriginUsageFactory, TrustedOriginFactory

ORIGIN = "https://app.example.com"
PATTERN = "https://*.example.com"


@pytest.fixture(autouse=True)
def staging(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    """Every test has two environments and two groups."""
    return EnvironmentFactory.create(slug="staging", allow_subdomain_patterns=True)


def places(radius: BlastRadius) -> set[Place]:
    return {closing.place for closing in radius.closings}


def test_radius_is_what_revoking_then_closes(staging: Environment, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    TrustedOriginFactory.create(origin=ORIGIN, environment=staging, api_group=billing)
    TrustedOriginFactory.create(origin=PATTERN, environment=staging)
    TrustedOriginFactory.create(origin="https://other.example.com")
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN, api_group=billing), reason="x")
    ApiGroupFactory.create(slug="open", any_origin=True)
    radius = survey_revocation(ORIGIN)
    receipt = services.revoke_origin(ORIGIN, reason="x")
    assert places(radius) == set(receipt.closed)
    assert {closing.place for closing in radius.closings if closing.is_covered} == set(receipt.refused)
    assert tuple(map(Place.of, radius.revoked)) == receipt.already_revoked
    assert tuple(map(Place.of, radius.patterns)) == receipt.patterns
    assert tuple(group.slug for group in radius.open_groups) == receipt.open_groups
    assert radius.longest_preflight() == (receipt.preflights_until - receipt.at).total_seconds()


def test_radius_of_one_place_is_that_of_revoking_there(staging: Environment, billing: ApiGroup) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    TrustedOriginFactory.create(origin=ORIGIN, environment=staging, api_group=billing)
    radius = survey_revocation(ORIGIN, environments=[grant.environment], api_groups=[grant.api_group])
    assert places(radius) == {Place("production", "public", ORIGIN)}
    assert radius.environments() == [grant.environment]


def test_radius_of_a_pattern_names_what_remains_below_it(staging: Environment) -> None:
    TrustedOriginFactory.create(origin=PATTERN, environment=staging)
    below = TrustedOriginFactory.create(origin=ORIGIN, environment=staging)
    assert survey_revocation(PATTERN).remaining == (below,)


def test_place_below_a_wider_pattern_counts_what_came_from_below_the_narrower(staging: Environment) -> None:
    wide = TrustedOriginFactory.create(origin=PATTERN, environment=staging)
    for origin, count in (("https://x.shop.example.com", 3), ("https://x.example.com", 5)):
        at = timezone.now() - timedelta(hours=1)
        OriginUsageFactory.create(trusted_origin=wide, origin=origin, count=count, last_seen=at)
    (closing,) = survey_revocation("https://*.shop.example.com").closings
    assert closing.is_covered
    assert closing.use is not None
    assert closing.use.count == 3


def test_radius_of_what_is_no_origin_is_refused() -> None:
    with pytest.raises(RefusedOrigin):
        survey_revocation("https://app.example.com/path")


def test_radius_of_a_selection_is_what_can_be_closed_of_it(staging: Environment, billing: ApiGroup) -> None:
    closing = TrustedOriginFactory.create(origin=ORIGIN)
    revoked = services.revoke(TrustedOriginFactory.create(origin=ORIGIN, environment=staging), reason="x")
    opened = ApiGroupFactory.create(slug="open", any_origin=True)
    pointless = TrustedOriginFactory.create(origin=ORIGIN, api_group=opened)
    radius = survey_selection(Selection.of([closing, revoked, pointless]))
    assert places(radius) == {Place("production", "public", ORIGIN)}
    assert (radius.revoked, radius.open_groups) == ((revoked,), (opened,))


def test_radius_writes_nothing(staging: Environment) -> None:
    TrustedOriginFactory.create(origin=PATTERN, environment=staging)
    before = list(TrustedOrigin.objects.values())
    survey_revocation(ORIGIN)
    assert list(TrustedOrigin.objects.values()) == before
