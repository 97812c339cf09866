"""Header field values of the CORS protocol and its neighbours: what they are called, how they are read and written.

Sources: Fetch standard, "HTTP CORS protocol" (https://fetch.spec.whatwg.org/#http-cors-protocol), and RFC 9110,
section 5.6 (https://www.rfc-editor.org/rfc/rfc9110#section-5.6) for tokens and lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
ALLOW_CREDENTIALS: Final = "Access-Control-Allow-Credentials"
ALLOW_METHODS: Final = "Access-Control-Allow-Methods"
ALLOW_HEADERS: Final = "Access-Control-Allow-Headers"
EXPOSE_HEADERS: Final = "Access-Control-Expose-Headers"
MAX_AGE: Final = "Access-Control-Max-Age"
TIMING_ALLOW_ORIGIN: Final = "Timing-Allow-Origin"
RESOURCE_POLICY: Final = "Cross-Origin-Resource-Policy"
REQUEST_METHOD: Final = "Access-Control-Request-Method"
REQUEST_HEADERS: Final = "Access-Control-Request-Headers"

#: Every response header that belongs to the guard on a guarded path starts so (lower case).
OWNED_PREFIX: Final = "access-control-"

ANY: Final = "*"

#: Browsers send these without asking, so a preflight for them is always answered with yes.
#: https://fetch.spec.whatwg.org/#cors-safelisted-method
SAFELISTED_METHODS: Final = frozenset({"GET", "HEAD", "POST"})

#: https://fetch.spec.whatwg.org/#forbidden-method
FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})

#: Names that no script may set, so that allowing them can only be a mistake.
#: https://fetch.spec.whatwg.org/#forbidden-request-header
FORBIDDEN_REQUEST_HEADERS: Final = frozenset(
    {
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
_FORBIDDEN_REQUEST_PREFIXES: Final = ("proxy-", "sec-")

#: https://fetch.spec.whatwg.org/#forbidden-response-header-name
FORBIDDEN_RESPONSE_HEADERS: Final = frozenset({"set-cookie", "set-cookie2"})

MAX_METHOD_LENGTH: Final = 64
MAX_REQUEST_HEADERS_LENGTH: Final = 4096
MAX_REQUEST_HEADERS: Final = 128

#: Longer than any origin a browser can send; what is longer is not even looked up.
MAX_ORIGIN_LENGTH: Final = 512
NULL_ORIGIN: Final = "null"

_ORIGIN_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[!-+\-.0-~]+")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def is_token(text: str) -> bool:
    """Whether ``text`` is a token of RFC 9110, section 5.6.2 (ASCII, no delimiters, not empty)."""
    return _TOKEN.fullmatch(text) is not None


def is_origin_shaped(value: str) -> bool:
    """Whether an Origin value could be an origin at all: ``scheme://host``, bounded, printable ASCII, one value.

    The cheap parser of the request path; the strict one, for what is written, is ``origins.parse_origin``.
    """
    return len(value) <= MAX_ORIGIN_LENGTH and _ORIGIN_SHAPE.fullmatch(value) is not None


def is_forbidden_method(method: str) -> bool:
    """Whether Fetch lets no script send ``method``; compares without regard to case, as Fetch does."""
    return method.upper() in FORBIDDEN_METHODS


def is_forbidden_request_header(name: str) -> bool:
    """Whether Fetch lets no script set the request header ``name``."""
    lowered = name.lower()
    return lowered in FORBIDDEN_REQUEST_HEADERS or lowered.startswith(_FORBIDDEN_REQUEST_PREFIXES)


def is_requestable_method(method: str) -> bool:
    """Whether ``method`` may stand in Access-Control-Request-Method: a bounded token that is not forbidden."""
    return 0 < len(method) <= MAX_METHOD_LENGTH and is_token(method) and not is_forbidden_method(method)


def parse_request_headers(value: str) -> tuple[str, ...] | None:
    """Return the lower-cased names of an Access-Control-Request-Headers value, or None if it is too large to read.

    Linear in ``value``: the bounds are checked before anything is split. Empty elements and optional white space are
    dropped (RFC 9110, section 5.6.1.2); names are *not* checked to be tokens.
    """
    if len(value) > MAX_REQUEST_HEADERS_LENGTH or value.count(",") >= MAX_REQUEST_HEADERS:
        return None
    names = (element.strip(" \t").lower() for element in value.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def join(names: Iterable[str]) -> str:
    """Return the list form of ``names`` as a field value."""
    return ", ".join(names)


def extend_vary(existing: str, names: tuple[str, ...]) -> str:
    """Return ``existing`` with the missing ones of ``names`` behind it; a list with ``*`` stays as it is.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.5
    """
    present = [element.strip() for element in existing.split(",") if element.strip()]
    lowered = {element.lower() for element in present}
    if ANY in lowered:
        return existing
    return join([*present, *(name for name in names if name.lower() not in lowered)])
