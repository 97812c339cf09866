"""The history of one object, and the page that takes a change back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_cors_guard import services
from django_cors_guard.admin.history import story as history
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    OriginUsage,
    PolicyChange,
    TrustedOrigin,
)
from django_cors_guard.services.history import reverting as reversals
from tests.admin.conftest import login
from tests.admin.pages import Response, errors, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    GroupModeFactory,
    RejectionFactory,
    TrustedOriginFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
CHANGE, REVERT = "policychange_change", "policychange_revert"
MAX_QUERIES = 15
FORBIDDEN = 403


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def trust(origin: str = ORIGIN, **extra: Any) -> TrustedOrigin:
    return services.trust(origin, environment="production", api_group="public", **extra)


def latest(**wanted: Any) -> PolicyChange:
    return PolicyChange.objects.filter(**wanted).latest("pk")


def story(client: Client, row: Any, **query: Any) -> Response:
    return client.get(url(f"{row._meta.model_name}_history", row.pk), query)


def told(response: Response) -> list[str]:
    return [f"{row.change.action} {row.change.target}" for row in response.context["story"].rows]


# --- the history of an object ---


def test_grant_tells_its_own_story(operator: Client, ana: User) -> None:
    grant = trust(actor=ana)
    trust("https://other.example.com")
    services.revoke(grant, actor=ana, reason="taken over")
    page = story(operator, grant)
    target = "trustedorigin:production/public/https://app.example.com"
    assert told(page) == [f"revoked {target}", f"trusted {target}"]
    words = text(page)
    assert "Changes of the policy" in words
    assert "taken over" in words
    assert "trusted → revoked" in words
    assert "Names, notes and the like were not edited here." in words


def test_edits_in_the_admin_stand_below(operator: Client) -> None:
    shop = FrontEndFactory.create()
    trust(front_end=shop)
    post(operator, url("frontend_change", shop.pk), {"name": "The shop", "slug": "shop", "owner": "Team Shop"})
    words = text(story(operator, shop))
    assert "Other edits in the admin" in words
    assert "Changed Name." in words


def test_environment_tells_of_modes_that_are_there_and_that_have_gone(operator: Client) -> None:
    place = Environment.objects.get()
    EnvironmentFactory.create(slug="staging")
    GroupModeFactory.create(environment=place, mode="monitor")
    gone = ApiGroupFactory.create(slug="gone")
    GroupModeFactory.create(environment=place, api_group=gone).delete()
    gone.delete()
    assert told(story(operator, place)) == [
        "deleted groupmode:production/gone",
        "added groupmode:production/gone",
        "added groupmode:production/public",
        "added environment:production",
    ]


def test_group_tells_of_routes_and_modes(operator: Client) -> None:
    group = ApiGroup.objects.get()
    ApiRouteFactory.create(api_group=group, path_prefix="/gone", host="a.example.com").delete()
    ApiRouteFactory.create(api_group=ApiGroupFactory.create(slug="public2"), path_prefix="/other")
    GroupModeFactory.create(mode="monitor")
    assert told(story(operator, group)) == [
        "added groupmode:production/public",
        "deleted apiroute:public/a.example.com/gone",
        "added apiroute:public/a.example.com/gone",
        "added apiroute:public//api/public",
        "added apigroup:public",
    ]


def test_group_looks_for_routes_that_have_gone_among_the_newest_changes(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ApiRoute.objects.get().delete()
    EnvironmentFactory.create(slug="staging")
    monkeypatch.setattr(history, "LOOKED_THROUGH", 1)
    assert told(story(operator, ApiGroup.objects.get())) == ["added apigroup:public"]


def test_row_of_a_fixture_tells_that_it_was_loaded(operator: Client) -> None:
    place = Environment.objects.get()
    PolicyChange.objects.create(
        revision=1, token="x", at=timezone.now(), action="loaded", target=f"environment:{place.pk}"
    )
    assert told(story(operator, place))[0] == f"loaded environment:{place.pk}"


def test_front_end_tells_of_its_grants(operator: Client) -> None:
    shop = FrontEndFactory.create()
    trust(front_end=shop)
    trust("https://other.example.com")
    page = story(operator, shop)
    assert told(page) == ["trusted trustedorigin:production/public/https://app.example.com"]
    assert "Changes of its trusted origins" in text(page)


def test_history_pages_back_in_time(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = trust()
    for _times in range(2):
        services.revoke(grant, reason="x")
        services.reinstate(grant, reason="x")
    monkeypatch.setattr(history, "PER_PAGE", 2)
    seen, older = [], None
    for number in range(3):
        page = story(operator, grant, **({"older": older} if older else {}))
        seen += [row.change.pk for row in page.context["story"].rows]
        older = page.context["story"].older
        assert ("Newest changes" in text(page)) is (number > 0)
        assert ("Older changes" in text(page)) is (number < 2)
    assert seen == sorted(PolicyChange.objects.filter(target=grant.target()).values_list("pk", flat=True), reverse=True)
    assert "There are no older ones." in text(story(operator, grant, older=1))


@pytest.mark.parametrize("older", ["x", "", "-1", "9" * 30, "\0"])
def test_history_from_nowhere_begins_with_the_newest(operator: Client, older: str) -> None:
    assert len(told(story(operator, trust(), older=older))) == 1


def test_history_of_a_row_without_changes_says_so(operator: Client) -> None:
    assert "None is recorded." in text(story(operator, FrontEndFactory.create()))


def test_history_needs_the_permission_to_see_changes() -> None:
    grant = trust()
    page = story(login(user_with("view_trustedorigin")), grant)
    assert page.status_code == 200
    assert page.context["story"] is None
    assert "Changes of the policy" not in text(page)


def test_history_needs_the_permission_to_see_the_row() -> None:
    grant = trust()
    assert story(login(user_with("view_policychange")), grant).status_code == FORBIDDEN


def test_logs_have_no_story(operator: Client) -> None:
    RejectionFactory.create()
    usage = OriginUsage.objects.create(
        trusted_origin=trust(),
        origin=ORIGIN,
        method="GET",
        count=1,
        first_seen=timezone.now(),
        last_seen=timezone.now(),
    )
    for row in (usage, latest()):
        assert story(operator, row).context["story"] is None


def test_history_of_a_row_that_has_gone_leads_back(operator: Client) -> None:
    assert operator.get(url("trustedorigin_history", 999)).status_code == 302


def make_rows(ana: User) -> None:
    shop = FrontEndFactory.create()
    for number in range(20):
        grant = trust(f"https://app{number}.example.com", actor=ana, front_end=shop)
        services.revoke(grant, actor=ana, reason="x")
    for number in range(20):
        group = ApiGroupFactory.create(slug=f"group{number}")
        GroupModeFactory.create(api_group=group)
        GroupModeFactory.create(environment__slug=f"place{number}", api_group=ApiGroup.objects.get(slug="public"))
        ApiRouteFactory.create(path_prefix=f"/api/public/{number}").delete()


@pytest.mark.parametrize("name", ["trustedorigin", "environment", "apigroup", "frontend"])
def test_history_takes_few_queries(ana: User, name: str, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    make_rows(ana)
    client = login(user_with(f"view_{name}", "view_policychange"))
    row: Any = apps.get_model("cors_guard", name)._default_manager.earliest("pk")
    story(client, row)
    with django_assert_max_num_queries(MAX_QUERIES):
        assert story(client, row).status_code == 200


# --- taking a change back ---


def outcomes(page: Response) -> list[tuple[str, str, str]]:
    return [(item.label, item.now, item.then) for item in page.context["outcomes"]]


def revert(client: Client, change: PolicyChange, reason: str = "a slip", **extra: Any) -> Response:
    return post(client, url(REVERT, change.pk), {"reason": reason}, **extra)


def test_revert_shows_what_will_change_and_writes_nothing(operator: Client) -> None:
    trust()
    number = revision()
    page = operator.get(url(REVERT, latest().pk))
    assert outcomes(page) == [("Status", "active", "revoked")]
    words = text(page)
    assert "The grant is revoked" in words
    assert "Browsers may act on preflights they have cached" in words
    assert revision() == number


def test_revert_takes_the_change_back_and_leads_to_its_entry(operator: Client, ana: User) -> None:
    grant = trust()
    change = latest()
    done = revert(operator, change)
    entry = latest(action="reverted")
    assert done["Location"] == url(CHANGE, entry.pk)
    assert said(done) == ["The change was reverted."]
    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert (entry.source, entry.actor, entry.reason) == ("admin", ana, "a slip")
    assert "This entry says that another change was taken back: “trusted” of revision" in text(
        operator.get(done["Location"])
    )


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
def test_revert_asks_for_a_reason(operator: Client, reason: str) -> None:
    trust()
    number = revision()
    page = revert(operator, latest(), reason)
    assert errors(page)["reason"]
    assert "Nothing was changed." in text(page)
    assert revision() == number


def test_revert_of_a_revocation_names_the_risks(operator: Client) -> None:
    Environment.objects.update(allow_insecure_http=True)
    grant = trust("http://app.example.com")
    services.revoke(grant, reason="x")
    page = operator.get(url(REVERT, latest().pk))
    assert outcomes(page) == [("Status", "revoked", "active")]
    assert "It is not encrypted" in text(page)


def test_revert_of_a_revocation_of_an_expired_grant_says_that_it_stays_expired(operator: Client) -> None:
    grant = trust()
    TrustedOrigin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    services.revoke(grant, reason="x")
    assert outcomes(operator.get(url(REVERT, latest().pk))) == [("Status", "revoked", "expired")]


def test_revert_of_changed_fields_shows_old_and_new(operator: Client) -> None:
    place = Environment.objects.get()
    place.allow_loopback, place.mode = True, "block"
    place.save()
    place.allow_loopback, place.mode = False, "monitor"
    place.save()
    page = operator.get(url(REVERT, latest().pk))
    assert outcomes(page) == [("Mode", "monitor", "block"), ("Allow loopback", "no", "yes")]
    assert "For development: any program" in text(page)


def test_revert_of_an_added_row_shows_what_goes(operator: Client) -> None:
    ApiRouteFactory.create(path_prefix="/new", host="a.example.com")
    page = operator.get(url(REVERT, latest().pk))
    assert outcomes(page) == [
        ("API group", "Public", "—"),
        ("Host", "a.example.com", "—"),
        ("Path prefix", "/new", "—"),
    ]
    revert(operator, latest())
    assert not ApiRoute.objects.filter(path_prefix="/new").exists()


def test_revert_of_a_deleted_row_shows_what_comes_back(operator: Client) -> None:
    grant = trust(note="the shop", front_end=FrontEndFactory.create())
    grant.delete()
    found = {label: then for label, _now, then in outcomes(operator.get(url(REVERT, latest().pk)))}
    assert found.items() >= {"Environment": "Production", "Front end": "Shop", "Origin": ORIGIN}.items()
    revert(operator, latest())
    assert TrustedOrigin.objects.get().note == "the shop"


def test_revert_that_cannot_be_says_why_and_offers_no_button(operator: Client, ana: User) -> None:
    grant = trust()
    change = latest()
    services.revoke(grant, actor=ana, reason="taken over")
    number = revision()
    for page in (operator.get(url(REVERT, change.pk)), revert(operator, change)):
        words = text(page)
        assert "This cannot be reverted." in words
        assert f"ana changed it in revision {number}" in words
        assert "What happened to it since" in words
        assert "taken over" in words
        assert 'id="confirm"' not in page.content.decode()
    assert revision() == number


def test_revert_that_becomes_impossible_on_the_way_is_said_in_the_form(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust()
    number = revision()
    monkeypatch.setattr(reversals, "revoke", lambda *args, **kwargs: None)
    page = revert(operator, latest())
    assert "at the same moment" in errors(page)["__all__"][0]
    assert revision() == number


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        pytest.param(trust, ["change_trustedorigin"], id="trusted"),
        pytest.param(lambda: trust().delete(), ["change_trustedorigin", "add_trustedorigin"], id="deleted grant"),
        pytest.param(
            lambda: EnvironmentFactory.create(slug="new"), ["change_environment", "delete_environment"], id="added"
        ),
        pytest.param(lambda: ApiRoute.objects.get().delete(), ["change_apiroute", "add_apiroute"], id="deleted route"),
        pytest.param(GroupModeFactory.create, ["change_groupmode", "delete_groupmode"], id="added mode"),
        pytest.param(lambda: TrustedOrigin.objects.all().delete(), ["change_trustedorigin"], id="summary"),
    ],
)
def test_revert_needs_every_permission_that_its_deed_takes(make: Callable[[], Any], needs: list[str]) -> None:
    make()
    change, number = latest(), revision()
    everything = ["view_policychange", *needs]
    for missing in everything:
        client = login(user_with(*(name for name in everything if name != missing)))
        assert client.get(url(REVERT, change.pk)).status_code == FORBIDDEN, missing
        assert revert(client, change).status_code == FORBIDDEN, missing
    assert revision() == number
    client = login(user_with(*everything))
    assert client.get(url(REVERT, change.pk)).status_code == 200
    revert(client, change)
    assert (revision() > number) is (change.target != "trustedorigin:*")


def test_revert_inside_a_protected_environment_is_refused_in_words() -> None:
    trust()
    change = latest()
    Environment.objects.update(protected=True)
    number = revision()
    client = login(user_with("view_policychange", "change_trustedorigin"))
    for page in (client.get(url(REVERT, change.pk)), revert(client, change)):
        assert "This would change a protected environment (production)" in text(page)
    assert revision() == number


CROSS_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://elsewhere.example.com"}


def test_revert_switches_block_on_only_from_the_sites_own_pages(operator: Client) -> None:
    mode = GroupModeFactory.create(mode="block")
    mode.mode = "monitor"
    mode.save()
    change, number = latest(), revision()
    page = revert(operator, change, **CROSS_SITE)
    assert "Block was not switched on" in errors(page)["__all__"][0]
    assert revision() == number
    revert(operator, change)
    assert GroupMode.objects.get().mode == "block"


def test_revert_that_blocks_nothing_asks_nothing_of_the_request(operator: Client) -> None:
    trust()
    assert revert(operator, latest(), **CROSS_SITE).status_code == 302


@pytest.mark.parametrize("number", [0, 999, 10**25])
def test_revert_of_no_change_leads_to_the_list(operator: Client, number: int) -> None:
    for answer in (operator.get(url(REVERT, number)), post(operator, url(REVERT, number), {"reason": "x"})):
        assert answer["Location"] == url("policychange_changelist")


def test_revert_needs_a_login() -> None:
    trust()
    assert Client().get(url(REVERT, latest().pk))["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda ana: trust(actor=ana), id="trusted"),
        pytest.param(lambda ana: services.revoke(trust(actor=ana), actor=ana, reason="x"), id="revoked"),
        pytest.param(lambda ana: trust(actor=ana, front_end=FrontEndFactory.create()).delete(), id="deleted"),
        pytest.param(lambda _ana: ApiRoute.objects.get().delete(), id="deleted route"),
        pytest.param(lambda _ana: EnvironmentFactory.create(slug="new"), id="added environment"),
    ],
)
def test_revert_page_takes_few_queries(
    ana: User, make: Callable[[User], Any], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make(ana)
    change = latest()
    models = ("trustedorigin", "apiroute", "environment")
    rights = [f"{verb}_{model}" for verb in ("add", "change", "delete") for model in models]
    client = login(user_with("view_policychange", *rights))
    TrustedOriginFactory.create_batch(20)
    client.get(url(REVERT, change.pk))
    with django_assert_max_num_queries(MAX_QUERIES):
        assert client.get(url(REVERT, change.pk)).status_code == 200
