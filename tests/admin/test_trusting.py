"""Trusting in the admin: asked, looked at, and only then saved."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.trusting import form as trust_form
from django_cors_guard.admin.trusting import pages as trusting
from django_cors_guard.admin.trusting.lines import MAX_CHARACTERS, MAX_LINES
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyChange,
    TrustedOrigin,
)
from django_cors_guard.services import grants, previews
from django_cors_guard.services import trusting as trusting_service
from tests.admin.conftest import login
from tests.admin.pages import errors, post, revision, said, text, url
from tests.admin.trusting import (
    ADD,
    CHANGE_PAGE,
    ORIGIN,
    OTHER,
    agree,
    count,
    difference,
    filled_in,
    look,
    row,
    sayings,
    seal,
    trust,
    until,
)
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    TrustedOriginFactory,
    user_with,
)


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


# --- asking -----------------------------------------------------------------------------------------------------------


def test_form_begins_with_the_only_place_ticked_and_no_end(operator: Client) -> None:
    page = operator.get(url(ADD))
    form = page.context["form"]
    assert (form["environments"].value(), form["api_groups"].value()) == (
        [str(Environment.objects.get().pk)],
        [str(ApiGroup.objects.get().pk)],
    )
    assert form["ends"].value() == "never"
    assert 'name="_trust"' not in page.content.decode()


def test_preview_writes_nothing_and_offers_to_trust(operator: Client) -> None:
    before = revision()
    page = look(operator)
    assert 'name="_trust"' in page.content.decode()
    assert "nothing is trusted yet" in text(page)
    assert row(page).fresh == ("Production: Public",)
    assert (count(), revision()) == (0, before)


def test_trusting_is_one_recorded_revision_through_the_services(operator: Client, ana: User) -> None:
    staging, billing = EnvironmentFactory.create(slug="staging"), ApiGroupFactory.create(slug="billing")
    front_end, before = FrontEndFactory.create(), revision()
    values: dict[str, Any] = {
        "environments": [Environment.objects.get(slug="production").pk, staging.pk],
        "api_groups": [ApiGroup.objects.get(slug="public").pk, billing.pk],
        "front_end": front_end.pk,
        "note": "the shop",
        "ends": "7",
    }
    response = trust(operator, ORIGIN, OTHER, **values)
    assert response.status_code == 200
    assert (count(), revision()) == (8, before + 1)
    for grant in TrustedOrigin.objects.all():
        assert (grant.front_end, grant.note, grant.created_by) == (front_end, "the shop", ana)
        assert grant.expires_at is not None
        assert timedelta(days=6, hours=23) < grant.expires_at - timezone.now() <= timedelta(days=7)
    changes = PolicyChange.objects.filter(revision=before + 1)
    assert set(changes.values_list("action", "source", "actor")) == {("trusted", "admin", ana.pk)}
    assert changes.count() == 8
    assert set(LogEntry.objects.values_list("action_flag", flat=True)) == {ADDITION}
    assert LogEntry.objects.count() == 8


def test_trust_button_without_a_preview_shows_one_and_writes_nothing(operator: Client) -> None:
    page = post(operator, url(ADD), filled_in() | {"_trust": "1"})
    assert "not one that was shown to you" in difference(page)
    assert seal(page)
    assert count() == 0


def test_preview_tells_what_is_mended_and_how_it_reads(operator: Client) -> None:
    page = look(operator, "https://App.Example.com:443/ ", "https://bücher.example")
    assert (row(page).origin, row(page, 2).origin) == (ORIGIN, "https://xn--bcher-kva.example")
    assert row(page).mends == (
        "spaces around it were dropped, the slash at its end was dropped, it was put in lower case, the default port "
        "was dropped"
    )
    assert row(page, 2).unicode == "https://bücher.example"
    assert "https://bücher.example" in text(page)


def test_blank_lines_and_repeats_are_left_out_and_said(operator: Client) -> None:
    page = look(operator, ORIGIN, "", "  ", OTHER, "https://APP.example.com/", "")
    assert [line.number for line in page.context["look"].rows] == [1, 4]
    assert page.context["pasted"] == ["Line 5 says the same as line 1.", "2 blank lines were left out."]
    assert "Line 5 says the same as line 1." in text(page)
    trust(operator, ORIGIN, "", "  ", OTHER, "https://APP.example.com/", "")
    assert set(TrustedOrigin.objects.values_list("origin", flat=True)) == {ORIGIN, OTHER}


@pytest.mark.parametrize("between", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_any_system_ends_them(operator: Client, between: str) -> None:
    trust(operator, f"{ORIGIN}{between}{OTHER}")
    assert count() == 2


def test_separator_that_nobody_sees_is_no_new_line(operator: Client) -> None:
    page = look(operator, f"{ORIGIN}\u2028{OTHER}")
    assert row(page).problems
    assert len(page.context["look"].rows) == 1


def test_one_bad_line_keeps_all_from_being_trusted(operator: Client) -> None:
    page = look(operator, ORIGIN, "http://user:pw@app.example.com/path?secret", note="kept")
    assert row(page).problems == ()
    assert len(row(page, 2).problems) == 3
    assert "secret" not in " ".join(sayings(row(page, 2).problems))
    html = page.content.decode()
    assert 'href="#line-2"' in html
    assert 'id="line-2"' in html
    assert 'name="_trust"' not in html
    assert ">\nkept</textarea>" in html
    assert 'id="trust-what" class="cors-guard-what" open' in html
    agree(operator, page, ORIGIN, "http://user:pw@app.example.com/path?secret")
    assert count() == 0


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        pytest.param("http://app.example.com", "allow insecure http", id="safety rule"),
        pytest.param("null", "cannot be trusted", id="null"),
        pytest.param("https://" + "a" * 600, "longer than any origin", id="over-long"),
        pytest.param("<script>alert(1)</script>", "scheme is missing", id="markup"),
        pytest.param("app.example.com", "Type https://app.example.com.", id="suggestion"),
    ],
)
def test_line_that_cannot_be_trusted_says_why_and_what_to_type(operator: Client, origin: str, says: str) -> None:
    page = look(operator, origin)
    assert says in " ".join(sayings(row(page).problems))
    assert says in text(page)
    assert b"<script>alert(1)" not in page.content
    assert not seal(page)


def test_suggestions_are_taken_over_with_one_click(operator: Client) -> None:
    lines = [ORIGIN, "", "other.example.org/path", "null"]
    page = post(operator, url(ADD), filled_in(*lines) | {"_mend": "1"})
    assert page.context["form"]["origins"].value().split("\n") == [ORIGIN, "", "https://other.example.org", "null"]
    assert [bool(line.problems) for line in page.context["look"].rows] == [False, False, True]
    assert count() == 0


def test_problem_that_is_not_everywhere_names_its_places(operator: Client) -> None:
    local = EnvironmentFactory.create(slug="local", allow_loopback=True)
    both = [Environment.objects.get(slug="production").pk, local.pk]
    (problem,) = row(look(operator, "http://localhost:3000", environments=both)).problems
    assert [place.text for place in problem.places] == ["Public in Production"]
    (problem,) = row(look(operator, "http://localhost:3000")).problems
    assert problem.places == ()


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        pytest.param({"environments": [], "api_groups": []}, {"environments", "api_groups"}, id="no place"),
        pytest.param({"origins": " \n "}, {"origins"}, id="blank"),
        pytest.param({"ends": ""}, {"ends"}, id="no end"),
        pytest.param({"ends": "2"}, {"ends"}, id="unknown end"),
        pytest.param({"environments": ["999"]}, {"environments"}, id="unknown environment"),
        pytest.param({"api_groups": ["x"]}, {"api_groups"}, id="unknown group"),
        pytest.param({"front_end": "999"}, {"front_end"}, id="unknown front end"),
        pytest.param({"note": "n" * 2001}, {"note"}, id="long note"),
        pytest.param({"note": "a\0b"}, {"note"}, id="null character"),
    ],
)
def test_form_that_is_not_in_order_says_where(operator: Client, values: dict[str, Any], fields: set[str]) -> None:
    page = look(operator, **values)
    assert set(errors(page)) == fields
    agree(operator, page, **values)
    assert count() == 0


def test_asking_without_a_place_still_says_what_is_wrong_with_the_lines(operator: Client) -> None:
    page = look(operator, "app.example.com", environments=[], api_groups=[])
    assert "The scheme is missing." in sayings(row(page).problems)[0]


def test_too_many_lines_are_refused_in_words(operator: Client) -> None:
    lines = [f"https://a{n}.example.com" for n in range(MAX_LINES + 1)]
    page = look(operator, *lines)
    assert f"These are {MAX_LINES + 1} origins. Paste at most {MAX_LINES} at a time." in errors(page)["origins"]
    assert not seal(page)
    assert len(look(operator, *lines[:-1]).context["look"].rows) == MAX_LINES


def test_too_much_text_is_refused_unread(operator: Client) -> None:
    page = look(operator, "a" * (MAX_CHARACTERS + 1))
    assert "more than 100000 characters" in errors(page)["origins"][0]
    assert page.context["look"].rows == ()


def test_too_many_grants_are_refused_in_words(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_form, "MAX_GRANTS", 2)
    page = look(operator, "https://a.test", "https://b.test", "https://c.test")
    assert "That would be 3 grants" in errors(page)["origins"][0]
    assert seal(look(operator, "https://a.test", "https://b.test"))


def test_front_ends_beyond_a_list_are_searched_for(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = FrontEndFactory.create(slug="shop")
    assert f'<option value="{front_end.pk}">Shop</option>' in operator.get(url(ADD)).content.decode()
    FrontEndFactory.create(slug="other")
    monkeypatch.setattr(trusting, "MAX_LISTED", 1)
    assert "admin-autocomplete" in operator.get(url(ADD)).content.decode()
    trust(operator, front_end=front_end.pk)
    assert TrustedOrigin.objects.get().front_end == front_end


def test_front_end_can_be_added_only_by_those_who_may() -> None:
    may = login(user_with("add_trustedorigin", "add_frontend"))
    may_not = login(user_with("add_trustedorigin"))
    assert "add_id_front_end" in may.get(url(ADD)).content.decode()
    assert "add_id_front_end" not in may_not.get(url(ADD)).content.decode()


# --- until when -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ends", "days"), [("1", 1), ("7", 7), ("30", 30)])
def test_end_in_days_is_one_click(operator: Client, ends: str, days: int) -> None:
    trust(operator, ends=ends)
    ends_at = TrustedOrigin.objects.get().expires_at
    assert ends_at is not None
    assert timedelta(days=days, hours=-1) < ends_at - timezone.now() <= timedelta(days=days)


def test_end_at_a_time_is_that_time(operator: Client) -> None:
    at = timezone.localtime().replace(second=0, microsecond=0) + timedelta(days=3)
    trust(operator, **until(3))
    assert TrustedOrigin.objects.get().expires_at == at


def test_time_without_until_counts_for_nothing(operator: Client) -> None:
    trust(operator, **(until(3) | {"ends": "never"}))
    assert TrustedOrigin.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("time", "says"),
    [
        pytest.param("", "Name the date", id="none"),
        pytest.param("soon", "Type a date and a time", id="no time"),
        pytest.param("2001-01-01T00:00", "lies in the past", id="past"),
        pytest.param("0001-01-01T00:00", "lies in the past", id="first day"),
        pytest.param("9999-12-31T23:59", "too far away", id="last day"),
    ],
)
def test_time_that_makes_no_sense_says_so(operator: Client, time: str, says: str) -> None:
    page = look(operator, ends="until", until=time)
    assert says in errors(page)["until"][0]
    agree(operator, page, ends="until", until=time)
    assert count() == 0


def test_longest_trust_limits_the_choices_in_words(operator: Client) -> None:
    Environment.objects.update(max_trust_days=20)
    assert "at most 20 days" in text(operator.get(url(ADD)))
    page = look(operator)
    assert errors(page)["ends"] == ["Production allows at most 20 days."]
    refusals = page.context["form"].fields["ends"].widget.refusals
    assert set(refusals) == {"never", "30"}
    assert "30 days (Production allows at most 20 days)" in text(page)
    agree(operator, page, ends="7")
    assert TrustedOrigin.objects.get().origin == ORIGIN


def test_shortest_limit_of_the_places_counts(operator: Client) -> None:
    staging = EnvironmentFactory.create(slug="staging", max_trust_days=3)
    Environment.objects.filter(slug="production").update(max_trust_days=20)
    both = [Environment.objects.get(slug="production").pk, staging.pk]
    assert errors(look(operator, environments=both, ends="7"))["ends"] == ["Staging allows at most 3 days."]
    assert seal(look(operator, environments=both, **until(4)))
    agree(operator, look(operator, environments=both, **until(4)), environments=both, **until(4))
    assert count() == 0
    trust(operator, environments=both, ends="1")
    assert count() == 2


def test_end_may_still_be_chosen_after_the_preview_of_new_grants(operator: Client) -> None:
    page = look(operator)
    agree(operator, page, ends="1", note="for the demo")
    grant = TrustedOrigin.objects.get()
    assert grant.expires_at is not None
    assert grant.note == "for the demo"


# --- what is there already --------------------------------------------------------------------------------------------


def test_origin_that_is_trusted_already_stays_as_it_is(operator: Client) -> None:
    grant, before = TrustedOriginFactory.create(origin=ORIGIN), revision()
    page = look(operator)
    assert sayings(row(page).standing) == ["Trusted already, until revoked: nothing changes."]
    assert row(page).standing[0].places[0].url == url(CHANGE_PAGE, grant.pk)
    receipt = agree(operator, page)
    assert "all of this was trusted already" in text(receipt)
    assert "Trusted already, and not changed (1)" in text(receipt)
    assert (count(), revision(), LogEntry.objects.count()) == (1, before, 0)


def test_note_and_front_end_of_a_grant_that_is_there_are_rewritten_and_that_is_said(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN, note="old")
    before = revision()
    assert "only its front end and note" in sayings(row(look(operator, note="new")).standing)[0]
    assert sayings(row(look(operator, note="old")).standing) == ["Trusted already, until revoked: nothing changes."]
    assert "front end and note were rewritten (1)" in text(trust(operator, note="new"))
    assert (TrustedOrigin.objects.get().note, revision()) == ("new", before)
    assert LogEntry.objects.get().action_flag == CHANGE


def test_other_end_of_a_grant_that_is_there_is_shown_before_it_is_set(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    page = look(operator)
    again = agree(operator, page, ends="1")
    assert "You chose another end" in difference(again)
    assert "From now on: until" in sayings(row(again).standing)[0]
    assert TrustedOrigin.objects.filter(expires_at=None).exists()
    receipt = agree(operator, again, ends="1")
    assert "with another end now (1)" in text(receipt)
    assert TrustedOrigin.objects.filter(expires_at__gt=timezone.now()).exists()
    assert PolicyChange.objects.latest("pk").action == "renewed"
    assert LogEntry.objects.get().action_flag == CHANGE


def test_trusted_origin_needs_no_end_where_trust_is_limited(operator: Client) -> None:
    Environment.objects.update(max_trust_days=30)
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() + timedelta(days=3))
    assert "Trusted already, and not changed (1)" in text(trust(operator))


def test_expired_grant_asks_for_an_end_and_is_renewed_with_one(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() - timedelta(days=1))
    page = look(operator)
    assert "Its grant expired on" in sayings(row(page).pending)[0]
    assert row(page).pending[0].places[0].url == url(CHANGE_PAGE, grant.pk)
    assert "choose an end" in errors(page)["ends"][0]
    agree(operator, page)
    assert TrustedOrigin.objects.get().status() == "expired"
    trust(operator, ends="7")
    assert TrustedOrigin.objects.get().status() == "active"


def test_grant_without_an_end_where_trust_is_limited_now_asks_for_one(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    Environment.objects.update(max_trust_days=30)
    page = look(operator)
    assert "a safety rule has switched it off" in sayings(row(page).pending)[0]
    assert "choose an end" in " ".join(errors(page)["ends"])
    trust(operator, ends="7")
    assert TrustedOrigin.objects.get().status() == "active"


def test_revoked_origin_says_who_and_why_and_leads_to_reinstating(operator: Client, ana: User) -> None:
    grant = services.revoke(TrustedOriginFactory.create(origin=ORIGIN), actor=ana, reason="taken over")
    page = look(operator)
    (problem,) = row(page).problems
    assert "was revoked here" in problem.text
    assert "by ana (taken over)" in problem.text
    assert problem.places[0].url == url("trustedorigin_reinstate", grant.pk)
    assert not seal(page)


def test_links_to_grants_are_for_those_who_may_follow_them(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    services.revoke(TrustedOriginFactory.create(origin=OTHER), reason="x")
    page = look(login(user_with("add_trustedorigin")), ORIGIN, OTHER)
    assert row(page).standing[0].places[0].url == ""
    assert row(page, 2).problems[0].places[0].url == ""


# --- risks ------------------------------------------------------------------------------------------------------------


def test_risks_stand_beside_their_line_the_gravest_first(operator: Client, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(origin="https://paypal.com")
    page = look(operator, "https://paypa1.com", "https://shop.github.io", api_groups=[billing.pk])
    assert [saying.label for saying in row(page).risks] == ["Serious", "Note"]
    assert "https://paypal.com" in row(page).risks[0].text
    assert "act as the signed-in user" in row(page).risks[1].text
    assert [saying.label for saying in row(page, 2).risks] == ["Serious", "Note"]
    assert "Serious It looks like https://paypal.com, which is trusted." in text(page)


def test_risk_that_is_not_everywhere_names_its_places(operator: Client, billing: ApiGroup) -> None:
    both = [ApiGroup.objects.get(slug="public").pk, billing.pk]
    (risk,) = row(look(operator, api_groups=both)).risks
    assert [place.text for place in risk.places] == ["Billing in Production"]


def test_serious_risks_must_have_been_read(operator: Client) -> None:
    Environment.objects.update(allow_insecure_http=True)
    page = look(operator, "http://app.example.com")
    assert 'name="accepted"' in page.content.decode()
    again = agree(operator, page, "http://app.example.com")
    assert "tick that you have" in text(again)
    assert count() == 0
    receipt = agree(operator, again, "http://app.example.com", accepted="on")
    assert "Trusted now (1)" in text(receipt)


def test_lesser_risks_ask_for_no_tick(operator: Client, billing: ApiGroup) -> None:
    page = look(operator, api_groups=[billing.pk])
    assert [saying.label for saying in row(page).risks] == ["Note"]
    assert 'name="accepted"' not in page.content.decode()
    agree(operator, page, api_groups=[billing.pk])
    assert count() == 1


def test_tick_is_no_answer_to_what_came_later(operator: Client) -> None:
    Environment.objects.update(allow_insecure_http=True)
    page = look(operator, "http://paypa1.com")
    TrustedOriginFactory.create(origin="https://paypal.com")
    again = agree(operator, page, "http://paypa1.com", accepted="on")
    assert "Something changed" in difference(again)
    assert row(again).has_moved
    assert 'id="id_accepted" checked' not in again.content.decode()
    assert count() == 1


def test_group_that_is_open_to_any_origin_is_said(operator: Client) -> None:
    ApiGroup.objects.update(any_origin=True)
    page = look(operator)
    assert any("makes no difference there" in words for words in sayings(row(page).risks))
    assert "makes no difference there: Public" in text(agree(operator, page))


def test_comparing_with_some_of_the_trusted_origins_only_is_said(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrustedOriginFactory.create()
    TrustedOriginFactory.create()
    assert "among the newest only" not in text(look(operator))
    monkeypatch.setattr(previews, "MAX_COMPARED", 1)
    assert "among the newest only" in text(look(operator))


# --- only what was shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"origins": OTHER}, id="origin"),
        pytest.param({"origins": f"{ORIGIN}\n{OTHER}"}, id="one more"),
        pytest.param({"environments": "staging"}, id="environment"),
        pytest.param({"api_groups": "billing"}, id="group"),
    ],
)
def test_what_was_changed_after_the_preview_is_shown_again(operator: Client, values: dict[str, Any]) -> None:
    keys = {
        "staging": EnvironmentFactory.create(slug="staging").pk,
        "billing": ApiGroupFactory.create(slug="billing").pk,
    }
    page = look(operator)
    changed: dict[str, Any] = {name: [keys[value]] if value in keys else value for name, value in values.items()}
    again = agree(operator, page, **changed)
    assert "You changed the origins or places" in difference(again)
    assert count() == 0
    agree(operator, again, **changed)
    assert count()


def revoke_meanwhile() -> None:
    services.revoke_origin(ORIGIN, reason="just now")


def trust_meanwhile() -> None:
    services.trust(OTHER, environment="production", api_group="public")


def switch_meanwhile() -> None:
    Environment.objects.update(allow_insecure_http=False)


def protect_meanwhile() -> None:
    Environment.objects.update(protected=True)


def allow_credentials_meanwhile() -> None:
    ApiGroup.objects.update(allow_credentials=True)


@pytest.mark.parametrize(
    ("meanwhile", "moved"),
    [
        pytest.param(revoke_meanwhile, [1], id="revoked"),
        pytest.param(trust_meanwhile, [2], id="trusted"),
        pytest.param(switch_meanwhile, [3], id="switched off"),
        pytest.param(protect_meanwhile, [1, 2, 3], id="protected"),
        pytest.param(allow_credentials_meanwhile, [1, 2, 3], id="credentials"),
    ],
)
def test_what_became_different_meanwhile_is_shown_again(operator: Client, meanwhile: Any, moved: list[int]) -> None:
    Environment.objects.update(allow_insecure_http=True)
    TrustedOriginFactory.create(origin=ORIGIN)
    asked = (ORIGIN, OTHER, "http://plain.example.com")
    page = look(operator, *asked)
    meanwhile()
    before = count(), revision()
    again = agree(operator, page, *asked, accepted="on")
    assert "Something changed while you were looking" in difference(again)
    assert [line.number for line in again.context["look"].rows if line.has_moved] == moved
    assert (count(), revision()) == before


def test_preview_of_somebody_else_is_shown_again(operator: Client) -> None:
    page = look(operator)
    bob = login(user_with("add_trustedorigin", "view_trustedorigin"))
    assert "Somebody else was shown" in difference(agree(bob, page))
    assert count() == 0


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda: "", id="none"),
        pytest.param(lambda: "x:y:z", id="nonsense"),
        pytest.param(lambda: signing.dumps(["1", "a", [], ""], salt="other"), id="signed for something else"),
        pytest.param(lambda: signing.dumps(1, salt="django_cors_guard.admin.trust"), id="of another shape"),
    ],
)
def test_seal_that_was_tampered_with_is_none(operator: Client, forged: Callable[[], str]) -> None:
    page = post(operator, url(ADD), filled_in() | {"seal": forged(), "_trust": "1"})
    assert "not one that was shown to you" in difference(page)
    assert count() == 0


def test_same_preview_saves_once(operator: Client) -> None:
    page = look(operator)
    agree(operator, page)
    before = revision()
    assert "Something changed" in difference(agree(operator, page))
    assert (count(), revision()) == (1, before)


def test_revocation_in_the_very_same_moment_is_refused_in_words_and_nothing_is_half_written(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrustedOriginFactory.create(origin=OTHER)
    page = look(operator, ORIGIN, OTHER, ends="7")
    find = grants.find_grants

    def too_late(*args: Any, **kwargs: Any) -> Any:
        services.revoke_origin(OTHER, reason="just now")
        return find(*args, **kwargs)

    before = revision()
    monkeypatch.setattr(trusting_service, "find_grants", too_late)
    response = agree(operator, page, ORIGIN, OTHER, ends="7")
    assert response.status_code == 200
    assert "was revoked by" in said(response)[0]
    assert count() == 1
    assert (revision(), LogEntry.objects.count()) == (before, 0)


# --- permissions ------------------------------------------------------------------------------------------------------


def test_protected_environment_cannot_be_ticked_and_is_refused_when_sent(apprentice: Client) -> None:
    Environment.objects.update(protected=True)
    page = apprentice.get(url(ADD))
    assert "protected: changes need the permission" in text(page)
    assert "disabled" in str(page.context["form"]["environments"])
    again = look(apprentice)
    assert "protected environment (production)" in errors(again)["environments"][0]
    assert not seal(again)
    agree(apprentice, again)
    assert count() == 0


def test_protected_environment_is_open_to_those_who_may(operator: Client) -> None:
    Environment.objects.update(protected=True)
    assert "disabled" not in str(operator.get(url(ADD)).context["form"]["environments"])
    trust(operator)
    assert count() == 1


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_receipt_names_places_revision_end_and_delay(operator: Client) -> None:
    TrustedOriginFactory.create(origin=OTHER)
    page = look(operator, ORIGIN, OTHER)
    receipt = agree(operator, page, ORIGIN, OTHER)
    grant = TrustedOrigin.objects.get(origin=ORIGIN)
    words = text(receipt)
    assert f"Saved as revision {revision()}." in words
    assert "Other processes follow within" in words
    assert "holds until revoked" in words
    assert "Trusted now (1)" in words
    assert "Trusted already, and not changed (1)" in words
    html = receipt.content.decode()
    assert f'<a href="{url(CHANGE_PAGE, grant.pk)}">Public in Production</a>' in html
    assert f"{url('policychange_changelist')}?revision={revision()}" in html


def test_receipt_shows_no_links_that_would_be_refused(operator: Client) -> None:
    receipt = trust(login(user_with("add_trustedorigin")))
    assert receipt.status_code == 200
    html = receipt.content.decode()
    assert url(CHANGE_PAGE, TrustedOrigin.objects.get().pk) not in html
    assert url("policychange_changelist") not in html


def test_popup_closes_itself(operator: Client) -> None:
    page = operator.get(url(ADD), {"_popup": "1"})
    assert 'name="_popup"' in page.content.decode()
    response = trust(operator, _popup="1")
    assert response.templates[0].name == "admin/popup_response.html"


def test_popup_hands_out_no_field_that_nothing_refers_to(operator: Client) -> None:
    page = look(operator, _popup="1", _to_field="note")
    assert agree(operator, page, _popup="1", _to_field="note").status_code == 400


def test_hostile_names_and_notes_are_escaped(operator: Client) -> None:
    Environment.objects.update(name="<script>e")
    ApiGroup.objects.update(name="<script>g")
    TrustedOriginFactory.create(origin=OTHER, note="<script>n", front_end=FrontEndFactory.create(name="<script>f"))
    services.revoke_origin(OTHER, reason="<script>r")
    pages = [operator.get(url(ADD)), look(operator, ORIGIN, OTHER, "<script>o"), trust(operator)]
    for page in pages:
        html = page.content.decode()
        assert "&lt;script&gt;" in html
        for letter in "egnfro":
            assert f"<script>{letter}" not in html


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many_places() -> dict[str, Any]:
    environments = [EnvironmentFactory.create(slug=f"stage{n}", allow_loopback=True).pk for n in range(3)]
    groups = [ApiGroupFactory.create(slug=f"group{n}", allow_credentials=n % 2).pk for n in range(6)]
    return {"environments": environments, "api_groups": groups}


def test_preview_asks_few_questions_however_much_is_asked(
    many_places: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    names = [f"{verb}_{model}" for verb in ("add", "change", "view") for model in ("trustedorigin", "frontend")]
    client = login(user_with(*names))
    lines = [f"https://app{n}.example.com" for n in range(20)]
    for line in lines[:5]:
        grant = TrustedOriginFactory.create(
            origin=line, environment_id=many_places["environments"][0], api_group_id=many_places["api_groups"][0]
        )
        services.revoke(grant, reason="x")
    for line in lines[5:10]:
        TrustedOriginFactory.create(
            origin=line, environment_id=many_places["environments"][1], api_group_id=many_places["api_groups"][1]
        )
    client.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        page = look(client, *lines, **many_places)
    assert len(page.context["look"].rows) == 20
