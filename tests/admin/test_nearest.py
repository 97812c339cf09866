from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from django_cors_guard import services
from django_cors_guard.admin.rejections.nearest import word_grant, word_neighbour
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.nearby import Refused, find_nearby
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
)

APP = "https://app.example.com"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def word(origin: str = APP, **values: Any) -> str:
    """Return what a card of ``origin`` in production, for public, says of its nearest grant."""
    card = RejectedOriginFactory.build(origin=origin, **values)
    (near,) = find_nearby([Refused(card.origin, card.environment, card.api_group)])
    assert near is not None
    return word_neighbour(card, near)


def trust(origin: str = APP, *, environment: str = "production", group: str = "public", **values: Any) -> TrustedOrigin:
    return TrustedOriginFactory.create(
        origin=origin,
        environment=EnvironmentFactory.create(slug=environment),
        api_group=ApiGroupFactory.create(slug=group),
        **values,
    )


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("http://app.example.com", "http instead of https: https://app.example.com"),
        ("https://app.example.com:8443", "another port: https://app.example.com"),
        ("https://app.example.com.", "with a dot behind the host: https://app.example.com"),
        ("HTTPS://app.example.com", "not spelt as browsers write it: https://app.example.com"),
        ("https://www.app.example.com", "differs in “www.”: https://app.example.com"),
        ("https://shop.example.com", "another name of the same owner: https://app.example.com"),
        ("https://app.exarnple.com", "looks like https://app.example.com, and is another owner's"),
    ],
)
def test_difference_is_said_with_the_grant_that_it_is_from(refused: str, words: str) -> None:
    trust()
    assert word(refused) == words


def test_other_places_are_named_by_their_names() -> None:
    trust(group="billing")
    assert word() == "trusted for Billing only"
    trust(group="reports")
    assert word() == "trusted for Billing and Reports only"
    for slug in ("a", "b", "c"):
        trust(group=slug)
    assert word() == "trusted for A, B, Billing and … only"


def test_other_environments_are_named_once_each() -> None:
    trust(environment="staging")
    trust(environment="staging", group="billing")
    assert word() == "trusted in Staging only"
    trust(environment="local")
    assert word() == "trusted in Local and Staging only"


def test_revocation_is_told_with_who_did_it_and_when(django_user_model: type[User]) -> None:
    ana = UserFactory.create(username="ana", is_superuser=True)
    services.revoke(trust(), actor=ana, reason="x")
    at = timezone.localtime()
    assert word() == f"revoked by ana on {at:%B} {at.day}"
    django_user_model.objects.all().delete()
    assert word() == f"revoked by ana on {at:%B} {at.day}", "the story keeps the name"


def test_revocation_by_nobody_that_is_known_says_so() -> None:
    trust(revoked_at=timezone.now().replace(year=2024, month=2, day=3))
    assert word() == "revoked by an unknown user on Feb. 3, 2024"


def test_expiry_is_told_with_its_day() -> None:
    trust(expires_at=timezone.now().replace(year=2024, month=5, day=3))
    assert word() == "expired on May 3, 2024"


def test_switched_off_grant_is_told() -> None:
    trust("http://app.example.com")
    assert "a safety rule of the environment has switched it off" in word("http://app.example.com")


@pytest.mark.parametrize(
    ("place", "values", "words"),
    [
        pytest.param({"group": "billing"}, {}, " (for Billing)", id="another group"),
        pytest.param({"environment": "staging"}, {}, " (Public in Staging)", id="another environment"),
        pytest.param({}, {"revoked_at": timezone.now()}, " (revoked)", id="revoked"),
        pytest.param({"group": "billing"}, {"expires_at": timezone.now() - timedelta(1)}, " (for Billing, expired)",
                     id="both"),
    ],
)  # fmt: skip
def test_remarks_say_what_else_differs(place: dict[str, str], values: dict[str, Any], words: str) -> None:
    trust(**place, **values)
    assert word("http://app.example.com") == f"http instead of https: https://app.example.com{words}"


def test_place_where_the_grant_has_ended_is_told_as_past() -> None:
    grant = trust(group="billing", revoked_at=timezone.now())
    assert word() == "once trusted for Billing: revoked"
    TrustedOrigin.objects.filter(pk=grant.pk).delete()
    trust(environment="staging", expires_at=timezone.now() - timedelta(days=1))
    assert word() == "once trusted in Staging: expired"


def test_pattern_that_covers_it_is_named() -> None:
    Environment.objects.update(allow_subdomain_patterns=True)
    trust("https://*.example.com", group="billing")
    assert word() == "trusted for Billing only (through https://*.example.com)"


def test_hostile_names_are_made_visible_and_cut() -> None:
    grant = trust(environment="staging")
    Environment.objects.filter(slug="staging").update(name="\u202e" + "x" * 99)
    assert "\u202e" not in word()
    assert "x" * 81 not in word()
    grant.refresh_from_db()
    assert "\u202e" not in word_grant(grant)
    assert "\\u202e" in word_grant(grant)


def test_words_can_be_translated() -> None:
    trust(environment="staging")
    with translation.override("de"):
        assert word()
