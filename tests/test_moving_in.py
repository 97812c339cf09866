"""The guide for moving in is followed step by step, on a new project that starts with django-cors-headers."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import ROOT

GUIDE = (ROOT / "docs/how-to/moving-in.md").read_text(encoding="utf-8")

TRUSTED = ["https://app.example.com", "https://admin.example.com", "https://books.shop.example"]
REFUSED = ["https://stranger.example.net", "https://shop.example.evil.net", "http://app.example.com", "null"]
#: Trusted by the pattern that the regular expression became, and the guide's report says so: no `\w` is a hyphen.
WIDER = "https://my-books.shop.example"

VIEWS = """
from django.http import JsonResponse
from django.middleware.csrf import get_token
from django.urls import path

urlpatterns = [
    path("api/token", lambda request: JsonResponse({"token": get_token(request)})),
    path("api/orders", lambda request: JsonResponse({"orders": []})),
    path("elsewhere", lambda request: JsonResponse({})),
]
"""

#: A page of each origin reads, asks by preflight and posts with cookies; one more reads what is not below /api.
PROBE = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
import django
django.setup()
from django.test import Client

def ask(origin):
    client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    send = lambda method, path, **headers: client.generic(
        method, path, secure=True, headers={"Origin": origin, **headers}
    )
    token = client.get("/api/token", secure=True).json()["token"]
    read = send("GET", "/api/orders")
    asked = send(
        "OPTIONS", "/api/orders", **{"Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-csrftoken"},
    )
    posted = send("POST", "/api/orders", **{"X-CSRFToken": token})
    return {
        "read": [read.status_code, read.get("Access-Control-Allow-Origin"),
                 read.get("Access-Control-Allow-Credentials")],
        "asked": [asked.get("Access-Control-Allow-Origin"), "PUT" in asked.get("Access-Control-Allow-Methods", "")],
        "posted": posted.status_code,
        "elsewhere": send("GET", "/elsewhere").get("Access-Control-Allow-Origin"),
    }

print(json.dumps({origin: ask(origin) for origin in sys.argv[1:]}))
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A marked block of the guide."""

    kind: str
    text: str


def blocks() -> Iterator[Block]:
    for kind, text in re.findall(r"<!-- ([a-z ]+) -->\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL):
        yield Block(kind, text)


@dataclass(frozen=True, slots=True)
class Project:
    """A project on the disk, run in processes of its own."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "mysite/settings.py"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def must_run(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow(self, block: Block) -> list[str]:
        """Do what a block says; returns what its commands print."""
        if block.kind in {"before", "settings"}:
            self.settings.write_text(self.settings.read_text() + "\n" + block.text)
        elif block.kind == "delete":
            for line in block.text.splitlines():
                self.delete(line)
        else:
            return [self.must_run(*shlex.split(line)[1:]) for line in block.text.strip().splitlines()]
        return []

    def delete(self, line: str) -> None:
        before = self.settings.read_text().splitlines()
        assert before.count(line) == 1, line
        self.settings.write_text("\n".join(text for text in before if text != line) + "\n")

    def probe(self, *origins: str) -> dict[str, dict[str, object]]:
        """What pages of the origins get."""
        answers: dict[str, dict[str, object]] = json.loads(self.must_run("-c", PROBE, *origins))
        return answers


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project that has the settings the guide begins with."""
    project = Project(tmp_path)
    project.must_run("-m", "django", "startproject", "mysite", ".")
    (tmp_path / "mysite/urls.py").write_text(VIEWS)
    first = next(blocks())
    assert first.kind == "before"
    project.follow(first)
    return project


def works(origin: str) -> dict[str, object]:
    return {"read": [200, origin, "true"], "asked": [origin, True], "posted": 200, "elsewhere": None}


def is_kept_out(answer: dict[str, object]) -> bool:
    return answer == {"read": [200, None, None], "asked": [None, False], "posted": 403, "elsewhere": None}


def check(project: Project, where: str) -> None:
    answers = project.probe(*TRUSTED, *REFUSED)
    for origin in TRUSTED:
        assert answers[origin] == works(origin), (where, origin)
    for origin in REFUSED:
        assert is_kept_out(answers[origin]), (where, origin, answers[origin])


def test_guide_is_followed_and_no_answer_changes_on_the_way(project: Project) -> None:
    project.must_run("manage.py", "migrate")
    check(project, "before")
    printed: dict[str, str] = {}
    for block in list(blocks())[1:-1]:
        for line, out in zip(block.text.strip().splitlines(), project.follow(block), strict=False):
            printed[line.removeprefix("python manage.py ")] = out
        if block.kind == "settings" and "migrate" not in printed:
            continue  # the page says: migrate before the new settings serve requests
        check(project, block.text)

    report = printed["cors_guard import-corsheaders"]
    assert "✓ https://app.example.com" in report
    assert "WIDER: it let fewer characters into the name" in report
    assert "the API group is trusted for CSRF" in report
    assert "nothing was written" in report
    settings = project.settings.read_text()
    assert "corsheaders" not in settings
    assert "CORS_ALLOW" not in settings
    assert "CSRF_TRUSTED_ORIGINS" not in settings
    # Without the settings and the package, revoking is what keeps somebody out: at once, and from posting, too.
    project.must_run("manage.py", "cors_guard", "revoke", TRUSTED[0], "--everywhere", "--reason", "key leaked")
    answers = project.probe(*TRUSTED)
    assert (answers[TRUSTED[0]]["read"], answers[TRUSTED[0]]["posted"]) == ([403, None, None], 403)
    assert answers[TRUSTED[1]] == works(TRUSTED[1])


def test_way_back_is_followed_and_no_answer_changes(project: Project) -> None:
    start = project.settings.read_text()
    without = start[: start.index("CORS_ALLOWED_ORIGINS")]
    steps = list(blocks())[1:]
    for block in steps[: [block.kind for block in steps].index("delete")]:
        project.follow(block)
    check(project, "enforced")
    half_way = project.run("manage.py", "migrate")
    assert (half_way.returncode, "cors_guard.E006" in half_way.stderr) == (1, "cors_guard.E006" in GUIDE)

    (exported,) = project.follow(steps[-1])

    assert steps[-1].kind == "way back"
    project.settings.write_text(f"{without}\n{exported}")
    assert "django_cors_guard" not in project.settings.read_text()
    check(project, "back")
    project.must_run("manage.py", "check", "--fail-level", "WARNING")


def test_difference_that_shows_while_both_run_makes_parity_say_no(project: Project) -> None:
    steps = list(blocks())[1:]
    for block in steps[: [("parity" in block.text) for block in steps].index(True)]:
        project.follow(block)
    before = project.probe(WIDER)

    done = project.run("manage.py", "cors_guard", "parity")

    assert is_kept_out({**before[WIDER], "posted": 403}), "django-cors-headers still answers"
    assert done.returncode == 1
    assert WIDER in done.stdout
    assert "guard_admits" in done.stdout
