"""The README is followed as a newcomer would: its settings, its URLconf and its commands, in a new project."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from django_cors_guard import conf
from tests.servers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    found = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```", README, flags=re.DOTALL)
    assert found
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project with what the README adds to it."""
    run(tmp_path, [sys.executable, "-m", "django", "startproject", "mysite", "."])
    settings = tmp_path / "mysite/settings.py"
    settings.write_text(settings.read_text() + "\n" + "\n".join(blocks("settings")))
    urls = tmp_path / "mysite/urls.py"
    urls.write_text(urls.read_text() + "\n" + "\n".join(blocks("urls")))
    return tmp_path


def run(folder: Path, command: list[str]) -> str:
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_installation_runs_as_written(project: Path) -> None:
    printed = [
        run(project, [sys.executable, *shlex.split(line)[1:]])
        for block in blocks("commands")
        for line in block.strip().splitlines()
    ]
    assert "Access-Control-Allow-Origin: https://app.example.com" in printed[3]
    assert "revoked" in printed[4]
    refused = run(project, [sys.executable, "manage.py", "cors_guard", "list"])
    assert re.search(r"https://app\.example\.com\s+production\s+api\s+revoked", refused)


def test_settings_table_names_every_key_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", README, flags=re.MULTILINE))
    defaults = conf.GuardSettings()
    values = {key: getattr(defaults, key.lower()) for key in conf.KEYS}
    assert rows == {key: f'"{value}"' if isinstance(value, str) else repr(value) for key, value in values.items()}


def test_first_line_says_what_it_is_for() -> None:
    first = "Trust and revoke browser origins for your Django APIs without a deploy. See who was refused, and why."
    assert README.splitlines()[0] == first
