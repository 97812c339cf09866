"""Every picture that the pages show was taken by a browser test, or drawn by a script; none is left over."""

import re

from docs.screenshots import PICTURES, SHOWN
from tests.docs.sources import DOCS, README, find_images, list_pages
from tests.servers import ROOT

#: Those that are no photographs of single pages, by the script that draws each.
DRAWN = {
    DOCS / "story.png": ROOT / "docs/picture.py",
    DOCS / "explanation/speed.png": ROOT / "benchmarks/request_cost_plot.py",
}


def test_pages_show_the_pictures_that_are_taken_and_no_others() -> None:
    shown = {image for page in [README, *list_pages()] for image in find_images(page)}
    taken = {PICTURES / f"{name}.png" for name in SHOWN}
    assert shown - set(DRAWN) == taken
    assert set(PICTURES.iterdir()) == taken
    assert set(DRAWN) <= shown
    assert all(script.is_file() for script in DRAWN.values())


def is_taken(name: str, test: str) -> bool:
    """Whether a test takes a picture of that name; some put what their pictures begin with before a shorter one."""
    beginning, _, rest = name.partition("-")
    return f'"{name}"' in test or (f'f"{beginning}-{{name}}"' in test and f'"{rest}"' in test)


def test_each_picture_is_taken_by_a_browser_test() -> None:
    tests = [file.read_text(encoding="utf-8") for file in (ROOT / "tests/browser").glob("test_*.py")]
    # What the tutorial shows is taken where it stands.
    tutorial = {image.stem for image in find_images(DOCS / "tutorial.md")}
    taken = {name for name in SHOWN.values() if name in tutorial or any(is_taken(name, test) for test in tests)}
    assert set(SHOWN.values()) - taken == set()


def test_pictures_say_what_is_on_them() -> None:
    texts = [text for page in list_pages() for text in re.findall(r"!\[([^\]]*)\]", page.read_text(encoding="utf-8"))]
    assert "" not in texts
