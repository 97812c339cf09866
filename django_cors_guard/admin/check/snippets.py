"""A request to try in a terminal or in a browser's console, and the head of its answer, as text.

Every value may be hostile. It is quoted so that it can mean nothing else where it is pasted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from shlex import quote as quote_for_shell
from typing import Final
from urllib.parse import quote as quote_for_url

from django_cors_guard.core import headers as fields
from django_cors_guard.core.decision import Headers

#: What RFC 3986 lets stand in a path (pchar), and the slash; the percent sign is the path's own here.
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=-._~"
#: What curl would take for a range or a list of addresses.
_GLOB_CHARACTERS: Final = frozenset("[]{}")
#: Any value will do to try whether a header is let through; these are ones that views understand.
_VALUES: Final = {"authorization": "Bearer TOKEN", "content-type": "application/json"}
_ANY_VALUE: Final = "value"
#: What the guard puts on an answer of its own beside the headers of the protocol.
_OWN_HEADERS: Final[dict[int, Headers]] = {
    HTTPStatus.FORBIDDEN: (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of a page. ``host`` may have a port, ``path`` is decoded, ``headers`` are names alone.

    ``metadata`` is what the browser says by itself. Blank ``origin``: it has none.
    """

    scheme: str
    host: str
    path: str
    method: str
    origin: str
    headers: tuple[str, ...] = ()
    metadata: Headers = ()
    credentials: bool = False

    @property
    def url(self) -> str:
        """The address, encoded."""
        return f"{self.scheme}://{self.host}{quote_for_url(self.path, safe=_PATH_CHARACTERS, errors='replace')}"


def write_curl(asked: Asked) -> str:
    """Return a line for a POSIX shell that sends the request."""
    origin = [("Origin", asked.origin)] if asked.origin else []
    pairs = [(name, _value_of(name)) for name in asked.headers]
    return _write_curl(asked, asked.method, [*origin, *asked.metadata, *pairs])


def write_preflight_curl(asked: Asked) -> str:
    """Return a line for a POSIX shell that sends the preflight before the request, as browsers write it."""
    pairs = [("Origin", asked.origin), (fields.REQUEST_METHOD, asked.method)]
    if asked.headers:
        pairs.append((fields.REQUEST_HEADERS, ",".join(sorted(set(asked.headers)))))
    return _write_curl(asked, "OPTIONS", pairs)


def write_fetch(asked: Asked) -> str:
    """Return what to type into the console of a page of the origin."""
    options = {key: json.dumps(value) for key, value in _list_options(asked)}
    body = "".join(f"\n  {key}: {value}," for key, value in options.items())
    arguments = f"{json.dumps(asked.url)}, {{{body}\n}}" if body else json.dumps(asked.url)
    return f"const response = await fetch({arguments});\nconsole.log(response.status, await response.text());"


def write_head(status: int, pairs: Headers) -> str:
    """Return the head of an answer. ``status`` is 0 where the view runs: then these are the guard's headers alone."""
    lines = [f"{name}: {value}" for name, value in (*_OWN_HEADERS.get(status, ()), *pairs)]
    if status:
        lines.insert(0, f"HTTP/1.1 {status} {HTTPStatus(status).phrase}")
    return "\n".join(lines)


def _write_curl(asked: Asked, method: str, pairs: Iterable[tuple[str, str]]) -> str:
    words = ["curl", *_list_flags(asked, method)]
    for name, value in pairs:
        words += ["-H", f"{name}: {value}"]
    return " ".join(quote_for_shell(word) for word in [*words, asked.url])


def _list_flags(asked: Asked, method: str) -> Iterator[str]:
    # With -X HEAD curl would wait for a body.
    yield from ["-I"] if method == "HEAD" else ["-i"] if method == "GET" else ["-i", "-X", method]
    if _GLOB_CHARACTERS.intersection(asked.url):
        yield "--globoff"
    if "/." in asked.path:
        yield "--path-as-is"


def _list_options(asked: Asked) -> Iterator[tuple[str, object]]:
    if asked.method != "GET":
        yield "method", asked.method
    if asked.headers:
        yield "headers", {name: _value_of(name) for name in asked.headers}
    if asked.credentials:
        yield "credentials", "include"


def _value_of(name: str) -> str:
    return _VALUES.get(name, _ANY_VALUE)
