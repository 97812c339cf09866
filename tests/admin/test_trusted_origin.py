from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.exceptions import RevokedOrigin
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    OriginUsage,
    PolicyChange,
    RejectedOrigin,
    TrustedOrigin,
)
from tests.admin.conftest import login
from tests.admin.pages import errors, post, revision, said, text, url
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
LIST = "trustedorigin_changelist"
ADD = "trustedorigin_add"
CHANGE_PAGE = "trustedorigin_change"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def filled_in(origin: str = ORIGIN, **values: Any) -> dict[str, Any]:
    return {
        "environment": Environment.objects.get(slug="production").pk,
        "api_group": ApiGroup.objects.get(slug="public").pk,
        "origin": origin,
        "front_end": "",
        "note": "",
        "expires_at_0": "",
        "expires_at_1": "",
        **values,
    }


def amended(grant: TrustedOrigin, **values: Any) -> dict[str, Any]:
    ends = timezone.localtime(grant.expires_at) if grant.expires_at else None
    return {
        "front_end": grant.front_end_id or "",
        "note": grant.note,
        "expires_at_0": ends.strftime("%Y-%m-%d") if ends else "",
        "expires_at_1": ends.strftime("%H:%M:%S") if ends else "",
        **values,
    }


def on(days: int) -> dict[str, str]:
    at = timezone.localtime() + timedelta(days=days)
    return {"expires_at_0": at.strftime("%Y-%m-%d"), "expires_at_1": at.strftime("%H:%M:%S")}


# --- trusting ---------------------------------------------------------------------------------------------------------


def test_adding_trusts_through_the_services_in_one_revision(operator: Client, ana: User) -> None:
    front_end, before = FrontEndFactory.create(), revision()
    response = post(operator, url(ADD), filled_in(front_end=front_end.pk, note="the shop", **on(days=3)))
    assert response["Location"] == url(LIST)
    grant = TrustedOrigin.objects.get()
    assert (grant.origin, grant.front_end, grant.note, grant.created_by) == (ORIGIN, front_end, "the shop", ana)
    assert grant.expires_at is not None
    assert timedelta(days=2) < grant.expires_at - timezone.now() <= timedelta(days=3)
    assert revision() == before + 1
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, change.revision) == ("trusted", "admin", ana, before + 1)
    assert said(response)[0] == f"Trusted: {ORIGIN} for Public in Production."
    assert LogEntry.objects.get().action_flag == ADDITION


def test_adding_says_what_was_mended(operator: Client) -> None:
    response = post(operator, url(ADD), filled_in("https://App.Example.com:443/ "))
    assert said(response)[1] == (
        f"“https://App.Example.com:443/ ” was stored as {ORIGIN}: spaces around it were dropped, the slash at its end "
        "was dropped, it was put in lower case, the default port was dropped."
    )


def test_adding_to_a_credentialed_group_says_the_risks(operator: Client, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(api_group=billing, origin="https://paypal.com")
    response = post(operator, url(ADD), filled_in("https://paypa1.com", api_group=billing.pk))
    risks = [words for words in said(response) if words.startswith("Mind: ")]
    assert any("act as the signed-in user" in words for words in risks)
    assert any("https://paypal.com" in words for words in risks)


def test_adding_a_bad_origin_lists_all_its_problems_and_writes_nothing(operator: Client) -> None:
    before = revision()
    page = post(operator, url(ADD), filled_in("http://user:pw@app.example.com/path?secret", note="kept"))
    found = errors(page)["origin"]
    assert len(found) == 3
    assert any("/path" in words for words in found)
    assert "secret" not in " ".join(found)
    assert 'value="kept"' in page.content.decode() or ">\nkept</textarea>" in page.content.decode()
    assert (TrustedOrigin.objects.count(), revision()) == (0, before)


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        pytest.param("   ", "Type an origin", id="blank"),
        pytest.param("http://app.example.com", "allow insecure http", id="safety rule"),
        pytest.param("null", "cannot be trusted", id="null"),
        pytest.param("https://" + "a" * 600, "longer than any origin", id="over-long"),
        pytest.param("<script>alert(1)</script>", "scheme is missing", id="markup"),
    ],
)
def test_adding_what_cannot_be_trusted_says_why(operator: Client, origin: str, says: str) -> None:
    page = post(operator, url(ADD), filled_in(origin))
    assert page.status_code == 200
    assert says in " ".join(errors(page)["origin"])
    assert b"<script>alert(1)" not in page.content


def test_adding_without_a_place_still_says_what_is_wrong_with_the_origin(operator: Client) -> None:
    page = post(operator, url(ADD), filled_in("app.example.com", environment="", api_group=""))
    assert set(errors(page)) == {"environment", "api_group", "origin"}


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        pytest.param({}, "limits how long", id="none"),
        pytest.param(on(days=31), "limits how long", id="too late"),
        pytest.param(on(days=-1), "lies in the past", id="past"),
    ],
)
def test_adding_honours_the_longest_trust(operator: Client, ends: dict[str, str], says: str) -> None:
    Environment.objects.update(max_trust_days=30)
    page = post(operator, url(ADD), filled_in(**ends))
    assert says in " ".join(errors(page)["expires_at"])
    assert not TrustedOrigin.objects.exists()


def test_adding_a_revoked_origin_leads_to_its_reinstate_page(operator: Client) -> None:
    grant = services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="taken over")
    page = post(operator, url(ADD), filled_in())
    assert "was revoked here" in errors(page)["origin"][0]
    assert f'<a href="{url("trustedorigin_reinstate", grant.pk)}">Reinstate this origin…</a>' in page.content.decode()
    grant.refresh_from_db()
    assert grant.revoked_at is not None


def test_adding_an_active_origin_again_says_so_and_makes_no_second_one(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    before = revision()
    response = post(operator, url(ADD), filled_in(note="now with a note"))
    assert "already; no second one" in said(response)[0]
    assert TrustedOrigin.objects.get().note == "now with a note"
    assert revision() == before
    assert LogEntry.objects.get().action_flag == CHANGE


def test_adding_an_active_origin_again_where_trust_is_limited_needs_no_expiry(operator: Client) -> None:
    Environment.objects.update(max_trust_days=30)
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() + timedelta(days=3))
    assert "already; no second one" in said(post(operator, url(ADD), filled_in()))[0]


def test_adding_an_expired_origin_asks_for_another_expiry(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() - timedelta(days=1))
    page = post(operator, url(ADD), filled_in())
    assert "expired on" in errors(page)["expires_at"][0]
    assert url(CHANGE_PAGE, grant.pk) in page.content.decode()
    post(operator, url(ADD), filled_in(**on(days=3)))
    assert TrustedOrigin.objects.get().status() == "active"


def test_adding_to_an_open_group_says_that_it_makes_no_difference(operator: Client) -> None:
    ApiGroup.objects.update(any_origin=True)
    assert any("makes no difference" in words for words in said(post(operator, url(ADD), filled_in())))


def test_adding_to_a_protected_environment_is_refused_in_words(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    page = post(apprentice, url(ADD), filled_in())
    assert "protected environment (production)" in errors(page)["environment"][0]
    assert not TrustedOrigin.objects.exists()


def test_adding_what_was_revoked_in_the_same_moment_is_said_and_not_a_crash(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise RevokedOrigin(ORIGIN, by="bob", at=timezone.now(), reason="just now")

    monkeypatch.setattr(services, "trust", too_late)
    response = post(operator, url(ADD), filled_in())
    assert response["Location"] == url(ADD)
    assert "revoked by bob" in said(response)[0]
    assert not LogEntry.objects.exists()


def test_save_and_add_another_leads_to_an_empty_form(operator: Client) -> None:
    card = RejectedOriginFactory.create()
    response = post(operator, f"{url(ADD)}?card={card.pk}", filled_in(_addanother="1"))
    assert response["Location"] == url(ADD)


def test_save_and_continue_leads_to_the_grant(operator: Client) -> None:
    response = post(operator, url(ADD), filled_in(_continue="1"))
    assert response["Location"] == url(CHANGE_PAGE, TrustedOrigin.objects.get().pk)


def test_popup_closes_itself(operator: Client) -> None:
    response = post(operator, url(ADD), filled_in(_popup="1"))
    assert response.templates[0].name == "admin/popup_response.html"


# --- from a card ------------------------------------------------------------------------------------------------------


def initial(page: Any) -> dict[str, Any]:
    form = page.context["adminform"].form
    found = {name: form.initial.get(name) for name in ("environment", "api_group", "origin")}
    return {name: value for name, value in found.items() if value is not None}


def test_card_prefills_the_form_and_saving_marks_it_trusted(
    operator: Client, production: Environment, public: ApiGroup
) -> None:
    card = RejectedOriginFactory.create(origin="https://new.example.net", count=12)
    address = f"{url(ADD)}?card={card.pk}"
    page = operator.get(address)
    assert initial(page) == {"environment": production.pk, "api_group": public.pk, "origin": "https://new.example.net"}
    assert "refused 12 times for public in production" in text(page)
    assert "proves only that somebody sent those bytes" in text(page)
    assert not TrustedOrigin.objects.exists()
    post(operator, address, filled_in("https://new.example.net"))
    assert TrustedOrigin.objects.get().origin == "https://new.example.net"
    assert RejectedOrigin.objects.get().status == "trusted"


def test_address_never_fills_in_the_form(operator: Client, production: Environment) -> None:
    query: dict[str, Any] = {"origin": "https://evil.example", "environment": production.pk, "api_group": 1}
    page = operator.get(url(ADD), query)
    assert initial(page) == {}
    assert "evil" not in page.content.decode()


def test_address_beside_a_card_changes_nothing(operator: Client, production: Environment) -> None:
    staging, card = EnvironmentFactory.create(slug="staging"), RejectedOriginFactory.create()
    query: dict[str, Any] = {"card": card.pk, "origin": "https://evil.example", "environment": staging.pk}
    page = operator.get(url(ADD), query)
    assert initial(page)["origin"] == card.origin
    assert initial(page)["environment"] == production.pk


@pytest.mark.parametrize("key", ["999", "x", "", "-1", "9" * 30, "1 or 1", "١"])
def test_card_that_is_not_there_is_said(operator: Client, key: str) -> None:
    response = operator.get(url(ADD), {"card": key})
    assert response["Location"] == url(ADD)
    assert "no such rejected origin" in said(response)[0]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({"origin": "null"}, "cannot be trusted", id="null"),
        pytest.param({"origin": "https://x.example.net/" + "a" * 233}, "cut to 255", id="cut"),
        pytest.param({"origin": "https://a.example, https://b.example"}, "one origin at a time", id="malformed"),
        pytest.param({"origin": "https://App.example.com"}, "not as browsers send it", id="not canonical"),
        pytest.param({"origin": "https://*.example.com"}, "It is a pattern", id="pattern"),
        pytest.param({"origin": "http://localhost:*"}, "It is a pattern", id="port pattern"),
        pytest.param({"environment": "gone"}, "no environment “gone”", id="unknown environment"),
        pytest.param({"api_group": "gone"}, "no API group “gone”", id="unknown group"),
    ],
)
def test_card_that_cannot_be_trusted_says_why(operator: Client, values: dict[str, str], says: str) -> None:
    card = RejectedOriginFactory.create(**values)
    response = operator.get(url(ADD), {"card": card.pk})
    assert response["Location"] == url("rejectedorigin_change", card.pk)
    assert any(says in words for words in said(response))
    page = operator.get(url("rejectedorigin_change", card.pk))
    assert says in text(page)
    assert "Trust this origin…" not in text(page)


def test_card_of_a_revoked_grant_leads_to_reinstating(operator: Client) -> None:
    grant = services.revoke(TrustedOriginFactory.create(origin=ORIGIN), reason="taken over")
    card = RejectedOriginFactory.create(origin=ORIGIN, last_reason="revoked")
    page = operator.get(url("rejectedorigin_change", card.pk))
    assert "taken over" in text(page)
    assert url("trustedorigin_reinstate", grant.pk) in page.content.decode()
    assert "Trust this origin…" not in text(page)


def test_card_is_not_shown_to_those_who_may_not_see_cards(production: Environment) -> None:
    card = RejectedOriginFactory.create()
    response = login(user_with("add_trustedorigin", "view_trustedorigin")).get(url(ADD), {"card": card.pk})
    assert "no such rejected origin" in said(response)[0]


# --- looking after ----------------------------------------------------------------------------------------------------


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
    response = post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **on(days=3)))
    assert response.status_code == 302
    grant.refresh_from_db()
    assert grant.expires_at is not None
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.source, change.actor, revision()) == ("renewed", "admin", ana, before + 1)


def test_expiry_can_be_taken_off_where_trust_is_unlimited(operator: Client) -> None:
    grant = TrustedOriginFactory.create(expires_at=timezone.now() + timedelta(days=3))
    post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, expires_at_0="", expires_at_1=""))
    grant.refresh_from_db()
    assert grant.expires_at is None


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        pytest.param({"expires_at_0": "", "expires_at_1": ""}, "limits how long", id="none"),
        pytest.param(on(days=31), "limits how long", id="too late"),
        pytest.param(on(days=-1), "lies in the past", id="past"),
    ],
)
def test_changing_the_expiry_honours_the_longest_trust(operator: Client, ends: dict[str, str], says: str) -> None:
    Environment.objects.update(max_trust_days=30)
    grant = TrustedOriginFactory.create(expires_at=timezone.now() + timedelta(days=3))
    before = revision()
    page = post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **ends))
    assert says in " ".join(errors(page)["expires_at"])
    assert revision() == before


def test_place_and_origin_of_a_grant_cannot_be_changed(operator: Client) -> None:
    grant, staging = TrustedOriginFactory.create(origin=ORIGIN), EnvironmentFactory.create(slug="staging")
    post(
        operator,
        url(CHANGE_PAGE, grant.pk),
        amended(grant, origin="https://evil.example", environment=staging.pk, revoked_at_0="2020-01-01"),
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
        errors(post(operator, url(CHANGE_PAGE, grant.pk), amended(grant, **on(days=3))))["__all__"]
    )


def test_protected_grant_is_refused_in_words_and_says_so_beforehand(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    grant = TrustedOriginFactory.create()
    assert "protected environment (production)" in text(apprentice.get(url(CHANGE_PAGE, grant.pk)))
    page = post(apprentice, url(CHANGE_PAGE, grant.pk), amended(grant, note="mine"))
    assert "protected environment (production)" in errors(page)["__all__"][0]
    grant.refresh_from_db()
    assert grant.note == ""


# --- deleting ---------------------------------------------------------------------------------------------------------


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


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def every_status() -> dict[str, TrustedOrigin]:
    return {
        "active": TrustedOriginFactory.create(origin="https://a.example.com"),
        "expired": TrustedOriginFactory.create(
            origin="https://e.example.com", expires_at=timezone.now() - timedelta(days=1)
        ),
        "revoked": services.revoke(TrustedOriginFactory.create(origin="https://r.example.com"), reason="x"),
        "switched off": TrustedOriginFactory.create(origin="http://s.example.com"),
    }


def test_list_says_every_status_in_words(operator: Client, every_status: dict[str, TrustedOrigin]) -> None:
    page = operator.get(url(LIST)).content.decode()
    for words in every_status:
        assert f">{words}</span>" in page


@pytest.mark.parametrize(
    ("query", "origins"),
    [
        pytest.param({"status": "active"}, {"https://a.example.com", "http://s.example.com"}, id="active"),
        pytest.param({"status": "expired"}, {"https://e.example.com"}, id="expired"),
        pytest.param({"status": "revoked"}, {"https://r.example.com"}, id="revoked"),
        pytest.param({"q": "r.example"}, {"https://r.example.com"}, id="search"),
        pytest.param(
            {"status": "nonsense"},
            {"https://a.example.com", "https://e.example.com", "https://r.example.com", "http://s.example.com"},
            id="unknown status",
        ),
    ],
)
def test_list_filters_and_finds(
    operator: Client, every_status: dict[str, TrustedOrigin], query: dict[str, str], origins: set[str]
) -> None:
    page = operator.get(url(LIST), query)
    assert {grant.origin for grant in page.context["cl"].queryset} == origins


@pytest.mark.parametrize(
    ("parameter", "row"),
    [
        pytest.param("environment__id__exact", lambda: EnvironmentFactory.create(slug="staging"), id="environment"),
        pytest.param("api_group__id__exact", lambda: ApiGroupFactory.create(slug="billing"), id="group"),
        pytest.param("front_end__id__exact", lambda: FrontEndFactory.create(slug="shop"), id="front end"),
    ],
)
def test_list_filters_by_place_and_front_end(operator: Client, parameter: str, row: Callable[[], Any]) -> None:
    chosen = row()
    TrustedOriginFactory.create(origin="https://other.example.com", front_end=FrontEndFactory.create(slug="else"))
    wanted = TrustedOriginFactory.create(**{parameter.removesuffix("__id__exact"): chosen})
    page = operator.get(url(LIST), {parameter: chosen.pk})
    assert list(page.context["cl"].queryset) == [wanted]


def test_list_counts_its_facets(operator: Client, every_status: dict[str, TrustedOrigin]) -> None:
    assert operator.get(url(LIST), {"_facets": "True"}).status_code == 200


def test_list_asks_few_questions_however_long_it_is(operator: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(4):
        group = ApiGroupFactory.create(slug=f"group{number}")
        for letter in "abcde":
            front_end = FrontEndFactory.create(slug=f"shop{letter}")
            TrustedOriginFactory.create(
                api_group=group, front_end=front_end, origin=f"https://{letter}{number}.example.com"
            )
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        page = operator.get(url(LIST))
    assert len(page.context["cl"].result_list) == 20


def test_page_of_a_grant_asks_few_questions(operator: Client, django_assert_max_num_queries: Any) -> None:
    grant = services.revoke(TrustedOriginFactory.create(front_end=FrontEndFactory.create()), reason="x")
    operator.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        operator.get(url(CHANGE_PAGE, grant.pk))


def test_hostile_texts_are_escaped(operator: Client, production: Environment, public: ApiGroup) -> None:
    Environment.objects.update(name="<script>e")
    ApiGroup.objects.update(name="<script>g")
    grant = TrustedOriginFactory.create(note="<script>n", front_end=FrontEndFactory.create(name="<script>f"))
    response = post(operator, url(ADD), filled_in())
    for address in (response["Location"], url(CHANGE_PAGE, grant.pk), url("trustedorigin_revoke", grant.pk)):
        page = operator.get(address).content.decode()
        assert "&lt;script&gt;" in page
        assert "<script>e" not in page
        assert "<script>g" not in page
