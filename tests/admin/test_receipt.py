"""The receipt has an address of its own: built from the story, for whoever may see grants."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.grants import receipt
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin, policy_write
from tests.admin.conftest import login
from tests.admin.pages import post, revision, said, text, url
from tests.factories import ApiGroupFactory, EnvironmentFactory, TrustedOriginFactory, user_with

ORIGIN = "https://app.example.com"


@pytest.fixture(autouse=True)
def staging(production: Environment, public: ApiGroup, billing: ApiGroup) -> Environment:
    """Every test has two environments and two groups."""
    ApiGroup.objects.filter(slug="billing").update(name="Billing API")
    return EnvironmentFactory.create(slug="staging", allow_subdomain_patterns=True)


def open_receipt(client: Client, number: int | str | None = None) -> Any:
    return client.get(url("receipt"), {"revision": revision() if number is None else number})


def part(page: Any, key: str) -> str:
    """Return what the element with this id says."""
    body = page.content.decode()
    found = body.partition(f'id="{key}"')[2].partition(">")[2]
    return text(type("Page", (), {"content": found.split("</ul>")[0].encode()}))


def test_receipt_says_who_closed_what_when_why_and_how(operator: Client, ana: User, staging: Environment) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    TrustedOriginFactory.create(origin=ORIGIN, environment=staging, api_group=ApiGroup.objects.get(slug="billing"))
    address = url("trustedorigin_revoke_everywhere", grant.pk)
    response = post(operator, address, {"reason": "Taken over.\nSee ticket 7."})
    for page in (operator.get(response["Location"]), operator.get(response["Location"])):
        words = text(page)
        assert "2 grants were closed by ana on" in words
        assert f"in revision {revision()}. By way of: admin." in words
        assert "Taken over. See ticket 7." in words
        assert part(page, "closed") == f"{ORIGIN} for Public in Production {ORIGIN} for Billing API in Staging"
        assert "Every process follows within 1 second" in words
        assert "Billing API: browsers may act on preflights they have cached until" in words
        assert "(10 minutes)" in words
        assert "Sessions and tokens that were given out stay valid" in words
        assert "Clients that send no Origin" in words


def test_receipt_of_one_grant_says_so(operator: Client) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN))
    words = text(open_receipt(operator))
    assert "One grant was closed by the system on" in words
    assert "By way of: code." in words
    assert "no reason given" in words


def test_receipt_says_until_when_browsers_remember_and_when_that_is_over(operator: Client) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    assert "That is over." not in text(open_receipt(operator))
    PolicyChange.objects.create(
        revision=1000,
        token="t",
        at=timezone.now() - timedelta(minutes=11),
        action="revoked",
        target=f"trustedorigin:production/public/{ORIGIN}",
    )
    assert "(10 minutes). That is over." in text(open_receipt(operator, 1000))


def test_receipt_says_nothing_of_preflights_that_no_browser_remembers(operator: Client) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    ApiGroup.objects.update(max_age=0)
    assert "preflights" not in part(open_receipt(operator), "delays")


def test_receipt_names_what_is_not_closed_as_things_stand_now(operator: Client, staging: Environment) -> None:
    ApiGroupFactory.create(slug="open", name="Open data", any_origin=True)
    billing = ApiGroup.objects.get(slug="billing")
    grant = TrustedOriginFactory.create(origin=ORIGIN, environment=staging)
    TrustedOriginFactory.create(origin=ORIGIN, environment=staging, api_group=billing)
    TrustedOriginFactory.create(origin="https://*.example.com", environment=staging)
    TrustedOriginFactory.create(
        origin="https://*.example.com", environment=EnvironmentFactory.create(slug="lab", allow_subdomain_patterns=True)
    )
    post(operator, url("trustedorigin_revoke", grant.pk), {"reason": "x"})
    page = open_receipt(operator)
    assert part(page, "elsewhere") == f"{ORIGIN} for Billing API in Staging active"
    assert part(page, "through") == "https://*.example.com for Public in Lab active"
    assert part(page, "patterns") == "https://*.example.com for Public in Staging active"
    assert "API groups that are open to any origin: Open data." in text(page)


def test_receipt_says_where_only_a_pattern_had_let_the_origin_in(operator: Client, staging: Environment) -> None:
    TrustedOriginFactory.create(origin="https://*.example.com", environment=staging)
    services.revoke_origin(ORIGIN, reason="x")
    page = open_receipt(operator)
    assert "only a pattern had let it in, so a revoked entry of its own was left" in part(page, "closed")


def test_receipt_of_a_pattern_names_the_grants_below_it(operator: Client, staging: Environment) -> None:
    TrustedOriginFactory.create(origin="https://*.example.com", environment=staging)
    TrustedOriginFactory.create(origin=ORIGIN, environment=staging)
    services.revoke_origin("https://*.example.com", reason="x")
    assert part(open_receipt(operator), "remaining") == f"{ORIGIN} for Public in Staging active"


def test_receipt_says_what_was_reinstated_since(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    services.revoke(grant, reason="x")
    number = revision()
    assert part(open_receipt(operator), "closed") == f"{ORIGIN} for Public in Production"
    services.reinstate(grant, reason="y")
    assert part(open_receipt(operator, number), "closed") == f"{ORIGIN} for Public in Production active"


def test_receipt_of_several_origins_lists_them_all(operator: Client) -> None:
    grants = [TrustedOriginFactory.create(origin=f"https://a{number}.example.com") for number in range(3)]
    services.revoke_many(grants, reason="x")
    words = part(open_receipt(operator), "closed")
    assert words == " ".join(f"https://a{number}.example.com for Public in Production" for number in range(3))


def test_receipt_leads_on_to_the_story_and_to_a_check(operator: Client) -> None:
    grant = services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    page = open_receipt(operator).content.decode()
    address = f"{url('policychange_changelist')}?revision={revision()}"
    assert f'href="{address}"' in page
    assert len(operator.get(address).context["cl"].result_list) == 1
    assert f'href="{url("check")}?grant={grant.pk}"' in page
    assert f'href="{url("trustedorigin_change", grant.pk)}"' in page


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_trustedorigin"], 200, id="view"),
        pytest.param(["change_trustedorigin"], 200, id="change"),
        pytest.param(["view_policychange", "add_trustedorigin", "view_environment"], 403, id="others"),
    ],
)
def test_receipt_is_for_those_who_may_see_grants(permissions: list[str], status: int) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    page = open_receipt(login(user_with(*permissions)))
    assert page.status_code == status
    assert 'id="history-link"' not in page.content.decode()


def test_receipt_is_shown_to_nobody_who_has_not_logged_in(client: Client) -> None:
    services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="x")
    assert open_receipt(client)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("number", ["", "0", "999", "-1", "x", "\0", "²", "1" * 19, "1" * 5000, "1.0"])
def test_revision_that_revoked_nothing_is_said(operator: Client, number: str) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    response = open_receipt(operator, number)
    assert response["Location"] == url("trustedorigin_changelist")
    assert said(response) == ["Nothing was revoked in that revision."]


def test_number_that_came_again_shows_the_newer_revocation(operator: Client) -> None:
    for token, origin in (("old", "https://old.example.com"), ("new", "https://new.example.com")):
        PolicyChange.objects.create(
            revision=7, token=token, at=timezone.now(), action="revoked", target=f"trustedorigin:a/b/{origin}"
        )
    page = text(open_receipt(operator, 7))
    assert "https://new.example.com for b in a" in page
    assert "https://old.example.com" not in page


@pytest.mark.parametrize(
    "target",
    [
        "trustedorigin:<script>alert(1)</script>/x/<script>alert(2)</script>",
        "trustedorigin:a/b/https://a\u202emoc.example",
        "trustedorigin:a/b/" + "x" * 490,
        "trustedorigin:",
        "trustedorigin:/",
        "trustedorigin:a/b",
    ],
)
@pytest.mark.parametrize("before", [None, "x", [], 7])
def test_hostile_story_is_escaped_and_cut(operator: Client, target: str, before: Any) -> None:
    PolicyChange.objects.create(
        revision=7,
        token="t",
        at=timezone.now(),
        actor_label="<script>who\u202e",
        action="revoked",
        target=target,
        before=before,
        after="{",
        reason="<script>why\u202e" + "y" * 5000,
    )
    page = open_receipt(operator, 7)
    assert page.status_code == 200
    body = page.content.decode()
    for piece in ("<script>alert", "<script>w", "\u202e", "x" * 256, "y" * 2001):
        assert piece not in body


def test_bulk_write_that_calls_itself_a_revocation_has_no_receipt(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    with policy_write(action="revoked"):
        TrustedOrigin.objects.update(revoked_at=timezone.now())
    assert said(open_receipt(operator)) == ["Nothing was revoked in that revision."]


def test_long_receipt_is_cut_and_says_so(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt, "MAX_LISTED", 2)
    services.revoke_many([TrustedOriginFactory.create() for _ in range(3)], reason="x")
    page = open_receipt(operator)
    assert part(page, "closed").count(" for Public in Production") == 2
    assert "And more" in text(page)


def test_receipt_asks_few_questions(django_assert_max_num_queries: Any) -> None:
    client = login(user_with("view_trustedorigin", "view_policychange"))
    groups = [ApiGroupFactory.create(slug=f"group{number}") for number in range(10)]
    rows = [(f"https://a{number}.example.com", group) for group in groups for number in range(3)]
    grants = [TrustedOriginFactory.create(origin=origin, api_group=group) for origin, group in rows]
    services.revoke_many(grants, reason="x")
    open_receipt(client)  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        open_receipt(client)
