"""What operators do about cards, by calling the addresses directly."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, RejectedOrigin, TrustedOrigin
from tests.admin.conftest import login
from tests.admin.pages import post, revision, said, text, url
from tests.factories import NOW, RejectedOriginFactory, TrustedOriginFactory, user_with

LIST, CHANGE = "rejectedorigin_changelist", "rejectedorigin_change"
TRIAGE = ("view_rejectedorigin", "change_rejectedorigin")


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def triager(db: None) -> Client:
    """The browser of somebody who may look at cards, ignore them and take them back, and nothing else."""
    return login(user_with(*TRIAGE, username="tess"))


def cards(*statuses: str, **values: Any) -> list[RejectedOrigin]:
    return [
        RejectedOriginFactory.create(origin=f"https://a{at}.example.net", status=status, **values)
        for at, status in enumerate(statuses)
    ]


def act(client: Client, action: str, *ticked: RejectedOrigin, **extra: str) -> Any:
    data = {"action": action, "_selected_action": [card.pk for card in ticked], "index": "0", **extra}
    return post(client, f"{url(LIST)}?status=all", data)


def statuses() -> list[str]:
    return list(RejectedOrigin.objects.order_by("origin").values_list("status", flat=True))


# --- one card ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        pytest.param("ignore", "new", "ignored", "Ignored.", id="ignore"),
        pytest.param("reopen", "ignored", "new", "Back to new.", id="back to new"),
    ],
)
def test_button_settles_a_card_and_writes_down_who_did_it(
    triager: Client, name: str, before: str, after: str, words: str
) -> None:
    (card,) = cards(before)
    number = revision()
    response = post(triager, url(f"rejectedorigin_{name}", card.pk), {})
    assert response["Location"] == url(CHANGE, card.pk)
    assert said(response) == [words]
    card.refresh_from_db()
    assert (card.status, str(card.status_by)) == (after, "tess")
    assert card.status_at is not None
    assert (timezone.now() - card.status_at).total_seconds() < 60
    assert [entry.change_message for entry in LogEntry.objects.all()] == [words]
    assert revision() == number


@pytest.mark.parametrize(("name", "status"), [("ignore", "ignored"), ("reopen", "new")])
def test_button_on_a_card_that_is_so_already_changes_nothing(triager: Client, name: str, status: str) -> None:
    (card,) = cards(status, status_at=NOW)
    response = post(triager, url(f"rejectedorigin_{name}", card.pk), {})
    card.refresh_from_db()
    assert (card.status, card.status_at, said(response)) == (status, NOW, [])
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("name", "words"), [("ignore", "Revoke it if it should not be."), ("reopen", "new again by itself")]
)
def test_button_on_a_trusted_card_says_why_not(triager: Client, name: str, words: str) -> None:
    (card,) = cards("trusted")
    response = post(triager, url(f"rejectedorigin_{name}", card.pk), {})
    assert response["Location"] == url(CHANGE, card.pk)
    assert words in said(response)[0]
    assert statuses() == ["trusted"]


def test_button_of_a_card_that_has_gone_leads_to_the_list(triager: Client) -> None:
    response = post(triager, url("rejectedorigin_ignore", 12345), {})
    assert response["Location"] == url(LIST)
    assert "There is no such rejected origin" in said(response)[0]


@pytest.mark.parametrize("name", ["ignore", "reopen"])
def test_following_a_link_changes_nothing(triager: Client, name: str) -> None:
    (card,) = cards("new" if name == "ignore" else "ignored")
    assert triager.get(url(f"rejectedorigin_{name}", card.pk)).status_code == 405
    assert statuses() == [card.status]


@pytest.mark.parametrize("name", ["ignore", "reopen"])
def test_form_of_another_site_changes_nothing(triager: Client, name: str, ana: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ana)
    (card,) = cards("new" if name == "ignore" else "ignored")
    assert post(client, url(f"rejectedorigin_{name}", card.pk), {}).status_code == 403
    assert statuses() == [card.status]


def test_card_offers_what_can_be_done_to_it(triager: Client) -> None:
    new, ignored, trusted = cards("new", "ignored", "trusted")
    offers = {"Ignore": [], "Back to new": []}  # type: dict[str, list[str]]
    for card in (new, ignored, trusted):
        page = triager.get(url(CHANGE, card.pk)).content.decode()
        for words, where in offers.items():
            if f">{words}</button>" in page:
                where.append(card.status)
    assert offers == {"Ignore": ["new"], "Back to new": ["ignored"]}


# --- several cards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "after", "words"),
    [
        pytest.param(
            "ignore_selected",
            ["ignored", "ignored", "ignored", "trusted"],
            ["2 cards were ignored.", "1 card stayed as it was: its origin was trusted.", "1 card stayed as it was."],
            id="ignore",
        ),
        pytest.param(
            "reopen_selected",
            ["new", "new", "new", "trusted"],
            [
                "1 card is new again.",
                "1 card stayed as it was: its origin was trusted.",
                "2 cards stayed as they were.",
            ],
            id="back to new",
        ),
    ],
)
def test_action_settles_what_it_can_and_says_what_it_left(
    triager: Client, action: str, after: list[str], words: list[str]
) -> None:
    ticked = cards("new", "new", "ignored", "trusted", status_at=NOW)
    response = act(triager, action, *ticked)
    assert statuses() == after
    assert said(response) == words
    changed = RejectedOrigin.objects.exclude(status_at=NOW)
    assert {str(card.status_by) for card in changed} == {"tess"}
    assert changed.count() == LogEntry.objects.count() == (2 if action == "ignore_selected" else 1)


def test_action_leaves_what_is_not_ticked(triager: Client) -> None:
    act(triager, "ignore_selected", cards("new", "new", "new")[1])
    assert statuses() == ["new", "ignored", "new"]


def test_action_takes_as_many_queries_for_many_cards_as_for_two(
    triager: Client, django_assert_max_num_queries: Any
) -> None:
    ticked = cards(*["new"] * 40)
    triager.get(url(LIST))  # the first request of a process also loads the policy
    ContentType.objects.get_for_model(RejectedOrigin)  # and the first entry of its log the content type
    counts = []
    for some in (ticked[:2], ticked[2:]):
        with django_assert_max_num_queries(20) as queries:
            act(triager, "ignore_selected", *some)
        counts.append(len(queries))
        assert sum(query["sql"].startswith("UPDATE") for query in queries) == 1
    assert counts[0] == counts[1]
    assert statuses() == ["ignored"] * 40


def test_action_on_more_cards_than_are_listed_is_refused(triager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.admin.rejections.triage.MAX_LISTED", 2)
    response = act(triager, "ignore_selected", *cards("new", "new", "new"), select_across="1")
    assert said(response) == ["That is more than 2 cards at once. Narrow the list down first."]
    assert statuses() == ["new"] * 3


def test_trust_of_the_ticked_opens_one_form_and_saves_nothing(operator: Client) -> None:
    ticked = cards("new", "new")
    response = act(operator, "trust_selected", *ticked)
    assert response["Location"].startswith(f"{url('trustedorigin_add')}?card=")
    assert {int(key) for key in re.findall(r"card=(\d+)", response["Location"])} == {card.pk for card in ticked}
    page = operator.get(response["Location"]).content.decode()
    assert all(card.origin in page for card in ticked)
    assert not TrustedOrigin.objects.exists()


def test_trust_of_what_cannot_be_trusted_says_why(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin="null")
    response = operator.get(act(operator, "trust_selected", card)["Location"])
    assert "This cannot be trusted. “null” cannot be trusted" in said(response)[0]


def test_trust_of_what_was_revoked_says_why(operator: Client) -> None:
    (card,) = cards("new")
    TrustedOriginFactory.create(origin=card.origin, revoked_at=NOW)
    response = operator.get(act(operator, "trust_selected", card)["Location"])
    assert "Reinstate it" in said(response)[0]


def test_trust_of_more_cards_than_one_form_takes_is_refused(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.admin.rejections.triage.MAX_CARDS", 2)
    response = act(operator, "trust_selected", *cards("new", "new", "new"))
    assert said(response) == ["That is more than 2 cards at once. Narrow the list down first."]
    assert response["Location"].startswith(url(LIST))


# --- permissions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "permissions",
    [
        pytest.param(("view_rejectedorigin",), id="viewer"),
        pytest.param(("view_rejectedorigin", "add_trustedorigin", "change_trustedorigin"), id="who may trust"),
    ],
)
def test_only_who_may_change_cards_settles_them(permissions: tuple[str, ...]) -> None:
    client = login(user_with(*permissions))
    new, ignored = cards("new", "ignored")
    assert post(client, url("rejectedorigin_ignore", new.pk), {}).status_code == 403
    assert post(client, url("rejectedorigin_reopen", ignored.pk), {}).status_code == 403
    act(client, "ignore_selected", new)
    act(client, "reopen_selected", ignored)
    assert statuses() == ["new", "ignored"]
    for card in (new, ignored):
        assert "formaction" not in client.get(url(CHANGE, card.pk)).content.decode()


def test_nobody_settles_a_card_without_logging_in() -> None:
    (card,) = cards("new")
    response = post(Client(), url("rejectedorigin_ignore", card.pk), {})
    assert response["Location"].startswith("/admin/login/")
    assert statuses() == ["new"]


@pytest.mark.parametrize(
    ("permissions", "offered"),
    [
        (("view_rejectedorigin",), set()),
        (TRIAGE, {"ignore_selected", "reopen_selected"}),
        (("view_rejectedorigin", "add_trustedorigin"), {"trust_selected"}),
    ],
)
def test_list_offers_the_actions_that_the_user_may_take(permissions: tuple[str, ...], offered: set[str]) -> None:
    cards("new")
    page = login(user_with(*permissions)).get(url(LIST)).content.decode()
    assert {name for name in ("trust_selected", "ignore_selected", "reopen_selected") if f'"{name}"' in page} == offered


def test_trust_is_refused_to_who_may_not_add_grants(triager: Client) -> None:
    (card,) = cards("new")
    response = act(triager, "trust_selected", card)
    assert response["Location"].startswith(url(LIST))
    assert "Trust" not in text(triager.get(url(LIST))).replace("Trusted", "")
