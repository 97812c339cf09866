"""A built site of pages, as a browser without a network would find it."""

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a browser fetches by itself, by the attribute that says from where.
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


@dataclass
class Page:
    """What one file of HTML links to, loads and can be linked to."""

    file: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.page.anchors.update({given[name] for name in ("id", "name") if name in given})
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given:
            self.page.loaded.append(given[FETCHED[tag]])


@dataclass(frozen=True)
class Site:
    """All pages below ``folder``."""

    folder: Path

    @cached_property
    def pages(self) -> dict[Path, Page]:
        """The pages by their files."""
        return {file: _read(file) for file in sorted(self.folder.rglob("*.html"))}

    def name(self, page: Page) -> str:
        """Return where a page is, below the site's root."""
        return page.file.relative_to(self.folder).as_posix()

    def find_dead_links(self) -> list[str]:
        """Return the links to pages, files and headings of the site that are not there."""
        return [
            f"{self.name(page)}: {link}"
            for page in self.pages.values()
            for link in page.links
            if not urlsplit(link).scheme and not self._leads_somewhere(page, link)
        ]

    def find_missing(self) -> list[str]:
        """Return what pages load and what is not there."""
        return [
            f"{self.name(page)}: {place}"
            for page in self.pages.values()
            for place in page.loaded
            if not urlsplit(place).scheme and not _find(page, place).is_file()
        ]

    def find_foreign(self) -> list[str]:
        """Return what pages load from elsewhere."""
        return [
            f"{self.name(page)}: {place}"
            for page in self.pages.values()
            for place in page.loaded
            if urlsplit(place).netloc
        ]

    def _leads_somewhere(self, page: Page, link: str) -> bool:
        target = _find(page, link)
        if not target.is_file():
            return False
        fragment = unquote(urlsplit(link).fragment)
        return not fragment or target not in self.pages or fragment in self.pages[target].anchors


def _find(page: Page, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    return (page.file.parent / path).resolve() if path else page.file


def _read(file: Path) -> Page:
    page = Page(file)
    _Reader(page).feed(file.read_text(encoding="utf-8"))
    return page
