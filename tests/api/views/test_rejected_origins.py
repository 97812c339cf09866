import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
)
from django_cors_guard.testing import flush_rejections
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import NOW, EnvironmentFactory, FrontEndFactory, RejectedOriginFactory

FIELDS = {
    "id", "environment", "api_group", "origin", "unicode", "status", "status_by", "status_at", "count", "first_seen",
    "last_seen", "reason", "reason_text", "trend",
}  # fmt: skip
STRANGER = "https://stranger.example.net"


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def operator(api: MakeApi) -> Api:
    return api("view_rejectedorigin", "change_rejectedorigin", "add_trustedorigin", username="ana")


def ids(response: Any) -> set[int]:
    assert response.status_code == 200, response.text
    return {row["id"] for row in response.json()["results"]}


# --- list and retrieve ------------------------------------------------------------------------------------------------


def test_list_and_retrieve_show_what_the_middleware_refused(operator: Api) -> None:
    for _time in range(3):
        Client().get("/api/public/hello", headers={"origin": "https://xn--mnch-0ra.example.com"})
    flush_rejections()
    (listed,) = operator.get("rejected-origins/").json()["results"]
    shown = operator.get(f"rejected-origins/{listed['id']}/").json()
    assert shown == listed
    assert set(shown) == FIELDS
    assert (shown["origin"], shown["unicode"]) == ("https://xn--mnch-0ra.example.com", "https://münch.example.com")
    assert (shown["environment"], shown["api_group"], shown["count"]) == ("production", "public", 3)
    assert (shown["status"], shown["status_by"], shown["status_at"]) == ("new", "", None)
    assert (shown["reason"], shown["reason_text"]) == ("unknown_origin", "nobody has trusted this origin")


@pytest.mark.parametrize(
    "path",
    ["rejected-origins/{}/", *(f"rejected-origins/{{}}/{action}/" for action in ("trust", "ignore", "reopen"))],
)
@pytest.mark.parametrize("pk", ["0", "99999", "x", "9" * 30, "%00"])
def test_card_that_is_not_there_is_404(path: str, pk: str, operator: Api) -> None:
    whole = path.format(pk)
    response = operator.get(whole) if path.endswith("{}/") else operator.post(whole)
    assert response.status_code == 404
    assert codes(response) == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({"environment": "staging"}, ["staged"], id="environment"),
        pytest.param({"api_group": "billing"}, ["billed"], id="group"),
        pytest.param({"origin": " HTTPS://Stranger.example.net:443/"}, ["plain", "staged", "billed"], id="origin"),
        pytest.param({"origin_prefix": "https://i"}, ["ignored"], id="origin prefix"),
        pytest.param({"status": "ignored"}, ["ignored"], id="status"),
        pytest.param({"reason": "revoked"}, ["revoked"], id="reason"),
        pytest.param({"since": "2026-05-03T13:00:00Z"}, ["late"], id="since"),
        pytest.param({"until": "2026-05-03T12:00:00Z"}, ["early"], id="until"),
        pytest.param({"status": "new", "api_group": "billing"}, ["billed"], id="two together"),
    ],
)
def test_filter_leaves_only_what_it_names(
    query: dict[str, str], wanted: list[str], operator: Api, billing: ApiGroup
) -> None:
    EnvironmentFactory.create(slug="staging")
    rows = {
        "plain": RejectedOriginFactory.create(),
        "staged": RejectedOriginFactory.create(environment="staging"),
        "billed": RejectedOriginFactory.create(api_group="billing"),
        "ignored": RejectedOriginFactory.create(origin="https://ignored.test", status="ignored"),
        "revoked": RejectedOriginFactory.create(origin="https://revoked.test", last_reason="revoked"),
        "late": RejectedOriginFactory.create(origin="https://late.test", last_seen=NOW + timedelta(hours=1)),
        "early": RejectedOriginFactory.create(origin="https://early.test", last_seen=NOW - timedelta(days=90)),
    }
    assert ids(operator.get("rejected-origins/", **query)) == {rows[name].pk for name in wanted}


def test_list_without_a_window_shows_old_cards_too(operator: Api) -> None:
    card = RejectedOriginFactory.create(last_seen=NOW - timedelta(days=90))
    assert ids(operator.get("rejected-origins/")) == {card.pk}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("status=open", [("status", "unknown_value")], id="status"),
        pytest.param("environment=prod", [("environment", "unknown_name")], id="environment"),
        pytest.param("kind=actual", [("kind", "unknown_parameter")], id="a rejection's"),
        pytest.param("after=1", [("after", "unknown_parameter")], id="a log's"),
    ],
)
def test_bad_parameters_are_400(query: str, expected: list[tuple[str, str]], operator: Api) -> None:
    response = operator.send("GET", f"rejected-origins/?{query}")
    assert response.status_code == 400
    assert codes(response) == expected


# --- trend ------------------------------------------------------------------------------------------------------------


def test_trend_is_the_last_seven_days_of_the_card(operator: Api) -> None:
    kept = {"2026-04-26": 100, "2026-04-27": 1, "2026-05-02": 20, "2026-05-03": 7}
    card = RejectedOriginFactory.create(recent=kept)
    trend = operator.get(f"rejected-origins/{card.pk}/").json()["trend"]
    assert [day["day"] for day in trend] == [f"2026-0{day}" for day in
                                             ("4-27", "4-28", "4-29", "4-30", "5-01", "5-02", "5-03")]  # fmt: skip
    assert [day["count"] for day in trend] == [1, 0, 0, 0, 0, 20, 7]


def test_page_of_cards_takes_as_many_queries_however_long_it_is(operator: Api) -> None:
    counts = []
    operator.get("rejected-origins/")  # the process loads the policy
    for round_ in range(2):
        for n in range(10):
            RejectedOriginFactory.create(
                origin=f"https://o{round_}-{n}.test", status="ignored", status_by=operator.user
            )
        with CaptureQueriesContext(connection) as queries:
            operator.get("rejected-origins/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- trust ------------------------------------------------------------------------------------------------------------


def test_trust_lets_the_origin_in_where_it_was_refused(operator: Api) -> None:
    FrontEndFactory.create()
    card = RejectedOriginFactory.create()
    response = operator.post(
        f"rejected-origins/{card.pk}/trust/",
        {"note": "the shop", "expires_at": "2030-01-01T12:00:00+02:00", "front_end": "shop"},
    )
    assert response.status_code == 201
    found = response.json()
    grant = TrustedOrigin.objects.get()
    assert (found["id"], found["origin"], found["status"]) == (grant.pk, STRANGER, "active")
    assert (found["note"], found["front_end"], found["expires_at"]) == ("the shop", "shop", "2030-01-01T10:00:00Z")
    assert (found["mended"], found["risks"]) == ([], [])
    sent = Client().get("/api/public/hello", headers={"origin": STRANGER})
    assert sent.headers["Access-Control-Allow-Origin"] == STRANGER
    change = PolicyChange.objects.latest("pk")
    assert (change.action, change.actor_label, change.source) == ("trusted", "ana", "api")
    shown = operator.get(f"rejected-origins/{card.pk}/").json()
    assert (shown["status"], shown["status_by"]) == ("trusted", "ana")
    assert shown["status_at"].endswith("Z")


def test_trust_again_changes_nothing_and_answers_200(operator: Api, api: MakeApi) -> None:
    card = RejectedOriginFactory.create()
    first = operator.post(f"rejected-origins/{card.pk}/trust/")
    before, at = PolicyState.read("default"), RejectedOrigin.objects.get().status_at
    other = api("view_rejectedorigin", "add_trustedorigin", username="bob")
    again = other.post(f"rejected-origins/{card.pk}/trust/")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert PolicyState.read("default") == before
    row = RejectedOrigin.objects.get()
    assert (row.status_by_id, row.status_at) == (operator.user.pk if operator.user else None, at)


def test_trust_of_a_grant_that_stood_already_settles_the_card(operator: Api) -> None:
    services.trust(STRANGER, environment="production", api_group="public")
    card = RejectedOriginFactory.create(last_reason="method_not_allowed")
    assert operator.post(f"rejected-origins/{card.pk}/trust/").status_code == 200
    card.refresh_from_db()
    assert card.status == "trusted"


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        pytest.param({"origin": "null"}, [("origin", "null_origin")], id="null"),
        pytest.param({"origin": "https://a.test/path"}, [("origin", "path")], id="malformed"),
        pytest.param({"origin": "HTTPS://a.test"}, [("origin", "not_canonical")], id="respelt"),
        pytest.param({"origin": "https://*.a.test"}, [("", "invalid_request")], id="pattern"),
        pytest.param({"origin": "https://" + "a." * 122 + "tes"}, [("", "invalid_request")], id="cut"),
        pytest.param({"origin": "http://a.test"}, [("origin", "needs_insecure_http")], id="breaks a rule"),
        pytest.param({"environment": "gone"}, [("", "unknown_name")], id="environment that is gone"),
        pytest.param({"api_group": "gone"}, [("", "unknown_name")], id="group that is gone"),
    ],
)
def test_trust_of_what_cannot_be_trusted_is_400_and_leaves_the_card(
    card: dict[str, str], expected: list[tuple[str, str]], operator: Api
) -> None:
    row = RejectedOriginFactory.create(**card)
    before = PolicyState.read("default")
    response = operator.post(f"rejected-origins/{row.pk}/trust/")
    assert response.status_code == 400
    assert codes(response) == expected
    row.refresh_from_db()
    assert (row.status, PolicyState.read("default")) == ("new", before)


def test_trust_of_what_was_revoked_is_409_that_says_by_whom(operator: Api) -> None:
    grant = services.trust(STRANGER, environment="production", api_group="public")
    services.revoke(grant, actor=operator.user, reason="taken over")
    card = RejectedOriginFactory.create(last_reason="revoked")
    response = operator.post(f"rejected-origins/{card.pk}/trust/")
    assert response.status_code == 409
    assert codes(response) == [("origin", "revoked_origin")]
    assert "taken over" in response.json()["detail"]


def test_trust_in_a_protected_environment_takes_its_permission(
    operator: Api, api: MakeApi, production: Environment
) -> None:
    production.protected = True
    production.save()
    card = RejectedOriginFactory.create()
    path = f"rejected-origins/{card.pk}/trust/"
    refused = operator.post(path)
    assert refused.status_code == 403
    assert codes(refused) == [("environment", "protected_environment")]
    assert not TrustedOrigin.objects.exists()
    may = api("view_rejectedorigin", "add_trustedorigin", "change_protected_environment")
    assert may.post(path).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"origin": "https://b.test"}, [("origin", "unknown_field")], id="origin is the card's"),
        pytest.param({"environment": "staging"}, [("environment", "unknown_field")], id="place is the card's"),
        pytest.param({"front_end": "x", "expires_at": "soon"},
                     [("expires_at", "invalid_time"), ("front_end", "unknown_name")], id="values"),
        pytest.param({"expires_at": "2001-01-01T00:00:00Z"}, [("expires_at", "invalid_expiry")], id="in the past"),
        pytest.param([], [("", "invalid")], id="no object"),
    ],
)  # fmt: skip
def test_trust_with_a_bad_body_is_400(body: Any, expected: list[tuple[str, str]], operator: Api) -> None:
    card = RejectedOriginFactory.create()
    response = operator.send("POST", f"rejected-origins/{card.pk}/trust/", json.dumps(body))
    assert response.status_code == 400
    assert codes(response) == expected
    assert not TrustedOrigin.objects.exists()


# --- ignore -----------------------------------------------------------------------------------------------------------


def test_ignore_sets_the_card_aside_with_who_did_it_and_takes_no_revision(operator: Api) -> None:
    card = RejectedOriginFactory.create()
    before = PolicyState.read("default")
    response = operator.post(f"rejected-origins/{card.pk}/ignore/")
    assert response.status_code == 200
    found = response.json()
    assert set(found) == FIELDS
    assert (found["status"], found["status_by"]) == ("ignored", "ana")
    assert PolicyState.read("default") == before
    row = RejectedOrigin.objects.get()
    assert row.status_at is not None
    assert timezone.now() - row.status_at < timedelta(minutes=1)


def test_ignore_again_keeps_who_did_it_first(operator: Api, api: MakeApi) -> None:
    card = RejectedOriginFactory.create()
    first = operator.post(f"rejected-origins/{card.pk}/ignore/").json()
    other = api("view_rejectedorigin", "change_rejectedorigin", username="bob")
    again = other.post(f"rejected-origins/{card.pk}/ignore/")
    assert (again.status_code, again.json()) == (200, first)


def test_ignored_card_goes_on_counting_and_can_be_trusted(operator: Api) -> None:
    Client().get("/api/public/hello", headers={"origin": STRANGER})
    flush_rejections()
    pk = RejectedOrigin.objects.get().pk
    operator.post(f"rejected-origins/{pk}/ignore/")
    Client().get("/api/public/hello", headers={"origin": STRANGER})
    flush_rejections()
    found = operator.get(f"rejected-origins/{pk}/").json()
    assert (found["status"], found["count"]) == ("ignored", 2)
    assert operator.post(f"rejected-origins/{pk}/trust/").status_code == 201
    assert RejectedOrigin.objects.get().status == "trusted"


def test_ignore_of_a_trusted_card_is_400_that_says_what_to_do(operator: Api) -> None:
    card = RejectedOriginFactory.create(status="trusted")
    response = operator.post(f"rejected-origins/{card.pk}/ignore/")
    assert response.status_code == 400
    assert codes(response) == [("", "invalid_request")]
    assert "Revoke it" in response.json()["detail"]
    card.refresh_from_db()
    assert card.status == "trusted"


def test_ignore_takes_no_fields(operator: Api) -> None:
    card = RejectedOriginFactory.create()
    response = operator.post(f"rejected-origins/{card.pk}/ignore/", {"note": "x"})
    assert codes(response) == [("note", "unknown_field")]
    card.refresh_from_db()
    assert card.status == "new"


def test_card_settled_by_a_user_who_is_gone_is_shown(operator: Api) -> None:
    card = RejectedOriginFactory.create(status="ignored", status_by=operator.user, status_at=NOW)
    get_user_model().objects.filter(username="gone").delete()
    RejectedOrigin.objects.update(status_by=999_999)
    found = operator.get(f"rejected-origins/{card.pk}/").json()
    assert (found["status_by"], found["status_at"]) == ("", "2026-05-03T12:00:00Z")


# --- reopen -----------------------------------------------------------------------------------------------------------


def test_reopen_takes_the_card_back_to_new_with_who_did_it_and_takes_no_revision(operator: Api, api: MakeApi) -> None:
    other = api("view_rejectedorigin", "change_rejectedorigin", username="bob")
    card = RejectedOriginFactory.create(status="ignored", status_by=other.user, status_at=NOW)
    before = PolicyState.read("default")
    response = operator.post(f"rejected-origins/{card.pk}/reopen/")
    assert response.status_code == 200
    found = response.json()
    assert set(found) == FIELDS
    assert (found["status"], found["status_by"]) == ("new", "ana")
    assert PolicyState.read("default") == before
    row = RejectedOrigin.objects.get()
    assert row.status_at is not None
    assert timezone.now() - row.status_at < timedelta(minutes=1)


def test_reopen_of_a_new_card_changes_nothing(operator: Api) -> None:
    card = RejectedOriginFactory.create()
    found = operator.post(f"rejected-origins/{card.pk}/reopen/").json()
    assert (found["status"], found["status_by"], found["status_at"]) == ("new", "", None)


def test_reopen_of_a_trusted_card_is_400_that_says_when_it_comes_back(operator: Api) -> None:
    card = RejectedOriginFactory.create(status="trusted")
    response = operator.post(f"rejected-origins/{card.pk}/reopen/")
    assert response.status_code == 400
    assert codes(response) == [("", "invalid_request")]
    assert "new again by itself" in response.json()["detail"]
    card.refresh_from_db()
    assert card.status == "trusted"


def test_reopen_takes_no_fields(operator: Api) -> None:
    card = RejectedOriginFactory.create(status="ignored")
    response = operator.post(f"rejected-origins/{card.pk}/reopen/", {"note": "x"})
    assert codes(response) == [("note", "unknown_field")]
    card.refresh_from_db()
    assert card.status == "ignored"


def test_card_that_came_back_by_itself_shows_nobody(operator: Api) -> None:
    Client().get("/api/public/hello", headers={"origin": STRANGER})
    flush_rejections()
    card = RejectedOrigin.objects.get()
    grant = services.trust_card(card, actor=operator.user)
    services.revoke(grant, actor=operator.user, reason="taken over")
    Client().get("/api/public/hello", headers={"origin": STRANGER})
    flush_rejections()
    found = operator.get(f"rejected-origins/{card.pk}/").json()
    assert (found["status"], found["reason"]) == ("new", "revoked")
    assert (found["status_by"], found["status_at"]) == ("", None)
