from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from tests.admin.conftest import login
from tests.admin.pages import text, url
from tests.factories import (
    FrontEndFactory,
    OriginUsageFactory,
    RejectionFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
BUTTONS = ("revoke-link", "revoke-everywhere-link", "reinstate-link")


@pytest.fixture
def grant(production: Environment, public: ApiGroup) -> TrustedOrigin:
    return TrustedOriginFactory.create(origin=ORIGIN, created_at=timezone.now() - timedelta(days=400))


def see(grant: TrustedOrigin, count: int, days: float = 1, **values: Any) -> None:
    at = timezone.now() - timedelta(days=days)
    OriginUsageFactory.create(trusted_origin=grant, count=count, first_seen=at, last_seen=at, **values)


def open_page(client: Client, grant: TrustedOrigin) -> str:
    page: str = client.get(url("trustedorigin_change", grant.pk)).content.decode()
    return page


def words(page: str) -> str:
    return text(type("Page", (), {"content": page.encode()}))


def test_page_counts_the_last_thirty_days_by_method(operator: Client, grant: TrustedOrigin) -> None:
    see(grant, 40, method="GET")
    see(grant, 20, days=2, method="GET")
    see(grant, 30, days=3, method="POST")
    see(grant, 999, days=31, method="PUT")
    page = words(open_page(operator, grant))
    assert "About 3 requests a day. Last used 1 day ago ." in page
    assert "By method, in the last 30 days Method Requests Last used GET 60 1 day ago POST 30 3 days ago" in page
    assert "PUT" not in page
    assert "shows use and proves none" in page


def test_page_of_a_pattern_counts_by_origin(operator: Client, production: Environment, public: ApiGroup) -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    pattern = TrustedOriginFactory.create(origin="https://*.example.com")
    see(pattern, 40, origin="https://a.example.com")
    see(pattern, 50, origin="https://b.example.com")
    page = words(open_page(operator, pattern))
    assert "https://b.example.com 50 1 day ago https://a.example.com 40 1 day ago" in page


def test_page_says_that_nothing_was_seen(operator: Client, grant: TrustedOrigin) -> None:
    assert "Nothing was seen in the last 30 days." in words(open_page(operator, grant))


def test_page_says_why_a_grant_is_switched_off(operator: Client, production: Environment, public: ApiGroup) -> None:
    grant = TrustedOriginFactory.create(origin="http://app.example.com")
    page = words(open_page(operator, grant))
    assert "Switched off: the grant is there, and lets nobody in." in page
    assert "switch on “allow insecure http” for the environment" in page


def test_page_leads_on_to_use_rejections_and_a_check(operator: Client, grant: TrustedOrigin) -> None:
    other = TrustedOriginFactory.create(origin="https://other.example.com")
    see(grant, 1)
    see(other, 1)
    RejectionFactory.create(origin=ORIGIN)
    RejectionFactory.create(origin=ORIGIN, environment="staging")
    RejectionFactory.create(origin=ORIGIN, api_group="billing")
    page = open_page(operator, grant)
    assert [row.trusted_origin for row in follow(operator, page, "usage-link")] == [grant]
    (rejection,) = follow(operator, page, "rejections-link")
    assert (rejection.environment, rejection.api_group) == ("production", "public")
    assert f'href="{url("check")}?grant={grant.pk}"' in page


def follow(client: Client, page: str, key: str) -> list[Any]:
    """Return the rows of the list that the link with this id leads to."""
    address = page.partition(f'id="{key}" href="')[2].partition('"')[0].replace("&amp;", "&")
    return list(client.get(address).context["cl"].result_list)


def test_page_of_a_pattern_has_no_rejections_of_its_own(operator: Client, production: Environment) -> None:
    pattern = TrustedOriginFactory.create(origin="https://*.example.com")
    assert 'id="rejections-link"' not in open_page(operator, pattern)


def test_page_leads_nowhere_that_is_not_for_the_user(grant: TrustedOrigin) -> None:
    page = open_page(login(user_with("view_trustedorigin")), grant)
    for key in ("usage-link", "rejections-link", *BUTTONS):
        assert f'id="{key}"' not in page


@pytest.mark.parametrize(
    ("is_revoked", "offered"),
    [
        pytest.param(False, {"revoke-link", "revoke-everywhere-link"}, id="active"),
        pytest.param(True, {"reinstate-link", "revoke-everywhere-link"}, id="revoked"),
    ],
)
def test_page_offers_what_can_be_done(
    operator: Client, grant: TrustedOrigin, is_revoked: bool, offered: set[str]
) -> None:
    if is_revoked:
        services.revoke(grant, reason="x")
    page = open_page(operator, grant)
    assert {key for key in BUTTONS if f'id="{key}"' in page} == offered


@pytest.mark.parametrize("is_revoked", [False, True])
def test_page_offers_nothing_in_an_environment_that_is_protected_from_the_user(
    apprentice: Client, grant: TrustedOrigin, is_revoked: bool
) -> None:
    if is_revoked:
        services.revoke(grant, reason="x")
    Environment.objects.update(protected=True)
    page = open_page(apprentice, grant)
    assert "protected environment (production)" in words(page)
    assert not any(f'id="{key}"' in page for key in BUTTONS)


def test_page_knows_who_revoked_although_the_user_has_gone(operator: Client, grant: TrustedOrigin) -> None:
    bob = UserFactory.create(username="bob")
    services.revoke(grant, actor=bob, reason="Taken\u202e over.")
    bob.delete()
    page = words(open_page(operator, grant))
    assert "Revoked by: bob" in page
    assert "Why it was revoked: Taken\\u202e over." in page


def test_page_asks_few_questions(grant: TrustedOrigin, django_assert_max_num_queries: Any) -> None:
    client = login(user_with("change_trustedorigin", "view_trustedorigin", "view_originusage", "view_rejection"))
    TrustedOrigin.objects.update(front_end=FrontEndFactory.create(), origin="https://*.example.com")
    grant.refresh_from_db()
    for number in range(12):
        see(grant, 1, origin=f"https://a{number}.example.com", method=f"M{number}")
    services.revoke(grant, actor=UserFactory.create(), reason="x")
    open_page(client, grant)  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        open_page(client, grant)
