"""`manage.py cors_guard` as a whole: its subcommands, Django's base options, exit codes, and databases that fail."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from django_cors_guard.management.subcommands import SUBCOMMANDS
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from tests.management.cli import cors_guard

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SECONDS = 60

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """Run the real `manage.py` on a database file of this test's own, which has no tables at first."""
    environ = {name: value for name, value in os.environ.items() if name != "CORS_GUARD_ENVIRONMENT"}
    environ |= {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DJANGO_SETTINGS_MODULE": "tests.settings"}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=environ | more, text=True, capture_output=True, stdin=subprocess.DEVNULL,
            timeout=SECONDS, check=False,
        )  # fmt: skip

    return run


def test_cors_guard_from_an_empty_database_to_a_revoked_origin(manage: Manage) -> None:
    empty = manage("cors_guard", "status")
    assert empty.returncode == 1
    assert "The guard's tables are not in the database “default” yet." in empty.stderr

    assert manage("migrate", "-v0").returncode == 0
    assert manage("cors_guard", "status").returncode == 1
    steps = [
        (["init", "--group", "public=/api/public"], 0, "manage.py cors_guard trust https://app.example.com"),
        (["status"], 0, "0 active"),
        (["check", "https://app.example.com", "/api/public"], 1, "may not call GET /api/public"),
        (["trust", "https://app.example.com"], 0, "trusted"),
        (["check", "https://app.example.com", "/api/public"], 0, "may call GET /api/public"),
        (["revoke", "https://app.example.com", "--everywhere", "--reason", "leaked key"], 0, "is revoked at revision"),
        (["check", "https://app.example.com", "/api/public"], 1, "(leaked key)"),
        (["reinstate", "https://app.example.com", "--reason", "new key"], 0, "is reinstated"),
        (["list"], 0, "https://app.example.com"),
        (["mode", "monitor"], 0, "production: monitor"),
        (["bump"], 0, "Revision"),
        (["prune"], 0, "Deleted, older than 90 days:"),
    ]
    for words, code, told in steps:
        run = manage("cors_guard", *words)

        assert (run.returncode, "Traceback" in run.stderr) == (code, False), run.stderr
        assert told in run.stdout


def test_cors_guard_takes_base_options_before_and_after_the_subcommand(manage: Manage, tmp_path: Path) -> None:
    tmp_path.joinpath("elsewhere.py").write_text("from tests.settings import *\nCORS_GUARD = {'ENVIRONMENT': 'else'}\n")
    manage("migrate", "-v0")
    option = ["--settings", "elsewhere", "--pythonpath", str(tmp_path)]
    json_of = ["status", "--format", "json"]

    before = manage("cors_guard", *option, *json_of)
    after = manage("cors_guard", *json_of, *option)

    assert [json.loads(run.stdout)["environment"] for run in (before, after)] == ["else", "else"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--traceback", "trust", "*"], id="before"),
        pytest.param(["trust", "*", "--traceback"], id="after"),
    ],
)
def test_cors_guard_with_traceback_shows_where_it_failed(words: list[str], manage: Manage) -> None:
    manage("migrate", "-v0")
    manage("cors_guard", "init", "--group", "public=/api/public")

    run = manage("cors_guard", *words)

    assert run.returncode != 0
    assert "Traceback" in run.stderr


@pytest.mark.parametrize("subcommand", ["status", "trust https://app.example.com", "mode monitor", "prune", "bump"])
def test_cors_guard_with_the_database_down_says_so(subcommand: str, manage: Manage) -> None:
    run = manage("cors_guard", *subcommand.split(), DATABASE_URL="postgres://nobody@127.0.0.1:1/none")

    assert run.returncode == (1 if subcommand == "status" else 2)
    assert "The database “default” cannot be used: " in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("grants", [pytest.param(1, id="at the end"), pytest.param(300, id="half way")])
def test_cors_guard_is_silent_when_its_reader_has_gone(grants: int, manage: Manage, tmp_path: Path) -> None:
    manage("migrate", "-v0")
    manage("cors_guard", "init", "--group", "public=/api/public")
    origins = [f"https://app{number}.example.com" for number in range(grants)]
    assert manage("cors_guard", "trust", *origins, "-v0").returncode == 0
    command = [sys.executable, "manage.py", "cors_guard", "list", "--format", "json"]
    environ = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DJANGO_SETTINGS_MODULE": "tests.settings"
    }  # fmt: skip

    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["trust", "https://app.example.com", "--note", "\udcff"], id="option"),
        pytest.param(["trust", "https://a\udcff.example.com"], id="argument"),
        pytest.param(["check", "https://a\udcff.example.com", "/api/public"], id="check"),
        pytest.param(["init", "--environment", "a\0", "--group", "a=/a"], id="null byte"),
    ],
)
def test_cors_guard_with_bytes_that_are_no_text_says_so(
    words: list[str], production: Environment, public: ApiGroup
) -> None:
    run = cors_guard(*words)

    assert run.code == 2
    assert "is no text: '" in run.err
    assert not TrustedOrigin.objects.exists()


def test_cors_guard_with_an_unknown_subcommand_lists_those_there_are() -> None:
    run = cors_guard("frobnicate")

    assert run.code != 0
    for name in SUBCOMMANDS:
        assert f"'{name}'" in run.err


def test_cors_guard_without_a_subcommand_lists_those_there_are(manage: Manage) -> None:
    run = manage("cors_guard")

    assert run.returncode == 2
    assert "Name a subcommand: init, status, trust," in run.stderr


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_cors_guard_help_of_each_subcommand_shows_its_own_and_djangos_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call_command("cors_guard", name, "--help")

    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"cors_guard {name}" in shown
    for option in ("--verbosity", "--settings", "--traceback", "--no-color", "--pythonpath"):
        assert option in shown


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["-v", "0", "bump"], id="before"),
        pytest.param(["bump", "-v", "0"], id="after"),
        pytest.param(["--verbosity=3", "bump", "--verbosity=0"], id="the later one counts"),
        pytest.param(["-v0", "bump", "--no-color", "--skip-checks"], id="others after it"),
    ],
)
@pytest.mark.django_db
def test_cors_guard_at_verbosity_0_says_nothing(words: list[str]) -> None:
    run = cors_guard(*words)

    assert (run.code, run.out, run.err) == (0, "", "")


def test_cors_guard_with_force_color_colours_its_output(production: Environment, public: ApiGroup) -> None:
    assert "\x1b[" in cors_guard("mode", "--force-color").out
    assert "\x1b[" not in cors_guard("mode").out


def test_cors_guard_takes_options_by_keyword_like_any_command(production: Environment, public: ApiGroup) -> None:
    run = cors_guard("trust", "https://app.example.com", group="public", environment="production", note="by keyword")

    assert run.code == 0, run.err
    assert TrustedOrigin.objects.get().note == "by keyword"


def test_cors_guard_takes_no_abbreviated_options(production: Environment, public: ApiGroup) -> None:
    run = cors_guard("revoke", "https://app.example.com", "--every", "--reason", "x")

    assert run.code != 0
    assert "--every" in run.err


def test_cors_guard_runs_whatever_the_system_checks_say(production: Environment, settings: Settings) -> None:
    settings.MIDDLEWARE = []

    with pytest.raises(CommandError):
        call_command("check")
    assert call_command("cors_guard", "mode", "monitor", skip_checks=False) is None
