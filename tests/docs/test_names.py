"""The names that a project writes into its settings and code exist, and the extras are those of the package."""

import re
import tomllib
from importlib import import_module
from typing import Final

import pytest
from django.utils.module_loading import import_string

from tests.docs.sources import DOCS
from tests.servers import ROOT

PAGE: Final = (DOCS / "reference/names.md").read_text(encoding="utf-8")
NAMES: Final = re.findall(r"^\| `(django_cors_guard[\w.]*)` \|", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_name_can_be_imported(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError:
        assert import_string(name)


def test_extras_are_all_listed_with_what_they_bring() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brought = {
        name: [re.split(r"[><=\[]", item)[0].lower() for item in requirements] for name, requirements in extras.items()
    }
    section = PAGE.split("## Extras")[1]
    rows = re.findall(r"^\| `(\w+)` \| ([\w.-]+) \|", section, flags=re.MULTILINE)
    assert {name: [package.lower()] for name, package in rows} == brought
