"""What a browser makes of one answer: whether the calling page gets to read it, or to send what it asked for.

Source: Fetch standard, "CORS check" and "CORS-preflight fetch" (https://fetch.spec.whatwg.org/#cors-check,
https://fetch.spec.whatwg.org/#cors-preflight-fetch). A server does not see whether a page calls with credentials, so
every answer is read both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Facts
from django_cors_guard.core.protocol import is_preflight

#: Stands among the headers of an answer where a preflight was not answered with a 2xx, which browsers insist on.
STATUS: Final = ":status"

#: Readable by every page, exposed or not. https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
SAFELISTED_RESPONSE_HEADERS: Final = frozenset(
    {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
)

_ALL: Final = frozenset({headers.ANY})
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer as a page gets it. Of a preflight, ``method`` and ``headers`` say whether they may be used.

    ``exposed`` are lower-case names that only an exposed header has; ``*`` stands for all of them.
    """

    origin: bool
    method: bool = True
    headers: bool = True
    exposed: frozenset[str] = _NONE

    @property
    def passes(self) -> bool:
        """Whether the page reads the answer or, after a preflight, sends its request."""
        return self.origin and self.method and self.headers


def read_answer(facts: Facts, answer: Mapping[str, str], *, credentials: bool) -> Reading:
    """Return what the page that sent ``facts`` gets out of ``answer``: header values by lower-case name."""
    passes = _passes_check(facts.origin or "", answer, credentials=credentials)
    if not is_preflight(facts):
        return Reading(passes, exposed=_read_exposed(answer, credentials=credentials) if passes else _NONE)
    return Reading(
        passes and STATUS not in answer,
        method=_allows_method(facts.requested_method or "", answer, credentials=credentials),
        headers=_allows_headers(facts.requested_headers or "", answer, credentials=credentials),
    )


def _passes_check(origin: str, answer: Mapping[str, str], *, credentials: bool) -> bool:
    allowed = _value(answer, headers.ALLOW_ORIGIN)
    if allowed == headers.ANY:
        return not credentials
    return (
        bool(origin) and allowed == origin and (not credentials or _value(answer, headers.ALLOW_CREDENTIALS) == "true")
    )


def _allows_method(method: str, answer: Mapping[str, str], *, credentials: bool) -> bool:
    listed = _read_list(answer, headers.ALLOW_METHODS)
    if listed is None or not headers.is_requestable_method(method):
        return False  # no browser asks for such a method, whatever a list says
    if method in headers.SAFELISTED_METHODS or method in listed:
        return True
    return headers.ANY in listed and not credentials


def _allows_headers(requested: str, answer: Mapping[str, str], *, credentials: bool) -> bool:
    names, listed = headers.parse_request_headers(requested), _read_list(answer, headers.ALLOW_HEADERS)
    if names is None or listed is None or not all(map(headers.is_token, names)):
        return False
    lowered = {name.lower() for name in listed}
    missing = {name for name in names if name not in lowered}
    # Authorization is never meant by a wildcard: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
    return not missing or (headers.ANY in lowered and not credentials and "authorization" not in missing)


def _read_exposed(answer: Mapping[str, str], *, credentials: bool) -> frozenset[str]:
    listed = _read_list(answer, headers.EXPOSE_HEADERS) or _NONE
    if headers.ANY in listed and not credentials:
        return _ALL
    lowered = frozenset(name.lower() for name in listed)
    return lowered - SAFELISTED_RESPONSE_HEADERS - headers.FORBIDDEN_RESPONSE_HEADERS - _ALL


def _read_list(answer: Mapping[str, str], name: str) -> frozenset[str] | None:
    """Return the tokens of a list, or None for one that browsers refuse to read: it has something else in it."""
    found = [element.strip(" \t") for element in _value(answer, name).split(",")]
    tokens = frozenset(element for element in found if element)
    return tokens if all(map(headers.is_token, tokens)) else None


def _value(answer: Mapping[str, str], name: str) -> str:
    return answer.get(name.lower(), "").strip(" \t")
