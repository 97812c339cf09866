"""Check an origin: the page says what requests really get."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.admin.check.subject import check_url
from django_cors_guard.core.decision import Reason
from django_cors_guard.models import ApiGroup, Environment, PolicyState, RejectedOrigin, Rejection, TrustedOrigin
from django_cors_guard.testing import override_cors_guard
from tests.admin.conftest import login
from tests.admin.pages import errors, said, text, url
from tests.factories import (
    ApiGroupFactory,
    ApiRouteFactory,
    EnvironmentFactory,
    GroupModeFactory,
    RejectedOriginFactory,
    RejectionFactory,
    TrustedOriginFactory,
    user_with,
)

ORIGIN = "https://app.example.com"
PATH = "/api/public/hello"


@pytest.fixture
def production(db: None) -> Environment:
    return EnvironmentFactory.create()


@pytest.fixture
def public(db: None) -> ApiGroup:
    route = ApiRouteFactory.create()
    return route.api_group


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup) -> None:
    """Every test has an environment and a group with a route."""


def ask(client: Client, **values: str) -> Any:
    response = client.get(url("check"), {"origin": ORIGIN, "path": PATH, **values})
    assert response.status_code == 200
    return response


def outcome(page: Any) -> str:
    return str(page.context["outcome"])


# --- the decision -----------------------------------------------------------------------------------------------------


def test_check_without_a_question_shows_the_form_alone(operator: Client) -> None:
    page = operator.get(url("check"))
    assert "found" not in page.context
    assert not page.context["form"].is_bound
    assert page.context["form"].initial["environment"] == "production"
    assert "nothing is recorded" in text(page)


def test_check_writes_and_records_nothing(operator: Client) -> None:
    before = PolicyState.read("default")
    ask(operator, origin="https://stranger.example.net", method="PUT")
    assert PolicyState.read("default") == before
    assert not Rejection.objects.exists()
    assert not RejectedOrigin.objects.exists()


def test_check_of_a_trusted_origin_says_who_decided_and_where(operator: Client, public: ApiGroup) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    page = ask(operator)
    assert outcome(page) == "allowed"
    assert f"{ORIGIN} may call GET {PATH} in production." in text(page)
    assert "the browser gives its answer to the page" in text(page)
    body = page.content.decode()
    assert url("trustedorigin_change", grant.pk) in body
    assert url("apigroup_change", public.pk) in body
    assert ">/api/public<" in body
    assert "<code>trusted</code>" in body


def set_mode(mode: str) -> None:
    Environment.objects.update(mode=mode)


CONSEQUENCES = [
    pytest.param("enforce", {}, "refused", "In mode enforce the view runs", id="enforce"),
    pytest.param("block", {}, "refused", "In mode block it gets 403 before any view runs", id="block"),
    pytest.param("monitor", {}, "watched", "Mode monitor only records", id="monitor"),
    pytest.param("enforce", {"method": "PUT"}, "refused", "It gets 403, so it never sends", id="preflight"),
    pytest.param("monitor", {"method": "PUT"}, "watched", "Mode monitor only records", id="watched preflight"),
    pytest.param("enforce", {"path": "/elsewhere"}, "unguarded", "removes none and records nothing", id="unguarded"),
]


@pytest.mark.parametrize(("mode", "asked", "expected", "says"), CONSEQUENCES)
def test_check_says_what_the_mode_makes_of_a_stranger(
    operator: Client, mode: str, asked: dict[str, str], expected: str, says: str
) -> None:
    set_mode(mode)
    page = ask(operator, **asked)
    assert outcome(page) == expected
    assert says in text(page)


ALLOWED = [
    pytest.param("block", {"method": "PUT"}, "The answer lacks what it needs", id="method"),
    pytest.param("enforce", {"headers": "x-token"}, "The answer lacks what it needs", id="header"),
    pytest.param("monitor", {}, "it would let this pass", id="monitor"),
    pytest.param("block", {"headers": "content-type"}, "the browser gives its answer to the page", id="allowed"),
]


@pytest.mark.parametrize(("mode", "asked", "says"), ALLOWED)
def test_check_says_what_a_trusted_page_gets(operator: Client, mode: str, asked: dict[str, str], says: str) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    set_mode(mode)
    assert says in text(ask(operator, **asked))


def test_check_in_block_of_a_method_that_takes_no_preflight_says_403(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    ApiGroup.objects.update(allow_methods=["GET"])
    set_mode("block")
    page = ask(operator, method="POST")
    assert (outcome(page), page.context["found"].reason) == ("refused", "method_not_allowed")
    assert "In mode block it gets 403" in text(page)


def test_check_of_a_revoked_origin_says_by_whom_and_that_it_gets_403(operator: Client, ana: Any) -> None:
    grant = services.revoke(TrustedOriginFactory.create(origin=ORIGIN), actor=ana, reason="taken over")
    page = ask(operator)
    assert "An operator said no" in text(page)
    assert "revoked by ana on" in text(page)
    assert "taken over" in text(page)
    assert url("trustedorigin_reinstate", grant.pk) in page.content.decode()
    assert url("trustedorigin_revoke", grant.pk) not in page.content.decode()


def test_check_of_a_change_with_cookies_says_what_comes_of_csrf(operator: Client, public: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    assert 'id="csrf"' not in ask(operator, method="POST").content.decode()
    ApiGroup.objects.update(allow_credentials=True)
    page = ask(operator, method="POST").content.decode()
    assert 'id="csrf">left to Django: the API group is not trusted for CSRF <code>not_offered</code>' in page


def test_check_names_the_nearest_trusted_thing_and_links_it(operator: Client) -> None:
    near = TrustedOriginFactory.create(origin=ORIGIN)
    page = ask(operator, origin="http://app.example.com")
    assert "differs in the scheme" in text(page)
    assert f"{ORIGIN} public in production" in text(page)
    assert url("trustedorigin_change", near.pk) in page.content.decode()


def test_check_of_null_says_where_such_origins_come_from(operator: Client) -> None:
    page = ask(operator, origin="null")
    assert page.context["found"].reason == "null_origin"
    assert "a page opened from the disk" in text(page)


def test_check_of_a_malformed_origin_says_what_is_wrong_with_it(operator: Client) -> None:
    page = ask(operator, origin="https://a.example, https://b.example")
    assert page.context["found"].reason == "malformed_origin"
    assert "Type one origin at a time" in text(page)


def test_check_on_the_guards_own_paths_is_refused_whoever_asks(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    page = ask(operator, path="/admin/")
    assert page.context["found"].reason == Reason.OWN_PATHS
    assert "closed to every origin" in text(page)


def test_check_in_an_environment_without_a_row_says_that_nothing_is_trusted(operator: Client) -> None:
    with override_cors_guard(ENVIRONMENT="nowhere"):
        page = ask(operator)
    assert page.context["found"].environment == "nowhere"
    assert "“nowhere” is not in the database" in text(page)


def test_check_in_another_environment_judges_by_that_one(operator: Client, production: Environment) -> None:
    staging = EnvironmentFactory.create(slug="staging")
    TrustedOriginFactory.create(origin="https://*.example.com", environment=staging)
    Environment.objects.filter(slug="staging").update(allow_subdomain_patterns=True)
    assert outcome(ask(operator, environment="staging")) == "allowed"
    assert outcome(ask(operator, environment="production")) == "refused"
    assert outcome(ask(operator, environment="")) == "refused"


def test_check_of_the_sites_own_origin_says_that_it_needs_no_trust(operator: Client) -> None:
    assert "That is this site's own origin" in text(ask(operator, origin="http://testserver"))
    assert "That is this site's own origin" not in text(ask(operator))


def test_check_says_how_an_international_name_reads(operator: Client) -> None:
    page = ask(operator, origin="https://xn--bcher-kva.example")
    assert "https://bücher.example" in text(page)


def test_check_says_what_it_mended(operator: Client) -> None:
    page = ask(operator, origin=" https://App.example.com/ ")
    assert page.context["found"].origin == ORIGIN
    assert "was read as https://app.example.com, as browsers send it" in text(page)


# --- the headers ------------------------------------------------------------------------------------------------------


def head_of(response: Any, *, own: bool) -> set[str]:
    """Return what the guard put on a response; of an answer of its own that is everything but the length."""
    found = {f"{name}: {value}" for name, value in response.headers.items() if name != "Content-Length"}
    guards = ("Access-Control-", "Vary")
    return found if own else {line for line in found if line.startswith(guards)}


def shown_head(page: Any, part: str) -> list[str]:
    return str({each.id: each.head for each in page.context["parts"]}[part]).splitlines()


TRUSTED_IN = [pytest.param(True, id="trusted"), pytest.param(False, id="stranger")]
MODES = [pytest.param(mode, id=mode) for mode in ("monitor", "enforce", "block")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("trusted", TRUSTED_IN)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_check_shows_the_very_headers_that_requests_get(
    operator: Client, mode: str, trusted: bool, method: str
) -> None:
    if trusted:
        TrustedOriginFactory.create(origin=ORIGIN)
    ApiGroup.objects.update(allow_credentials=True, expose_headers=["x-total"], allow_methods=["GET", "PUT"])
    set_mode(mode)
    page = ask(operator, method=method)
    sent = Client().generic(method, PATH, headers={"origin": ORIGIN, "sec-fetch-site": "cross-site"})
    shown = shown_head(page, "request")
    status = shown.pop(0).split()[1] if shown and shown[0].startswith("HTTP") else ""
    assert status == ("403" if sent.status_code == 403 else "")
    assert set(shown) == head_of(sent, own=bool(status))
    assert len(page.context["parts"]) == (2 if method == "PUT" else 1)


@pytest.mark.parametrize("trusted", TRUSTED_IN)
def test_check_shows_the_very_headers_that_preflights_get(operator: Client, trusted: bool) -> None:
    if trusted:
        TrustedOriginFactory.create(origin=ORIGIN)
    page = ask(operator, method="PATCH", headers="X-Token")
    headers = {"origin": ORIGIN, "access-control-request-method": "PATCH", "access-control-request-headers": "x-token"}
    sent = Client().options(PATH, headers=headers)
    shown = shown_head(page, "preflight")
    assert shown.pop(0) == f"HTTP/1.1 {sent.status_code} {sent.reason_phrase}"
    assert set(shown) == head_of(sent, own=True)


def test_check_says_that_a_request_is_not_sent_whose_preflight_fails(operator: Client) -> None:
    says = "Browsers do not get that far."
    words = {part.id: part.words for part in ask(operator, method="PUT").context["parts"]}
    assert words["request"].startswith(says)
    assert not words["preflight"].startswith(says)
    assert says not in text(ask(operator))
    ApiGroup.objects.update(allow_methods=["PUT"])
    TrustedOriginFactory.create(origin=ORIGIN)
    assert says not in text(ask(operator, method="PUT"))


def test_check_in_monitor_shows_no_headers_for_there_are_none(operator: Client) -> None:
    set_mode("monitor")
    page = ask(operator)
    assert shown_head(page, "request") == []
    assert "adds no header and removes none" in text(page)


# --- what to try ------------------------------------------------------------------------------------------------------


def curl_of(page: Any, part: str) -> str:
    return str({each.id: each.curl for each in page.context["parts"]}[part])


def test_check_offers_curl_for_both_requests_and_fetch(operator: Client) -> None:
    ApiGroup.objects.update(allow_credentials=True)
    page = ask(operator, method="PATCH", headers="X-Token: 1\nAuthorization", host="api.example.com:8443")
    address = f"http://api.example.com:8443{PATH}"
    assert curl_of(page, "request") == (
        f"curl -i -X PATCH -H 'Origin: {ORIGIN}' -H 'x-token: value' -H 'authorization: Bearer TOKEN' {address}"
    )
    assert curl_of(page, "preflight") == (
        f"curl -i -X OPTIONS -H 'Origin: {ORIGIN}' -H 'Access-Control-Request-Method: PATCH' "
        f"-H 'Access-Control-Request-Headers: authorization,x-token' {address}"
    )
    assert 'credentials: "include"' in page.context["fetch"]
    assert page.context["fetch"] in page.content.decode().replace("&quot;", '"').replace("&gt;", ">")


def test_check_of_a_group_without_credentials_sends_none(operator: Client) -> None:
    assert "credentials" not in ask(operator).context["fetch"]


def test_check_takes_the_whole_address_for_the_path(operator: Client) -> None:
    page = ask(operator, path="https://api.example.com:8443/api/public/a%20b?x=1#top")
    assert (page.context["found"].path, page.context["found"].host) == ("/api/public/a b", "api.example.com")
    assert "//api.example.com:8443/api/public/a%20b'" in curl_of(page, "request") + "'"


# --- what next --------------------------------------------------------------------------------------------------------


def steps(page: Any) -> dict[str, str]:
    return {step.id: step.url for step in page.context["steps"]}


def test_stranger_with_a_card_can_be_trusted_by_the_cards_id(operator: Client) -> None:
    card = RejectedOriginFactory.create(origin=ORIGIN)
    page = ask(operator)
    assert steps(page)["trust-link"] == f"{url('trustedorigin_add')}?card={card.pk}"
    assert urlencode({"q": ORIGIN}) in steps(page)["rejections-link"]


def test_stranger_without_a_card_leads_to_an_empty_form(operator: Client) -> None:
    assert steps(ask(operator))["trust-link"] == url("trustedorigin_add")


def test_trusted_origin_can_be_revoked(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    found = steps(ask(operator))
    assert found["revoke-link"] == url("trustedorigin_revoke", grant.pk)
    assert "trust-link" not in found


def test_refused_method_leads_to_the_group(operator: Client, public: ApiGroup) -> None:
    TrustedOriginFactory.create(origin=ORIGIN)
    assert steps(ask(operator, method="DELETE"))["group-step"] == url("apigroup_change", public.pk)


def test_viewer_is_offered_nothing_that_would_be_refused(operator: Client) -> None:
    RejectedOriginFactory.create(origin=ORIGIN)
    viewer = login(user_with("view_trustedorigin", "view_environment"))
    assert steps(ask(viewer)) == {}
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    assert steps(ask(viewer)) == {"grant-link": url("trustedorigin_change", grant.pk)}
    assert url("apigroup_changelist") not in ask(viewer).content.decode()


def test_card_is_not_named_to_those_who_may_not_see_it() -> None:
    card = RejectedOriginFactory.create(origin=ORIGIN)
    truster = login(user_with("view_trustedorigin", "view_environment", "add_trustedorigin"))
    page = ask(truster)
    assert steps(page)["trust-link"] == url("trustedorigin_add")
    assert f"card={card.pk}" not in page.content.decode()


# --- by a row's id ----------------------------------------------------------------------------------------------------


def test_rejection_is_explained_right_away(operator: Client) -> None:
    row = RejectionFactory.create(origin=ORIGIN, method="POST", path=PATH)
    page = operator.get(check_url(row))
    assert f"{ORIGIN} may not call POST {PATH} in production." in text(page)


def test_rejected_preflight_says_that_its_method_is_not_known(operator: Client) -> None:
    page = operator.get(check_url(RejectionFactory.create(kind="preflight", method="OPTIONS")))
    assert page.context["found"].method == "GET"
    assert "does not keep which method" in text(page)


def test_rejection_that_was_cut_says_so(operator: Client) -> None:
    page = operator.get(check_url(RejectionFactory.create(path="/" + "a" * 254)))
    assert "may not be what was sent" in text(page)
    page = operator.get(check_url(RejectionFactory.create(path="/\\xe4")))
    assert "may not be what was sent" in text(page)


def test_overflow_row_has_no_request_to_explain(operator: Client) -> None:
    page = operator.get(check_url(RejectionFactory.create(origin="", path="", method="", overflow=True)))
    assert "no request to explain" in text(page)
    assert "found" not in page.context


def test_rejection_in_an_environment_that_has_gone_says_so(operator: Client) -> None:
    page = operator.get(check_url(RejectionFactory.create(environment="gone")))
    assert "gone" in str(errors(page)["environment"])


def test_card_is_explained_where_its_group_begins(operator: Client) -> None:
    page = operator.get(check_url(RejectedOriginFactory.create(origin=ORIGIN)))
    assert f"{ORIGIN} may not call GET /api/public in production." in text(page)


def test_card_of_the_guards_own_paths_is_explained_there(operator: Client) -> None:
    page = operator.get(check_url(RejectedOriginFactory.create(origin=ORIGIN, api_group="own.paths")))
    assert page.context["found"].path == "/admin/"
    assert page.context["found"].reason == "own_paths"


def test_grant_is_explained_where_its_group_begins(operator: Client) -> None:
    ApiRouteFactory.create(host="api.example.com", path_prefix="/aaa")
    page = operator.get(check_url(TrustedOriginFactory.create(origin=ORIGIN)))
    assert (page.context["found"].path, page.context["found"].host) == ("/aaa", "api.example.com")
    assert outcome(page) == "allowed"


PATTERNS = [
    pytest.param("https://*.example.com:8443", "https://app.example.com:8443", id="subdomains"),
    pytest.param("http://localhost:*", "http://localhost:3000", id="ports"),
]


@pytest.mark.parametrize(("pattern", "example"), PATTERNS)
def test_grant_of_a_pattern_is_explained_by_an_example(operator: Client, pattern: str, example: str) -> None:
    Environment.objects.update(allow_subdomain_patterns=True, allow_loopback=True)
    page = operator.get(check_url(TrustedOriginFactory.create(origin=pattern)))
    assert (page.context["found"].origin, page.context["found"].reason) == (example, "trusted_pattern")
    assert "the origin is an example" in text(page)


def test_grant_of_a_group_without_routes_waits_for_a_path(operator: Client) -> None:
    grant = TrustedOriginFactory.create(origin=ORIGIN, api_group=ApiGroupFactory.create(slug="routeless"))
    page = operator.get(check_url(grant))
    assert "found" not in page.context
    assert page.context["form"].initial["origin"] == ORIGIN


def test_typed_question_wins_over_the_row(operator: Client) -> None:
    row = RejectionFactory.create(origin="https://other.example.net")
    page = operator.get(f"{check_url(row)}&{urlencode({'origin': ORIGIN, 'path': PATH})}")
    assert page.context["found"].origin == ORIGIN


@pytest.mark.parametrize("name", ["rejection", "card", "grant"])
@pytest.mark.parametrize("key", ["999", "x", "", "-1", "9" * 30, "9" * 5000, "1 or 1", "١", "\0"])
def test_row_that_is_not_there_is_said(operator: Client, name: str, key: str) -> None:
    page = operator.get(url("check"), {name: key})
    assert page.status_code == 200
    assert any("There is no such" in words for words in said(page))


HIDDEN = [
    pytest.param("rejection", RejectionFactory, id="rejection"),
    pytest.param("card", RejectedOriginFactory, id="card"),
]


@pytest.mark.parametrize(("name", "factory"), HIDDEN)
def test_row_is_not_shown_to_those_who_may_not_see_it(name: str, factory: Any) -> None:
    row = factory.create(origin="https://secret.example.net")
    viewer = login(user_with("view_trustedorigin", "view_environment"))
    page = viewer.get(url("check"), {name: row.pk})
    assert "There is no such" in said(page)[0]
    assert "secret" not in page.content.decode()


# --- bad input --------------------------------------------------------------------------------------------------------

REFUSED = [
    pytest.param({"origin": ""}, "origin", "Type an origin", id="no origin"),
    pytest.param({"origin": "   "}, "origin", "Type an origin", id="blank origin"),
    pytest.param({"origin": "https://" + "a" * 600}, "origin", "at most 512", id="long origin"),
    pytest.param({"origin": "https://" + "ä" * 300}, "origin", "longer than any origin", id="long in bytes"),
    pytest.param({"origin": "https://a\nb"}, "origin", "invisible character", id="line break"),
    pytest.param({"origin": "https://a\u202eb"}, "origin", "invisible character", id="direction mark"),
    pytest.param({"origin": "https://a\0b"}, "origin", "Null characters", id="NUL"),
    pytest.param({"origin": "https://*.example.com"}, "origin", "That is a pattern", id="pattern"),
    pytest.param({"path": ""}, "path", "required", id="no path"),
    pytest.param({"path": "api"}, "path", "Begin the path with a slash", id="no slash"),
    pytest.param({"path": "/a\u202eb"}, "path", "invisible character", id="direction mark in the path"),
    pytest.param({"path": "/" + "a" * 3000}, "path", "at most 2000", id="long path"),
    pytest.param({"path": "https://[x/"}, "path", "no address", id="no address"),
    pytest.param({"path": "https://user:p@host/x"}, "path", "bare host name", id="user in the address"),
    pytest.param({"method": "GE T"}, "method", "no name of a method", id="method with a space"),
    pytest.param({"method": "TRACE"}, "method", "can never be allowed", id="forbidden method"),
    pytest.param({"method": "A" * 80}, "method", "at most 64", id="long method"),
    pytest.param({"headers": "x y"}, "headers", "no name of a method or header", id="header with a space"),
    pytest.param({"headers": "cookie, origin"}, "headers", "set by the browser alone", id="forbidden header"),
    pytest.param({"headers": ",".join(f"x{n}" for n in range(200))}, "headers", "more than 128", id="many headers"),
    pytest.param({"headers": "x" * 5000}, "headers", "at most 4096", id="long headers"),
    pytest.param({"host": "a/b"}, "host", "bare host name", id="no host"),
    pytest.param({"host": "a" * 300}, "host", "at most 260", id="long host"),
    pytest.param({"environment": "nowhere"}, "environment", "valid choice", id="unknown environment"),
]


@pytest.mark.parametrize(("values", "field", "says"), REFUSED)
def test_bad_input_is_an_error_in_words(operator: Client, values: dict[str, str], field: str, says: str) -> None:
    page = ask(operator, **values)
    assert "found" not in page.context
    assert list(errors(page)) == [field]
    assert says in str(errors(page)[field])


def test_headers_that_take_no_preflight_are_left_out_and_said(operator: Client) -> None:
    page = ask(operator, headers="Accept-Language\naccept: text/html, */*")
    assert len(page.context["parts"]) == 1
    assert "Every page may set accept-language, accept" in text(page)


HOSTILE = [
    pytest.param({"origin": "https://x.example/<script>alert(1)</script>"}, id="origin"),
    pytest.param({"path": "/api/public/<script>alert(1)</script>"}, id="path"),
    pytest.param({"origin": "'; rm -rf / #"}, id="shell"),
    pytest.param({"method": "<SCRIPT>"}, id="method"),
    pytest.param({"headers": "<script>"}, id="header"),
    pytest.param({"environment": "<script>"}, id="environment"),
]


@pytest.mark.parametrize("values", HOSTILE)
def test_hostile_input_is_escaped(operator: Client, values: dict[str, str]) -> None:
    body = ask(operator, **values).content.decode()
    assert "<script>" not in body.lower().replace("<script src=", "")


def test_invisible_characters_of_a_path_are_shown(operator: Client) -> None:
    page = ask(operator, path="/api/public/%E2%80%AE%0A")
    assert page.context["found"].path == "/api/public/\u202e\n"
    assert "/api/public/\\u202e\\n" in text(page)
    assert "\u202e" not in page.content.decode()
    assert curl_of(page, "request").endswith("/api/public/%E2%80%AE%0A")


def test_hostile_rows_are_escaped_and_no_page_breaks(operator: Client, production: Environment) -> None:
    Environment.objects.update(name="<script>e")
    ApiGroup.objects.update(name="<script>g\u202e")
    grant = TrustedOriginFactory.create(origin=ORIGIN)
    TrustedOrigin._base_manager.filter(pk=grant.pk).update(
        revoked_at=timezone.now(), revoke_reason="<script>r\u202e", origin=ORIGIN
    )
    body = ask(operator).content.decode()
    assert "&lt;script&gt;g" in body
    assert "<script>" not in body.replace("<script src=", "")
    assert "\u202e" not in body


# --- permissions and cost ---------------------------------------------------------------------------------------------


def test_check_needs_the_permissions_of_the_api() -> None:
    for permissions in ((), ("view_environment",), ("view_trustedorigin",)):
        assert login(user_with(*permissions)).get(url("check")).status_code == 403
    assert login(user_with("view_trustedorigin", "view_environment")).get(url("check")).status_code == 200


def test_check_is_not_for_strangers(client: Client) -> None:
    assert "/login/" in client.get(url("check"))["Location"]


class StagingAlone(ModelBackend):
    """Lets everybody view the environment staging, and no other."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm == "cors_guard.view_environment" and getattr(obj, "slug", "") == "staging"


def test_check_of_somebody_who_may_view_one_environment_tells_of_that_alone(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        f"{__name__}.{StagingAlone.__name__}",
    ]
    client = Client()
    user = user_with("view_trustedorigin")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(url("check")).status_code == 403
    EnvironmentFactory.create(slug="staging")
    TrustedOriginFactory.create(origin=ORIGIN)
    page = ask(client, environment="staging")
    assert page.context["nearest"] is None
    assert "other" not in page.context["found"].reason
    assert list(errors(ask(client, environment="production"))) == ["environment"]
    assert ask(client).context["found"].environment == "staging"


COSTS = [
    pytest.param({"origin": "http://near.example.com", "method": "PUT"}, id="stranger"),
    pytest.param({"origin": "https://revoked.example.com"}, id="revoked"),
    pytest.param({"origin": "https://app0.example.com", "method": "DELETE"}, id="method"),
]


@pytest.mark.parametrize("environment", ["production", "staging"])
@pytest.mark.parametrize("asked", COSTS)
def test_check_asks_the_database_no_more_often_than_it_may(
    operator: Client, environment: str, asked: dict[str, str]
) -> None:
    staff = login(
        user_with(
            "view_trustedorigin", "view_environment", "add_trustedorigin", "view_rejectedorigin", "view_rejection"
        )
    )
    for place in (EnvironmentFactory.create(), EnvironmentFactory.create(slug="staging")):
        GroupModeFactory.create(environment=place)
        for number in range(20):
            grant = TrustedOriginFactory.create(environment=place, origin=f"https://app{number}.example.com")
            if number > 10:
                # Whoever revoked it, the story knows: asked for each row, that would be a query a row.
                services.revoke(grant, reason="x")
        services.revoke(TrustedOriginFactory.create(environment=place, origin="https://revoked.example.com"))
    ask(staff, environment=environment, **asked)
    with CaptureQueriesContext(connection) as queries:
        ask(staff, environment=environment, **asked)
    assert len(queries) <= 15, "\n".join(query["sql"][:150] for query in queries)


def test_expired_grant_says_until_when_it_was(operator: Client) -> None:
    TrustedOriginFactory.create(origin=ORIGIN, expires_at=timezone.now() - timedelta(days=1))
    page = ask(operator)
    assert page.context["found"].reason == "expired"
    assert "until" in page.context["deciding"].story


def test_curl_of_a_hostile_question_is_one_argument_each(operator: Client) -> None:
    page = ask(operator, origin="https://x'; touch /tmp/x; '", path="/api/public/$(id)`id`")
    program = curl_of(page, "request").replace("curl ", "printf '%s\\n' ", 1)
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "-i", "-H", "Origin: https://x'; touch /tmp/x; '", "http://testserver/api/public/$(id)%60id%60",
    ]  # fmt: skip


# --- requests without Origin ------------------------------------------------------------------------------------------

IMAGE = "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image"
LINK = "sec-fetch-site:cross-site\nsec-fetch-mode: navigate\nX-Own"


@pytest.mark.parametrize(
    ("isolate", "mode", "headers", "word", "says"),
    [
        pytest.param("enforce", "enforce", IMAGE, "refused", "what pages of other sites load gets 403", id="image"),
        pytest.param("enforce", "block", IMAGE, "refused", "what pages of other sites load gets 403", id="in block"),
        pytest.param("enforce", "monitor", IMAGE, "watched", "Mode monitor only records", id="mode monitor"),
        pytest.param("monitor", "enforce", IMAGE, "watched", "isolation only records: the view runs", id="monitored"),
        pytest.param("off", "enforce", IMAGE, "allowed", "nothing that CORS has a say in", id="not isolated"),
        pytest.param("enforce", "enforce", LINK, "allowed", "nothing that CORS has a say in", id="link"),
    ],
)
def test_check_of_what_has_no_origin_shows_the_very_answer(
    operator: Client, isolate: str, mode: str, headers: str, word: str, says: str
) -> None:
    ApiGroup.objects.update(isolate=isolate, cross_origin_resource_policy="same-site")
    set_mode(mode)
    page = ask(operator, origin="", headers=headers)
    assert outcome(page) == word
    assert says in text(page)
    assert "A request without Origin" in text(page)
    assert f'<dd id="isolation">{isolate}</dd>' in page.content.decode()
    fields = dict(line.split(":", 1) for line in headers.splitlines() if ":" in line)
    sent = Client().get(PATH, headers={name: value.strip() for name, value in fields.items()})
    shown = shown_head(page, "request")
    status = shown.pop(0).split()[1] if shown and shown[0].startswith("HTTP") else ""
    assert status == ("403" if sent.status_code == 403 else "")
    names = {line.partition(":")[0] for line in shown}
    assert set(shown) == {f"{name}: {sent[name]}" for name in names}
    assert ("Cross-Origin-Resource-Policy" in names) is (mode != "monitor")


def test_check_of_what_has_no_origin_offers_no_trust_but_curl_and_the_group(operator: Client, public: ApiGroup) -> None:
    ApiGroup.objects.update(isolate="enforce")
    page = ask(operator, origin="", headers=IMAGE)
    assert "Origin" not in curl_of(page, "request")
    assert "-H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: no-cors'" in curl_of(page, "request")
    assert page.context["fetch"] == ""
    steps = {step.id: step.url for step in page.context["steps"]}
    assert set(steps) == {"group-step", "rejections-link"}
    assert steps["rejections-link"].endswith("?environment=production&api_group=public&reason=cross_site")
    assert operator.get(steps["rejections-link"]).status_code == 200


@pytest.mark.parametrize(
    ("row", "sent"),
    [
        pytest.param({"kind": "no_cors"}, "Sec-Fetch-Dest: image", id="image"),
        pytest.param({"kind": "navigation"}, "Sec-Fetch-Dest: object", id="object"),
        pytest.param({"kind": "navigation", "method": "POST"}, "Sec-Fetch-Mode: navigate", id="form"),
        pytest.param({"kind": "actual"}, "Sec-Fetch-Mode: cors", id="CORS without Origin"),
    ],
)
def test_rejection_by_isolation_is_explained_right_away(operator: Client, row: dict[str, str], sent: str) -> None:
    ApiGroup.objects.update(isolate="enforce")
    rejection = RejectionFactory.create(**{"origin": "", "reason": "cross_site", "path": PATH, **row})
    page = operator.get(check_url(rejection))
    assert outcome(page) == "refused"
    assert page.context["found"].reason == "cross_site"
    assert sent in curl_of(page, "request")
    assert "these are some that fit" in text(page)


def test_rejection_by_isolation_that_was_not_kept_has_nothing_to_explain(operator: Client) -> None:
    row = RejectionFactory.create(origin="", path="", method="", kind="", reason="cross_site", overflow=True)
    page = operator.get(check_url(row))
    assert "found" not in page.context


def test_name_of_a_fetch_header_without_a_value_is_still_refused(operator: Client) -> None:
    page = ask(operator, headers="sec-fetch-site")
    assert "set by the browser alone" in str(errors(page)["headers"])
