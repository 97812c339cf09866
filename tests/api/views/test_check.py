from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.utils import timezone

from django_cors_guard import services
from django_cors_guard.core.explain import Difference, NullSource
from django_cors_guard.models import ApiGroup, Environment, PolicyState, Rejection
from django_cors_guard.testing import flush_rejections, override_cors_guard
from django_cors_guard.wording import DIFFERENCES, NULL_SOURCES
from tests.api.conftest import Api, MakeApi, codes
from tests.factories import ApiRouteFactory, EnvironmentFactory, TrustedOriginFactory, UserFactory

ORIGIN = "https://app.example.com"
FIELDS = {
    "outcome", "reason", "reason_text", "origin", "has_origin", "unicode", "method", "path", "host", "environment",
    "known_environment", "revision", "api_group", "mode", "isolation", "route", "request", "preflight", "grant",
    "nearest", "null_sources", "csrf", "csrf_text",
}  # fmt: skip
ANSWER_FIELDS = {"reason", "reason_text", "allowed", "runs_view", "status", "headers"}


@pytest.fixture(autouse=True)
def places(production: Environment, public: ApiGroup, billing: ApiGroup) -> None:
    """Every test has one environment and two groups."""


@pytest.fixture
def asker(api: MakeApi) -> Api:
    return api("view_trustedorigin", "view_environment")


def check(asker: Api, origin: str | None = ORIGIN, path: str = "/api/billing/x", **more: Any) -> Any:
    response = asker.post("check/", {"origin": origin, "path": path, **more})
    assert response.status_code == 200, response.text
    found = response.json()
    assert set(found) == FIELDS
    assert set(found["request"]) == ANSWER_FIELDS
    return found


def trust(group: str = "billing", environment: str = "production", origin: str = ORIGIN, **more: Any) -> Any:
    return services.trust(origin, environment=environment, api_group=group, **more)


def test_check_of_a_trusted_origin_shows_the_very_headers_that_it_gets(asker: Api) -> None:
    grant = trust()
    found = check(asker)
    assert (found["outcome"], found["reason"], found["reason_text"]) == ("allowed", "trusted", "trusted")
    assert (found["environment"], found["api_group"], found["mode"]) == ("production", "billing", "enforce")
    assert found["route"] == {"host": "", "path_prefix": "/api/billing"}
    assert (found["nearest"], found["null_sources"], found["preflight"]) == (None, [], None)
    assert (found["grant"]["id"], found["grant"]["status"]) == (grant.pk, "active")
    sent = Client().get("/api/billing/x", headers={"origin": ORIGIN}).headers
    shown = found["request"]["headers"]
    assert shown["Access-Control-Allow-Origin"] == ORIGIN
    assert shown["Access-Control-Allow-Credentials"] == "true"
    assert {name: sent[name] for name in shown} == shown
    assert (found["request"]["runs_view"], found["request"]["status"]) == (True, None)


def test_check_of_a_method_that_takes_a_preflight_shows_its_answer(asker: Api) -> None:
    trust()
    found = check(asker, method="delete", headers=["X-Token"])
    preflight = found["preflight"]
    assert set(preflight) == ANSWER_FIELDS
    assert found["method"] == "DELETE"
    assert (found["outcome"], found["reason"]) == ("refused", "method_not_allowed")
    assert (preflight["status"], preflight["runs_view"], preflight["allowed"]) == (204, False, False)
    sent = Client().options(
        "/api/billing/x",
        headers={
            "origin": ORIGIN,
            "access-control-request-method": "DELETE",
            "access-control-request-headers": "x-token",
        },
    )
    assert {name: sent.headers[name] for name in preflight["headers"]} == preflight["headers"]


def test_check_of_a_header_that_is_not_listed_is_refused(asker: Api) -> None:
    trust()
    assert check(asker, headers=["x-token"])["reason"] == "header_not_allowed"
    assert check(asker, headers=["Content-Type"])["outcome"] == "allowed"


def test_check_of_an_unguarded_path_says_so(asker: Api) -> None:
    found = check(asker, path="/elsewhere")
    assert (found["outcome"], found["reason"], found["route"]) == ("unguarded", "unguarded", None)


def test_check_of_the_guards_own_paths_is_refused(asker: Api) -> None:
    trust()
    assert check(asker, path="/cors-guard/rejections/")["reason"] == "own_paths"


def test_check_of_the_whole_site_shows_the_route_of_the_root(asker: Api, public: ApiGroup) -> None:
    ApiRouteFactory.create(api_group=public, path_prefix="/", host="www.example.com")
    found = check(asker, path="/elsewhere", host="WWW.example.com:8000")
    assert found["route"] == {"host": "www.example.com", "path_prefix": "/"}
    assert check(asker, path="/elsewhere", host="other.example.com")["route"] is None


def test_check_of_null_says_where_it_comes_from(asker: Api) -> None:
    found = check(asker, origin=" NULL ")
    assert (found["outcome"], found["reason"]) == ("refused", "null_origin")
    assert [source["code"] for source in found["null_sources"]] == list(NullSource)
    assert all(source["text"] != source["code"] for source in found["null_sources"])


def test_words_exist_for_every_difference_and_source() -> None:
    assert set(DIFFERENCES) == set(Difference)
    assert set(NULL_SOURCES) == set(NullSource)


def _trust_here() -> None:
    trust()


def _revoke() -> None:
    services.revoke(trust(), actor=UserFactory.create(username="bob"), reason="taken over")


def _expire() -> None:
    TrustedOriginFactory.create(origin=ORIGIN, api_group_id=trust(origin="https://x.test").api_group_id,
                                expires_at=timezone.now() - timedelta(days=1))  # fmt: skip


def _trust_elsewhere() -> None:
    EnvironmentFactory.create(slug="staging")
    trust(environment="staging")


@pytest.mark.parametrize(
    ("arrange", "asked", "difference"),
    [
        pytest.param(_trust_here, "http://app.example.com", "scheme", id="scheme"),
        pytest.param(_trust_here, "https://app.example.com:8443", "port", id="port"),
        pytest.param(_trust_here, "https://www.app.example.com", "www", id="www"),
        pytest.param(_trust_here, "https://example.com", "subdomain", id="subdomain"),
        pytest.param(_trust_here, "https://app.example.com.", "trailing_dot", id="trailing dot"),
        pytest.param(_trust_here, "https://app.examp1e.com", "look_alike", id="look-alike"),
        pytest.param(lambda: trust("public"), ORIGIN, "other_group", id="other group"),
        pytest.param(_trust_elsewhere, ORIGIN, "other_environment", id="other environment"),
        pytest.param(_revoke, ORIGIN, "revoked", id="revoked"),
        pytest.param(_expire, ORIGIN, "expired", id="expired"),
    ],
)
def test_check_of_a_refused_origin_shows_the_nearest_grant_and_how_it_differs(
    arrange: Any, asked: str, difference: str, asker: Api
) -> None:
    arrange()
    found = check(asker, origin=asked)
    assert found["outcome"] == "refused"
    nearest = found["nearest"]
    assert (nearest["origin"], nearest["difference"]) == (ORIGIN, difference)
    assert nearest["difference_text"] == str(DIFFERENCES[difference])
    if difference == "revoked":
        assert (nearest["by"], found["grant"]["revoke_reason"]) == ("bob", "taken over")
        assert nearest["at"].endswith("Z")


def test_check_in_another_environment_judges_by_its_policy(asker: Api) -> None:
    EnvironmentFactory.create(slug="staging", mode="block")
    trust(environment="staging")
    assert check(asker)["outcome"] == "refused"
    found = check(asker, environment="staging")
    assert (found["outcome"], found["environment"], found["mode"]) == ("allowed", "staging", "block")


def test_check_writes_and_records_nothing(asker: Api) -> None:
    before = PolicyState.read("default")
    check(asker)
    flush_rejections()
    assert not Rejection.objects.exists()
    assert PolicyState.read("default") == before


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://", id="no host"),
        pytest.param("x" * 600, id="long"),
        pytest.param("https://*.example.com", id="pattern"),
        pytest.param("https://a.example.com/path?q#f", id="URL"),
        pytest.param("https://münch.example.com", id="international"),
        pytest.param("http://[::1]:8000", id="IPv6"),
        pytest.param("capacitor://localhost", id="custom scheme"),
        pytest.param("\U0001f600", id="emoji"),
        pytest.param("a\tb\r\nc", id="control characters"),
        pytest.param("   ", id="spaces"),
    ],
)
def test_check_explains_whatever_may_be_in_an_origin_header(origin: str, asker: Api) -> None:
    assert check(asker, origin=origin)["outcome"] == "refused"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"origin": ""}, [("origin", "blank")], id="empty origin"),
        pytest.param({"origin": "a\x00"}, [("origin", "null_characters_not_allowed")], id="NUL"),
        pytest.param({"origin": "\ud800"}, [("origin", "surrogate_characters_not_allowed")], id="surrogate"),
        pytest.param({"origin": "x" * 601}, [("origin", "max_length")], id="long origin"),
        pytest.param({"path": "api/x"}, [("path", "no_path")], id="path without slash"),
        pytest.param({"path": "https://a.com/x"}, [("path", "no_path")], id="URL for a path"),
        pytest.param({"path": "/x?a=1"}, [("path", "no_path")], id="query"),
        pytest.param({"path": "/" + "x" * 2000}, [("path", "max_length")], id="long path"),
        pytest.param({"method": "GET /"}, [("method", "no_token")], id="method"),
        pytest.param({"method": ""}, [("method", "blank")], id="empty method"),
        pytest.param({"headers": "x-token"}, [("headers", "not_a_list")], id="headers as text"),
        pytest.param({"headers": ["x-a", "x b", "x,y"]}, [("headers.1", "no_token"), ("headers.2", "no_token")],
                     id="no header names"),
        pytest.param({"headers": ["x"] * 129}, [("headers", "max_length")], id="too many headers"),
        pytest.param({"environment": "prod"}, [("environment", "unknown_name")], id="environment"),
        pytest.param({"host": 3}, [("host", "invalid")], id="host"),
        pytest.param({"orgin": "x"}, [("orgin", "unknown_field")], id="unknown field"),
        pytest.param({"origin": None, "path": "x", "method": "(", "environment": "no"},
                     [("origin", "null"), ("path", "no_path"), ("method", "no_token"), ("environment", "unknown_name")],
                     id="all at once"),
    ],
)  # fmt: skip
def test_check_of_bad_input_is_400_with_all_problems(
    changed: dict[str, Any], expected: list[tuple[str, str]], asker: Api
) -> None:
    response = asker.post("check/", {"origin": ORIGIN, "path": "/api/public/x", **changed})
    assert response.status_code == 400
    assert codes(response) == expected


# --- no oracle --------------------------------------------------------------------------------------------------------


class ViewsOne(ModelBackend):
    """An authentication backend that knows of single objects, as packages for object permissions bring."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        one = perm == "cors_guard.view_environment" and getattr(obj, "slug", "") == "production"
        return one or super().has_perm(user_obj, perm, obj)


@pytest.fixture
def narrow(api: MakeApi, settings: Any) -> Api:
    """Somebody who may view one environment alone."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.ViewsOne"]
    EnvironmentFactory.create(slug="staging")
    return api("view_trustedorigin")


def test_check_by_who_may_view_one_environment_explains_that_one(narrow: Api) -> None:
    trust()
    assert check(narrow)["outcome"] == "allowed"
    assert check(narrow, environment="production")["outcome"] == "allowed"
    assert check(narrow, origin="http://app.example.com")["nearest"]["difference"] == "scheme"


@pytest.mark.parametrize("environment", ["staging", "no-such-place", "PRODUCTION", "x" * 50, "\U0001f600"])
def test_check_of_another_environment_tells_not_even_whether_it_exists(environment: str, narrow: Api) -> None:
    trust(environment="staging")
    response = narrow.post("check/", {"origin": ORIGIN, "path": "/api/billing/x", "environment": environment})
    assert response.status_code == 403
    assert codes(response) == []
    assert "cors_guard.view_environment" in response.json()["detail"]
    assert "staging" not in response.text


def test_check_names_no_grant_of_an_environment_that_one_may_not_view(narrow: Api, asker: Api) -> None:
    trust(environment="staging")
    assert check(asker)["nearest"]["environment"] == "staging"
    found = check(narrow)
    assert (found["outcome"], found["reason"], found["nearest"]) == ("refused", "unknown_origin", None)


def test_check_names_a_farther_grant_that_one_may_view_instead(narrow: Api) -> None:
    trust(environment="staging")
    trust(origin="https://www.app.example.com")
    found = check(narrow)["nearest"]
    assert (found["environment"], found["difference"]) == ("production", "www")


def test_check_by_who_may_view_no_environment_is_403_whatever_is_asked(api: MakeApi) -> None:
    client = api("view_trustedorigin")
    for body in ({}, {"environment": "production"}, {"environment": "no-such-place"}, {"orgin": 3}):
        response = client.post("check/", {"origin": ORIGIN, "path": "/api/billing/x", **body})
        assert response.status_code == 403
        assert codes(response) == []


def test_check_of_an_environment_that_has_no_row_takes_the_permission_for_all(narrow: Api, asker: Api) -> None:
    with override_cors_guard(ENVIRONMENT="nowhere"):
        assert narrow.post("check/", {"origin": ORIGIN, "path": "/api/billing/x"}).status_code == 403
        assert check(asker)["known_environment"] is False


IMAGE = ["Sec-Fetch-Site: cross-site", "sec-fetch-mode:no-cors", "Sec-Fetch-Dest: image"]


@pytest.mark.parametrize(
    ("isolate", "headers", "outcome", "reason", "status"),
    [
        pytest.param("enforce", IMAGE, "refused", "cross_site", 403, id="isolated"),
        pytest.param("monitor", IMAGE, "refused", "cross_site", None, id="recorded alone"),
        pytest.param("off", IMAGE, "allowed", "no_origin", None, id="not isolated"),
        pytest.param("enforce", ["Sec-Fetch-Site: same-site"], "allowed", "no_origin", None, id="same site"),
    ],
)
def test_check_of_a_request_without_origin(
    asker: Api, isolate: str, headers: list[str], outcome: str, reason: str, status: int | None
) -> None:
    ApiGroup.objects.update(isolate=isolate)
    found = check(asker, origin=None, headers=headers)
    assert (found["outcome"], found["reason"], found["request"]["status"]) == (outcome, reason, status)
    assert (found["origin"], found["has_origin"], found["isolation"]) == ("", False, isolate)
    assert (found["mode"], found["preflight"], found["nearest"], found["csrf"]) == ("enforce", None, None, "")


def test_check_of_a_request_without_origin_takes_no_preflight(asker: Api) -> None:
    assert check(asker, origin=None, method="DELETE", headers=["x-token", *IMAGE])["preflight"] is None


def test_check_knows_a_page_of_the_site_by_what_its_browser_says(asker: Api) -> None:
    found = check(asker, headers=["Sec-Fetch-Site: same-origin"])
    assert (found["outcome"], found["reason"]) == ("allowed", "same_origin")
    assert check(asker, headers=["Sec-Fetch-Site: cross-site"])["reason"] == "unknown_origin"


@pytest.mark.parametrize("header", ["sec fetch: x", ": x", "a b", "x" * 300])
def test_check_of_what_is_no_header_is_refused(asker: Api, header: str) -> None:
    response = asker.post("check/", {"origin": ORIGIN, "path": "/x", "headers": [header]})
    assert response.status_code == 400
