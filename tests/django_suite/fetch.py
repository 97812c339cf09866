"""Put the tests of the installed Django beside it: `python -m tests.django_suite.fetch`, which `make venv` runs.

Says why where it cannot, and fails never: the tests that need them say so, too.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import django

FOLDER = Path(sys.prefix) / "django-tests"
VERSION = FOLDER / "VERSION"
#: What of Django's `tests` is needed: packages of test cases, and what these import or render.
WANTED = ("csrf_tests", "decorators", "deprecation", "flatpages_tests", "urls.py", "templates")

DOWNLOAD_SECONDS = 600


def find_version() -> str:
    """Return the version of Django whose tests are there; blank if none are."""
    return VERSION.read_text() if VERSION.exists() else ""


def main() -> None:
    """Download and unpack, unless that was done for this very version."""
    wanted = django.get_version()
    if find_version() == wanted:
        return
    print(f"Fetching Django {wanted}'s own tests for {FOLDER.parent.name}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        archive = _download(wanted, Path(name))
        if archive is None:
            print(f"Django {wanted}'s source was not found (see above), so its own tests do not run.")
            return
        shutil.rmtree(FOLDER, ignore_errors=True)
        _unpack(archive)
    VERSION.write_text(wanted)


def _download(version: str, folder: Path) -> Path | None:
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
    command = [*pip, "--no-deps", "--no-binary", "django", "--dest", str(folder), f"Django=={version}"]
    try:
        subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        print(error)
        return None
    return next(folder.glob("[Dd]jango-*.tar.gz"), None)


def _unpack(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            # django-5.2.19/tests/csrf_tests/views.py
            parts = PurePosixPath(member.name).parts[1:]
            if not member.isfile() or parts[:1] != ("tests",) or parts[1:2] not in {(name,) for name in WANTED}:
                continue
            content = tar.extractfile(member)
            if content is None or ".." in parts:
                continue
            target = FOLDER.joinpath(*parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


if __name__ == "__main__":
    main()
