"""What docs/how-to/testing.md shows is run as it stands there, in a new project."""

import inspect
import re
from pathlib import Path

from django_cors_guard import testing
from django_cors_guard.testing import trusted
from tests.servers import ROOT
from tests.testing.projects import IN_MEMORY, begin, install, run_pytest, write

PAGE = (ROOT / "docs/how-to/testing.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- (test_\w+\.py) -->\n```python\n(.*?)```", PAGE, flags=re.DOTALL))
POLICY = """
    format: django-cors-guard/1
    environments: {production: {}}
    api_groups: {billing: {routes: [{path_prefix: /api}]}}
    trusted_origins: [{environment: production, api_group: billing, origin: "https://app.example"}]
"""


def test_examples_of_the_page_pass_as_written(tmp_path: Path) -> None:
    begin(tmp_path, IN_MEMORY)
    install(tmp_path)
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "deploy").mkdir()
    write(tmp_path, "deploy/policy.yaml", POLICY)
    assert "9 passed" in run_pytest(tmp_path)


def test_page_names_every_helper_and_every_argument_of_a_block() -> None:
    arguments = set(inspect.signature(trusted).parameters)
    rows = "".join(re.findall(r"^\| (`[^|]+) \|", PAGE, flags=re.MULTILINE))
    assert arguments <= set(re.findall(r"`\*?(\w+)`", rows))
    assert {name for name in testing.__all__ if name[0].islower() and name not in PAGE} == set()
