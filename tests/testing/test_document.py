from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client

from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.exceptions import InvalidRequest, UnknownName
from django_cors_guard.services import revoke
from django_cors_guard.services.policy import read_policy
from django_cors_guard.store import load, store
from django_cors_guard.testing import factories, override_policy, pending_rejections, trusted
from django_cors_guard.testing.draft import compile_blocks
from tests.factories import NOW

APP = "https://app.example"
OTHER = "https://other.example"
LOCAL = "http://localhost:3000"
PATH = "/api/billing/hello"

YAML = """
format: django-cors-guard/1
environments:
  production: {}
  staging:
    allow_loopback: true
    group_modes:
      billing: block
api_groups:
  billing:
    allow_credentials: true
    routes:
      - path_prefix: /api/billing
trusted_origins:
  - {environment: production, api_group: billing, origin: "https://app.example"}
  - {environment: production, api_group: billing, origin: "http://localhost:3000"}
  - {environment: staging, api_group: billing, origin: "http://localhost:3000"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(YAML)
    return path


def allows(origin: str, path: str = PATH) -> bool:
    response = Client().get(path, headers={"origin": origin})
    return response.headers.get("Access-Control-Allow-Origin") == origin


def test_policy_file_decides_within_the_block_without_a_database(file: Path) -> None:
    with override_policy(file):
        assert allows(APP)
        assert not allows(OTHER)
        assert not allows(APP, path="/elsewhere/hello")
    assert not store.is_pinned


def test_policy_file_switches_off_what_breaks_a_rule_of_its_environment(file: Path) -> None:
    with override_policy(file):
        assert not allows(LOCAL)
    assert [refused.reason for refused in pending_rejections()] == ["switched_off"]


def test_policy_file_of_another_environment_counts_under_the_active_one(file: Path) -> None:
    with override_policy(str(file), environment="staging"):
        assert allows(LOCAL)
        assert Client().get(PATH, headers={"origin": APP}).status_code == 403
    assert [(row.environment, row.mode) for row in pending_rejections()] == [("production", "block")]


def test_policy_file_takes_blocks_within_it_and_none_around_it(file: Path) -> None:
    with trusted("https://around.example", group="billing"), override_policy(file):
        assert not allows("https://around.example")
        with trusted(OTHER, group="billing"):
            assert allows(OTHER)
            assert allows(APP)
            assert not allows(OTHER, path="/elsewhere/hello")


def test_policy_file_without_the_environment_names_those_it_has(file: Path) -> None:
    with pytest.raises(UnknownName, match="staging"), override_policy(file, environment="stagin"):
        pytest.fail("the block must not run")
    assert not store.is_pinned


def test_policy_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"format": "django-cors-guard/1", "enviroments": {}, "api_groups": 1}')
    with pytest.raises(InvalidRequest) as refused:
        override_policy(path)
    assert "policy.json" in str(refused.value)
    assert "environments" in str(refused.value)
    assert "api_groups" in str(refused.value)


def test_document_with_a_group_that_no_database_takes_is_refused(file: Path) -> None:
    document = override_policy(file)._document
    odd = replace(document, api_groups=(replace(document.api_groups[0], any_origin=True),))
    with pytest.raises(InvalidRequest, match="credentials"), override_policy(odd):
        pytest.fail("the block must not run")


@pytest.mark.django_db
def test_document_decides_exactly_as_the_rows_it_was_read_from() -> None:
    place = factories.EnvironmentFactory.create(mode="block", allow_loopback=True, max_trust_days=30)
    billing = factories.ApiGroupFactory.create(
        slug="billing",
        allow_credentials=True,
        trusted_for_csrf=True,
        max_age=5,
        isolate="enforce",
        timing_allow_origin=True,
        cross_origin_resource_policy="same-site",
    )
    public = factories.ApiGroupFactory.create(any_origin=True, expose_headers=["x-total"], allow_methods=["*"])
    factories.ApiRouteFactory.create(api_group=billing, host="api.example.com")
    factories.ApiRouteFactory.create(api_group=public, path_prefix="/")
    factories.GroupModeFactory.create(environment=place, api_group=public)
    rows = [
        factories.TrustedOriginFactory.create(environment=place, api_group=billing, origin=origin, expires_at=ends)
        for origin, ends in ((APP, None), (LOCAL, NOW), (OTHER, None))
    ]
    revoke(rows[-1], reason="gone")
    elsewhere = factories.EnvironmentFactory.create(slug="staging")
    factories.TrustedOriginFactory.create(environment=elsewhere, api_group=billing)
    document = read_policy()
    assert isinstance(document, PolicyFile)
    assert compile_blocks([override_policy(document)]) == replace(load("production"), revision=0, token="")
