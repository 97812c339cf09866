"""Looking after a grant: who is behind it, why it is there, and when it ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyChange,
    TrustedOrigin,
)
from tests.admin.pages import errors, post, revision, text, url
from tests.admin.trusting import (
    CHANGE_PAGE,
    ORIGIN,
    until,
)
from tests.factories import (
    EnvironmentFactory,
    FrontEndFactory,
    TrustedOriginFactory,
)


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def amended(grant: TrustedOrigin, **values: Any) -> dict[str, Any]:
    return {"front_end": grant.front_end_id or "", "note": grant.note, "ends": "keep", "until": "", **values}


def test_changing_note_and_front_end_takes_no_revision(operator: Client) -> None:
    grant, front_end = TrustedOriginFactory.create(note="old"), FrontEndFactory.create()
    before = revision()
    post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, note="new", front_end=front_end.pk))
    grant.refresh_from_db()
    assert (grant.note, grant.front_end) == ("new", front_end)
    assert revision() == before


def test_changing_the_note_leaves_an_expiry_with_microseconds_alone(operator: Client) -> None:
    ends = timezone.now().replace(microsecond=123456) + timedelta(days=3)
    grant = TrustedOriginFactory.create(expires_at=ends)
    before = revision()
    post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, note="new"))
    grant.refresh_from_db()
    assert (grant.note, grant.expires_at, revision()) == ("new", ends, before)


def test_note_and_front_end_can_be_emptied(operator: Client) -> None:
    grant = TrustedOriginFactory.create(note="old", front_end=FrontEndFactory.create())
    post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, note="", front_end=""))
    grant.refresh_from_db()
    assert (grant.note, grant.front_end) == ("", None)


def test_changing_the_expiry_is_one_recorded_revision(operator: Client, ana: User) -> None:
    grant, before = TrustedOriginFactory.create(), revision()
    response = post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **until(3)))
    assert response.status_code == 302
    grant.refresh_from_db()
    assert grant.expires_at is not None
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, revision()) == ("renewed", "admin", ana, before + 1)


def test_expiry_can_be_taken_off_where_trust_is_unlimited(operator: Client) -> None:
    grant = TrustedOriginFactory.create(expires_at=timezone.now() + timedelta(days=3))
    post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, ends="never"))
    grant.refresh_from_db()
    assert grant.expires_at is None


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        pytest.param({"ends": "never"}, "limits how long", id="none"),
        pytest.param(until(31), "limits how long", id="too late"),
    ],
)
def test_changing_the_expiry_honours_the_longest_trust(operator: Client, ends: dict[str, str], says: str) -> None:
    Environment.objects.update(max_trust_days=30)
    grant = TrustedOriginFactory.create(expires_at=timezone.now() + timedelta(days=3))
    before = revision()
    page = post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **ends))
    assert says in " ".join(errors(page)["ends"])
    assert revision() == before


def test_place_and_origin_of_a_grant_cannot_be_changed(operator: Client) -> None:
    grant, staging = TrustedOriginFactory.create(origin=ORIGIN), EnvironmentFactory.create(slug="staging")
    post(
        operator,
        url(CHANGE_PAGE, grant.pk),
        amended(grant, origin="https://evil.example", environment=staging.pk),
    )
    grant.refresh_from_db()
    assert (grant.origin, grant.environment.slug, grant.revoked_at) == (ORIGIN, "production", None)


def test_grant_that_a_safety_rule_switched_off_says_which_and_can_be_described(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin="http://plain.example.com")
    page = operator.get(url(CHANGE_PAGE, grant.pk))
    assert "switched off" in text(page)
    assert "allow insecure http" in text(page)
    response = post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, note="to be moved to https"))
    assert response.status_code == 302
    assert "allow insecure http" in str(
        errors(post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **until(3))))["__all__"]
    )


def test_protected_grant_is_refused_in_words_and_says_so_beforehand(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    grant = TrustedOriginFactory.create()
    assert "protected environment (production)" in text(apprentice.get(url(CHANGE_PAGE, grant.pk)))
    page = post(apprentice, url(CHANGE_PAGE, grant.pk), amended(grant, note="mine"))
    assert "protected environment (production)" in errors(page)["__all__"][0]
    grant.refresh_from_db()
    assert grant.note == ""
