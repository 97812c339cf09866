"""What each trusted origin needs, by use and refusals that were recorded."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, OriginUsage, Rejection, TrustedOrigin
from django_cors_guard.services.least_access import Suggestion, suggest_access
from django_cors_guard.testing import override_cors_guard
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    OriginUsageFactory,
    RejectionFactory,
    TrustedOriginFactory,
)

APP, SHOP = "https://app.example.com", "https://shop.example.com"
MONTH = timedelta(days=30)


@pytest.fixture(autouse=True)
def audit(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """The audit reaches back for a year or so: of a stranger that is no part of any test."""
    at = timezone.now() - timedelta(days=80)
    RejectionFactory.create(first_seen=at, last_seen=at)


def grant(origin: str = APP, group: str = "public", *, days: int = 60, **fields: Any) -> TrustedOrigin:
    row: TrustedOrigin = TrustedOriginFactory.create(
        origin=origin,
        api_group=ApiGroup.objects.get(slug=group),
        environment=Environment.objects.get(slug="production"),
    )
    at = timezone.now() - timedelta(days=days)
    TrustedOrigin.objects.filter(pk=row.pk).update(**{"created_at": at, **fields})
    return row


def use(row: TrustedOrigin, count: int = 1, *, days: int = 1) -> None:
    at = timezone.now() - timedelta(days=days)
    OriginUsageFactory.create(trusted_origin=row, count=count, first_seen=at, last_seen=at)


def refuse(origin: str = APP, group: str = "billing", count: int = 1, *, days: int = 1, **fields: Any) -> None:
    at = timezone.now() - timedelta(days=days)
    given = {"reason": "other_group", **fields}
    RejectionFactory.create(origin=origin, api_group=group, count=count, first_seen=at, last_seen=at, **given)


def suggest(window: timedelta = MONTH) -> list[tuple[str, str, str, int]]:
    found = suggest_access(Environment.objects.get(slug="production"), window)
    return [(item.origin, item.api_group, str(item.doubt or item.advice), item.count) for item in found.suggestions]


def test_grants_that_were_used_are_kept_and_others_revoked() -> None:
    use(grant(), 3)
    grant(group="billing")
    shop = grant(SHOP)
    use(shop, 2)
    use(shop, 5, days=3)
    assert suggest() == [
        (APP, "billing", "revoke", 0),
        (APP, "public", "keep", 3),
        (SHOP, "public", "keep", 7),
    ]


def test_use_before_the_window_is_none() -> None:
    use(grant(), days=31)
    assert suggest() == [(APP, "public", "revoke", 0)]
    assert suggest(timedelta(days=32)) == [(APP, "public", "keep", 1)]


def test_origin_that_was_refused_elsewhere_is_to_be_trusted_there() -> None:
    use(grant())
    refuse(count=4)
    refuse(count=3, reason="unknown_origin", days=2)
    refuse(group="public", count=9, reason="method_not_allowed")
    assert suggest() == [(APP, "billing", "trust", 7), (APP, "public", "keep", 1)]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"origin": "https://stranger.example.net"}, id="trusted nowhere"),
        pytest.param({"group": "public"}, id="trusted there since"),
        pytest.param({"reason": "method_not_allowed"}, id="a method"),
        pytest.param({"reason": "expired"}, id="expired"),
        pytest.param({"reason": "revoked"}, id="revoked"),
        pytest.param({"environment": "staging"}, id="another environment"),
        pytest.param({"days": 31}, id="before the window"),
        pytest.param({"group": "gone"}, id="a group that has gone"),
        pytest.param({"group": "open"}, id="a group that is open to all"),
        pytest.param({"overflow": True}, id="counted only"),
        pytest.param({"origin": APP.upper()}, id="in another case"),
    ],
)
def test_refusal_that_a_grant_would_not_mend_proposes_nothing(given: dict[str, Any]) -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    use(grant())
    refuse(**given)
    assert suggest() == [(APP, "public", "keep", 1)]


@pytest.mark.parametrize("end", ["revoke", "expire"])
def test_what_was_ended_on_purpose_is_not_proposed_again(end: str) -> None:
    use(grant())
    row = grant(group="billing")
    if end == "revoke":
        services.revoke(row, reason="an operator said no")
    else:
        TrustedOrigin.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=1))
    refuse()
    assert suggest() == [(APP, "public", "keep", 1)]


def test_what_is_trusted_nowhere_any_more_is_left_out() -> None:
    grant(revoked_at=timezone.now())
    grant(SHOP, expires_at=timezone.now() - timedelta(days=1))
    grant("http://plain.example.com")
    refuse()
    assert suggest() == []


def test_young_grant_waits() -> None:
    grant(days=29)
    assert suggest() == [(APP, "public", "young", 0)]
    assert suggest(timedelta(days=28)) == [(APP, "public", "revoke", 0)]


def test_grant_of_an_open_group_waits() -> None:
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    grant()
    assert suggest() == [(APP, "public", "open", 0)]


def test_nothing_is_called_unused_before_the_audit_began() -> None:
    grant()
    Rejection.objects.all().delete()
    assert suggest() == [(APP, "public", "short", 0)]
    at = timezone.now() - timedelta(days=20)
    RejectionFactory.create(first_seen=at, last_seen=at)
    assert suggest() == [(APP, "public", "short", 0)]
    assert suggest(timedelta(days=19)) == [(APP, "public", "revoke", 0)]


def test_window_is_no_longer_than_use_is_kept() -> None:
    grant(days=20)
    with override_cors_guard(AUDIT_RETENTION_DAYS=10):
        found = suggest_access(Environment.objects.get(slug="production"), MONTH)
    assert [str(item.advice) for item in found.suggestions] == ["revoke"]
    assert timezone.now() - found.since < timedelta(days=10, minutes=1)


def test_pattern_is_kept_by_what_it_let_in() -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    row = grant("https://*.example.com")
    OriginUsageFactory.create(trusted_origin=row, origin=APP, first_seen=timezone.now(), last_seen=timezone.now())
    assert suggest() == [("https://*.example.com", "public", "keep", 1)]


def test_use_elsewhere_says_nothing_here() -> None:
    staging = EnvironmentFactory.create(slug="staging")
    grant()
    use(TrustedOriginFactory.create(origin=APP, environment=staging, api_group=ApiGroup.objects.get(slug="public")))
    assert suggest() == [(APP, "public", "revoke", 0)]


def test_who_manages_a_grant_is_told() -> None:
    grant(managed_by="policy")
    found = suggest_access(Environment.objects.get(slug="production"), MONTH)
    assert [item.managed_by for item in found.suggestions] == ["policy"]
    assert isinstance(found.suggestions[0], Suggestion)


def test_queries_do_not_grow_with_the_grants(django_assert_max_num_queries: Any) -> None:
    place = {
        "environment": Environment.objects.get(slug="production"),
        "api_group": ApiGroup.objects.get(slug="public"),
    }
    at = timezone.now() - timedelta(days=60)
    rows = [TrustedOrigin(origin=f"https://a{number}.example.com", created_at=at, **place) for number in range(700)]
    TrustedOrigin.objects.bulk_create(rows)
    now = timezone.now()
    OriginUsage.objects.bulk_create(
        OriginUsage(trusted_origin=row, origin=row.origin, method="GET", count=1, first_seen=now, last_seen=now)
        for row in TrustedOrigin.objects.all()[:300]
    )
    for number in range(20):
        refuse(f"https://a{number}.example.com")
    with django_assert_max_num_queries(10):
        found = suggest()
    assert len(found) == 720
