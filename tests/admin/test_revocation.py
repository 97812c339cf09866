from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin import revocation
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from tests.admin.pages import errors, post, revision, said, text, url
from tests.factories import EnvironmentFactory, TrustedOriginFactory

ORIGIN = "https://app.example.com"
HERE, EVERYWHERE, REINSTATE = (f"trustedorigin_{page}" for page in ("revoke", "revoke_everywhere", "reinstate"))


@pytest.fixture(autouse=True)
def staging(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    """Every test has two environments and two groups."""
    return EnvironmentFactory.create(slug="staging", allow_subdomain_patterns=True)


@pytest.fixture
def grant() -> TrustedOrigin:
    return TrustedOriginFactory.create(origin=ORIGIN)


@pytest.fixture
def elsewhere(staging: Environment, billing: ApiGroup) -> TrustedOrigin:
    return TrustedOriginFactory.create(origin=ORIGIN, environment=staging, api_group=billing)


@pytest.fixture
def pattern(staging: Environment) -> TrustedOrigin:
    return TrustedOriginFactory.create(origin="https://*.example.com", environment=staging)


def is_revoked(grant: TrustedOrigin) -> bool:
    grant.refresh_from_db()
    return grant.revoked_at is not None


# --- revoking ---------------------------------------------------------------------------------------------------------


def test_page_of_a_grant_offers_what_can_be_done(operator: Client, grant: TrustedOrigin) -> None:
    address = url("trustedorigin_change", grant.pk)
    page = text(operator.get(address))
    assert "Revoke here…" in page
    assert "Revoke everywhere…" in page
    assert "Reinstate…" not in page
    services.revoke(grant, reason="x")
    page = text(operator.get(address))
    assert "Revoke here…" not in page
    assert "Reinstate…" in page


def test_revoke_here_page_shows_what_will_happen_and_changes_nothing(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    before = revision()
    page = operator.get(url(HERE, grant.pk))
    assert f"{ORIGIN} for public in production" in text(page)
    assert "for billing in staging" not in text(page)
    assert "cached for up to 10 minutes" in text(page)
    assert not is_revoked(grant)
    assert revision() == before


def test_revoking_here_closes_one_grant_and_hands_over_the_receipt(
    operator: Client, ana: User, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    before = revision()
    page = post(operator, url(HERE, grant.pk), {"reason": "Taken over."})
    assert is_revoked(grant)
    assert not is_revoked(elsewhere)
    assert (grant.revoked_by, grant.revoke_reason, revision()) == (ana, "Taken over.", before + 1)
    words = text(page)
    assert "One grant was closed on" in words
    assert f"in revision {before + 1}" in words
    assert f"{ORIGIN} for public in production" in words
    assert "Other processes follow within 1 second." in words
    assert "preflights they have cached until" in words
    assert "Sessions and tokens that were given out stay valid" in words
    assert "Clients that send no Origin" in words
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, change.reason) == ("revoked", "admin", ana, "Taken over.")
    assert "Taken over." in LogEntry.objects.get().change_message


def test_revoke_everywhere_page_shows_all_that_it_will_touch(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, pattern: TrustedOrigin
) -> None:
    ApiGroup.objects.create(slug="open", name="Open", any_origin=True)
    page = text(operator.get(url(EVERYWHERE, grant.pk)))
    assert f"{ORIGIN} for public in production" in page
    assert f"{ORIGIN} for billing in staging" in page
    assert f"{ORIGIN} for public in staging" in page
    assert "https://*.example.com for public in staging" in page
    assert "Open to any origin, so this changes nothing there: open." in page


def test_revoking_everywhere_closes_all_in_one_revision(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, pattern: TrustedOrigin
) -> None:
    ApiGroup.objects.create(slug="open", name="Open", any_origin=True)
    other, before = TrustedOriginFactory.create(), revision()
    page = text(post(operator, url(EVERYWHERE, grant.pk), {"reason": "Taken over."}))
    assert revision() == before + 1
    assert is_revoked(grant)
    assert is_revoked(elsewhere)
    assert not is_revoked(pattern)
    assert not is_revoked(other)
    assert TrustedOrigin.objects.revoked().filter(origin=ORIGIN).count() == 3
    assert "3 grants were closed" in page
    assert "Left as revoked entries" in page
    assert "Patterns that still trust other origins" in page
    assert "API groups that are open to any origin: open." in page


def test_revoking_everywhere_again_says_that_nothing_is_left(operator: Client, grant: TrustedOrigin) -> None:
    services.revoke(grant, reason="x")
    before = revision()
    assert "nothing left to close" in text(operator.get(url(EVERYWHERE, grant.pk)))
    page = text(post(operator, url(EVERYWHERE, grant.pk), {"reason": "again"}))
    assert "Nothing was changed" in page
    assert revision() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("reason", ["", "   "])
@pytest.mark.parametrize("page", [HERE, EVERYWHERE])
def test_revoking_without_a_reason_asks_for_one(operator: Client, grant: TrustedOrigin, page: str, reason: str) -> None:
    shown = post(operator, url(page, grant.pk), {"reason": reason})
    assert errors(shown) == {"reason": ["Say why. A change without a reason helps nobody later."]}
    assert not is_revoked(grant)


def test_revoking_in_an_open_group_says_that_it_would_do_nothing(operator: Client, grant: TrustedOrigin) -> None:
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    assert "open to any origin" in text(operator.get(url(HERE, grant.pk)))
    assert "open to any origin" in text(post(operator, url(HERE, grant.pk), {"reason": "x"}))
    assert not is_revoked(grant)


@pytest.mark.parametrize("page", [HERE, EVERYWHERE])
def test_revoking_in_a_protected_environment_is_refused_in_words(
    apprentice: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, page: str
) -> None:
    Environment.objects.filter(slug="production").update(protected=True)
    before = revision()
    shown = apprentice.get(url(page, grant.pk))
    assert "protected environment (production)" in text(shown)
    refused = post(apprentice, url(page, grant.pk), {"reason": "x"})
    assert refused.status_code == 200
    assert "protected environment (production)" in text(refused)
    assert not is_revoked(grant)
    assert not is_revoked(elsewhere)
    assert revision() == before


def test_row_that_is_spelt_wrongly_can_be_revoked_by_itself(operator: Client, grant: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(origin="https://App.example.com")
    assert "here alone" in text(operator.get(url(EVERYWHERE, grant.pk)))
    post(operator, url(EVERYWHERE, grant.pk), {"reason": "x"})
    assert not is_revoked(grant)
    response = post(operator, url(HERE, grant.pk), {"reason": "x"})
    assert response["Location"] == url("trustedorigin_change", grant.pk)
    assert is_revoked(grant)


def test_row_that_is_spelt_wrongly_in_a_protected_environment_stays(apprentice: Client, grant: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(origin="https://App.example.com")
    Environment.objects.update(protected=True)
    page = post(apprentice, url(HERE, grant.pk), {"reason": "x"})
    assert "protected environment" in text(page)
    assert not is_revoked(grant)


@pytest.mark.parametrize("page", [HERE, EVERYWHERE, REINSTATE])
@pytest.mark.parametrize("key", [0, 999, 10**30])
def test_grant_that_is_not_there_is_said(operator: Client, page: str, key: int) -> None:
    response = operator.get(url(page, key))
    assert response["Location"] == url("trustedorigin_changelist")
    assert "no such trusted origin" in said(response)[0]


def test_receipt_leads_to_what_was_recorded(operator: Client, grant: TrustedOrigin) -> None:
    page = post(operator, url(HERE, grant.pk), {"reason": "x"})
    address = f"{url('policychange_changelist')}?revision={revision()}"
    assert address in page.content.decode()
    assert len(operator.get(address).context["cl"].result_list) == 1


def test_pages_of_a_revocation_ask_few_questions(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, django_assert_max_num_queries: Any
) -> None:
    operator.get(url(HERE, grant.pk))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(12):
        operator.get(url(EVERYWHERE, grant.pk))


# --- reinstating ------------------------------------------------------------------------------------------------------


@pytest.fixture
def revoked(ana: User, grant: TrustedOrigin) -> TrustedOrigin:
    return services.revoke(grant, actor=ana, reason="taken over")


def test_reinstate_page_says_who_revoked_and_why(operator: Client, revoked: TrustedOrigin) -> None:
    page = text(operator.get(url(REINSTATE, revoked.pk)))
    assert "Revoked by ana on" in page
    assert "taken over" in page
    assert is_revoked(revoked)


def test_reinstating_trusts_again_in_one_revision(operator: Client, ana: User, revoked: TrustedOrigin) -> None:
    before = revision()
    response = post(operator, url(REINSTATE, revoked.pk), {"reason": "Cleared."})
    assert response["Location"] == url("trustedorigin_change", revoked.pk)
    assert said(response) == [f"Trusted again: {ORIGIN} for Public in Production."]
    assert not is_revoked(revoked)
    assert revision() == before + 1
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, change.reason) == ("reinstated", "admin", ana, "Cleared.")


def test_reinstating_without_a_reason_asks_for_one(operator: Client, revoked: TrustedOrigin) -> None:
    page = post(operator, url(REINSTATE, revoked.pk), {"reason": " "})
    assert "Say why" in errors(page)["reason"][0]
    assert is_revoked(revoked)


def test_reinstating_what_a_safety_rule_forbids_says_all_of_it(operator: Client, billing: ApiGroup) -> None:
    grant = TrustedOriginFactory.create(origin="http://app.example.com", api_group=billing)
    services.revoke(grant, reason="x")
    page = post(operator, url(REINSTATE, grant.pk), {"reason": "y"})
    assert "allow insecure http" in errors(page)["__all__"][0]
    assert "with credentials" in errors(page)["__all__"][0]
    assert is_revoked(grant)


def test_reinstating_where_trust_is_limited_asks_for_an_expiry_which_can_be_set_first(
    operator: Client, revoked: TrustedOrigin
) -> None:
    Environment.objects.update(max_trust_days=30)
    page = post(operator, url(REINSTATE, revoked.pk), {"reason": "y"})
    assert "limits how long" in errors(page)["__all__"][0]
    ends = timezone.localtime() + timedelta(days=3)
    post(
        operator,
        url("trustedorigin_change", revoked.pk),
        {"front_end": "", "note": "", "expires_at_0": ends.strftime("%Y-%m-%d"), "expires_at_1": "12:00:00"},
    )
    assert is_revoked(revoked)
    post(operator, url(REINSTATE, revoked.pk), {"reason": "y"})
    assert not is_revoked(revoked)


def test_reinstating_an_expired_grant_says_that_it_is_not_trusted_yet(operator: Client, revoked: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert "expired on" in text(operator.get(url(REINSTATE, revoked.pk)))
    response = post(operator, url(REINSTATE, revoked.pk), {"reason": "y"})
    assert "not trusted yet" in said(response)[0]


def test_reinstating_in_a_protected_environment_is_refused_in_words(apprentice: Client, revoked: TrustedOrigin) -> None:
    Environment.objects.update(protected=True)
    assert "protected environment" in text(apprentice.get(url(REINSTATE, revoked.pk)))
    assert "protected environment" in text(post(apprentice, url(REINSTATE, revoked.pk), {"reason": "y"}))
    assert is_revoked(revoked)


def test_reinstating_what_is_not_revoked_says_so(operator: Client, grant: TrustedOrigin) -> None:
    response = operator.get(url(REINSTATE, grant.pk))
    assert said(response) == ["This grant is not revoked."]


# --- several at once --------------------------------------------------------------------------------------------------


def tick(*grants: TrustedOrigin, **values: Any) -> dict[str, Any]:
    return {"action": "revoke_selected", "_selected_action": [grant.pk for grant in grants], **values}


def test_selected_grants_are_shown_first_and_revoked_in_one_revision_with_a_reason(
    operator: Client, ana: User, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    address, before = url("trustedorigin_changelist"), revision()
    page = post(operator, address, tick(grant, elsewhere))
    assert f"{ORIGIN} for Public in Production" in text(page)
    assert f"{ORIGIN} for Billing in Staging" in text(page)
    assert not is_revoked(grant)
    asked = post(operator, address, tick(grant, elsewhere, revoke="yes", reason=""))
    assert "Say why" in text(asked)
    assert not is_revoked(grant)
    receipt = post(operator, address, tick(grant, elsewhere, revoke="yes", reason="Drill."))
    assert "2 grants were closed" in text(receipt)
    assert is_revoked(grant)
    assert is_revoked(elsewhere)
    assert revision() == before + 1
    told = PolicyChange.objects.filter(revision=before + 1).values_list("action", "source", "actor", "reason")
    assert list(told) == [("revoked", "admin", ana.pk, "Drill.")] * 2


def test_selection_says_what_is_revoked_already_and_what_stays_open(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    other = services.revoke(TrustedOriginFactory.create(origin="https://other.example.com"), reason="x")
    ApiGroup.objects.filter(slug="billing").update(allow_credentials=False, any_origin=True)
    address = url("trustedorigin_changelist")
    receipt = post(operator, address, tick(grant, elsewhere, other, revoke="yes", reason="Drill."))
    assert "One grant was closed" in text(receipt)
    assert "API groups that are open to any origin: billing" in text(receipt)
    assert "Revoked already" in text(receipt)
    assert not is_revoked(elsewhere)
    nothing = post(operator, address, tick(elsewhere, other))
    assert "nothing to revoke among these" in text(nothing)


def test_selection_in_a_protected_environment_is_refused_in_words_and_whole(
    apprentice: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    Environment.objects.filter(slug="production").update(protected=True)
    response = post(apprentice, url("trustedorigin_changelist"), tick(grant, elsewhere, revoke="yes", reason="Drill."))
    assert "protected environment (production)" in said(response)[0]
    assert not is_revoked(elsewhere)


def test_selection_is_bounded(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "MAX_SELECTED", 1)
    response = post(operator, url("trustedorigin_changelist"), tick(grant, elsewhere, revoke="yes", reason="Drill."))
    assert said(response) == ["Select at most 1 grants at a time."]
    assert not is_revoked(grant)
