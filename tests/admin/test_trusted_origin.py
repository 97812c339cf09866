import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard.models import (
    ApiGroup,
    Environment,
    OriginUsage,
    PolicyChange,
    TrustedOrigin,
)
from tests.admin.pages import post, revision, said, text, url
from tests.factories import TrustedOriginFactory

LIST = "trustedorigin_changelist"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def test_delete_page_says_what_deleting_is_for_and_deletes(operator: Client, ana: User) -> None:
    grant, before = TrustedOriginFactory.create(), revision()
    address = url("trustedorigin_delete", grant.pk)
    assert "Deleting is for purges" in text(operator.get(address))
    post(operator, address, {"post": "yes"})
    assert not TrustedOrigin.objects.exists()
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, revision()) == ("deleted", "admin", ana, before + 1)


def test_deleting_several_is_one_recorded_revision(operator: Client, ana: User) -> None:
    grants = [TrustedOriginFactory.create() for _ in range(2)]
    before = revision()
    ticked = {"action": "delete_selected", "_selected_action": [grant.pk for grant in grants], "post": "yes"}
    post(operator, url(LIST), ticked)
    assert (TrustedOrigin.objects.count(), revision()) == (0, before + 1)
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor) == ("deleted", "admin", ana)


def test_deleting_takes_the_usage_along_without_listing_it(operator: Client) -> None:
    grant = TrustedOriginFactory.create()
    for _ in range(3):
        OriginUsage.objects.create(
            trusted_origin=grant, origin=grant.origin, count=1, first_seen=timezone.now(), last_seen=timezone.now()
        )
    page = operator.get(url("trustedorigin_delete", grant.pk))
    assert "Usage of trusted origins: 3" in text(page)
    assert page.content.decode().count(grant.origin) < 6
    several = post(operator, url(LIST), {"action": "delete_selected", "_selected_action": [grant.pk]})
    assert "Usage of trusted origins: 3" in text(several)
    post(operator, url("trustedorigin_delete", grant.pk), {"post": "yes"})
    assert not TrustedOrigin.objects.exists()
    assert not OriginUsage.objects.exists()


def test_deleting_in_a_protected_environment_is_refused_in_words(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    grant = TrustedOriginFactory.create()
    one = post(apprentice, url("trustedorigin_delete", grant.pk), {"post": "yes"})
    several = post(apprentice, url(LIST), {"action": "delete_selected", "_selected_action": [grant.pk], "post": "yes"})
    for response in (one, several):
        assert response.status_code == 302
        assert "protected environment (production)" in said(response)[0]
    assert TrustedOrigin.objects.exists()
    assert not LogEntry.objects.exists()
