import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HOSTILE = "tests.api.hostile_settings"

#: Slow, about the settings themselves, or about views of a project's own, which are to follow its defaults.
LEFT_OUT = ["test_fuzz.py", "test_hostile_settings.py", "test_authentication.py"]


@pytest.mark.skipif(settings.SETTINGS_MODULE == HOSTILE, reason="it is what is running")
@pytest.mark.skipif(connection.vendor != "sqlite", reason="runs once, on SQLite: it is about no database")
def test_whole_api_behaves_the_same_under_a_projects_hostile_defaults() -> None:
    """The defaults are read when REST framework is imported, so the suite runs again in a process of its own."""
    command = [
        sys.executable, "-m", "pytest", str(HERE), f"--ds={HOSTILE}", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        *(f"--ignore={HERE / name}" for name in LEFT_OUT),
    ]  # fmt: skip
    environment = {**os.environ, "DATABASE_URL": "sqlite://:memory:", "PYTEST_ADDOPTS": ""}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
