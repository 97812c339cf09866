"""A translation beside the policy that is there already."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from django_cors_guard.core.corsheaders import Translation, fit, translate
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, FileRoute, PolicyFile

EXAMPLE = "https://app.example.com"
SETTINGS = {
    "CORS_ALLOWED_ORIGINS": [EXAMPLE, "http://localhost:3000"],
    "CORS_ALLOW_CREDENTIALS": True,
    "CORS_URLS_REGEX": "^/api(/.*)?$",
}
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = FileEnvironment("production", mode="enforce", allow_loopback=True)


def moved(**changes: Any) -> Translation:
    return translate({**SETTINGS, **changes}, environment="production", group="api")


def grants(*changes: dict[str, Any]) -> tuple[FileGrant, ...]:
    return tuple(FileGrant("production", "api", EXAMPLE, **change) for change in changes)


def codes(translation: Translation, before: Translation) -> list[tuple[str, str, str]]:
    """What fitting has told: verdict, code, detail."""
    return [(line.verdict.value, line.code, line.detail) for line in translation.lines if line not in before.lines]


def test_beside_nothing_it_stays_as_it_is() -> None:
    assert fit(moved(), PolicyFile()) == moved()


def test_beside_what_it_has_made_it_adds_nothing() -> None:
    made = moved().document

    again = fit(moved(), made)

    assert again.document == replace(made, trusted_origins=())
    assert codes(again, moved()) == [("noted", "environment_there", "monitor")]


def test_environment_that_is_there_stays_whole() -> None:
    place = replace(PLACE, mode="monitor")
    fitted = fit(moved(), PolicyFile(environments=(place,)))
    assert fitted.document.environments == (place,)
    assert "switch" not in {line.code for line in fitted.lines}


def test_new_group_only_watches_wherever_an_environment_is_stricter() -> None:
    staging, local = FileEnvironment("staging", mode="block"), FileEnvironment("local", mode="monitor")
    there = PolicyFile(environments=(staging, local, replace(PLACE, group_modes=(("zoo", "block"),))))

    fitted = fit(moved(), there)

    assert {place.slug: place.group_modes for place in fitted.document.environments} == {
        "production": (("api", "monitor"), ("zoo", "block")),
        "staging": (("api", "monitor"),),
        "local": (),
    }
    assert fitted.document.environments[0].slug == "production"
    assert {line.value for line in fitted.lines if line.code == "group_watches"} == {"production", "staging"}


def test_group_that_is_there_keeps_its_modes() -> None:
    there = PolicyFile(environments=(PLACE, FileEnvironment("staging")), api_groups=(FileGroup("api"),))
    assert fit(moved(), there).document.environments == (PLACE,)


@pytest.mark.parametrize(
    ("place", "told", "origins"),
    [
        pytest.param({}, [], [EXAMPLE, "http://localhost:3000"], id="as needed"),
        pytest.param(
            {"allow_loopback": False}, [("refused", "switch_off", "allow_loopback")], [EXAMPLE], id="switch off"
        ),
        pytest.param(
            {"max_trust_days": 30},
            [("refused", "needs_expiry", "30"), ("refused", "needs_expiry", "30")],
            [],
            id="longest trust",
        ),
    ],
)
def test_environment_that_is_there_decides_whom_it_lets_in(
    place: dict[str, Any], told: list[tuple[str, str, str]], origins: list[str]
) -> None:
    fitted = fit(moved(), PolicyFile(environments=(replace(PLACE, **place),)))
    assert sorted(grant.origin for grant in fitted.document.trusted_origins) == sorted(origins)
    assert codes(fitted, moved()) == [
        *told,
        ("noted", "environment_there", "enforce"),
        ("noted", "group_watches", "api"),
    ]


def test_credentials_of_the_group_that_is_there_decide_about_insecure_origins() -> None:
    translation = translate(
        {"CORS_ALLOWED_ORIGINS": ["http://old.example.com"]},
        environment="production",
        group="api",
        switches=["allow_insecure_http"],
    )
    there = PolicyFile(
        environments=(replace(PLACE, allow_insecure_http=True),),
        api_groups=(FileGroup("api", allow_credentials=True),),
    )

    fitted = fit(translation, there)

    assert fitted.document.trusted_origins == ()
    assert ("refused", "switch_off", "allow_insecure_credentials") in codes(fitted, translation)


def test_group_that_is_there_keeps_its_rules_and_gets_the_routes() -> None:
    group = FileGroup("api", name="Ours", max_age=60, routes=(FileRoute("/v1"), FileRoute("/v1", "b.example.com")))
    fitted = fit(moved(), PolicyFile(api_groups=(group,)))

    (kept,) = fitted.document.api_groups
    assert kept == replace(group, routes=tuple(sorted((*group.routes, FileRoute("/api")))))
    refused = {line.setting: line.detail for line in fitted.lines if line.code == "group_there"}
    assert refused == {
        "allow_credentials": "False",
        "allow_methods": "GET, HEAD, POST",
        "allow_headers": "authorization, content-type",
        "max_age": "60",
    }


@pytest.mark.parametrize(
    ("route", "routes"),
    [
        pytest.param(FileRoute("/api"), [], id="the same path"),
        pytest.param(FileRoute("/api", "b.example.com"), ["/api"], id="on a host of its own"),
        pytest.param(FileRoute("/api/billing"), ["/api"], id="below it"),
    ],
)
def test_route_of_another_group_is_left_to_it(route: FileRoute, routes: list[str]) -> None:
    fitted = fit(moved(), PolicyFile(api_groups=(FileGroup("billing", routes=(route,)),)))
    assert [kept.path_prefix for kept in fitted.document.api_groups[0].routes] == routes
    assert (("refused", "route_taken", "billing") in codes(fitted, moved())) is not bool(routes)


@pytest.mark.parametrize(
    ("there", "told"),
    [
        pytest.param({}, [], id="trusted"),
        pytest.param({"expires_at": NOW}, [("noted", "expires_here", "2030-01-01")], id="with an end"),
        pytest.param(
            {"revoked_at": NOW, "revoke_reason": "key\nleaked"},
            [("refused", "revoked_here", "key\\nleaked")],
            id="revoked",
        ),
    ],
)
def test_grant_that_is_there_stays_as_it_is(there: dict[str, Any], told: list[tuple[str, str, str]]) -> None:
    fitted = fit(moved(), PolicyFile(trusted_origins=grants(there)))
    assert [grant.origin for grant in fitted.document.trusted_origins] == ["http://localhost:3000"]
    assert codes(fitted, moved()) == told


def test_grants_of_other_places_do_not_count() -> None:
    elsewhere = (
        FileGrant("staging", "api", EXAMPLE, revoked_at=NOW),
        FileGrant("production", "billing", EXAMPLE, revoked_at=NOW),
    )
    fitted = fit(moved(), PolicyFile(trusted_origins=elsewhere))
    assert EXAMPLE in {grant.origin for grant in fitted.document.trusted_origins}
