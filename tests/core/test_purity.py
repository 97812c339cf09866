"""The core is usable where Django is not even installed."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

from django_cors_guard import core

_PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"django", "rest_framework", "django_filters"}))
"""


def test_core_modules_load_without_any_framework() -> None:
    names = [f"{core.__name__}.{module.name}" for module in pkgutil.iter_modules(core.__path__)]

    done = subprocess.run([sys.executable, "-c", _PROGRAM, *names], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
    assert f"{core.__name__}.origins" in names
