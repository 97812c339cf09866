"""Pages are followed as a newcomer would: what stands in their fenced blocks is what runs."""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers import ROOT


def named_blocks(page: str, name: str) -> list[str]:
    """Return what stands in the fenced blocks of ``page`` that a comment ``<!-- name -->`` stands right above."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```", text, flags=re.DOTALL)
    assert found, f"{page} has no block “{name}”"
    return found


def environ_for_reader(*, package: bool = True) -> dict[str, str]:
    """Return the environment of a reader's shell: nothing of this one's, but for the package if it is not installed."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {**kept, "PATH": "/usr/bin:/bin", **({"PYTHONPATH": str(ROOT)} if package else {})}


def start_project(folder: Path, python: str | Path, environ: Mapping[str, str]) -> None:
    """Start a new project in ``folder`` and add to it what the README adds."""
    follow(folder, python, ["python -m django startproject mysite ."], environ)
    for name in ("settings", "urls"):
        with (folder / f"mysite/{name}.py").open("a", encoding="utf-8") as module:
            module.write("\n" + "\n".join(named_blocks("README.md", name)))


def follow(folder: Path, python: str | Path, lines: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Run each line, which begins with ``python``, in ``folder``, and return what each printed; a failure fails."""
    printed = []
    for line in lines:
        command = [str(python), *shlex.split(line)[1:]]
        done = subprocess.run(
            command, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout)
    return printed
