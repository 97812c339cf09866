from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.grants import revocation
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from tests.admin.conftest import login
from tests.admin.pages import errors, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    OriginUsageFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)

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
    page = text(operator.get(url(HERE, grant.pk)))
    assert f"{ORIGIN} for Public in Production" in page
    assert "for Billing in Staging" not in page
    assert "cached for up to 10 minutes" in page
    assert not is_revoked(grant)
    assert revision() == before


def test_revoking_here_closes_one_grant_and_leads_to_the_receipt(
    operator: Client, ana: User, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    before = revision()
    response = post(operator, url(HERE, grant.pk), {"reason": "Taken over."})
    assert response["Location"] == f"{url('receipt')}?revision={before + 1}"
    assert is_revoked(grant)
    assert not is_revoked(elsewhere)
    assert (grant.revoked_by, grant.revoke_reason, revision()) == (ana, "Taken over.", before + 1)
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, change.reason) == ("revoked", "admin", ana, "Taken over.")
    assert "Taken over." in LogEntry.objects.get().change_message


def test_revoke_everywhere_page_shows_all_that_it_will_touch(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, pattern: TrustedOrigin
) -> None:
    ApiGroup.objects.create(slug="open", name="Open", any_origin=True)
    page = text(operator.get(url(EVERYWHERE, grant.pk)))
    assert f"{ORIGIN} for Public in Production" in page
    assert f"{ORIGIN} for Billing in Staging" in page
    assert f"{ORIGIN} for Public in Staging let in by https://*.example.com, which stays" in page
    assert "https://*.example.com for Public in Staging" in page
    assert "Open to any origin, so this changes nothing there: Open." in page


def test_revoking_everywhere_closes_all_in_one_revision(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, pattern: TrustedOrigin
) -> None:
    ApiGroup.objects.create(slug="open", name="Open", any_origin=True)
    other, before = TrustedOriginFactory.create(), revision()
    response = post(operator, url(EVERYWHERE, grant.pk), {"reason": "Taken over."})
    assert response["Location"] == f"{url('receipt')}?revision={before + 1}"
    assert revision() == before + 1
    assert is_revoked(grant)
    assert is_revoked(elsewhere)
    assert not is_revoked(pattern)
    assert not is_revoked(other)
    assert TrustedOrigin.objects.revoked().filter(origin=ORIGIN).count() == 3
    assert "Revoked everywhere: Taken over." in LogEntry.objects.get().change_message


def test_revoking_everywhere_again_says_that_nothing_is_left(operator: Client, grant: TrustedOrigin) -> None:
    services.revoke(grant, reason="x")
    before = revision()
    assert "nothing left to close" in text(operator.get(url(EVERYWHERE, grant.pk)))
    response = post(operator, url(EVERYWHERE, grant.pk), {"reason": "again"})
    assert response["Location"] == url("trustedorigin_change", grant.pk)
    assert said(response) == ["Nothing was changed: there was nothing left to close."]
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
    assert response["Location"] == f"{url('receipt')}?revision={revision()}"
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


def see(grant: TrustedOrigin, count: int, days: float = 1, **values: Any) -> None:
    at = timezone.now() - timedelta(days=days)
    OriginUsageFactory.create(trusted_origin=grant, count=count, first_seen=at, last_seen=at, **values)


def test_page_says_what_each_grant_was_used_for_and_whom_to_call(operator: Client, grant: TrustedOrigin) -> None:
    shop = FrontEndFactory.create(name="Web shop", owner="Team Shop", contact="shop@example.com, ext. 7", external=True)
    TrustedOrigin.objects.update(front_end=shop, created_at=timezone.now() - timedelta(days=400))
    see(grant, 2000, method="GET")
    see(grant, 1000, days=3, method="POST")
    see(grant, 9999, days=31, method="PUT")
    page = text(operator.get(url(HERE, grant.pk)))
    assert "About 100 requests a day. Last used 1 day ago ." in page
    assert "GET 2,000 POST 1,000" in page
    assert "PUT" not in page
    assert "Web shop Team Shop shop@example.com, ext. 7 run by somebody outside" in page
    assert "“Lately” means the last 30 days. This shows use and proves none" in page


def test_page_says_that_nothing_was_seen(operator: Client, grant: TrustedOrigin) -> None:
    see(grant, 1, days=31)
    page = text(operator.get(url(HERE, grant.pk)))
    assert "Nothing was seen in the last 30 days." in page
    assert "not known" in page


def test_page_says_that_where_every_origin_is_let_in_use_is_not_recorded(
    operator: Client, grant: TrustedOrigin
) -> None:
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    assert "use is not recorded" in text(operator.get(url(EVERYWHERE, grant.pk)))


def test_page_of_a_pattern_names_the_origins_that_came_through_it(operator: Client, pattern: TrustedOrigin) -> None:
    for number in range(12):
        see(pattern, 100 + number, origin=f"https://a{number}.example.com")
    page = text(operator.get(url(HERE, pattern.pk)))
    assert "https://a11.example.com 111, 1 day ago" in page
    assert "https://a2.example.com" in page
    assert "https://a1.example.com" not in page


def test_page_tells_an_origin_apart_from_others_that_a_pattern_lets_in(
    operator: Client, grant: TrustedOrigin, pattern: TrustedOrigin
) -> None:
    see(pattern, 70, origin=ORIGIN)
    see(pattern, 4000, origin="https://other.example.com")
    page = text(operator.get(url(EVERYWHERE, grant.pk)))
    assert "let in by https://*.example.com, which stays About 70 requests a day." in page
    assert "4,000" not in page


def test_page_says_how_long_browsers_remember_each_group(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    ApiGroup.objects.filter(slug="billing").update(max_age=7200)
    page = text(operator.get(url(EVERYWHERE, grant.pk)))
    assert "up to 10 minutes" in page
    assert "up to 2 hours" in page
    assert "cached for up to 2 hours" in page


@pytest.mark.parametrize("page", [HERE, EVERYWHERE])
def test_pages_of_a_revocation_ask_few_questions(
    page: str, pattern: TrustedOrigin, billing: ApiGroup, production: Environment, django_assert_max_num_queries: Any
) -> None:
    client = login(user_with("change_trustedorigin", "view_trustedorigin", "view_policychange"))
    for number in range(8):
        group = ApiGroupFactory.create(slug=f"group{number}")
        see(TrustedOriginFactory.create(origin=pattern.origin, api_group=group, front_end=FrontEndFactory.create()), 1)
        see(TrustedOriginFactory.create(origin=f"https://a{number}.example.com"), 1)
    client.get(url(page, pattern.pk))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        client.get(url(page, pattern.pk))


# --- reinstating ------------------------------------------------------------------------------------------------------


@pytest.fixture
def revoked(ana: User, grant: TrustedOrigin) -> TrustedOrigin:
    return services.revoke(grant, actor=ana, reason="taken over")


def test_reinstate_page_says_who_revoked_and_why(operator: Client, revoked: TrustedOrigin) -> None:
    page = text(operator.get(url(REINSTATE, revoked.pk)))
    assert "Revoked by ana on" in page
    assert "taken over" in page
    assert "No use of it is on record." in page
    assert is_revoked(revoked)


def test_reinstate_page_knows_who_revoked_although_the_user_has_gone(
    operator: Client, ana: User, grant: TrustedOrigin
) -> None:
    bob = UserFactory.create(username="bob")
    services.revoke(grant, actor=bob, reason="x")
    bob.delete()
    assert "Revoked by bob on" in text(operator.get(url(REINSTATE, grant.pk)))


def test_reinstate_page_says_what_is_different_by_now(operator: Client, revoked: TrustedOrigin) -> None:
    TrustedOrigin.objects.update(front_end=FrontEndFactory.create(name="Web shop", contact="ext. 7"))
    see(revoked, 3, days=2)
    RejectedOriginFactory.create(origin=ORIGIN, last_seen=timezone.now())
    ApiGroup.objects.filter(slug="public").update(any_origin=True)
    page = text(operator.get(url(REINSTATE, revoked.pk)))
    assert "Public is open to any origin now" in page
    assert "Last used 2 days ago ." in page
    assert "It goes on asking: refused just now" in page
    assert "Its front end is Web shop. Team Shop, ext. 7" in page


def test_reinstate_page_tells_of_refusals_only_whom_may_see_them(revoked: TrustedOrigin) -> None:
    RejectedOriginFactory.create(origin=ORIGIN, last_seen=timezone.now())
    client = login(user_with("change_trustedorigin", "view_trustedorigin"))
    assert "It goes on asking" not in text(client.get(url(REINSTATE, revoked.pk)))


def test_reinstate_page_says_what_stands_against_it_and_offers_no_button(
    operator: Client, revoked: TrustedOrigin
) -> None:
    Environment.objects.update(max_trust_days=30)
    page = operator.get(url(REINSTATE, revoked.pk))
    assert "limits how long a grant may live" in text(page)
    assert 'id="confirm"' not in page.content.decode()


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
    post(operator, url("trustedorigin_change", revoked.pk), {"front_end": "", "note": "", "ends": "7"})
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
    response = post(operator, address, tick(grant, elsewhere, revoke="yes", reason="Drill."))
    assert response["Location"] == f"{url('receipt')}?revision={before + 1}"
    assert is_revoked(grant)
    assert is_revoked(elsewhere)
    assert revision() == before + 1
    told = PolicyChange.objects.filter(revision=before + 1).values_list("action", "source", "actor", "reason")
    assert list(told) == [("revoked", "admin", ana.pk, "Drill.")] * 2
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["Revoked: Drill."] * 2


def test_selection_says_what_is_revoked_already_and_what_stays_open(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin
) -> None:
    other = services.revoke(TrustedOriginFactory.create(origin="https://other.example.com"), reason="x")
    ApiGroup.objects.filter(slug="billing").update(allow_credentials=False, any_origin=True)
    address = url("trustedorigin_changelist")
    page = text(post(operator, address, tick(grant, elsewhere, other)))
    assert "Will be closed What will be closed, whose it is, what it was used for lately" in page
    assert "Revoked already https://other.example.com for Public in Production" in page
    assert "Stays open These API groups are open to any origin" in page
    assert f"{ORIGIN} for Billing in Staging" in page
    post(operator, address, tick(grant, elsewhere, other, revoke="yes", reason="Drill."))
    assert is_revoked(grant)
    assert not is_revoked(elsewhere)
    for ticked in (tick(elsewhere, other), tick(elsewhere, other, revoke="yes", reason="Drill.")):
        assert "nothing to revoke among these" in text(post(operator, address, ticked))


def test_selection_shows_the_blast_radius_of_all(
    operator: Client, grant: TrustedOrigin, elsewhere: TrustedOrigin, django_assert_max_num_queries: Any
) -> None:
    see(grant, 70, method="DELETE")
    see(elsewhere, 90, method="PATCH")
    others = [TrustedOriginFactory.create(front_end=FrontEndFactory.create()) for _ in range(20)]
    operator.get(url("trustedorigin_changelist"))
    with django_assert_max_num_queries(15):
        page = text(post(operator, url("trustedorigin_changelist"), tick(grant, elsewhere, *others)))
    assert "DELETE 70" in page
    assert "PATCH 90" in page
    assert page.count("Nothing was seen in the last 30 days.") == 20


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
    assert said(response) == ["Select one grant at a time."]
    assert not is_revoked(grant)
