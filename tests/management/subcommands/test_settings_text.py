"""Settings for django-cors-headers as Python text."""

import ast
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError

from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, FileRoute, PolicyFile
from django_cors_guard.management.subcommands.settings_text import render_settings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = FileEnvironment("production", allow_subdomain_patterns=True)


def run_text(text: str) -> dict[str, Any]:
    """Execute the text as a settings module would be, and return its settings."""
    names: dict[str, Any] = {}
    exec(compile(text, "settings.py", "exec"), names)  # noqa: S102 - it is what the test is about
    return {name: value for name, value in names.items() if name.isupper()}


def test_text_is_python_that_says_what_is_lost_in_comments() -> None:
    document = PolicyFile(
        environments=(PLACE,),
        api_groups=(FileGroup("api", routes=(FileRoute('/it"s'),)),),
        trusted_origins=(
            FileGrant("production", "api", "https://app.example.com", expires_at=datetime(2031, 5, 1, tzinfo=UTC)),
            FileGrant("production", "api", "https://*.example.org"),
            FileGrant("production", "api", "https://gone.example.com", revoked_at=NOW),
        ),
    )

    text = render_settings(document, "production", now=NOW)

    values = run_text(text)
    assert values["CORS_ALLOWED_ORIGINS"] == ["https://app.example.com"]
    assert values["CORS_ALLOWED_ORIGIN_REGEXES"] == [r"^https://([a-z0-9_-]{1,63}\.)+example\.org\Z"]
    assert values["CORS_URLS_REGEX"] == r"^(/it\"s)(/.*)?\Z"
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert "https://app.example.com was trusted until 2031-05-01 00:00 UTC" in comments
    assert "Left out, for it is revoked: https://gone.example.com" in comments


def test_hostile_names_cannot_leave_their_comment() -> None:
    document = PolicyFile(
        environments=(PLACE,),
        api_groups=(FileGroup("api", routes=(FileRoute("/api", "x\nimport os\n#"), FileRoute("/api\n'\"\\"))),),
    )
    text = render_settings(document, "production", now=NOW)
    assert not any(isinstance(node, ast.Import) for node in ast.walk(ast.parse(text)))
    run_text(text)


@pytest.mark.parametrize(
    ("environment", "group", "said"),
    [
        pytest.param("staging", "", "staging", id="environment"),
        pytest.param("production", "third", "third", id="group"),
        pytest.param("production", "", "--group", id="several groups"),
    ],
)
def test_what_cannot_be_written_is_rejected(environment: str, group: str, said: str) -> None:
    document = PolicyFile(environments=(PLACE,), api_groups=(FileGroup("api"), FileGroup("other", max_age=1)))
    with pytest.raises(CommandError, match=said) as caught:
        render_settings(document, environment, group, now=NOW)
    assert caught.value.returncode == 2
