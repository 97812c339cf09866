"""What is published: built as for a release, looked into, and installed where there is nothing yet."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import django_cors_guard
from tests.following import environ_for_reader, follow, named_blocks, start_project
from tests.servers import ROOT

PACKAGE = ROOT / "django_cors_guard"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


class Distributions(NamedTuple):
    wheel: Path
    sdist: Path


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributions]:
    """The source distribution, and the wheel that is built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    yield Distributions(wheel, sdist)
    shutil.rmtree(folder)


def test_index_would_take_both_as_they_are(distributions: Distributions) -> None:
    assert run(sys.executable, "-m", "twine", "check", "--strict", *distributions).count("PASSED") == len(distributions)


def test_both_carry_the_version_that_the_package_tells(distributions: Distributions) -> None:
    assert PROJECT["version"] == django_cors_guard.__version__
    stem = f"django_cors_guard-{django_cors_guard.__version__}"
    assert (distributions.wheel.name, distributions.sdist.name) == (f"{stem}-py3-none-any.whl", f"{stem}.tar.gz")


def test_wheel_holds_every_file_of_the_package_and_nothing_else(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sorted(names) == sorted(path.relative_to(ROOT).as_posix() for path in files)


def test_wheel_names_what_it_needs_and_its_licence(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(wheel.read(name))
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    needed = [
        re.split("[>=; ]", line)[0].lower() for line in metadata.get_all("Requires-Dist", []) if "extra" not in line
    ]
    assert sorted(needed) == ["ada-url", "django", "django-filter", "djangorestframework", "publicsuffixlist"]
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def test_source_distribution_can_run_the_suite(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Makefile", "manage.py", "noxfile.py", "tests/conftest.py", "requirements/dev.txt", "docs/conf.py"}
    wanted |= {"SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "example_project/settings.py"}
    assert wanted <= names
    assert not {name for name in names if ".venv" in name or "__pycache__" in name or name.endswith(".sqlite3")}


@pytest.mark.needs("index")
def test_installed_wheel_does_in_an_empty_project_what_the_readme_says(
    distributions: Distributions, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    pins = [f"-c{ROOT / 'requirements' / name}" for name in ("dev.txt", "django-lowest.txt")]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins, f"{distributions.wheel}[yaml]")
    site = tmp_path / "site"
    site.mkdir()
    reader = environ_for_reader(package=False)
    start_project(site, python, reader)
    where = follow(site, python, ["python -c 'import django_cors_guard; print(django_cors_guard.__file__)'"], reader)
    assert str(tmp_path / "venv") in where[0]
    lines = [line for block in named_blocks("README.md", "commands") for line in block.strip().splitlines()]
    printed = follow(site, python, lines, reader)
    assert "Access-Control-Allow-Origin: https://app.example.com" in printed[3]
    # Beside Python's files there have to be templates, pictures and translations.
    page = "from django.test import Client; from django.contrib.auth import get_user_model as m;"
    page += "m().objects.create_superuser('admin', password='admin'); c = Client(headers={'Accept-Language': 'de'});"
    page += "c.login(username='admin', password='admin');"
    page += "print(c.get('/admin/cors_guard/trustedorigin/', HTTP_HOST='localhost').content.decode())"
    with (site / "mysite/settings.py").open("a", encoding="utf-8") as settings:
        settings.write("\nMIDDLEWARE.insert(2, 'django.middleware.locale.LocaleMiddleware')\n")
    (shown,) = follow(site, python, [f'python manage.py shell --verbosity 0 --command "{page}"'], reader)
    assert "https://app.example.com" in shown
    assert "Vertrauenswürdig" in shown
