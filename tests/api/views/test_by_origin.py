"""Issuing and withdrawing by the origin, as CI does: an account without any permission, and its issuer."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_cors_guard import services
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    OriginIssuer,
    PolicyChange,
    PolicyState,
    RejectedOrigin,
    TrustedOrigin,
)
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    FrontEndFactory,
    RejectedOriginFactory,
    TrustedOriginFactory,
    UserFactory,
    user_with,
)
from tests.issuing import PREVIEW, make_issuer, preview

PATH = "trusted-origins/by-origin/"


@pytest.fixture
def issuer(production: Environment, public: ApiGroup) -> OriginIssuer:
    return make_issuer(api_groups=[public], front_end=FrontEndFactory.create())


@pytest.fixture
def ci(issuer: OriginIssuer) -> Api:
    return Api(issuer.user)


def put(api: Api, origin: str = PREVIEW, **body: Any) -> Any:
    return api.send("PUT", PATH, json.dumps({"origin": origin, **body}))


def delete(api: Api, origin: str = PREVIEW, **query: str) -> Any:
    client: Any = api.client
    return client.delete(f"/cors-guard/{PATH}", query_params={"origin": origin, **query})


def grant_of(origin: str = PREVIEW) -> TrustedOrigin:
    found: TrustedOrigin = TrustedOrigin.objects.get(origin=origin)
    return found


def reads(origin: str = PREVIEW) -> bool:
    """Whether a page of that origin may read the API, asked through the middleware."""
    answer = Client().get("/api/public/hello", headers={"origin": origin})
    return answer.headers.get("Access-Control-Allow-Origin") == origin


# --- issuing ----------------------------------------------------------------------------------------------------------


def test_issuer_without_permissions_opens_a_preview_that_ends_by_itself(ci: Api, issuer: OriginIssuer) -> None:
    assert not reads()
    response = put(ci, note="Pull request 42")
    assert response.status_code == 201, response.text
    assert reads()
    grant = grant_of()
    left = grant.expires_at - timezone.now()  # type: ignore[operator]  # it always ends
    assert timedelta(days=13, hours=23) < left <= timedelta(days=14)
    assert (grant.managed_by, grant.created_by, grant.front_end) == (
        "issuer:previews",
        issuer.user,
        issuer.front_end,
    )
    assert grant.note == "Pull request 42"
    body = response.json()
    assert (body["origin"], body["issuer"]) == (PREVIEW, "previews")
    (told,) = body["grants"]
    assert parse_datetime(told.pop("expires_at")) == grant.expires_at
    assert told == {
        "environment": "production",
        "api_group": "public",
        "outcome": "issued",
        "status": "active",
        "own": True,
    }


def test_same_request_again_renews_and_makes_no_second_grant(ci: Api) -> None:
    put(ci, ttl="1h")
    first = grant_of().expires_at
    assert first is not None
    response = put(ci)
    assert response.status_code == 200
    assert response.json()["grants"][0]["outcome"] == "renewed"
    again = grant_of().expires_at
    assert again is not None
    assert again > first


def test_same_end_again_changes_nothing_at_all(ci: Api) -> None:
    until = (timezone.now() + timedelta(days=1)).isoformat()
    assert put(ci, expires_at=until).status_code == 201
    before = PolicyState.read("default")
    response = put(ci, expires_at=until)
    assert (response.status_code, response.json()["grants"][0]["outcome"]) == (200, "unchanged")
    assert PolicyState.read("default") == before


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        pytest.param("HTTPS://Deploy-Preview-42--MySite.netlify.app", PREVIEW, id="upper case"),
        pytest.param(f" {PREVIEW}/ ", PREVIEW, id="spaces and slash"),
        pytest.param(f"{PREVIEW}:443", PREVIEW, id="default port"),
    ],
)
def test_origin_is_mended_as_everywhere(typed: str, stored: str, ci: Api) -> None:
    assert put(ci, typed).json()["origin"] == stored
    assert reads(stored)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        pytest.param("https://deploy-preview-42--evil-mysite.netlify.app", 403, id="look-alike suffix"),
        pytest.param("https://deploy-preview-42--evilmysite.netlify.app", 403, id="suffix goes on to the left"),
        pytest.param("https://evil-mysite.netlify.app", 403, id="another site"),
        pytest.param("https://mysite.netlify.app", 403, id="the site itself"),
        pytest.param("https://deploy-preview---mysite.netlify.app", 403, id="no word"),
        pytest.param("https://deploy-preview-a.b--mysite.netlify.app", 403, id="dot in the word"),
        pytest.param("https://deploy-preview-1_1--mysite.netlify.app", 403, id="underscore"),
        pytest.param(f"{PREVIEW}.evil.com", 403, id="suffix not at the end"),
        pytest.param("https://xdeploy-preview-42--mysite.netlify.app", 403, id="prefix not at the beginning"),
        pytest.param(f"{PREVIEW}:8443", 403, id="port"),
        pytest.param(PREVIEW.replace("https", "http"), 403, id="http"),
        pytest.param("https://deploy-preview-é--mysite.netlify.app", 403, id="unicode, which is punycode elsewhere"),
        pytest.param("https://*.netlify.app", 400, id="pattern of strangers"),
        pytest.param("https://*.mysite.netlify.app", 403, id="pattern"),
        pytest.param(f"{PREVIEW}\n", 400, id="line break at the end"),
        pytest.param(f"https://evil.com\n{PREVIEW}", 400, id="two lines"),
        pytest.param("https://deploy-preview-42\n--mysite.netlify.app", 400, id="line break within"),
        pytest.param(f"{PREVIEW}/path", 400, id="path"),
        pytest.param("https://evil.com#" + PREVIEW.removeprefix("https://"), 400, id="fragment"),
        pytest.param("https://u@" + PREVIEW.removeprefix("https://"), 400, id="user"),
        pytest.param("null", 400, id="null"),
        pytest.param("", 400, id="nothing"),
    ],
)
def test_origin_of_another_shape_is_refused_and_nothing_is_written(origin: str, status: int, ci: Api) -> None:
    before = PolicyState.read("default")
    for response in (put(ci, origin), delete(ci, origin) if origin else put(ci, origin)):
        assert response.status_code == status, response.text
        codes(response)
    assert PolicyState.read("default") == before
    assert not TrustedOrigin.objects.exists()


def test_refusal_names_the_accounts_own_shape(ci: Api) -> None:
    response = put(ci, "https://app.example.com")
    assert response.json()["code"] == "not_issuable"
    assert "https://deploy-preview-…--mysite.netlify.app" in response.json()["detail"]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"environment": "staging"}, id="environment that exists"),
        pytest.param({"environment": "nowhere"}, id="environment that does not"),
        pytest.param({"api_groups": ["billing"]}, id="API group that exists"),
        pytest.param({"api_groups": ["nothing"]}, id="API group that does not"),
        pytest.param({"api_groups": ["public", "billing"]}, id="one too many"),
    ],
)
def test_place_that_is_not_the_issuers_is_refused_without_confirming_it(
    extra: dict[str, Any], ci: Api, billing: ApiGroup
) -> None:
    EnvironmentFactory.create(slug="staging")
    response = put(ci, **extra)
    assert (response.status_code, response.json()["code"]) == (403, "not_issuable")
    assert response.json()["detail"] == "This account may not do that in that environment, or for those API groups."
    assert not TrustedOrigin.objects.exists()


def test_issuer_of_several_groups_opens_all_or_those_that_are_named(
    ci: Api, issuer: OriginIssuer, billing: ApiGroup
) -> None:
    issuer.api_groups.add(billing)
    assert len(put(ci).json()["grants"]) == 2
    named = put(ci, "https://deploy-preview-43--mysite.netlify.app", api_groups=["billing"]).json()
    assert [grant["api_group"] for grant in named["grants"]] == ["billing"]


def test_account_with_issuers_of_two_environments_names_the_one_it_means(ci: Api, issuer: OriginIssuer) -> None:
    staging = EnvironmentFactory.create(slug="staging")
    make_issuer(slug="staging-previews", user=issuer.user, environment=staging)
    response = put(ci)
    assert response.status_code == 400
    assert "production, staging" in response.json()["detail"]
    assert put(ci, environment="staging").status_code == 201
    assert grant_of().environment == staging


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param({"ttl": "14d"}, 201, id="as long as it may"),
        pytest.param({"ttl": "1h"}, 201, id="shorter"),
        pytest.param({"ttl": "15d"}, 403, id="longer"),
        pytest.param({"ttl": "36500d"}, 403, id="a hundred years"),
        pytest.param({"ttl": "0d"}, 400, id="no time"),
        pytest.param({"ttl": "for ever"}, 400, id="no span"),
        pytest.param({"ttl": 14}, 400, id="number"),
        pytest.param({"expires_at": "2999-01-01T00:00:00Z"}, 403, id="far away"),
        pytest.param({"expires_at": "2020-01-01T00:00:00Z"}, 400, id="past"),
        pytest.param({"ttl": "1h", "expires_at": "2999-01-01T00:00:00Z"}, 400, id="both"),
        pytest.param({"front_end": "shop"}, 400, id="front end"),
        pytest.param({"managed_by": ""}, 400, id="what it may not say"),
    ],
)
def test_time_is_capped(asked: dict[str, Any], status: int, ci: Api) -> None:
    response = put(ci, **asked)
    assert response.status_code == status, response.text
    if status == 403:
        assert "14d from now at the most" in response.json()["detail"]
    assert TrustedOrigin.objects.exists() is (status == 201)


def test_longest_trust_of_the_environment_caps_what_nobody_asked_for(
    ci: Api, production: Environment, issuer: OriginIssuer
) -> None:
    production.max_trust_days = 2
    production.save()
    assert put(ci).status_code == 201
    assert grant_of().expires_at <= timezone.now() + timedelta(days=2)  # type: ignore[operator]  # it always ends
    assert reads()
    assert put(ci, ttl="3d").status_code == 403


def test_group_that_became_open_to_any_origin_is_refused(ci: Api, public: ApiGroup) -> None:
    public.any_origin = True
    public.save()
    assert put(ci).status_code == 400


def test_as_many_as_may_be_in_force_are_and_the_next_is_refused(ci: Api, issuer: OriginIssuer) -> None:
    issuer.max_active = 2
    issuer.save()
    origins = [preview(number) for number in range(3)]
    assert [put(ci, origin).status_code for origin in origins] == [201, 201, 409]
    refused = put(ci, origins[2])
    assert codes(refused) == [("origin", "too_many_active")]
    assert "may have 2 grants in force, and has 2" in refused.json()["detail"]
    assert put(ci, origins[0]).status_code == 200  # what is there is renewed all the same
    assert delete(ci, origins[0]).status_code == 200
    assert put(ci, origins[2]).status_code == 201
    assert put(ci, origins[0]).status_code == 409  # it had ended, and would be one more


# --- withdrawing ------------------------------------------------------------------------------------------------------


def test_withdrawing_ends_the_grant_and_issuing_opens_it_again(ci: Api) -> None:
    put(ci)
    response = delete(ci)
    assert response.status_code == 200
    assert [(grant["outcome"], grant["status"]) for grant in response.json()["grants"]] == [("ended", "expired")]
    assert not reads()
    assert put(ci).status_code == 201
    assert reads()


@pytest.mark.parametrize("times", [1, 2])
def test_withdrawing_what_is_not_there_is_no_error(times: int, ci: Api) -> None:
    before = PolicyState.read("default")
    for _ in range(times):
        response = delete(ci)
        assert (response.status_code, response.json()["grants"]) == (200, [])
    assert PolicyState.read("default") == before


def test_withdrawing_twice_ends_once(ci: Api) -> None:
    put(ci)
    delete(ci)
    before, ended = PolicyState.read("default"), grant_of().expires_at
    assert delete(ci).json()["grants"] == []
    assert (PolicyState.read("default"), grant_of().expires_at) == (before, ended)


def test_withdrawing_takes_a_body_as_well_and_not_both(ci: Api) -> None:
    put(ci)
    body = json.dumps({"origin": PREVIEW})
    both = ci.send("DELETE", f"{PATH}?origin={PREVIEW}", body)
    assert codes(both) == [("", "said_twice")]
    assert ci.send("DELETE", PATH, body).json()["grants"][0]["outcome"] == "ended"


def test_withdrawing_for_good_stays_so_until_an_operator_reinstates(ci: Api) -> None:
    put(ci)
    response = delete(ci, revoke="true", reason="The preview leaked a key.")
    assert [(grant["outcome"], grant["status"]) for grant in response.json()["grants"]] == [("revoked", "revoked")]
    assert grant_of().revoke_reason == "The preview leaked a key."
    again = put(ci)
    assert (again.status_code, codes(again)) == (409, [("origin", "revoked_origin")])


def test_what_has_ended_can_be_closed_for_good_too(ci: Api) -> None:
    put(ci)
    delete(ci)
    assert delete(ci, revoke="true").json()["grants"][0]["outcome"] == "revoked"


def test_groups_that_the_issuer_lost_are_withdrawn_too(ci: Api, issuer: OriginIssuer, billing: ApiGroup) -> None:
    put(ci)
    issuer.api_groups.set([billing])
    assert delete(ci).json()["grants"][0]["api_group"] == "public"
    assert not reads()


# --- what is not its own ----------------------------------------------------------------------------------------------


def test_what_an_operator_revoked_stays_revoked(ci: Api) -> None:
    put(ci)
    services.revoke(grant_of(), actor=UserFactory.create(username="ana"), reason="It was phishing.")
    response = put(ci)
    assert (response.status_code, response.json()["code"]) == (409, "revoked_origin")
    # Logs of CI are read by many: neither who nor why.
    assert "Only an operator" in response.json()["detail"]
    assert "ana" not in response.text.replace("managed", "")
    assert "phishing" not in response.text
    assert delete(ci).json()["grants"] == []
    assert grant_of().revoke_reason == "It was phishing."
    assert grant_of().revoked_at is not None


def test_grant_of_an_operator_is_left_alone_and_reported(ci: Api) -> None:
    TrustedOriginFactory.create(origin=PREVIEW, note="the operator's")
    before = TrustedOrigin.objects.values().get()
    for response in (put(ci, ttl="1h", note="mine"), delete(ci), delete(ci, revoke="true")):
        assert response.status_code == 200
        (told,) = response.json()["grants"]
        assert (told["outcome"], told["own"], told["status"]) == ("unchanged", False, "active")
        assert "operator's" not in response.text
    assert TrustedOrigin.objects.values().get() == before


def test_expired_grant_of_an_operator_is_not_renewed(ci: Api) -> None:
    TrustedOriginFactory.create(origin=PREVIEW, expires_at=timezone.now() - timedelta(days=1))
    response = put(ci)
    assert (response.status_code, codes(response)) == (409, [("origin", "managed_elsewhere")])
    assert grant_of().status() == "expired"


def test_conflict_in_one_group_leaves_the_others_as_they_are(ci: Api, issuer: OriginIssuer, billing: ApiGroup) -> None:
    issuer.api_groups.add(billing)
    services.revoke(TrustedOriginFactory.create(origin=PREVIEW, api_group=billing), reason="no")
    before = PolicyState.read("default")
    assert put(ci).status_code == 409
    assert PolicyState.read("default") == before
    assert not reads()


def test_another_issuers_grant_is_not_its_own(ci: Api, issuer: OriginIssuer) -> None:
    other = make_issuer(slug="others", user=UserFactory.create())
    put(Api(other.user))
    assert delete(ci).json()["grants"][0]["own"] is False
    assert reads()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "trusted-origins/"),
        ("GET", "trusted-origins/1/"),
        ("POST", "trusted-origins/"),
        ("POST", "trusted-origins/revoke-origin/"),
        ("POST", "trusted-origins/1/reinstate/"),
        ("POST", "check/"),
        ("GET", "environments/"),
        ("GET", "api-groups/"),
        ("GET", "changes/"),
        ("GET", "status/"),
        ("GET", "rejections/"),
    ],
)
def test_issuer_may_do_nothing_else(method: str, path: str, ci: Api) -> None:
    assert ci.send(method, path, b"{}" if method == "POST" else b"").status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_address_takes_no_other_method(method: str, ci: Api) -> None:
    assert ci.send(method, PATH).status_code == 405


def test_account_whose_issuer_was_deleted_is_refused(ci: Api, issuer: OriginIssuer) -> None:
    put(ci)
    issuer.delete()
    for response in (put(ci), delete(ci)):
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_account_that_was_switched_off_is_refused(ci: Api, issuer: OriginIssuer) -> None:
    User.objects.filter(pk=issuer.user.pk).update(is_active=False)
    assert put(ci).status_code in {401, 403}


def test_issuing_into_a_protected_environment_takes_nothing_more(ci: Api, production: Environment) -> None:
    production.protected = True
    production.save()
    assert put(ci).status_code == 201
    assert delete(ci).json()["grants"][0]["outcome"] == "ended"


# --- the story, the cards, the throng ---------------------------------------------------------------------------------


def test_story_tells_all_of_it_by_the_account(ci: Api, issuer: OriginIssuer) -> None:
    put(ci)
    put(ci)
    delete(ci, reason="merged")
    put(ci)
    delete(ci, revoke="true", reason="leaked")
    entries = PolicyChange.objects.filter(target=grant_of().target()).order_by("pk")
    assert list(entries.values_list("action", "actor", "source", "reason")) == [
        ("trusted", issuer.user.pk, "api", ""),
        ("renewed", issuer.user.pk, "api", ""),
        ("ended", issuer.user.pk, "api", "merged"),
        ("trusted", issuer.user.pk, "api", ""),
        ("revoked", issuer.user.pk, "api", "leaked"),
    ]


def test_card_of_the_origin_is_closed(ci: Api) -> None:
    RejectedOriginFactory.create(origin=PREVIEW)
    put(ci)
    assert RejectedOrigin.objects.get().status == "trusted"


# --- operators --------------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(api: MakeApi, production: Environment, public: ApiGroup) -> Api:
    return api("add_trustedorigin", "change_trustedorigin")


def test_operator_puts_and_deletes_any_origin(operator: Api) -> None:
    FrontEndFactory.create()
    body = {"environment": "production", "api_groups": ["public"], "front_end": "shop"}
    first, again = (put(operator, "https://app.example.com", **body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert [item.json()["grants"][0]["outcome"] for item in (first, again)] == ["issued", "unchanged"]
    grant = grant_of("https://app.example.com")
    assert (grant.expires_at, grant.managed_by, grant.front_end.slug) == (None, "", "shop")  # type: ignore[union-attr]  # just set
    assert put(operator, "https://app.example.com", ttl="1d", **body).json()["grants"][0]["outcome"] == "renewed"
    gone, nothing = (delete(operator, "https://app.example.com") for _ in range(2))
    assert [item.json()["grants"] for item in (gone, nothing)] == [
        [{"environment": "production", "api_group": "public", "outcome": "revoked", "status": "revoked",
          "expires_at": None, "own": True}],
        [],
    ]  # fmt: skip
    assert grant_of("https://app.example.com").revoke_reason == "Withdrawn over the API."
    assert put(operator, "https://app.example.com", **body).json()["code"] == "revoked_origin"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, [("environment", "required"), ("api_groups", "required")], id="places missing"),
        pytest.param(
            {"environment": "nowhere", "api_groups": ["public"]}, [("environment", "unknown_name")], id="environment"
        ),
        pytest.param({"environment": "production", "api_groups": ["x"]}, [("api_groups", "unknown_name")], id="group"),
        pytest.param({"environment": "production", "api_groups": []}, [("api_groups", "empty")], id="no group"),
    ],
)
def test_operator_names_places_that_exist(body: dict[str, Any], expected: list[Any], operator: Api) -> None:
    response = put(operator, "https://app.example.com", **body)
    assert (response.status_code, codes(response)) == (400, expected)


def test_operator_who_has_an_issuer_revokes_as_an_operator(issuer: OriginIssuer) -> None:
    account = user_with("change_trustedorigin")
    OriginIssuer.objects.filter(pk=issuer.pk).update(user=account)
    TrustedOriginFactory.create(origin=PREVIEW)
    assert delete(Api(account)).json()["grants"][0]["outcome"] == "unchanged"
    assert delete(Api(account), revoke="true").json()["grants"][0]["outcome"] == "revoked"
    assert grant_of().revoked_at is not None


def test_operator_needs_leave_for_a_protected_environment(operator: Api, production: Environment) -> None:
    production.protected = True
    production.save()
    response = put(operator, environment="production", api_groups=["public"])
    assert (response.status_code, response.json()["code"]) == (403, "protected_environment")


def test_operator_who_has_an_issuer_goes_by_it_where_its_shape_fits(issuer: OriginIssuer) -> None:
    ann = user_with("add_trustedorigin", "change_trustedorigin")
    make_issuer(slug="anns", user=ann)
    api = Api(ann)
    assert put(api).json()["issuer"] == "anns"
    assert grant_of().expires_at is not None
    other = put(api, "https://app.example.com", environment="production", api_groups=["public"])
    assert (other.status_code, other.json()["issuer"]) == (201, None)


@pytest.mark.parametrize(
    "permissions",
    [(), ("view_trustedorigin",), ("add_trustedorigin",), ("change_originissuer", "view_originissuer")],
)
def test_everybody_else_is_refused_and_told_nothing(
    permissions: tuple[str, ...], api: MakeApi, production: Environment, public: ApiGroup
) -> None:
    TrustedOriginFactory.create(origin=PREVIEW)
    stranger = api(*permissions)
    for origin in (PREVIEW, "https://deploy-preview-43--mysite.netlify.app", "nonsense"):
        for response in (put(stranger, origin), delete(stranger, origin)):
            assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
            assert origin not in response.text


def test_second_route_of_the_group_is_opened_too(ci: Api) -> None:
    """A grant is for the group, whatever paths it has."""
    ApiRouteFactory.create(api_group=ApiGroupFactory.create(), path_prefix="/elsewhere")
    put(ci)
    answer = Client().get("/elsewhere/hello", headers={"origin": PREVIEW})
    assert answer.headers["Access-Control-Allow-Origin"] == PREVIEW
