"""No page says anything that could not be said in another language."""

import json
import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import translation

from tests.admin.gates import OK, PAGES, address_of
from tests.admin.pages import Response

pytestmark = pytest.mark.usefixtures("one_of_everything")

#: Words that English sentences have; what rows hold in the tests has none of them.
ENGLISH = re.compile(
    r"(?<![\w-])(?:the|is|are|of|and|or|to|in|not|no|for|this|by|with|who|all|any|from|was)(?![\w-])", re.IGNORECASE
)
SPOKEN_ATTRIBUTES = {"title", "placeholder", "aria-label", "alt", "value", "data-label", "data-empty"}


@pytest.fixture
def brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is marked for translation is shown in brackets."""
    real = translation._trans  # type: ignore[attr-defined]  # where Django's functions look
    monkeypatch.setattr(real, "gettext", lambda message: f"⟦{message}⟧" if message else "")
    monkeypatch.setattr(real, "pgettext", lambda context, message: f"⟦{message}⟧")
    monkeypatch.setattr(real, "ngettext", lambda one, many, number: f"⟦{one if number == 1 else many}⟧")
    monkeypatch.setattr(real, "npgettext", lambda context, one, many, number: f"⟦{one if number == 1 else many}⟧")


class Reader(HTMLParser):
    """Collects what a page says, seen or heard."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.said += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]
        if tag in {"script", "style", "code", "pre", "textarea"}:
            self._skipped = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped and data.strip():
            self.said.append(" ".join(data.split()))


def body(page: Response) -> str:
    is_json = page.headers["Content-Type"] == "application/json"
    return json.dumps(page.json(), ensure_ascii=False) if is_json else page.content.decode()


def unmarked(page: Response) -> list[str]:
    """Return what stands outside of brackets and is English."""
    left, depth = [], 0
    for piece in re.split("([⟦⟧])", body(page)):
        depth += {"⟦": 1, "⟧": -1}.get(piece, 0)
        if depth == 0 and piece != "⟧":
            left.append(piece)
    reader = Reader()
    reader.feed(" ".join(left))
    return [said for said in reader.said if ENGLISH.search(said)]


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if page.needs is not None and page.answer == OK])
def test_page_says_nothing_that_is_not_marked_for_translation(name: str, operator: Client, brackets: None) -> None:
    page = operator.get(address_of(name))
    assert page.status_code == OK
    assert "⟦" in body(page)
    assert unmarked(page) == []
