"""`cors_guard check`."""

import json
from datetime import UTC, datetime

import pytest

from django_cors_guard import services
from django_cors_guard.models import ApiGroup, Environment
from tests.factories import ApiGroupFactory, ApiRouteFactory, EnvironmentFactory
from tests.management.cli import cors_guard

APP = "https://app.example.com"


@pytest.fixture
def trusted(production: Environment, public: ApiGroup) -> None:
    services.trust(APP, environment=production, api_group=public)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        pytest.param([APP, "/api/public/hello"], 0, "may call GET /api/public/hello in production", id="trusted"),
        pytest.param([APP, "/api/public?next=/x#top"], 0, "may call GET /api/public in", id="query and fragment"),
        pytest.param([APP, "/api/%70ublic"], 0, "may call GET /api/public in", id="encoded path"),
        pytest.param([APP, "/api/public", "--method", "post"], 0, "may call POST", id="method in lower case"),
        pytest.param([APP, "/api/public", "--header", "Content-Type: application/json"], 0, "may call", id="header"),
        pytest.param([APP, "/api/public", "--method", "patch"], 1, "may not call patch", id="patch is not PATCH"),
        pytest.param([APP, "/api/public", "--method", "DELETE"], 1, "does not list the method", id="method"),
        pytest.param([APP, "/api/public", "--header", "X-Own"], 1, "does not list a request header", id="other header"),
        pytest.param(["https://other.example.org", "/api/public"], 1, "nobody has trusted this origin", id="stranger"),
        pytest.param(["null", "/api/public"], 1, "a sandboxed frame without allow-same-origin", id="null"),
        pytest.param([f"{APP}/login", "/api/public"], 1, f"leave out the path “/login”. Type {APP}.", id="malformed"),
        pytest.param(["", "/api/public"], 1, "Type an origin, such as", id="empty"),
        pytest.param(["-", "/api/public"], 0, "A request without Origin may call GET /api/public", id="no origin"),
        pytest.param([APP, "/elsewhere"], 1, "the path belongs to no API group", id="unguarded"),
        pytest.param([APP, "/admin/"], 1, "the admin and this app's own API are closed", id="own paths"),
        pytest.param([APP, "api/public"], 2, "A path starts with a slash", id="path without slash"),
        pytest.param([APP, "/api/public", "--environment", "prod"], 2, "no environment “prod”", id="environment"),
    ],
)  # fmt: skip
def test_check_tells_the_outcome_in_words_and_by_its_exit_code(
    words: list[str], code: int, told: str, trusted: None
) -> None:
    run = cors_guard("check", *words)

    assert run.code == code
    assert told in run.out + run.err


def test_check_of_a_trusted_origin_shows_where_it_comes_from_and_the_exact_headers(trusted: None) -> None:
    run = cors_guard("check", APP, "/api/public/hello", "--header", "content-type")

    lines = [line.strip() for line in run.out.splitlines()]
    assert "API group  public, mode enforce" in lines
    assert "route      /api/public" in lines
    assert any(line.startswith(f"grant      {APP} (#") and line.endswith("): active") for line in lines)
    assert "preflight: answered with 204" in lines
    assert "request: the view runs" in lines
    assert f"Access-Control-Allow-Origin: {APP}" in lines
    assert "Access-Control-Max-Age: 600" in lines
    assert "Vary: Origin" in lines


def test_check_of_a_change_with_cookies_says_what_comes_of_csrf(production: Environment, billing: ApiGroup) -> None:
    services.trust(APP, environment=production, api_group=billing)

    run = cors_guard("check", APP, "/api/billing/x", method="POST")

    assert "CSRF       left to Django: the API group is not trusted for CSRF" in [
        line.strip() for line in run.out.splitlines()
    ]
    assert "CSRF" not in cors_guard("check", APP, "/api/billing/x").out


def test_check_of_a_refused_origin_names_the_nearest_grant_and_how_it_differs(trusted: None) -> None:
    run = cors_guard("check", "http://app.example.com", "/api/public")

    assert f"The nearest grant is {APP} for public in production (active): differs in the scheme" in run.out
    assert run.err == "refused: nobody has trusted this origin (unknown_origin)"


def test_check_of_a_revoked_origin_tells_when_and_why(production: Environment, public: ApiGroup) -> None:
    services.revoke(services.trust(APP, environment=production, api_group=public), reason="leaked key")

    run = cors_guard("check", APP, "/api/public")

    assert run.code == 1
    assert "revoked by an unknown user on " in run.out
    assert "(leaked key)" in run.out
    assert "request: answered with 403" in run.out


def test_check_of_a_grant_that_ends_tells_when(production: Environment, public: ApiGroup) -> None:
    ends = datetime(2099, 1, 31, 18, tzinfo=UTC)
    services.trust(APP, environment=production, api_group=public, expires_at=ends)

    assert "active, until 2099-01-31 18:00 UTC" in cors_guard("check", APP, "/api/public").out


def test_check_by_host_takes_that_hosts_route(trusted: None) -> None:
    other = ApiGroupFactory.create(slug="partners")
    ApiRouteFactory.create(api_group=other, host="partners.example.com", path_prefix="/api/public")

    run = cors_guard("check", APP, "/api/public", "--host", "Partners.example.com:8443")

    assert run.code == 1
    assert "partners, mode enforce" in run.out
    assert "partners.example.com/api/public" in run.out


def test_check_in_another_environment_judges_by_that_one(trusted: None) -> None:
    EnvironmentFactory.create(slug="staging", mode="block")

    run = cors_guard("check", APP, "/api/public", "--environment", "staging")

    assert run.code == 1
    assert "public, mode block" in run.out


def test_check_without_a_row_of_the_active_environment_says_so(public: ApiGroup) -> None:
    run = cors_guard("check", APP, "/api/public")

    assert run.code == 1
    assert "production is not in the database, so nothing is trusted" in run.out


@pytest.mark.parametrize(
    ("origin", "code", "outcome"),
    [pytest.param(APP, 0, "allowed", id="allowed"), pytest.param("https://evil.example", 1, "refused", id="refused")],
)
def test_check_as_json_is_the_explanation(origin: str, code: int, outcome: str, trusted: None) -> None:
    run = cors_guard("check", origin, "/api/public", "--format", "json")

    found = json.loads(run.out)
    assert run.code == code
    assert (found["outcome"], found["origin"], found["api_group"]) == (outcome, origin, "public")
    assert ["Vary", "Origin"] in found["request"]["headers"]


@pytest.mark.parametrize(
    ("isolate", "told"),
    [("enforce", "request: answered with 403"), ("monitor", "request: the view runs; isolation only records here")],
)
def test_check_of_what_isolation_refuses(isolate: str, told: str, trusted: None) -> None:
    ApiGroup.objects.update(isolate=isolate)
    headers = ["--header", "Sec-Fetch-Site: cross-site", "--header", "Sec-Fetch-Mode: no-cors"]

    run = cors_guard("check", "-", "/api/public", *headers)

    lines = [line.strip() for line in run.out.splitlines()]
    assert run.code == 1
    assert told in lines
    assert f"isolation  {isolate}" in lines
    assert "A request without Origin may not call GET /api/public in production" in run.out
    assert "another site sent it without Origin, and the API group is isolated (cross_site)" in run.err
    assert cors_guard("check", "-", "/api/public", "--header", "Sec-Fetch-Site: same-site").code == 0
