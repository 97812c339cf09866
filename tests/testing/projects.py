"""Small projects of their own: nothing of this suite's settings helps them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

from tests.servers import ROOT

SETTINGS = """
    SECRET_KEY = "only-for-tests"
    ROOT_URLCONF = "urls"
    ALLOWED_HOSTS = ["testserver"]
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_cors_guard"]
    MIDDLEWARE = ["django_cors_guard.middleware.CorsGuardMiddleware"]
"""
#: Whoever asks for a database fails.
NO_DATABASE = "DATABASES = {}\n"
IN_MEMORY = """
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
URLS = """
    from django.http import HttpResponse
    from django.urls import path

    urlpatterns = [path("api/invoices", lambda request: HttpResponse("ok"))]
"""


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(dedent(text))


def begin(folder: Path, database: str) -> None:
    """Write a project."""
    write(folder, "settings.py", dedent(SETTINGS) + dedent(database))
    write(folder, "urls.py", URLS)


def install(folder: Path) -> None:
    """Write what an installer would write of the package's entry points."""
    metadata = folder / "django_cors_guard-0.dist-info"
    metadata.mkdir()
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {home}" for group, entries in groups.items() for name, home in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: django-cors-guard\nVersion: 0\n")


def run(folder: Path, *command: str, **environ: str) -> str:
    """Run Python in the project, with the package on its path; return what it says."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DJANGO_"))}
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=folder,
        env={**found, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_pytest(folder: Path, *options: str) -> str:
    """Run the project's tests under its settings."""
    return run(folder, "-m", "pytest", "-p", "no:cacheprovider", *options, DJANGO_SETTINGS_MODULE="settings")
