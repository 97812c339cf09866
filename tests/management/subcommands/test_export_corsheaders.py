"""`cors_guard export --format corsheaders`: the way back."""

import pytest
from django.test import override_settings

from django_cors_guard.models import ApiGroup, ApiRoute, Environment, TrustedOrigin
from tests.factories import ApiGroupFactory
from tests.management.cli import cors_guard
from tests.management.subcommands.test_settings_text import run_text

pytestmark = pytest.mark.django_db

THEIRS = {
    "CORS_ALLOWED_ORIGINS": ["https://app.example.com", "https://b.example.com:8443"],
    "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://([a-z0-9_-]{1,63}\.)+example\.org\Z"],
    "CORS_ALLOW_CREDENTIALS": True,
    "CORS_ALLOW_METHODS": ["DELETE", "GET"],
    "CORS_ALLOW_HEADERS": ["authorization", "x-token"],
    "CORS_EXPOSE_HEADERS": ["X-Page"],
    "CORS_PREFLIGHT_MAX_AGE": 600,
    "CORS_URLS_REGEX": r"^(/api|/v2)(/.*)?\Z",
    "CSRF_TRUSTED_ORIGINS": ["https://*.example.org", "https://app.example.com", "https://b.example.com:8443"],
}


def test_there_and_back_gives_the_same_settings() -> None:
    with override_settings(**THEIRS):
        assert cors_guard("import-corsheaders", "--apply").code == 0

    run = cors_guard("export", "--format", "corsheaders", "--environment", "production")

    assert run.code == 0, run.err
    assert run_text(run.out) == THEIRS


def test_what_is_revoked_in_between_stays_out() -> None:
    with override_settings(**THEIRS):
        cors_guard("import-corsheaders", "--apply")
    cors_guard("revoke", "https://app.example.com", "--everywhere", "--reason", "leaked")

    run = cors_guard("export", "--format", "corsheaders")

    assert run_text(run.out)["CORS_ALLOWED_ORIGINS"] == ["https://b.example.com:8443"]
    assert "https://app.example.com" not in run_text(run.out)["CSRF_TRUSTED_ORIGINS"]
    with override_settings(**run_text(run.out)):
        again = cors_guard("import-corsheaders", "--apply")
    assert (again.code, "it is all there" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param((), 2, id="several groups"),
        pytest.param(("--group", "api"), 0, id="one chosen"),
        pytest.param(("--group", "third"), 2, id="unknown group"),
        pytest.param(("--environment", "production", "--environment", "staging"), 2, id="two environments"),
    ],
)
def test_one_group_of_one_environment_is_written(words: tuple[str, ...], code: int) -> None:
    with override_settings(**THEIRS):
        cors_guard("import-corsheaders", "--apply")
        cors_guard("import-corsheaders", "--apply", "--environment", "staging")
    ApiGroupFactory.create(slug="other")
    assert cors_guard("export", "--format", "corsheaders", *words).code == code


def test_group_is_no_filter_of_policy_files() -> None:
    assert cors_guard("export", "--format", "json", "--group", "api").code == 2


def test_the_command_reads_and_writes_nothing_else() -> None:
    with override_settings(**THEIRS):
        cors_guard("import-corsheaders", "--apply")
    before = [list(model.objects.order_by("pk").values()) for model in (Environment, ApiGroup, ApiRoute, TrustedOrigin)]
    cors_guard("export", "--format", "corsheaders")
    after = [list(model.objects.order_by("pk").values()) for model in (Environment, ApiGroup, ApiRoute, TrustedOrigin)]
    assert after == before
