"""Photograph the admin's pages for the docs: ``make screenshots`` (needs Chromium and PostgreSQL).

The browser tests take the pictures as they go; those that the pages show are copied to `docs/screenshots`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "screenshots"

#: The picture in the docs, by the name that a browser test gave it.
SHOWN = {
    "overview": "overview",
    "rejected-origins": "triage-list",
    "trust": "trust-preview",
    "trusted-origins": "trusted-origins",
    "access": "access-matrix-ticked",
    "review": "review-list",
    "check": "check-refused",
    "change": "history-change",
    "tutorial-rejected": "tutorial-rejected",
    "tutorial-history": "tutorial-history",
}


def main() -> int:
    """Run the browser tests of the desk and of the tutorial, and keep the pictures; return their exit code."""
    chosen = ["tests/browser", "tests/docs", "-m", "browser", "-q", "-k", "(desk and desktop) or tutorial"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *chosen]
        code = subprocess.run(
            command, cwd=HERE.parent, env=os.environ | {"SCREENSHOTS": folder}, check=False
        ).returncode
        keep(Path(folder))
    return code


def keep(folder: Path) -> None:
    """Copy the pictures that the docs show from ``folder``."""
    PICTURES.mkdir(exist_ok=True)
    for name, taken in SHOWN.items():
        shutil.copyfile(folder / f"{taken}-desktop-light.png", PICTURES / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
