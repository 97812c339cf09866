from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin
from tests.admin.conftest import login
from tests.admin.pages import text, url
from tests.factories import NOW, RejectedOriginFactory, TrustedOriginFactory, user_with

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
    assert "?card=" not in operator.get(url(LIST)).content.decode()


def test_trust_is_offered_only_to_those_who_may(operator: Client) -> None:
    card = RejectedOriginFactory.create()
    viewer = login(user_with("view_rejectedorigin"))
    for address in (url(LIST), url(CHANGE, card.pk)):
        assert "?card=" in operator.get(address).content.decode()
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
        pytest.param({"environment": "staging"}, id="environment"),
        pytest.param({"api_group": "billing"}, id="group"),
        pytest.param({"last_reason": "expired"}, id="reason"),
        pytest.param({"status__exact": "ignored"}, id="status"),
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
    assert "x" * 81 not in operator.get(url(LIST)).content.decode()


def test_list_asks_few_questions_however_long_it_is(operator: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        RejectedOriginFactory.create(origin=f"https://stranger{number}.example.net")
    operator.get(url(LIST))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(8):
        page = operator.get(url(LIST))
    assert len(page.context["cl"].result_list) == 30
    with django_assert_max_num_queries(10):
        operator.get(url(CHANGE, RejectedOrigin.objects.latest("pk").pk))
