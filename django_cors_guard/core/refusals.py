"""The bodies of the guard's own refusals: RFC 9457 problems that repeat nothing that the sender chose."""

from __future__ import annotations

import json
from typing import Final

from django_cors_guard.core.answers import CROSS_SITE, FORBIDDEN, METHOD_NOT_ALLOWED, ORIGIN_NOT_ALLOWED, UNAVAILABLE

#: Source: RFC 9457, section 3 (https://www.rfc-editor.org/rfc/rfc9457#section-3).
PROBLEM_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5

_DETAILS: Final = {
    ORIGIN_NOT_ALLOWED: "The page that sent this request is not trusted to call this API.",
    METHOD_NOT_ALLOWED: "This API does not let pages of other origins use this method.",
    CROSS_SITE: "Pages of other sites may link to this address, but not load it.",
}


def _problem_body(status: int, title: str, detail: str, reason: str = "") -> bytes:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if reason:
        problem["reason"] = reason
    return json.dumps(problem).encode()


#: By the coarse reason that the sender is told.
FORBIDDEN_BODIES: Final = {
    problem: _problem_body(FORBIDDEN, "Forbidden", detail, problem) for problem, detail in _DETAILS.items()
}
UNAVAILABLE_BODY: Final = _problem_body(
    UNAVAILABLE, "Service Unavailable", "The list of trusted origins cannot be read at the moment. Try again soon."
)
