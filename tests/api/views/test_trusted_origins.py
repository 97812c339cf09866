from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, PolicyState, TrustedOrigin
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import (
    ApiGroupFactory,
    EnvironmentFactory,
    FrontEndFactory,
    TrustedOriginFactory,
    UserFactory,
)

ORIGIN = "https://app.example.com"
FIELDS = {
    "id", "environment", "api_group", "origin", "unicode", "status", "faults", "front_end", "note", "created_at",
    "created_by", "expires_at", "revoked_at", "revoked_by", "revoke_reason", "reviewed_at", "reviewed_by",
    "managed_by", "revision",
}  # fmt: skip
RECEIPT_FIELDS = {
    "origin", "revision", "at", "closed", "refused", "already_revoked", "patterns", "remaining", "open_groups",
    "preflights_until", "refresh_seconds", "limits",
}  # fmt: skip


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has one environment and one group."""


@pytest.fixture
def operator(api: MakeApi) -> Api:
    return api("view_trustedorigin", "add_trustedorigin", "change_trustedorigin", username="ana")


def body(**changed: Any) -> dict[str, Any]:
    return {"origin": ORIGIN, "environment": "production", "api_group": "public", **changed}


def ids(response: Any) -> set[int]:
    assert response.status_code == 200, response.text
    return {row["id"] for row in response.json()["results"]}


def get(operator: Api, origin: str = ORIGIN, path: str = "/api/public/x") -> str | None:
    response = Client().get(path, headers={"origin": origin})
    return response.headers.get("Access-Control-Allow-Origin")


# --- list and retrieve ------------------------------------------------------------------------------------------------


def test_list_and_retrieve_show_the_whole_grant(operator: Api) -> None:
    front_end = FrontEndFactory.create()
    grant = services.trust(
        "https://münch.example.com",
        environment="production",
        api_group="public",
        actor=operator.user,
        note="the shop",
        front_end=front_end,
        expires_at=datetime(2030, 1, 1, 12, tzinfo=UTC),
    )
    (listed,) = operator.get("trusted-origins/").json()["results"]
    shown = operator.get(f"trusted-origins/{grant.pk}/").json()
    assert listed == shown
    assert set(shown) == FIELDS
    assert (shown["origin"], shown["unicode"]) == ("https://xn--mnch-0ra.example.com", "https://münch.example.com")
    assert (shown["environment"], shown["api_group"], shown["front_end"]) == ("production", "public", "shop")
    assert (shown["status"], shown["faults"], shown["note"]) == ("active", [], "the shop")
    assert (shown["created_by"], shown["expires_at"]) == ("ana", "2030-01-01T12:00:00Z")
    assert (shown["revoked_at"], shown["revoked_by"], shown["revoke_reason"]) == (None, "", "")


def test_grant_that_breaks_a_rule_is_switched_off_and_says_why(operator: Api) -> None:
    grant = TrustedOriginFactory.create(origin="http://plain.example.com")
    shown = operator.get(f"trusted-origins/{grant.pk}/").json()
    assert shown["status"] == "switched_off"
    assert [fault["code"] for fault in shown["faults"]] == ["needs_insecure_http"]
    assert "not encrypted" in shown["faults"][0]["text"]


def test_grant_that_was_revoked_shows_what_stands_against_reinstating_it(operator: Api) -> None:
    grant = TrustedOriginFactory.create(origin="http://plain.example.com", revoked_at=timezone.now())
    shown = operator.get(f"trusted-origins/{grant.pk}/").json()
    assert shown["status"] == "revoked"
    assert [fault["code"] for fault in shown["faults"]] == ["needs_insecure_http"]


def test_grant_of_a_user_whose_row_is_gone_is_shown(operator: Api) -> None:
    gone = UserFactory.create()
    grant = TrustedOriginFactory.create(created_by=gone)
    # As another tool may delete it: there is no constraint in the database.
    get_user_model().objects.filter(username=gone.username)._raw_delete("default")
    assert operator.get(f"trusted-origins/{grant.pk}/").json()["created_by"] == ""
    assert operator.get("trusted-origins/").json()["results"][0]["created_by"] == ""


@pytest.mark.parametrize("path", ["trusted-origins/{}/", "trusted-origins/{}/revoke/", "trusted-origins/{}/reinstate/"])
@pytest.mark.parametrize("pk", ["0", "99999", "x", "9" * 30, "%00"])
def test_grant_that_is_not_there_is_404(path: str, pk: str, operator: Api) -> None:
    whole = path.format(pk)
    response = operator.get(whole) if path.endswith("{}/") else operator.post(whole, {"reason": "gone"})
    assert response.status_code == 404
    assert codes(response) == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({"environment": "staging"}, ["staged"], id="environment"),
        pytest.param({"api_group": "billing"}, ["billed"], id="group"),
        pytest.param({"origin": "HTTPS://App.example.com:443/"}, ["app"], id="origin, canonicalised"),
        pytest.param({"front_end": "shop"}, ["owned"], id="front end"),
        pytest.param({"status": "revoked"}, ["revoked"], id="revoked"),
        pytest.param({"status": "expired"}, ["expired"], id="expired"),
        pytest.param({"status": "switched_off"}, ["off"], id="switched off"),
        pytest.param({"status": "active"}, ["app", "staged", "billed", "owned"], id="active"),
        pytest.param({"status": "active", "api_group": "billing"}, ["billed"], id="two together"),
        pytest.param({"origin": "not an origin"}, [], id="no origin"),
    ],
)
def test_filter_leaves_only_what_it_names(query: dict[str, str], wanted: list[str], operator: Api) -> None:
    past = timezone.now() - timedelta(days=1)
    rows = {
        "app": TrustedOriginFactory.create(origin=ORIGIN),
        "staged": TrustedOriginFactory.create(environment=EnvironmentFactory.create(slug="staging")),
        "billed": TrustedOriginFactory.create(api_group=ApiGroupFactory.create(slug="billing")),
        "owned": TrustedOriginFactory.create(front_end=FrontEndFactory.create()),
        "revoked": TrustedOriginFactory.create(origin="http://revoked.example.com", revoked_at=past),
        "expired": TrustedOriginFactory.create(expires_at=past),
        "off": TrustedOriginFactory.create(origin="http://off.example.com", expires_at=past),
    }
    assert ids(operator.get("trusted-origins/", **query)) == {rows[name].pk for name in wanted}


def test_status_that_a_list_is_filtered_by_is_the_status_that_it_shows(operator: Api) -> None:
    for origin in ("https://a.example.com", "http://b.example.com"):
        for days in (None, -1, 1):
            place = EnvironmentFactory.create(slug=f"e{days}".replace("-", "m"))
            ends = timezone.now() + timedelta(days=days) if days else None
            TrustedOriginFactory.create(environment=place, origin=origin, expires_at=ends)
    found = 0
    for status in ("active", "expired", "revoked", "switched_off"):
        rows = operator.get("trusted-origins/", status=status).json()["results"]
        assert {row["status"] for row in rows} <= {status}
        found += len(rows)
    assert found == 6


@pytest.mark.parametrize(
    ("query", "expected", "words"),
    [
        pytest.param("environment=prod", [("environment", "unknown_name")], "There is: production", id="environment"),
        pytest.param("environment=Production", [("environment", "unknown_name")], "production", id="upper case"),
        pytest.param("api_group=x", [("api_group", "unknown_name")], "There is: public", id="group"),
        pytest.param("front_end=x", [("front_end", "unknown_name")], "none yet", id="front end"),
        pytest.param("status=open", [("status", "unknown_value")], "active, expired, revoked, switched_off",
                     id="status"),
        pytest.param("reason=x", [("reason", "unknown_parameter")], "environment, api_group, origin", id="unknown"),
        pytest.param("origin=a&origin=b", [("origin", "repeated_parameter")], "once", id="repeated"),
    ],
)  # fmt: skip
def test_bad_parameters_are_400(query: str, expected: list[tuple[str, str]], words: str, operator: Api) -> None:
    response = operator.send("GET", f"trusted-origins/?{query}")
    assert response.status_code == 400
    assert codes(response) == expected
    assert words in response.json()["detail"]


@pytest.mark.parametrize("path", ["trusted-origins/", "trusted-origins/?status=active"])
def test_list_takes_one_query_of_the_grants_however_long_it_is(path: str, operator: Api) -> None:
    counts = []
    for _round in range(2):
        TrustedOriginFactory.create_batch(
            10, front_end=FrontEndFactory.create(), created_by=operator.user, revoked_by=operator.user
        )
        operator.get("status/")  # the process looks at the new revision
        with CaptureQueriesContext(connection) as queries:
            assert operator.send("GET", path).status_code == 200
        counts.append(len(queries))
        assert sum("LEFT OUTER JOIN" in query["sql"] for query in queries) == 1
    assert counts[0] == counts[1]


# --- trust ------------------------------------------------------------------------------------------------------------


def test_trust_lets_the_origin_in_and_answers_201(operator: Api) -> None:
    FrontEndFactory.create()
    wanted = body(note="the shop", expires_at="2030-01-01T12:00:00+02:00", front_end="shop")
    response = operator.post("trusted-origins/", wanted)
    assert response.status_code == 201
    shown = response.json()
    assert set(shown) == FIELDS | {"mended", "risks"}
    assert (shown["origin"], shown["status"], shown["note"], shown["front_end"]) == (
        ORIGIN,
        "active",
        "the shop",
        "shop",
    )
    assert (shown["expires_at"], shown["created_by"]) == ("2030-01-01T10:00:00Z", "ana")
    assert (shown["mended"], shown["risks"]) == ([], [])
    assert shown["revision"] == PolicyState.read("default").revision
    assert get(operator) == ORIGIN


def test_trust_is_recorded_with_the_actor_and_the_source(operator: Api) -> None:
    operator.post("trusted-origins/", body())
    change = PolicyChange.objects.get(action="trusted")
    assert (change.actor, change.actor_label, change.source) == (operator.user, "ana", "api")


def test_trust_again_answers_200_and_takes_no_revision(operator: Api) -> None:
    first = operator.post("trusted-origins/", body())
    before = PolicyState.read("default")
    second = operator.post("trusted-origins/", body(origin="HTTPS://APP.example.com/"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert PolicyState.read("default") == before


def test_trust_again_with_another_expiry_renews(operator: Api) -> None:
    operator.post("trusted-origins/", body())
    response = operator.post("trusted-origins/", body(expires_at="2031-01-01T00:00:00Z"))
    assert (response.status_code, response.json()["expires_at"]) == (200, "2031-01-01T00:00:00Z")


def test_trust_shows_what_was_mended_and_what_may_go_wrong(operator: Api, billing: ApiGroup) -> None:
    TrustedOriginFactory.create(origin="https://app.example.org")
    response = operator.post("trusted-origins/", body(origin=" HTTPS://shop.github.io:443 ", api_group="billing"))
    assert response.status_code == 201
    shown = response.json()
    assert [mend["code"] for mend in shown["mended"]] == ["spaces", "case", "default_port"]
    assert shown["mended"][0]["before"] == " HTTPS://shop.github.io:443 "
    assert shown["mended"][-1]["after"] == "https://shop.github.io"
    risks = {risk["code"]: risk["text"] for risk in shown["risks"]}
    assert set(risks) == {"credentials", "shared_hosting"}
    assert "github.io" in risks["shared_hosting"]


@pytest.mark.parametrize(
    ("changed", "expected", "code"),
    [
        pytest.param({"origin": "https://a.com/x"}, [("origin", "path")], "refused_origin", id="path"),
        pytest.param({"origin": ""}, [("origin", "empty")], "refused_origin", id="empty"),
        pytest.param({"origin": "   "}, [("origin", "empty")], "refused_origin", id="spaces"),
        pytest.param({"origin": "null"}, [("origin", "null_origin")], "refused_origin", id="null"),
        pytest.param({"origin": "*"}, [("origin", "any_origin")], "refused_origin", id="any"),
        pytest.param({"origin": "https://a\x00.com"}, [("origin", "control_character")], "refused_origin", id="NUL"),
        pytest.param({"origin": "https://\ud800.com"}, None, "refused_origin", id="surrogate"),
        pytest.param({"origin": "https://" + "a" * 10_000 + ".com"}, [("origin", "too_long")], "refused_origin",
                     id="10 kB"),
        pytest.param({"origin": "http://a.example.com"}, [("origin", "needs_insecure_http")], "refused_origin",
                     id="switch is off"),
        pytest.param({"origin": "https://*.example.com"}, [("origin", "needs_subdomain_patterns")], "refused_origin",
                     id="pattern"),
        pytest.param({"origin": 17}, [("origin", "invalid")], "invalid_input", id="number"),
        pytest.param({"origin": None}, [("origin", "null")], "invalid_input", id="JSON null"),
        pytest.param({"origin": [ORIGIN]}, [("origin", "invalid")], "invalid_input", id="list"),
        pytest.param({"environment": "prod"}, [("environment", "unknown_name")], "unknown_name", id="environment"),
        pytest.param({"environment": "production\x00"}, [("environment", "unknown_name")], "unknown_name",
                     id="environment with NUL"),
        pytest.param({"environment": "\U0001f600" * 9000}, [("environment", "unknown_name")], "unknown_name",
                     id="environment of 36 kB"),
        pytest.param({"environment": "PRODUCTION"}, [("environment", "unknown_name")], "unknown_name",
                     id="environment in upper case"),
        pytest.param({"api_group": {"slug": "public"}}, [("api_group", "invalid")], "invalid_input", id="object"),
        pytest.param({"front_end": "x"}, [("front_end", "unknown_name")], "unknown_name", id="front end"),
        pytest.param({"expires_at": "2030-01-01T00:00:00"}, [("expires_at", "missing_zone")], "invalid_input",
                     id="naive expiry"),
        pytest.param({"expires_at": 1893456000}, [("expires_at", "invalid_time")], "invalid_input", id="epoch"),
        pytest.param({"expires_at": "2020-01-01T00:00:00Z"}, [("expires_at", "invalid_expiry")], "refused_origin",
                     id="past expiry"),
        pytest.param({"note": "x" * 5000}, [("note", "max_length")], "invalid_input", id="long note"),
        pytest.param({"note": "a\x00b"}, [("note", "null_characters_not_allowed")], "invalid_input", id="NUL in note"),
        pytest.param({"note": "\ud800"}, [("note", "surrogate_characters_not_allowed")], "invalid_input",
                     id="surrogate in note"),
        pytest.param({"orign": "x"}, [("orign", "unknown_field")], "invalid_input", id="unknown field"),
        pytest.param({"revoked_at": None}, [("revoked_at", "unknown_field")], "invalid_input", id="read-only field"),
        pytest.param(
            {"origin": "https://a.com:99999/x", "environment": "prod", "api_group": "pub", "expires_at": "soon",
             "nte": ""},
            [("nte", "unknown_field"), ("origin", "port_out_of_range"), ("origin", "path"),
             ("environment", "unknown_name"), ("api_group", "unknown_name"), ("expires_at", "invalid_time")],
            "invalid_input",
            id="all at once",
        ),
        pytest.param(
            {"origin": "http://*.example.com", "expires_at": "2020-01-01T00:00:00Z"},
            [("origin", "needs_insecure_http"), ("origin", "needs_subdomain_patterns"),
             ("expires_at", "invalid_expiry")],
            "refused_origin",
            id="all rules at once",
        ),
    ],
)  # fmt: skip
def test_trust_of_bad_input_is_400_with_all_problems_and_writes_nothing(
    changed: dict[str, Any], expected: list[tuple[str, str]] | None, code: str, operator: Api
) -> None:
    before = PolicyState.read("default")
    response = operator.post("trusted-origins/", body(**changed))
    assert response.status_code == 400, response.text
    found = codes(response)
    assert expected is None or set(found) == set(expected)
    assert response.json()["code"] == code
    assert len(response.content) < 5000
    assert not TrustedOrigin.objects.exists()
    assert PolicyState.read("default") == before


def test_trust_without_fields_names_each_that_is_missing(operator: Api) -> None:
    response = operator.post("trusted-origins/", {})
    assert response.status_code == 400
    assert codes(response) == [(name, "required") for name in ("origin", "environment", "api_group")]


def test_trust_says_what_to_type_instead(operator: Api) -> None:
    detail = operator.post("trusted-origins/", body(origin="https://app.example.com/login")).json()["detail"]
    assert "Type https://app.example.com." in detail


def test_trust_beyond_the_environments_limit_names_the_expiry(operator: Api, production: Environment) -> None:
    production.max_trust_days = 30
    production.save()
    response = operator.post("trusted-origins/", body())
    assert response.status_code == 400
    assert codes(response) == [("expires_at", "trusted_too_long")]
    ends = (timezone.now() + timedelta(days=29)).isoformat()
    assert operator.post("trusted-origins/", body(expires_at=ends)).status_code == 201
    assert operator.post("trusted-origins/", body()).status_code == 200


def test_trust_of_a_revoked_origin_is_409_that_says_who_and_why(operator: Api) -> None:
    grant = services.trust(**body())
    services.revoke(grant, actor=UserFactory.create(username="bob"), reason="taken over")
    response = operator.post("trusted-origins/", body())
    assert response.status_code == 409
    assert codes(response) == [("origin", "revoked_origin")]
    detail = response.json()["detail"]
    assert "bob" in detail
    assert "taken over" in detail
    assert "reinstate" in detail
    assert get(operator) is None


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        pytest.param(b"", "application/json", 400, "invalid_input", id="empty"),
        pytest.param(b"{", "application/json", 400, "parse_error", id="broken"),
        pytest.param(b"[" * 100_000, "application/json", 400, "parse_error", id="nested"),
        pytest.param(b"\xff\x00", "application/json", 400, "parse_error", id="binary"),
        pytest.param(b"[]", "application/json", 400, "invalid_input", id="list"),
        pytest.param(b"null", "application/json", 400, "invalid_input", id="null"),
        pytest.param(b'"x"', "application/json", 400, "invalid_input", id="text"),
        pytest.param(b'{"origin": 1e999}', "application/json", 400, "invalid_input", id="infinite number"),
        pytest.param(b'"' + b"x" * 300_000 + b'"', "application/json", 413, "too_large", id="300 kB"),
        pytest.param(b'"' + b"x" * 3_000_000 + b'"', "application/json", 413, "too_large", id="3 MB"),
        pytest.param(b"origin=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type", id="form"),
        pytest.param(b"<a/>", "application/xml", 415, "unsupported_media_type", id="XML"),
        pytest.param(b"{}", "x" * 9000, 415, "unsupported_media_type", id="long type"),
        pytest.param(b"{}", "application/json; charset=utf-7", 415, "unsupported_media_type", id="charset"),
        pytest.param(
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--",
            "multipart/form-data; boundary=b", 415, "unsupported_media_type", id="multipart",
        ),
    ],
)  # fmt: skip
def test_trust_with_a_body_that_is_no_object_is_refused_in_words(
    content: bytes, content_type: str, status: int, code: str, operator: Api
) -> None:
    response = operator.send("POST", "trusted-origins/", content, content_type)
    assert response.status_code == status
    codes(response)
    assert response.json()["code"] == code
    assert len(response.content) < 2000


def test_trust_takes_json_whatever_the_client_accepts(operator: Api) -> None:
    response = operator.post("trusted-origins/", body(), accept="text/html, application/xml")
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"


def test_trust_with_query_parameters_is_400(operator: Api) -> None:
    response = operator.post("trusted-origins/?dry_run=1", body())
    assert response.status_code == 400
    assert codes(response) == [("dry_run", "unknown_parameter")]
    assert not TrustedOrigin.objects.exists()


# --- revoke and reinstate ---------------------------------------------------------------------------------------------


def test_revoke_closes_the_grant_and_reinstate_opens_it_again(operator: Api) -> None:
    grant = services.trust(**body())
    assert get(operator) == ORIGIN
    revoked = operator.post(f"trusted-origins/{grant.pk}/revoke/", {"reason": "taken over"})
    assert revoked.status_code == 200
    shown = revoked.json()
    assert set(shown) == FIELDS
    assert (shown["status"], shown["revoked_by"], shown["revoke_reason"]) == ("revoked", "ana", "taken over")
    assert get(operator) is None
    reinstated = operator.post(f"trusted-origins/{grant.pk}/reinstate/", {"reason": "it was a drill"})
    assert reinstated.status_code == 200
    assert (reinstated.json()["status"], reinstated.json()["revoked_at"]) == ("active", None)
    assert get(operator) == ORIGIN
    story = PolicyChange.objects.filter(target__endswith=ORIGIN).order_by("pk")
    assert list(story.values_list("action", "source", "actor_label", "reason"))[1:] == [
        ("revoked", "api", "ana", "taken over"),
        ("reinstated", "api", "ana", "it was a drill"),
    ]


def test_revoke_twice_keeps_the_first_reason(operator: Api) -> None:
    grant = services.trust(**body())
    operator.post(f"trusted-origins/{grant.pk}/revoke/", {"reason": "first"})
    second = operator.post(f"trusted-origins/{grant.pk}/revoke/", {"reason": "second"})
    assert (second.status_code, second.json()["revoke_reason"]) == (200, "first")


@pytest.mark.parametrize("action", ["revoke", "reinstate"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, [("reason", "required")], id="missing"),
        pytest.param({"reason": ""}, [("reason", "blank")], id="empty"),
        pytest.param({"reason": "  "}, [("reason", "blank")], id="spaces"),
        pytest.param({"reason": None}, [("reason", "null")], id="null"),
        pytest.param({"reason": 7}, [("reason", "invalid")], id="number"),
        pytest.param({"reason": "x" * 5000}, [("reason", "max_length")], id="long"),
        pytest.param({"reason": "x", "reasn": "y"}, [("reasn", "unknown_field")], id="unknown field"),
    ],
)
def test_revoke_and_reinstate_without_a_reason_are_400_and_change_nothing(
    action: str, given: dict[str, Any], expected: list[tuple[str, str]], operator: Api
) -> None:
    grant = services.trust(**body())
    if action == "reinstate":
        services.revoke(grant)
    before = PolicyState.read("default")
    response = operator.post(f"trusted-origins/{grant.pk}/{action}/", given)
    assert response.status_code == 400
    assert codes(response) == expected
    assert PolicyState.read("default") == before


def test_revoke_in_an_open_group_is_400_that_says_what_to_do(operator: Api, public: ApiGroup) -> None:
    grant = services.trust(**body())
    public.any_origin = True
    public.save()
    response = operator.post(f"trusted-origins/{grant.pk}/revoke/", {"reason": "gone"})
    assert response.status_code == 400
    assert codes(response) == [("", "invalid_request")]
    assert "any origin" in response.json()["detail"]


def test_reinstate_against_a_rule_that_holds_now_is_400(operator: Api, production: Environment) -> None:
    production.allow_insecure_http = True
    production.save()
    grant = services.trust(**body(origin="http://a.example.com"))
    services.revoke(grant)
    production.allow_insecure_http = False
    production.save()
    response = operator.post(f"trusted-origins/{grant.pk}/reinstate/", {"reason": "back"})
    assert response.status_code == 400
    assert codes(response) == [("origin", "needs_insecure_http")]


# --- revoke origin ----------------------------------------------------------------------------------------------------


def test_revoke_origin_closes_it_everywhere_and_answers_the_receipt(
    operator: Api, production: Environment, billing: ApiGroup
) -> None:
    staging = EnvironmentFactory.create(slug="staging", allow_subdomain_patterns=True)
    open_group = ApiGroupFactory.create(slug="open", any_origin=True)
    services.trust(**body())
    services.trust(**body(api_group="billing"))
    services.trust("https://*.example.com", environment=staging, api_group="public")
    services.revoke(services.trust(**body(environment="staging", api_group="billing")))
    response = operator.post(
        "trusted-origins/revoke-origin/", {"origin": "HTTPS://APP.example.com/", "reason": "taken over"}
    )
    assert response.status_code == 200
    receipt = response.json()
    assert set(receipt) == RECEIPT_FIELDS
    left = {"environment": "staging", "api_group": "public", "origin": ORIGIN}
    assert receipt["origin"] == ORIGIN
    assert receipt["closed"] == [
        {"environment": "production", "api_group": "billing", "origin": ORIGIN},
        {"environment": "production", "api_group": "public", "origin": ORIGIN},
        left,
    ]
    assert receipt["refused"] == [left]
    assert receipt["already_revoked"] == [{"environment": "staging", "api_group": "billing", "origin": ORIGIN}]
    assert receipt["patterns"] == [{**left, "origin": "https://*.example.com"}]
    assert receipt["open_groups"] == [open_group.slug]
    assert receipt["revision"] == PolicyState.read("default").revision
    at, until = (datetime.fromisoformat(receipt[name]) for name in ("at", "preflights_until"))
    assert until - at == timedelta(seconds=600 + receipt["refresh_seconds"])
    assert receipt["at"].endswith("Z")
    assert {limit["code"] for limit in receipt["limits"]} == {"sessions", "no_origin", "cached_preflights"}
    assert not TrustedOrigin.objects.filter(origin=ORIGIN, revoked_at=None).exists()
    assert get(operator) is None


def test_revoke_origin_in_named_places_leaves_the_others(operator: Api, billing: ApiGroup) -> None:
    services.trust(**body())
    services.trust(**body(api_group="billing"))
    response = operator.post(
        "trusted-origins/revoke-origin/",
        {"origin": ORIGIN, "reason": "gone", "environments": ["production"], "api_groups": ["billing"]},
    )
    assert [place["api_group"] for place in response.json()["closed"]] == ["billing"]
    assert get(operator) == ORIGIN


def test_revoke_origin_that_nobody_trusts_closes_nothing_and_takes_no_revision(operator: Api) -> None:
    before = PolicyState.read("default")
    response = operator.post("trusted-origins/revoke-origin/", {"origin": ORIGIN, "reason": "gone"})
    assert (response.status_code, response.json()["closed"]) == (200, [])
    assert PolicyState.read("default") == before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"origin": "https://a.com/x"}, [("origin", "path")], id="origin"),
        pytest.param({"reason": ""}, [("reason", "blank")], id="reason"),
        pytest.param({"environments": []}, [("environments", "empty")], id="no environments"),
        pytest.param({"environments": "production"}, [("environments", "not_a_list")], id="no list"),
        pytest.param({"api_groups": ["public"] * 101}, [("api_groups", "max_length")], id="too many"),
        pytest.param({"api_groups": [None, 3, {}]},
                     [("api_groups.0", "null"), ("api_groups.1", "invalid"), ("api_groups.2", "invalid")],
                     id="no names"),
        pytest.param(
            {"environments": ["production", "prod", "x"], "api_groups": ["publc"], "origin": "x y"},
            [("origin", "missing_scheme"), ("origin", "inner_space"), ("environments.1", "unknown_name"),
             ("environments.2", "unknown_name"), ("api_groups.0", "unknown_name")],
            id="all at once",
        ),
    ],
)  # fmt: skip
def test_revoke_origin_of_bad_input_is_400_with_all_problems(
    changed: dict[str, Any], expected: list[tuple[str, str]], operator: Api
) -> None:
    services.trust(**body())
    response = operator.post("trusted-origins/revoke-origin/", {"origin": ORIGIN, "reason": "gone", **changed})
    assert response.status_code == 400
    assert set(codes(response)) == set(expected)
    assert get(operator) == ORIGIN


def test_revoke_origin_in_an_open_group_by_name_is_400(operator: Api) -> None:
    ApiGroupFactory.create(slug="open", any_origin=True)
    response = operator.post(
        "trusted-origins/revoke-origin/", {"origin": ORIGIN, "reason": "gone", "api_groups": ["open"]}
    )
    assert response.status_code == 400
    assert "open" in response.json()["detail"]


# --- protected environments -------------------------------------------------------------------------------------------


@pytest.fixture
def protected(production: Environment) -> TrustedOrigin:
    grant = services.trust(**body())
    production.protected = True
    production.save()
    return grant


PROTECTED_CALLS = [
    pytest.param("trusted-origins/", body(origin="https://b.example.com"), id="trust"),
    pytest.param("trusted-origins/", body(note="renewed"), id="trust again"),
    pytest.param("trusted-origins/", body(origin="http://plain.example.com"), id="trust against its rules"),
    pytest.param("trusted-origins/{}/revoke/", {"reason": "gone"}, id="revoke"),
    pytest.param("trusted-origins/{}/reinstate/", {"reason": "back"}, id="reinstate"),
    pytest.param("trusted-origins/revoke-origin/", {"origin": ORIGIN, "reason": "gone"}, id="revoke origin"),
]


@pytest.mark.parametrize(("path", "given"), PROTECTED_CALLS)
def test_write_to_a_protected_environment_is_403_that_names_it(
    path: str, given: dict[str, Any], operator: Api, protected: TrustedOrigin
) -> None:
    before = PolicyState.read("default")
    response = operator.post(path.format(protected.pk), given)
    assert response.status_code == 403
    assert response.json()["code"] == "protected_environment"
    assert codes(response) == [("environment", "protected_environment")]
    assert "production" in response.json()["detail"]
    assert PolicyState.read("default") == before
    protected.refresh_from_db()
    assert (protected.note, protected.revoked_at) == ("", None)


@pytest.mark.parametrize(("path", "given"), PROTECTED_CALLS)
def test_write_to_a_protected_environment_with_the_permission_goes_through(
    path: str, given: dict[str, Any], api: MakeApi, protected: TrustedOrigin
) -> None:
    operator = api("add_trustedorigin", "change_trustedorigin", "change_protected_environment")
    response = operator.post(path.format(protected.pk), given)
    new, refused = "b.example" in str(given), "plain.example" in str(given)
    assert response.status_code == (201 if new else 400 if refused else 200)


# --- CSRF -------------------------------------------------------------------------------------------------------------


def test_write_by_session_without_the_csrf_token_is_403_that_echoes_no_origin(operator: Api) -> None:
    evil = "https://evil.example.net"
    client = Api(operator.user, enforce_csrf_checks=True)
    for headers in ({}, {"origin": evil}):
        response = client.post("trusted-origins/", body(), **headers)
        assert response.status_code == 403
        assert response.json()["code"] == "csrf_failed"
        assert codes(response) == []
        assert "evil" not in response.text
    assert not TrustedOrigin.objects.exists()


def test_write_by_session_with_the_csrf_token_goes_through(operator: Api) -> None:
    client = Api(operator.user, enforce_csrf_checks=True)
    token = "x" * 32
    client.client.cookies["csrftoken"] = token
    assert client.post("trusted-origins/", body(), **{"x-csrftoken": token}).status_code == 201
