"""docs/how-to/isolation.md is followed as written, and its table of what is refused is what the code does."""

from itertools import product
from pathlib import Path
from typing import Final

import pytest
from django.test import Client

from django_cors_guard.core.decision import PlainFacts
from django_cors_guard.core.isolation import is_cross_site
from django_cors_guard.models import ApiGroup, Environment
from tests.docs.following import find_blocks, follow_block, read_page

PAGE: Final = read_page("how-to/isolation.md")
#: What the words of the table stand for; what stands in backquotes stands for itself.
ANY: Final = {
    "method": ("GET", "HEAD", "POST", "DELETE", "OPTIONS"),
    "mode": (None, "", "navigate", "no-cors", "cors", "websocket", "odd"),
    "dest": (None, "", "document", "iframe", "object", "image", "empty", "odd"),
}
READING: Final = ("GET", "HEAD")


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows() -> list[list[str]]:
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| `Sec-Fetch-Site`")) + 2
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    return [cells_of(line) for line in lines[start:end]]


def values_of(cell: str, name: str) -> list[str | None]:
    if cell in {"any", "any other"}:
        return [value for value in ANY[name] if cell == "any" or value not in READING]
    if cell == "any but those below":
        return [None, "document", "iframe", "frame"]
    words = [word.strip() for word in cell.replace(" or ", ", ").split(",")]
    return [None if word == "–" else "odd" if word == "unknown" else word.strip("`") for word in words]


@pytest.mark.parametrize("cells", [pytest.param(cells, id=f"{cells[5]}: {cells[2]}") for cells in rows()[:-1]])
def test_table_says_what_is_refused(cells: list[str]) -> None:
    site, mode, dest, method, answer, _ = cells
    tried = list(
        product(
            [None] if site == "–" else [site.strip("`")],
            values_of(mode, "mode") if site == "`cross-site`" else ANY["mode"],
            values_of(dest, "dest") if site == "`cross-site`" else ANY["dest"],
            values_of(method, "method"),
        )
    )
    assert answer in {"passes", "refused"}
    for one_site, one_mode, one_dest, one_method in tried:
        facts = PlainFacts(method=one_method or "", fetch_site=one_site, fetch_mode=one_mode, fetch_dest=one_dest)
        assert is_cross_site(facts) is (answer == "refused"), facts


@pytest.mark.django_db
def test_page_is_followed(production: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = find_blocks(PAGE)
    for block in blocks[:2]:
        list(follow_block(block, tmp_path))
    assert ApiGroup.objects.get().isolate == "monitor"
    refused, passed = (done for block in blocks[2:] for done in follow_block(block, tmp_path))
    assert "isolation only records here" in refused.out
    assert "A request without Origin may call GET /api/billing/logo.png" in passed.out

    ApiGroup.objects.update(isolate="enforce")
    (refused,) = follow_block(blocks[2], tmp_path)
    assert "answered with 403" in refused.out


def test_example_of_a_test_runs(client: Client) -> None:
    names: dict[str, object] = {}
    (block,) = [text for text in PAGE.split("```python\n")[1:] if "FROM_ANOTHER_SITE" in text]
    exec(compile(block.partition("```")[0], "isolation.md", "exec"), names)  # noqa: S102 - it is our own page
    test = names["test_pictures_are_for_our_own_pages"]
    assert callable(test)
    test(client)
