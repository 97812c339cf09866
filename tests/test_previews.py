"""The recipes of docs/how-to/previews.md, followed to the letter: a new project, a server, the workflows' steps."""

import json
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import HOST, ROOT, free_port, wait_for

DOCUMENT = (ROOT / "docs" / "how-to" / "previews.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
NETLIFY = "https://deploy-preview-42--mysite.netlify.app"
VERCEL = "https://shop-3k1x9-myteam.vercel.app"

pytestmark = pytest.mark.needs("shell")
PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


def blocks(name: str, text: str = DOCUMENT) -> list[str]:
    found = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```", text, flags=re.DOTALL)
    assert found
    return found


@dataclass(frozen=True)
class Site:
    """The project, being served; ``values`` are what GitHub fills into its expressions."""

    folder: Path
    origin: str
    values: dict[str, str]

    def reads(self, origin: str) -> bool:
        """Whether a page of that origin may read the API."""
        request = urllib.request.Request(f"{self.origin}/api/hello", headers={"Origin": origin})
        with urllib.request.urlopen(request, timeout=10) as response:
            return bool(response.headers["Access-Control-Allow-Origin"] == origin)

    def follow(self, workflow: str, job: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the one step of a job as GitHub does: its script in bash, with its expressions filled in."""
        (text,) = blocks(f"workflow: {workflow}")
        (step,) = yaml.safe_load(text)["jobs"][job]["steps"]
        assert "${{" not in step["run"], "values go in by the environment"
        environ = {name: self._fill(value, more) for name, value in step["env"].items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={"PATH": f"{self.folder}/bin:{PATH}", **environ},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def _fill(self, value: str, more: Mapping[str, str]) -> str:
        known = {**self.values, **more}
        return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: known[found[1]], value)


def run(folder: Path, command: list[str], **names: str) -> str:
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **names}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A new project as the README makes it, with the account and the issuer of the document, on a server."""
    folder, python = tmp_path_factory.mktemp("site"), sys.executable
    run(folder, [python, "-m", "django", "startproject", "mysite", "."])
    settings, urls = folder / "mysite/settings.py", folder / "mysite/urls.py"
    settings.write_text("\n".join([settings.read_text(), *blocks("settings", README), *blocks("settings")]))
    hello = "from django.http import HttpResponse\nurlpatterns += [path('api/hello', lambda request: HttpResponse())]\n"
    urls.write_text("\n".join([urls.read_text(), *blocks("urls", README), hello]))
    run(folder, [python, "manage.py", "migrate"])
    run(folder, [python, "manage.py", "cors_guard", "init", "--environment", "production", "--group", "api=/api"])
    printed = [run(folder, [python, *shlex.split(line)[1:]]) for line in blocks("commands")[0].strip().splitlines()]
    (issuer,) = blocks("issuer")
    vercel = issuer.replace("netlify-previews", "vercel-previews").replace("deploy-preview-", "shop-")
    for code in (issuer, vercel.replace("--mysite.netlify.app", "-myteam.vercel.app")):
        run(folder, [python, "manage.py", "shell", "-c", code])
    port = free_port()
    values = {
        "secrets.CORS_GUARD_TOKEN": printed[-1].split()[2],
        "vars.CORS_GUARD_URL": f"http://{HOST}:{port}/cors-guard",
        "github.event.number": "42",
        "github.event.deployment_status.environment_url": VERCEL,
        "github.event.deployment.sha": "abc123",
        "github.event.pull_request.head.sha": "abc123",
        "github.repository": "acme/shop",
        "github.token": "x",
    }
    with _serving(folder, port):
        yield Site(folder, f"http://{HOST}:{port}", values)


class _serving:  # noqa: N801 - it reads as a function
    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def __enter__(self) -> None:
        self.log = self.folder / "server.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--noreload", f"{HOST}:{self.port}"],
                cwd=self.folder, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_for(self.port, self.process, self.log)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


def test_netlify_preview_is_trusted_and_withdrawn_by_the_workflow(site: Site) -> None:
    assert not site.reads(NETLIFY)
    for outcome in ("issued", "renewed"):
        done = site.follow("netlify", "trust")
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert (told["origin"], told["issuer"]) == (NETLIFY, "netlify-previews")
        assert told["grants"][0]["outcome"] == outcome
        assert site.reads(NETLIFY)
    for outcomes in (["ended"], []):
        done = site.follow("netlify", "withdraw")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [grant["outcome"] for grant in json.loads(done.stdout)["grants"]] == outcomes
        assert not site.reads(NETLIFY)


def test_request_of_the_readme_has_a_preview_trusted(site: Site) -> None:
    origin = "https://deploy-preview-7--mysite.netlify.app"
    (command,) = blocks("preview", README)
    names = {"TOKEN": site.values["secrets.CORS_GUARD_TOKEN"], "URL": site.values["vars.CORS_GUARD_URL"]}
    run(site.folder, ["bash", "-ec", command.replace("curl ", "curl --fail ", 1)], **names)
    assert site.reads(origin)


def test_vercel_preview_is_trusted_by_the_workflow_and_withdrawn_when_the_pull_request_is_closed(site: Site) -> None:
    done = site.follow("vercel", "trust")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["issuer"] == "vercel-previews"
    assert site.reads(VERCEL)
    _stand_in_for_github(site.folder / "bin")
    done = site.follow("vercel-closed", "withdraw")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["grants"][0]["outcome"] == "ended"
    assert not site.reads(VERCEL)


def _stand_in_for_github(folder: Path) -> None:
    """A `gh` that knows two deployments, one of which never got an address."""
    answers = {
        "repos/acme/shop/deployments?sha=abc123": [{"id": 1}, {"id": 2}],
        "repos/acme/shop/deployments/1/statuses": [{"environment_url": ""}],
        "repos/acme/shop/deployments/2/statuses": [{"environment_url": ""}, {"environment_url": VERCEL}],
    }
    folder.mkdir()
    (folder / "answers.json").write_text(json.dumps(answers))
    script = folder / "gh"
    known = f"jq --raw-output --arg at \"$2\" '.[$at]' {folder}/answers.json"
    script.write_text(f'#!/bin/bash\n[ "$1" = api ] && {known} | jq --raw-output "$4"\n')
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("number", "more", "status"),
    [
        pytest.param("1.evil", {}, "not_issuable", id="dot"),
        pytest.param("1--x.evil.com#", {}, "refused_origin", id="fragment"),
        pytest.param('1", "ttl": "99d', {}, "refused_origin", id="text that would be JSON"),
        pytest.param("42", {"secrets.CORS_GUARD_TOKEN": "wrong"}, "authentication_failed", id="wrong token"),
    ],
)
def test_workflow_fails_aloud_where_the_guard_refuses(number: str, more: Any, status: str, site: Site) -> None:
    done = site.follow("netlify", "trust", **{"github.event.number": number, **more})
    assert done.returncode == 22, done.stdout + done.stderr
    assert json.loads(done.stdout)["code"] == status


def test_workflows_ask_github_for_no_more_than_they_need() -> None:
    for name in ("netlify", "vercel", "vercel-closed"):
        (text,) = blocks(f"workflow: {name}")
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] in ({}, {"deployments": "read"})
        assert "pull_request_target" not in text
