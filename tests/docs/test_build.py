"""The documentation builds without a warning and without a network, and everything in it leads somewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.site import Site
from tests.docs.sources import DOCS, README, find_anchors, find_images, find_links, list_pages
from tests.servers import ROOT

#: What Sphinx adds to the pages.
ADDED = {"genindex.html", "search.html"}


def build(folder: Path) -> Site:
    """Build the pages as ``make docs`` does; every warning is an error."""
    options = ["-W", "--keep-going", "-q", "-d", str(folder / "doctrees"), "-b", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(folder / "html")],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return Site(folder / "html")


def test_pages_build_without_a_warning_and_lead_nowhere_that_is_not_there(tmp_path: Path) -> None:
    site = build(tmp_path)
    pages = {site.name(page) for page in site.pages.values()}
    assert pages == {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in list_pages()} | ADDED
    listed = set(site.pages[site.folder / "index.html"].links)
    assert pages - listed == {"index.html"} | ADDED, "not in the list of pages"
    assert site.find_dead_links() == []
    assert site.find_missing() == []
    assert site.find_foreign() == []
    left = [name for name in pages if "<!-- generated" in (site.folder / name).read_text(encoding="utf-8")]
    assert left == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"]
)
def test_links_from_outside_lead_to_pages_and_headings(name: str) -> None:
    page = ROOT / name
    dead = []
    for link in find_links(page):
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in find_anchors(target)):
            dead.append(link)
    assert dead == []


def test_images_of_the_readme_and_the_pages_are_there() -> None:
    shown = [image for page in [README, *list_pages()] for image in find_images(page)]
    assert len(shown) > 5
    assert [image for image in shown if not image.is_file()] == []
