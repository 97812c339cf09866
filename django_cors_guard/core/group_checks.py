"""What an API group's own fields must not say: checked when it is written, and again when it is compiled."""

from __future__ import annotations

from typing import Final

from django_cors_guard.core import headers
from django_cors_guard.core.decision import Isolation, ResourcePolicy
from django_cors_guard.core.problems import Problem
from django_cors_guard.core.rows import GroupRow

MAX_AGE_LIMIT: Final = 86_400
#: Longest piece of a stored value in a problem.
MAX_SHOWN: Final = 255

# Lists, for a column may hold what cannot be in a set.
_ISOLATIONS: Final = list(Isolation)
_RESOURCE_POLICIES: Final = ["", *ResourcePolicy]


def check_group(row: GroupRow) -> tuple[Problem, ...]:
    """Return everything that is wrong with a group's own fields; used when it is written and when it is compiled."""
    faults: list[Problem] = []
    if row.any_origin and row.allow_credentials:
        faults.append(Problem("any_origin_with_credentials", row.slug))
    if row.trusted_for_csrf and not row.allow_credentials:
        faults.append(Problem("csrf_without_credentials", row.slug))
    if type(row.max_age) is not int or not 0 <= row.max_age <= MAX_AGE_LIMIT:
        faults.append(Problem("max_age_out_of_range", str(row.max_age), str(MAX_AGE_LIMIT)))
    faults += check_isolation(row)
    if row.cross_origin_resource_policy not in _RESOURCE_POLICIES:
        shown = str(row.cross_origin_resource_policy)[:MAX_SHOWN]
        faults.append(Problem("unknown_resource_policy", shown, headers.join(ResourcePolicy)))
    faults += check_methods(row.allow_methods)
    faults += check_request_headers(row.allow_headers)
    faults += check_exposed_headers(row.expose_headers, credentials=row.allow_credentials)
    return tuple(faults)


def check_isolation(row: GroupRow) -> list[Problem]:
    """Problems of a group's isolation: a value that nobody knows, or one for paths that everybody may load from."""
    if row.isolate not in _ISOLATIONS:
        return [Problem("unknown_isolation", str(row.isolate)[:MAX_SHOWN], headers.join(Isolation))]
    if row.any_origin and row.isolate != Isolation.OFF:
        return [Problem("any_origin_isolated", row.slug)]
    return []


def check_methods(methods: object) -> list[Problem]:
    """Problems of an ``allow_methods`` list: tokens only (``*`` is one), none that Fetch forbids."""
    return _check_tokens(methods) + [
        Problem("forbidden_method", method) for method in _texts_of(methods) if headers.is_forbidden_method(method)
    ]


def check_request_headers(names: object) -> list[Problem]:
    """Problems of an ``allow_headers`` list: tokens only, none that no script may set."""
    return _check_tokens(names) + [
        Problem("forbidden_header", name) for name in _texts_of(names) if headers.is_forbidden_request_header(name)
    ]


def check_exposed_headers(names: object, *, credentials: bool) -> list[Problem]:
    """Problems of an ``expose_headers`` list; ``*`` means nothing to a browser that sent credentials."""
    faults = _check_tokens(names)
    for name in _texts_of(names):
        if name == headers.ANY and credentials:
            faults.append(Problem("expose_any_with_credentials", headers.ANY))
        elif name.lower() in headers.FORBIDDEN_RESPONSE_HEADERS:
            faults.append(Problem("forbidden_header", name))
    return faults


def _texts_of(tokens: object) -> list[str]:
    """The strings of a stored list; a database column of JSON may hold anything."""
    return [token for token in tokens if isinstance(token, str)] if isinstance(tokens, list | tuple) else []


def _check_tokens(tokens: object) -> list[Problem]:
    if not isinstance(tokens, list | tuple):
        return [Problem("not_a_list", repr(tokens)[:255])]
    return [
        Problem("not_a_token", repr(token)[:255])
        for token in tokens
        if not (isinstance(token, str) and headers.is_token(token))
    ]
