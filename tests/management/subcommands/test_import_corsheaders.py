"""`cors_guard import-corsheaders`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from corsheaders.signals import check_request_enabled
from django.test import override_settings

from django_cors_guard.management.subcommands.import_corsheaders import find_receivers
from django_cors_guard.models import (
    ApiGroup,
    ApiRoute,
    Environment,
    GroupMode,
    PolicyChange,
    PolicyState,
    TrustedOrigin,
)
from tests.factories import ApiGroupFactory, ApiRouteFactory, EnvironmentFactory, TrustedOriginFactory
from tests.management.cli import Run, cors_guard

pytestmark = pytest.mark.django_db

EXAMPLE = "https://app.example.com"
SETTINGS: dict[str, Any] = {
    "CORS_ALLOWED_ORIGINS": [EXAMPLE, "https://Admin.example.com/"],
    "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.example\.org$"],
    "CORS_ALLOW_CREDENTIALS": True,
    "CORS_URLS_REGEX": r"^/api/.*$",
    "CORS_PREFLIGHT_MAX_AGE": 600,
    "CSRF_TRUSTED_ORIGINS": [EXAMPLE, "https://admin.example.com", "https://*.example.org", "https://sso.example.net"],
}


def move_in(*words: str, **given_settings: Any) -> Run:
    with override_settings(**given_settings):
        return cors_guard("import-corsheaders", *words)


def revision() -> int:
    return PolicyState.objects.get().revision


def origins() -> set[str]:
    return set(TrustedOrigin.objects.filter(revoked_at=None).values_list("origin", flat=True))


def test_dry_run_tells_every_line_and_writes_nothing() -> None:
    before = revision()

    run = move_in(**SETTINGS)

    assert run.code == 0, run.err
    assert f"✓ {EXAMPLE}" in run.out
    assert "~ https://Admin.example.com/" in run.out
    assert "https://*.example.org" in run.out
    assert "WIDER: it stood for one name" in run.out
    assert "· https://sso.example.net" in run.out
    assert "+ trusted_origin production api https://admin.example.com" in run.out
    assert "nothing was written" in run.out
    assert (revision(), Environment.objects.count(), ApiGroup.objects.count()) == (before, 0, 0)


def test_apply_writes_it_all_in_monitor_mode_and_one_revision() -> None:
    before = revision()

    run = move_in("--apply", "--reason", "moving", **SETTINGS)

    assert run.code == 0, run.err
    place, group = Environment.objects.get(), ApiGroup.objects.get()
    assert (place.slug, place.mode, place.allow_subdomain_patterns) == ("production", "monitor", True)
    assert not any((place.allow_insecure_http, place.allow_loopback, place.allow_custom_schemes))
    assert (group.slug, group.allow_credentials, group.trusted_for_csrf, group.max_age) == ("api", True, True, 600)
    assert [route.path_prefix for route in ApiRoute.objects.all()] == ["/api"]
    assert origins() == {EXAMPLE, "https://admin.example.com", "https://*.example.org"}
    assert revision() == before + 1
    changes = PolicyChange.objects.filter(revision=before + 1)
    assert {change.reason for change in changes} == {"moving"}
    assert "manage.py cors_guard parity --environment production" in run.out
    assert "manage.py cors_guard mode enforce --environment production" in run.out


def test_again_it_changes_nothing() -> None:
    move_in("--apply", **SETTINGS)
    before = revision()

    run = move_in("--apply", **SETTINGS)

    assert run.code == 0, run.err
    assert revision() == before
    assert "it is all there" in run.out


def test_what_is_refused_makes_exit_code_1_and_the_rest_is_written() -> None:
    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE, "null", "http://old.example.com"])

    assert run.code == 1
    assert "2 values were not taken" in run.err
    assert "✗ null" in run.out
    assert "--allow-insecure-http" in run.out
    assert origins() == {EXAMPLE}


def test_insecure_origins_are_taken_if_asked_for() -> None:
    run = move_in("--apply", "--allow-insecure-http", CORS_ALLOWED_ORIGINS=["http://old.example.com"])

    assert run.code == 0, run.err
    assert origins() == {"http://old.example.com"}
    assert Environment.objects.get().allow_insecure_http


def test_any_origin_with_credentials_is_refused_loudly() -> None:
    run = move_in("--apply", CORS_ALLOW_ALL_ORIGINS=True, CORS_ALLOW_CREDENTIALS=True)

    assert run.code == 1
    assert "DANGER" in run.out
    assert not ApiGroup.objects.get().any_origin


def test_environment_that_is_there_keeps_mode_and_switches() -> None:
    EnvironmentFactory.create(mode="enforce")

    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE, "http://localhost:3000"])

    assert run.code == 1
    place = Environment.objects.get()
    assert (place.mode, place.allow_loopback) == ("enforce", False)
    assert list(GroupMode.objects.values_list("api_group__slug", "mode")) == [("api", "monitor")]
    assert "manage.py cors_guard mode inherit --environment production --group api" in run.out
    assert origins() == {EXAMPLE}
    assert "“allow_loopback” is off" in run.out
    before = revision()
    assert move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE]).code == 0
    assert revision() == before


def test_other_environments_of_a_shared_database_refuse_nobody_because_of_the_new_group() -> None:
    EnvironmentFactory.create(slug="staging", mode="block")

    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE])

    assert run.code == 0, run.err
    assert list(GroupMode.objects.values_list("environment__slug", "mode")) == [("staging", "monitor")]
    assert dict(Environment.objects.values_list("slug", "mode")) == {"production": "monitor", "staging": "block"}


def test_group_that_is_there_keeps_its_rules_and_routes() -> None:
    EnvironmentFactory.create(mode="monitor")
    group = ApiGroupFactory.create(slug="api", max_age=60)
    ApiRouteFactory.create(api_group=group, path_prefix="/v1")

    run = move_in("--apply", **{**SETTINGS, "CORS_ALLOWED_ORIGIN_REGEXES": []})

    assert run.code == 1
    group.refresh_from_db()
    assert (group.max_age, group.allow_credentials) == (60, False)
    assert set(ApiRoute.objects.values_list("path_prefix", flat=True)) == {"/api", "/v1"}
    assert "The API group is there already, with: 60" in run.out


def test_route_of_another_group_stays_there() -> None:
    EnvironmentFactory.create(mode="monitor")
    ApiRouteFactory.create(api_group=ApiGroupFactory.create(slug="public"), path_prefix="/api")

    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE], CORS_URLS_REGEX="^/api/")

    assert run.code == 1
    assert "“public”" in run.out
    assert list(ApiRoute.objects.values_list("api_group__slug", flat=True)) == ["public"]


def test_revoked_grant_stays_revoked_and_an_active_one_as_it_is() -> None:
    place = EnvironmentFactory.create(mode="monitor")
    group = ApiGroupFactory.create(slug="api")
    TrustedOriginFactory.create(environment=place, api_group=group, origin=EXAMPLE, note="asked for by Ann")
    cors_guard("trust", "https://b.example.com", "--group", "api")
    cors_guard("revoke", "https://b.example.com", "--everywhere", "--reason", "leaked")

    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE, "https://b.example.com", "https://c.example.com"])

    assert run.code == 1
    assert "It was revoked here (leaked)" in run.out
    assert origins() == {EXAMPLE, "https://c.example.com"}
    assert TrustedOrigin.objects.get(origin=EXAMPLE).note == "asked for by Ann"


def test_environment_with_longest_trust_takes_no_grant_without_an_end() -> None:
    EnvironmentFactory.create(mode="monitor", max_trust_days=30)

    run = move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE])

    assert run.code == 1
    assert "--expires" in run.out
    assert origins() == set()


def test_protected_environment_needs_the_option() -> None:
    EnvironmentFactory.create(mode="monitor", protected=True)

    assert move_in("--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE]).code == 2
    assert origins() == set()
    run = move_in("--apply", "--allow-protected", CORS_ALLOWED_ORIGINS=[EXAMPLE])
    assert run.code == 0, run.err
    assert origins() == {EXAMPLE}


def test_named_environment_group_and_paths_are_used() -> None:
    run = move_in(
        *("--environment", "staging", "--group", "shop", "--path", "/shop/", "--path", "/cart", "--apply"),
        CORS_ALLOWED_ORIGINS=[EXAMPLE],
        CORS_URLS_REGEX="^/(?!admin)",
    )

    assert run.code == 0, run.err
    grant = TrustedOrigin.objects.get()
    assert (grant.environment.slug, grant.api_group.slug) == ("staging", "shop")
    assert set(ApiRoute.objects.values_list("path_prefix", flat=True)) == {"/shop", "/cart"}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--path", "api"), id="path without slash"),
        pytest.param(("--path", "/a*"), id="path with a wildcard"),
        pytest.param(("--group", "no slug"), id="group"),
        pytest.param(("--environment", "no slug"), id="environment"),
    ],
)
def test_what_makes_no_sense_does_nothing(words: tuple[str, ...]) -> None:
    assert move_in("--apply", *words, CORS_ALLOWED_ORIGINS=[EXAMPLE]).code == 2
    assert not Environment.objects.exists()


def test_without_any_settings_and_without_the_package_there_is_nothing_to_do() -> None:
    run = cors_guard("import-corsheaders", "--apply")
    assert (run.code, Environment.objects.count()) == (2, 0)


def test_json_says_the_same_for_programs() -> None:
    run = move_in("--format", "json", "--apply", CORS_ALLOWED_ORIGINS=[EXAMPLE, "null"])

    told = json.loads(run.out)
    assert run.code == 1
    assert (told["environment"], told["api_group"], told["applied"]) == ("production", "api", True)
    by_value = {line["value"]: line for line in told["lines"] if line["setting"] == "CORS_ALLOWED_ORIGINS"}
    assert by_value[EXAMPLE]["verdict"] == "took"
    assert (by_value["null"]["verdict"], by_value["null"]["code"]) == ("refused", "null_origin")
    assert {"kind": "trusted_origin", "key": ["production", "api", EXAMPLE]} in told["additions"]
    assert told["revision"] == revision()


class Partners:
    def __call__(self, **kwargs: Any) -> bool:
        return False


def allow_partners(**kwargs: Any) -> bool:
    return False


async def allow_later(**kwargs: Any) -> bool:
    return False


@pytest.fixture
def receivers() -> Iterator[list[str]]:
    handlers: list[Callable[..., Any]] = [Partners(), allow_partners, allow_later]
    for handler in handlers:
        check_request_enabled.connect(handler)
    yield [f"{__name__}.{name}" for name in ("Partners", "allow_later", "allow_partners")]
    for handler in handlers:
        check_request_enabled.disconnect(handler)


def test_receivers_are_named_where_the_package_is_installed(receivers: list[str]) -> None:
    with override_settings(INSTALLED_APPS=["django_cors_guard", "corsheaders"]):
        assert find_receivers() == receivers
    assert find_receivers() == []


def test_receiver_is_told_as_code_that_cannot_be_taken(receivers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_cors_guard.management.subcommands.import_corsheaders.find_receivers", lambda: receivers)
    run = move_in(CORS_ALLOWED_ORIGINS=[EXAMPLE])
    assert run.code == 1
    assert all(f"✗ {name}" in run.out for name in receivers)
