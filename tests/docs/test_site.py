"""What looks for dead ends in the built pages finds them."""

from pathlib import Path

import pytest

from tests.docs.site import Site

INDEX = """
    <h1 id="top">Pages</h1><img src="there.png"><script src="https://elsewhere.example/x.js"></script>
    <a href="#top">up</a> <a href="page.html#part">a part</a> <a href="https://example.com/">outside</a>
    <img src="gone.png"> <a href="gone.html">gone</a> <a href="page.html#gone">gone</a> <a href="#gone">gone</a>
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "page.html").write_text('<h2 id="part">A part</h2><a href="index.html">back</a>')
    (tmp_path / "there.png").write_bytes(b"")
    return Site(tmp_path)


def test_links_to_what_is_not_there_are_found(site: Site) -> None:
    assert site.find_dead_links() == ["index.html: gone.html", "index.html: page.html#gone", "index.html: #gone"]


def test_pictures_that_are_not_there_are_found(site: Site) -> None:
    assert site.find_missing() == ["index.html: gone.png"]


def test_what_is_loaded_from_elsewhere_is_found(site: Site) -> None:
    assert site.find_foreign() == ["index.html: https://elsewhere.example/x.js"]
