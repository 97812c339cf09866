"""The way back: a document as settings for django-cors-headers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_guard.core.corsheaders import Settings, translate, write_settings
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, FileRoute, PolicyFile
from tests.core.corsheaders.oracle import (
    answers_there,
    compile_document,
    find_trusted_there,
    guards_here,
    trusts_here,
    trusts_there,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
EXAMPLE = "https://app.example.com"
OPEN = FileEnvironment(
    "production",
    allow_insecure_http=True,
    allow_insecure_credentials=True,
    allow_loopback=True,
    allow_subdomain_patterns=True,
    allow_custom_schemes=True,
)
API = FileGroup("api", routes=(FileRoute("/api"),))


def grant(origin: str, group: str = "api", **fields: Any) -> FileGrant:
    return FileGrant("production", group, origin, **fields)


def document(*grants: FileGrant, groups: tuple[FileGroup, ...] = (API,), place: FileEnvironment = OPEN) -> PolicyFile:
    return PolicyFile(environments=(place,), api_groups=groups, trusted_origins=grants)


def write(written: PolicyFile, group: str = "") -> Settings:
    return write_settings(written, "production", group, now=NOW)


def losses(written: Settings) -> set[tuple[str, str]]:
    return {(loss.code, loss.value) for loss in written.losses}


def test_everything_that_settings_can_say_is_written() -> None:
    group = FileGroup(
        "api",
        allow_credentials=True,
        trusted_for_csrf=True,
        allow_methods=("GET", "PATCH"),
        allow_headers=("x-token",),
        expose_headers=("X-Page",),
        max_age=60,
        routes=(FileRoute("/api"), FileRoute("/v2")),
    )
    written = write(document(grant(EXAMPLE), grant("https://*.example.org"), groups=(group,)))

    assert written.values == {
        "CORS_ALLOWED_ORIGINS": [EXAMPLE],
        "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://([a-z0-9_-]{1,63}\.)+example\.org\Z"],
        "CORS_ALLOW_CREDENTIALS": True,
        "CORS_ALLOW_METHODS": ["GET", "PATCH"],
        "CORS_ALLOW_HEADERS": ["x-token"],
        "CORS_EXPOSE_HEADERS": ["X-Page"],
        "CORS_PREFLIGHT_MAX_AGE": 60,
        "CORS_URLS_REGEX": r"^(/api|/v2)(/.*)?\Z",
        "CSRF_TRUSTED_ORIGINS": ["https://*.example.org", EXAMPLE],
    }
    assert losses(written) == {("csrf_domain", "https://*.example.org")}


def test_what_these_settings_cannot_say_of_a_group_is_told() -> None:
    group = replace(API, isolate="monitor", timing_allow_origin=True, cross_origin_resource_policy="same-site")
    written = write(document(grant(EXAMPLE), groups=(group,)))
    assert losses(written) == {("isolation", "api"), ("timing", "api"), ("resource_policy", "api")}


def test_any_origin_is_written_as_such() -> None:
    written = write(document(groups=(replace(API, any_origin=True),)))
    assert written.values["CORS_ALLOW_ALL_ORIGINS"] is True
    assert "CORS_ALLOWED_ORIGINS" not in written.values


def test_what_is_not_in_force_is_left_out_and_said() -> None:
    place = replace(OPEN, allow_insecure_http=False)
    written = write(
        document(
            grant(EXAMPLE),
            grant("https://gone.example.com", revoked_at=NOW),
            grant("https://over.example.com", expires_at=NOW),
            grant("https://soon.example.com", expires_at=NOW + timedelta(days=1)),
            grant("http://plain.example.com"),
            FileGrant("staging", "api", "https://staging.example.com"),
            place=place,
        )
    )

    assert written.values["CORS_ALLOWED_ORIGINS"] == [EXAMPLE, "https://soon.example.com"]
    assert losses(written) == {
        ("revoked", "https://gone.example.com"),
        ("expired", "https://over.example.com"),
        ("expires", "https://soon.example.com"),
        ("switched_off", "http://plain.example.com"),
    }


def test_revoked_origin_that_a_pattern_covers_is_said_to_be_let_in() -> None:
    written = write(document(grant("https://*.example.com"), grant(EXAMPLE, revoked_at=NOW)))
    assert ("covered", EXAMPLE) in losses(written)
    assert trusts_there(dict(written.values), EXAMPLE)


@pytest.mark.parametrize(
    ("second", "grants", "group", "problem"),
    [
        pytest.param({}, [], "", "several_groups", id="other grants"),
        pytest.param({"max_age": 1}, ["second"], "", "several_groups", id="other rules"),
        pytest.param({}, ["second"], "", None, id="alike"),
        pytest.param({"allow_headers": ("content-type", "authorization")}, ["second"], "", None, id="alike in order"),
        pytest.param({"max_age": 1}, [], "api", None, id="one chosen"),
        pytest.param({}, [], "third", "unknown_group", id="unknown"),
    ],
)
def test_several_groups_need_one_to_be_chosen_unless_they_are_alike(
    second: dict[str, Any], grants: list[str], group: str, problem: str | None
) -> None:
    groups = (API, FileGroup("second", routes=(FileRoute("/second"),), **second))
    written = write(document(grant(EXAMPLE), *(grant(EXAMPLE, slug) for slug in grants), groups=groups), group)
    assert (written.problem.code if written.problem else None) == problem
    assert bool(written.values) is (problem is None)


def test_unknown_environment_is_a_problem() -> None:
    problem = write_settings(document(), "staging", now=NOW).problem
    assert problem is not None
    assert problem.code == "unknown_environment"


def test_paths_of_other_groups_stay_out() -> None:
    groups = (
        FileGroup("api", routes=(FileRoute("/api"),)),
        FileGroup("billing", routes=(FileRoute("/api/billing"), FileRoute("/shop"))),
    )
    written = write(document(grant(EXAMPLE), groups=groups), "api")

    assert ("other_groups", "/api/billing") in losses(written)
    there = {path: answers_there(dict(written.values), path) for path in ("/api/x", "/api/billing", "/api/billing/x")}
    assert there == {"/api/x": True, "/api/billing": False, "/api/billing/x": False}
    assert answers_there(dict(written.values), "/api/billingx")
    assert not answers_there(dict(written.values), "/shop")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"routes": ()}, ("no_route", ""), id="no route"),
        pytest.param({"routes": (FileRoute("/api", "api.example.com"),)}, ("host", "api.example.com"), id="host"),
        pytest.param({"max_age": 0}, ("max_age_zero", ""), id="no lifetime"),
        pytest.param(
            {"allow_headers": ("*",), "allow_credentials": True}, ("star", "CORS_ALLOW_HEADERS"), id="any header"
        ),
    ],
)
def test_what_settings_cannot_say_is_told(fields: dict[str, Any], told: tuple[str, str]) -> None:
    written = write(document(grant(EXAMPLE), groups=(replace(API, **fields),)))
    assert told in losses(written)


def test_group_without_routes_is_at_work_nowhere() -> None:
    written = write(document(grant(EXAMPLE), groups=(replace(API, routes=()),)))
    assert not any(answers_there(dict(written.values), path) for path in ("/", "/api", "/api/x"))


HOSTS = ["example.com", "app.example.com", "a-b.example.com", "x_y.example.org", "localhost", "127.0.0.1", "[::1]"]
PATTERNS = ["https://*.example.com", "https://*.example.org:8443", "http://*.example.com", "http://localhost:*"]
ORIGINS = st.one_of(
    st.tuples(st.sampled_from(["https", "http"]), st.sampled_from(HOSTS), st.sampled_from(["", ":8443", ":3000"])).map(
        lambda parts: f"{parts[0]}://{parts[1]}{parts[2]}"
    ),
    st.sampled_from([*PATTERNS, "http://[::1]:*", "https://127.0.0.1:*", "capacitor://localhost"]),
)
PREFIXES = st.sampled_from(["/", "/api", "/api/v1.0", "/a+b", "/apix", "/v2/~x"])
SENT = [
    f"{scheme}://{name}{host}{port}"
    for scheme in ("https", "http")
    for name in ("", "deep.", "a.b.")
    for host in HOSTS
    for port in ("", ":8443", ":3000", ":1")
]


@given(
    st.lists(ORIGINS, unique=True, max_size=6),
    st.lists(PREFIXES, unique=True, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_there_and_back_is_the_same_policy(
    origins: list[str], prefixes: list[str], credentials: bool, csrf: bool
) -> None:
    group = replace(
        API,
        allow_credentials=credentials,
        trusted_for_csrf=credentials and csrf,
        routes=tuple(map(FileRoute, sorted(prefixes))),
    )
    before = document(*map(grant, sorted(origins)), groups=(group,))
    written = dict(write(before).values)
    back = translate(
        written,
        environment="production",
        group="api",
        switches=["allow_insecure_http", "allow_insecure_credentials"],
    )

    assert back.is_whole
    loopback = {origin.removesuffix(":*") for origin in origins if origin.endswith(":*")}
    assert {grant.origin for grant in back.document.trusted_origins} == set(origins)
    after = back.document.api_groups[0]
    # What "/" covers needs no route of its own.
    routes = (FileRoute("/"),) if "/" in prefixes else group.routes
    assert after == replace(group, trusted_for_csrf=after.trusted_for_csrf, routes=routes)
    assert after.trusted_for_csrf == (group.trusted_for_csrf and bool(origins) and not loopback)
    policy = compile_document(before)
    assert {origin for origin in SENT if trusts_here(policy, origin)} == find_trusted_there(written, SENT)
    for path in ("/", "/api", "/api/", "/api/x", "/apix", "/api/v1.0/x", "/api/v1x0", "/a+b/c", "/aab/c", "/v2/~x"):
        assert guards_here(policy, path) == answers_there(written, path), path
