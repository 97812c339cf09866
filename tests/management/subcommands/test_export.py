"""`cors_guard export`."""

import json
import os
import stat
from pathlib import Path

import pytest

from django_cors_guard import services
from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.management.subcommands import export
from django_cors_guard.management.subcommands.console import Console
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services.policy import read_policy
from tests.factories import EnvironmentFactory, TrustedOriginFactory
from tests.management.cli import cors_guard

ORIGIN = "https://app.example.com"


@pytest.fixture(autouse=True)
def grant(production: Environment, public: ApiGroup) -> None:
    services.trust(ORIGIN, environment="production", api_group="public", note="Zoë asked")


def test_export_prints_the_whole_policy_and_nothing_else() -> None:
    done = cors_guard("export")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == """\
format: django-cors-guard/1
environments:
  production: {}
api_groups:
  public:
    routes:
      - path_prefix: /api/public
trusted_origins:
  - environment: production
    api_group: public
    origin: https://app.example.com
    note: Zoë asked
"""
    )
    assert cors_guard("export", "-", "--format", "yaml").out == done.out


def test_export_goes_by_the_ending_of_the_file(tmp_path: Path) -> None:
    for name in ("policy.yaml", "policy.yml", "policy.JSON"):
        assert cors_guard("export", str(tmp_path / name)).code == 0
    text = (tmp_path / "policy.yaml").read_text("utf-8")
    assert text == (tmp_path / "policy.yml").read_text("utf-8") == cors_guard("export").out
    document = json.loads((tmp_path / "policy.JSON").read_text("utf-8"))
    assert document["trusted_origins"][0]["note"] == "Zoë asked"
    assert cors_guard("export", "--format", "json").out == (tmp_path / "policy.JSON").read_text("utf-8")


def test_export_says_what_it_wrote(tmp_path: Path) -> None:
    done = cors_guard("export", str(tmp_path / "policy.yaml"))
    assert "1 trusted origin, revision" in done.out
    assert cors_guard("export", str(tmp_path / "policy.yaml"), verbosity=0).out == ""


def test_export_of_what_has_not_changed_is_the_same_to_the_byte(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    cors_guard("export", str(first))
    Environment.objects.update(description="x")
    Environment.objects.update(description="")
    cors_guard("export", str(second))
    assert first.read_bytes() == second.read_bytes()


def test_export_with_a_name_does_not_repeat_it() -> None:
    TrustedOriginFactory.create(origin="https://b.example.com", managed_by="shop")
    assert "managed_by: shop" in cors_guard("export").out
    named = cors_guard("export", "--name", "shop").out
    assert "\nname: shop\n" in named
    assert "managed_by" not in named


def test_export_takes_the_environments_that_were_named() -> None:
    EnvironmentFactory.create(slug="staging")
    EnvironmentFactory.create(slug="test")
    out = cors_guard("export", "--environment", "staging", "--environment", "test").out
    assert "staging: {}" in out
    assert "test: {}" in out
    assert "production" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["--environment", "prodution"], "There is no environment “prodution”", id="environment"),
        pytest.param(["--format", "toml"], "invalid choice: 'toml'", id="format"),
        pytest.param(["policy.txt"], "--format", id="ending"),
        pytest.param(["/nowhere/policy.yaml"], "/nowhere/policy.yaml: No such file", id="directory"),
        pytest.param(["--name", "issuer:ci"], "issuers", id="name of an issuer"),
        pytest.param(["--name", "x" * 101], "100", id="long name"),
        pytest.param(["--name", "a\nb"], "can be seen", id="invisible name"),
    ],
)
def test_export_refuses_what_makes_no_sense(words: list[str], told: str) -> None:
    done = cors_guard("export", *words)
    assert (done.code, done.out) == (2, "") if "invalid choice" not in told else done.code in {1, 2}
    assert told in done.err


def test_export_replaces_a_file_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("as it was")
    file.chmod(0o640)

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        done = cors_guard("export", str(file))
    assert done.code == 2
    assert "No space left on device" in done.err
    assert file.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]

    assert cors_guard("export", str(file)).code == 0
    assert file.read_text("utf-8") == cors_guard("export").out
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_export_follows_a_link_and_writes_into_a_pipe(tmp_path: Path) -> None:
    file, link = tmp_path / "policy.yaml", tmp_path / "link.yaml"
    file.write_text("as it was")
    link.symlink_to(file)
    cors_guard("export", str(link))
    assert link.is_symlink()
    assert file.read_text("utf-8") == cors_guard("export").out
    assert cors_guard("export", os.devnull, "--format", "yaml").code == 0


def test_other_formats_can_be_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(document: PolicyFile, environment: str, group: str, console: Console) -> str:
        console.warn("not all of it")
        assert document == read_policy()
        return f"# {environment}{group}\n"

    monkeypatch.setitem(export.FORMATS, "settings", write)
    done = cors_guard("export", "--format", "settings")
    assert (done.out, done.err) == ("# production\n", "not all of it\n")


def test_export_leaves_a_file_alone_that_it_did_not_make(tmp_path: Path) -> None:
    foreign = tmp_path / f".policy.json.{os.getpid()}.tmp"
    foreign.write_text("somebody else's")
    assert cors_guard("export", str(tmp_path / "policy.json")).code == 2
    assert foreign.read_text() == "somebody else's"
