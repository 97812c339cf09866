"""The pages as they are written: Markdown below ``docs/``, and the README."""

import re
from pathlib import Path
from urllib.parse import unquote

from tests.servers import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"

_FENCED = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


def list_pages() -> list[Path]:
    """Return the files that are pages."""
    return sorted(DOCS.rglob("*.md"))


def find_links(file: Path) -> list[str]:
    """Return where a page links to within the repository."""
    return [target for is_image, target in _find_all(file) if not is_image]


def find_images(file: Path) -> list[Path]:
    """Return the images that a page shows."""
    return [(file.parent / unquote(target)).resolve() for is_image, target in _find_all(file) if is_image]


def find_anchors(file: Path) -> set[str]:
    """Return what links to a page's headings say behind the ``#``, as GitHub and MyST make it of their words."""
    text = _FENCED.sub("", file.read_text(encoding="utf-8"))
    titles = re.findall(r"^#{1,4} (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _find_all(file: Path) -> list[tuple[str, str]]:
    text = _FENCED.sub("", file.read_text(encoding="utf-8"))
    found = [(mark, target.strip("<>")) for mark, target in _LINK.findall(text)]
    return [(mark, target) for mark, target in found if not re.match(r"[a-z]+:", target)]
