"""From rejected origins to the form for trusting."""

from typing import Any

import pytest
from django.test import Client

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    RejectedOrigin,
    TrustedOrigin,
)
from tests.admin.conftest import login
from tests.admin.pages import errors, post, said, text, url
from tests.admin.trusting import (
    ADD,
    ORIGIN,
    OTHER,
    agree,
    count,
    difference,
    look,
    row,
    seal,
)
from tests.factories import (
    EnvironmentFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    user_with,
)


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


# --- from a card ------------------------------------------------------------------------------------------------------


def from_card(*cards: RejectedOrigin) -> str:
    return f"{url(ADD)}?{'&'.join(f'card={card.pk}' for card in cards)}"


def test_card_shows_the_preview_at_once_so_that_trust_is_two_clicks(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin="https://new.example.net", count=12)
    page = operator.get(from_card(card))
    assert "refused 12 times for Public in Production" in text(page)
    assert "proves only that somebody sent those bytes" in text(page)
    assert row(page).origin == "https://new.example.net"
    assert count() == 0
    receipt = agree(operator, page, "https://new.example.net", address=from_card(card), ends="1")
    assert "Trusted now (1)" in text(receipt)
    grant = TrustedOrigin.objects.get()
    assert grant.origin == "https://new.example.net"
    assert grant.expires_at is not None
    assert RejectedOrigin.objects.get().status == "trusted"
    assert url("rejectedorigin_changelist") in receipt.content.decode()


def test_card_of_an_environment_with_a_limit_begins_with_an_end_within(operator: Client) -> None:
    Environment.objects.update(max_trust_days=20)
    page = operator.get(from_card(RejectedOriginFactory.create()))
    assert page.context["form"]["ends"].value() == "7"
    assert errors(page) == {}


def test_address_never_fills_in_the_form(operator: Client) -> None:
    query: dict[str, Any] = {"origins": "https://evil.example", "origin": "https://evil.example", "note": "evil"}
    page = operator.get(url(ADD), query)
    assert page.context["form"]["origins"].value() is None
    assert "evil" not in page.content.decode()


def test_address_beside_a_card_changes_nothing(operator: Client) -> None:
    staging, card = EnvironmentFactory.create(slug="staging"), RejectedOriginFactory.create()
    query: dict[str, Any] = {"card": card.pk, "origins": "https://evil.example", "environments": staging.pk}
    page = operator.get(url(ADD), query)
    assert [line.origin for line in page.context["look"].rows] == [card.origin]
    assert row(page).fresh == ("Production: Public",)


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
@pytest.mark.parametrize("method", ["get", "post"])
def test_card_that_cannot_be_trusted_says_why(operator: Client, values: dict[str, str], says: str, method: str) -> None:
    card = RejectedOriginFactory.create(**values)
    response = operator.get(from_card(card)) if method == "get" else look(operator, address=from_card(card))
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
    assert operator.get(from_card(card))["Location"] == url("rejectedorigin_change", card.pk)


def test_card_is_not_shown_to_those_who_may_not_see_cards() -> None:
    card = RejectedOriginFactory.create()
    response = login(user_with("add_trustedorigin", "view_trustedorigin")).get(from_card(card))
    assert "no such rejected origin" in said(response)[0]


def test_cards_of_one_place_fill_in_the_form(operator: Client) -> None:
    cards = [RejectedOriginFactory.create(origin=origin) for origin in (ORIGIN, OTHER)]
    page = operator.get(from_card(*cards))
    assert "from 2 rejected origins" in text(page)
    assert page.context["form"]["origins"].value() == f"{ORIGIN}\n{OTHER}"
    agree(operator, page, ORIGIN, OTHER, address=from_card(*cards))
    assert count() == 2


@pytest.fixture
def scattered(billing: ApiGroup) -> list[RejectedOrigin]:
    """One origin was refused in one place, and another one in another."""
    EnvironmentFactory.create(slug="staging")
    return [
        RejectedOriginFactory.create(origin=ORIGIN),
        RejectedOriginFactory.create(origin=OTHER, environment="staging", api_group="billing"),
    ]


def test_cards_of_several_places_are_trusted_only_where_each_was_refused(
    operator: Client, scattered: list[RejectedOrigin]
) -> None:
    page = operator.get(from_card(*scattered))
    assert "Each is trusted only where it was refused." in text(page)
    assert "origins" not in page.context["form"].fields
    assert [row(page, number).fresh for number in (1, 2)] == [("Production: Public",), ("Staging: Billing",)]
    sent = {"seal": seal(page), "_trust": "1", "ends": "7", "origins": "https://evil.example", "environments": [1]}
    post(operator, from_card(*scattered), sent)
    found = TrustedOrigin.objects.values_list("origin", "environment__slug", "api_group__slug")
    assert set(found) == {(ORIGIN, "production", "public"), (OTHER, "staging", "billing")}
    assert set(RejectedOrigin.objects.values_list("status", flat=True)) == {"trusted"}


def test_seal_of_some_cards_is_none_of_others(operator: Client, scattered: list[RejectedOrigin]) -> None:
    third = RejectedOriginFactory.create(origin="https://third.example", environment="staging")
    page = operator.get(from_card(*scattered))
    sent = {"seal": seal(page), "_trust": "1", "ends": "7"}
    again = post(operator, from_card(*scattered, third), sent)
    assert "You changed the origins or places" in difference(again)
    assert count() == 0


def test_line_of_a_card_can_be_left_out(operator: Client, scattered: list[RejectedOrigin]) -> None:
    page = operator.get(from_card(*scattered))
    assert row(page).leave_out == from_card(scattered[1])
    assert row(operator.get(row(page).leave_out)).origin == OTHER


def test_cards_that_cannot_be_trusted_are_left_out_in_words(operator: Client, scattered: list[RejectedOrigin]) -> None:
    bad = [RejectedOriginFactory.create(origin="null"), RejectedOriginFactory.create(api_group="gone")]
    page = operator.get(f"{from_card(*scattered, *bad)}&card=99999")
    assert len(page.context["look"].rows) == 2
    assert "Left out, for it cannot be trusted:" in text(page)
    assert "no API group “gone”" in text(page)
    assert "1 rejected origin that is not there any more." in text(page)
    response = operator.get(from_card(*bad))
    assert response["Location"] == url("rejectedorigin_changelist")


def test_cards_of_a_protected_environment_are_refused_in_words(
    apprentice: Client, scattered: list[RejectedOrigin]
) -> None:
    Environment.objects.update(protected=True)
    user = login(user_with("add_trustedorigin", "view_trustedorigin", "view_rejectedorigin"))
    page = user.get(from_card(*scattered))
    assert "protected environment (production, staging)" in text(page)
    assert not seal(page)


def test_cards_ask_few_questions_however_many_there_are(billing: ApiGroup, django_assert_max_num_queries: Any) -> None:
    EnvironmentFactory.create(slug="staging")
    client = login(user_with("add_trustedorigin", "view_trustedorigin", "view_rejectedorigin"))
    cards = [
        RejectedOriginFactory.create(
            origin=f"https://app{n}.example.com",
            environment=("production", "staging")[n % 2],
            api_group=("public", "billing")[n % 2],
        )
        for n in range(20)
    ]
    client.get(url(ADD))  # the first request of a process also loads the policy
    with django_assert_max_num_queries(15):
        page = client.get(from_card(*cards))
    assert len(page.context["look"].rows) == 20
    with django_assert_max_num_queries(15):
        client.get(from_card(cards[0]))
