"""Two small front ends on other origins than the API, as WSGI applications: the same page, told apart by its origin."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class FrontEnd:
    """A site of three files. `origin` and `api` are origins in the sense of the URL standard, without a slash."""

    title: str
    story: str
    origin: str
    api: str

    @cached_property
    def files(self) -> dict[str, tuple[str, bytes]]:
        """The content type and the bytes of each path."""
        page = Template((HERE / "front_end/index.html").read_text(encoding="utf-8"))
        values = {name: escape(getattr(self, name)) for name in ("title", "story", "origin", "api")}
        return {
            "/": ("text/html; charset=utf-8", page.substitute(values).encode()),
            "/app.js": ("text/javascript; charset=utf-8", (HERE / "front_end/app.js").read_bytes()),
            "/site.css": ("text/css; charset=utf-8", (HERE / "static/example_project/site.css").read_bytes()),
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request: a file, or 404."""
        found = self.files.get(environ.get("PATH_INFO") or "/")
        status, (content_type, body) = (
            ("200 OK", found) if found else ("404 Not Found", ("text/plain", b"Not found.\n"))
        )
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]
