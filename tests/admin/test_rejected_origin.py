import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_cors_guard import services
from django_cors_guard.admin.rejections import rejected_origin
from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin
from tests.admin.conftest import login
from tests.admin.pages import text, url
from tests.factories import (
    NOW,
    ApiGroupFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    user_with,
)

LIST, CHANGE = "rejectedorigin_changelist", "rejectedorigin_change"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


def test_list_says_where_why_and_what_to_do(operator: Client) -> None:
    card = RejectedOriginFactory.create(count=7)
    page = operator.get(url(LIST))
    words = text(page)
    assert card.origin in words
    assert "public in production" in words
    assert "nobody has trusted this origin" in words
    assert "proves only that somebody sent those bytes" in words
    assert f"{url('trustedorigin_add')}?card={card.pk}" in page.content.decode()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"status": "trusted"}, id="trusted"),
        pytest.param({"last_reason": "revoked"}, id="revoked"),
        pytest.param({"origin": "null"}, id="null"),
    ],
)
def test_list_offers_no_trust_where_there_is_none_to_give(operator: Client, values: dict[str, str]) -> None:
    RejectedOriginFactory.create(**values)
    page = operator.get(url(LIST), {"status": "all"}).content.decode()
    assert f"{url('trustedorigin_add')}?card=" not in page


def test_trust_is_offered_only_to_those_who_may(operator: Client) -> None:
    card = RejectedOriginFactory.create()
    viewer = login(user_with("view_rejectedorigin"))
    for address in (url(LIST), url(CHANGE, card.pk)):
        assert f"{url('trustedorigin_add')}?card=" in operator.get(address).content.decode()
        assert "?card=" not in viewer.get(address).content.decode()


def test_page_of_a_card_leads_to_its_grant_and_its_rejections(operator: Client) -> None:
    card = RejectedOriginFactory.create(last_reason="method_not_allowed")
    grant = TrustedOriginFactory.create(origin=card.origin)
    page = operator.get(url(CHANGE, card.pk)).content.decode()
    assert url("trustedorigin_change", grant.pk) in page
    assert url("rejection_changelist") in page
    assert "the API group does not list the method" in page


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"environment": "staging", "status": "all"}, id="environment"),
        pytest.param({"api_group": "billing", "status": "all"}, id="group"),
        pytest.param({"last_reason": "expired", "status": "all"}, id="reason"),
        pytest.param({"last_seen__gte": "2026-05-03 12:30:00+00:00", "status": "all"}, id="last seen"),
        pytest.param({"status": "ignored"}, id="status"),
        pytest.param({"status__exact": "ignored"}, id="status in Django's words"),
        pytest.param({"q": "https://wanted.example"}, id="whole origin"),
        pytest.param({"q": " https://want "}, id="beginning"),
    ],
)
def test_list_filters_and_finds(operator: Client, query: dict[str, str]) -> None:
    RejectedOriginFactory.create(origin="https://other.wanted.example")
    wanted = RejectedOriginFactory.create(
        origin="https://wanted.example",
        environment="staging",
        api_group="billing",
        last_reason="expired",
        status="ignored",
        last_seen=NOW + timedelta(hours=1),
    )
    assert list(operator.get(url(LIST), query).context["cl"].result_list) == [wanted]


def test_search_for_a_whole_origin_finds_no_longer_one(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin="https://app.example.com")
    RejectedOriginFactory.create(origin="https://app.example.com.evil.example")
    assert list(operator.get(url(LIST), {"q": card.origin}).context["cl"].result_list) == [card]


@pytest.mark.parametrize("query", [{"environment": "a\0b"}, {"q": "a\0b"}, {"api_group": "gone"}, {"q": "%"}])
def test_odd_queries_find_nothing_and_break_nothing(operator: Client, query: dict[str, str]) -> None:
    RejectedOriginFactory.create()
    page = operator.get(url(LIST), query)
    assert page.status_code == 200


def test_latest_stands_first(operator: Client) -> None:
    old = RejectedOriginFactory.create(origin="https://old.example", last_seen=NOW - timedelta(days=1))
    new = RejectedOriginFactory.create(origin="https://new.example")
    assert list(operator.get(url(LIST)).context["cl"].result_list) == [new, old]


def test_hostile_values_are_escaped_made_visible_and_cut(operator: Client) -> None:
    hostile = "<script>alert(1)</script>\u202e" + "x" * 220
    card = RejectedOriginFactory.create(origin=hostile, environment="\u202eenv", api_group="<b>group")
    for address in (url(LIST), url(CHANGE, card.pk)):
        page = operator.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<b>group" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;alert(1)" in page
    assert "x" * 81 not in text(operator.get(url(LIST)))


# --- the list: status -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        pytest.param({}, {"new"}, id="open questions, if nothing is asked for"),
        pytest.param({"status": "new"}, {"new"}, id="new"),
        pytest.param({"status": "trusted"}, {"trusted"}, id="trusted"),
        pytest.param({"status": "all"}, {"new", "ignored", "trusted"}, id="all"),
        pytest.param({"q": "https://"}, {"new", "ignored", "trusted"}, id="searched"),
        pytest.param({"q": "  "}, {"new"}, id="searched for nothing"),
        pytest.param({"q": "https://", "status": "ignored"}, {"ignored"}, id="searched within a status"),
        pytest.param({"status__in": "ignored,trusted"}, {"ignored", "trusted"}, id="in Django's words"),
        pytest.param({"environment": "production"}, {"new"}, id="another filter"),
        pytest.param({"status": "b\0gus"}, set(), id="no status"),
    ],
)
def test_list_shows_what_is_new_unless_asked_otherwise(
    operator: Client, query: dict[str, str], shown: set[str]
) -> None:
    for status in ("new", "ignored", "trusted"):
        RejectedOriginFactory.create(origin=f"https://{status}.example.net", status=status)
    page = operator.get(url(LIST), query)
    assert {card.status for card in page.context["cl"].result_list} == shown


@pytest.mark.parametrize(
    ("query", "current"),
    [({}, "New"), ({"status": "all"}, "All"), ({"q": "x"}, "All"), ({"status": "ignored"}, "Ignored")],
)
def test_list_marks_the_status_that_is_shown(operator: Client, query: dict[str, str], current: str) -> None:
    page = operator.get(url(LIST), query).content.decode()
    assert re.findall(r'aria-current="true">(\w+)<', page) == [current]


def test_other_filters_are_folded_away_until_one_is_at_work(operator: Client) -> None:
    assert "Clear these filters" not in operator.get(url(LIST)).content.decode()
    page = operator.get(url(LIST), {"last_reason": "expired", "status": "all"}).content.decode()
    assert 'class="cors-guard-filters" open' in page
    assert '<a href="?status=all">Clear these filters</a>' in page


# --- the list: what a row says ----------------------------------------------------------------------------------------


def test_row_draws_the_last_seven_days_and_says_them_in_words(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_origin, "today", NOW.date)
    RejectedOriginFactory.create(
        recent={"2026-04-27": 3, "2026-04-30": 5, "2026-05-01": 1, "2026-05-03": 2},
        count=1234,
        last_seen=NOW - timedelta(days=1),
    )
    page = operator.get(url(LIST)).content.decode()
    assert "<title>3, 0, 0, 5, 1, 0, 2 refusals in the last 7 days</title>" in page
    assert page.count("<rect ") == 7
    assert "1,234 in all" in page


def test_row_shows_an_international_name_beside_its_punycode(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin="https://xn--mnchen-3ya.example")
    for address in (url(LIST), url(CHANGE, card.pk)):
        words = text(operator.get(address))
        assert "https://xn--mnchen-3ya.example" in words
        assert "https://münchen.example" in words


def test_row_says_what_is_nearest_and_leads_to_it(operator: Client) -> None:
    RejectedOriginFactory.create(origin="http://app.example.com")
    grant = TrustedOriginFactory.create(origin="https://app.example.com")
    page = operator.get(url(LIST)).content.decode()
    link = f'<a href="{url("trustedorigin_change", grant.pk)}">http instead of https: https://app.example.com</a>'
    assert link in page


def test_nearest_is_no_link_for_those_who_may_not_follow_it(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin="http://app.example.com")
    grant = TrustedOriginFactory.create(origin="https://app.example.com")
    viewer = login(user_with("view_rejectedorigin"))
    for address in (url(LIST), url(CHANGE, card.pk)):
        page = viewer.get(address)
        assert "http instead of https: https://app.example.com" in text(page)
        assert url("trustedorigin_change", grant.pk) not in page.content.decode()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"last_reason": "method_not_allowed"}, id="not refused for its origin"),
        pytest.param({"status": "trusted"}, id="trusted since"),
        pytest.param({"last_reason": "null_origin", "origin": "null"}, id="null"),
    ],
)
def test_nothing_is_nearest_where_that_would_explain_nothing(operator: Client, values: dict[str, str]) -> None:
    card = RejectedOriginFactory.create(**{"origin": "https://shop.example.com", **values})
    TrustedOriginFactory.create(origin="https://app.example.com")
    assert "another name of the same owner" not in text(operator.get(url(LIST), {"status": "all"}))
    assert "nearest trusted thing" not in text(operator.get(url(CHANGE, card.pk)))


def test_trusted_card_tells_of_its_grant_that_has_ended(operator: Client, ana: User) -> None:
    card = RejectedOriginFactory.create(status="trusted")
    grant = TrustedOriginFactory.create(origin=card.origin)
    services.revoke(grant, actor=ana, reason="x")
    assert "revoked by ana" in text(operator.get(url(LIST), {"status": "all"}))


# --- the page of a card -----------------------------------------------------------------------------------------------


def test_page_of_a_card_tells_its_story(operator: Client, ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected_origin, "today", NOW.date)
    card = RejectedOriginFactory.create(
        status="ignored", status_by=ana, status_at=NOW, recent={"2026-05-02": 41}, last_seen=NOW - timedelta(days=9)
    )
    row = RejectionFactory.create(method="PUT", path="/api/public/orders")
    RejectionFactory.create(environment="staging", path="/elsewhere")
    page = operator.get(url(CHANGE, card.pk))
    words = text(page)
    assert "ignored by ana on May 3, 2026" in words
    assert "May 2 41" in words
    assert "PUT /api/public/orders" in words
    assert "/elsewhere" not in words
    assert url("rejection_change", row.pk) in page.content.decode()


def test_status_of_a_user_who_is_gone_keeps_its_time(operator: Client) -> None:
    card = RejectedOriginFactory.create(status="ignored", status_at=NOW)
    assert "ignored on May 3, 2026" in text(operator.get(url(CHANGE, card.pk)))


def test_page_of_a_card_leads_to_every_grant_that_its_reason_means(operator: Client) -> None:
    card = RejectedOriginFactory.create(last_reason="other_group")
    grants = [
        TrustedOriginFactory.create(origin=card.origin, api_group=ApiGroupFactory.create(slug=slug))
        for slug in ("billing", "reports")
    ]
    page = operator.get(url(CHANGE, card.pk))
    assert "trusted for Billing and Reports only" in text(page)
    for grant in grants:
        assert url("trustedorigin_change", grant.pk) in page.content.decode()


def test_rejections_are_listed_for_those_who_may_see_them(operator: Client) -> None:
    card = RejectedOriginFactory.create()
    row = RejectionFactory.create()
    viewer = login(user_with("view_rejectedorigin"))
    assert url("rejection_change", row.pk) in operator.get(url(CHANGE, card.pk)).content.decode()
    assert url("rejection_change", row.pk) not in viewer.get(url(CHANGE, card.pk)).content.decode()


def test_page_leads_to_the_check_of_the_card_and_of_each_rejection(operator: Client) -> None:
    card = RejectedOriginFactory.create()
    row = RejectionFactory.create()
    page = operator.get(url(CHANGE, card.pk)).content.decode()
    assert f"{url('check')}?card={card.pk}" in page
    assert f"{url('check')}?rejection={row.pk}" in page


def test_values_that_nobody_would_store_break_no_page(operator: Client) -> None:
    card = RejectedOriginFactory.create(
        last_reason="<b>odd", status="<i>odd", recent=["<u>"], count=2**62, first_seen=NOW, last_seen=NOW
    )
    for address in (url(LIST) + "?status=all", url(CHANGE, card.pk)):
        page = operator.get(address)
        assert page.status_code == 200
        for tag in ("<b>odd", "<i>odd", "<u>"):
            assert tag not in page.content.decode()


# --- queries ----------------------------------------------------------------------------------------------------------


def test_list_asks_few_questions_however_long_it_is(operator: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(40):
        RejectedOriginFactory.create(origin=f"https://a{number}.example.net", last_reason="revoked")
        services.revoke(TrustedOriginFactory.create(origin=f"https://a{number}.example.net"), reason="x")
    RejectedOriginFactory.create(environment="staging")
    RejectedOriginFactory.create(environment="local", api_group="billing")
    operator.get(url(LIST))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(10):
        page = operator.get(url(LIST))
    assert len(page.context["cl"].result_list) == 42
    assert text(page).count("revoked by") == 40
    with django_assert_max_num_queries(12):
        operator.get(url(LIST), {"q": "https://a"})
    RejectionFactory.create(origin="https://a1.example.net", reason="revoked")
    with django_assert_max_num_queries(15):
        operator.get(url(CHANGE, RejectedOrigin.objects.get(origin="https://a1.example.net").pk))
