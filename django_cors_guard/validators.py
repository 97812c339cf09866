"""Validators of model and form fields: the pure checks of ``core``, worded for the person who typed the value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem, parse_origin
from django_cors_guard.core.policy import (
    MAX_AGE_LIMIT,
    check_exposed_headers,
    check_methods,
    check_request_headers,
    normalise_host,
)
from django_cors_guard.wording import word_problem

MAX_PATH_PREFIX: Final = 200

_PATH_PREFIX = re.compile(r"/[^\s?#%\\*\x00-\x1f\x7f]*")
# With what ``normalise_host`` drops: more must not be there, or a URL would be stored as the host "https".
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?)(:[0-9]{1,5})?")


def as_validation_errors(problems: Iterable[Problem]) -> list[ValidationError]:
    """Word ``problems``, keeping each one's code."""
    return [ValidationError(word_problem(problem), code=problem.code) for problem in problems]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ValidationError(as_validation_errors(problems))


def validate_origin(value: str) -> None:
    """Refuse what ``parse_origin`` does; what it mends passes."""
    _refuse(list(parse_origin(value).problems))


def validate_methods(value: object) -> None:
    """Refuse an ``allow_methods`` list with anything in it that browsers would not take."""
    _refuse(check_methods(value))


def validate_request_headers(value: object) -> None:
    """Refuse an ``allow_headers`` list with anything in it that no script may set."""
    _refuse(check_request_headers(value))


def validate_exposed_headers(value: object) -> None:
    """Refuse an ``expose_headers`` list that holds what cannot be exposed."""
    _refuse(check_exposed_headers(value, credentials=False))


def validate_max_age(value: int) -> None:
    """Refuse what browsers would cut anyway."""
    if not 0 <= value <= MAX_AGE_LIMIT:
        raise ValidationError(
            _("Give a number of seconds between 0 and %(limit)d (one day).") % {"limit": MAX_AGE_LIMIT},
            code="max_age_out_of_range",
        )


def canonical_path_prefix(value: str) -> str:
    """Return ``value`` without the trailing slash that makes no difference."""
    return value.rstrip("/") or "/"


def validate_path_prefix(value: str) -> None:
    """Refuse a prefix that no request path could start with."""
    if not value.startswith("/"):
        raise ValidationError(
            _("A path prefix starts with a slash: type “/%(value)s”.") % {"value": value[:MAX_PATH_PREFIX]},
            code="path_prefix",
        )
    segments = value.strip("/").split("/") if value.strip("/") else []
    if _PATH_PREFIX.fullmatch(value) is None or "" in segments or "." in segments or ".." in segments:
        raise ValidationError(
            _(
                "Give the plain start of a path, such as “/api/billing”: no query, wildcard, percent sign, white "
                "space, backslash, empty or dot segment."
            ),
            code="path_prefix",
        )


def canonical_host(value: str) -> str:
    """Return ``value`` as routes compare it; what is no host stays as it was typed, for ``validate_host`` to refuse."""
    return normalise_host(value) if _is_host(value) else value


def _is_host(value: str) -> bool:
    return _HOST.fullmatch(value.strip().lower()) is not None


def validate_host(value: str) -> None:
    """Refuse what is no host name; blank means any host."""
    if value and not _is_host(value):
        raise ValidationError(
            _("Give a bare host name, such as “api.example.com”, or leave it blank for every host."), code="host"
        )
