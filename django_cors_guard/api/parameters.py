"""Query parameters, strictly: a filter that is misspelt and ignored would answer another question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from django.http import QueryDict
from django.utils.translation import gettext as _

from django_cors_guard.api.errors import MAX_ITEMS, ErrorItem, describe_unknown_key, show


class Shape(Protocol):
    """Parameters that shape an answer, beside the filters that narrow it."""

    @property
    def parameters(self) -> Sequence[str]:
        """Their names."""

    @property
    def choices(self) -> Mapping[str, Sequence[str]]:
        """The fixed lists that some of them choose from."""

    def find_errors(self, given: Mapping[str, str]) -> list[ErrorItem]:
        """Return what is wrong with their values."""


def find_errors(given: QueryDict, known: Sequence[str]) -> list[ErrorItem]:
    """Return what is wrong with the names of the parameters, and with values that could mean nothing anywhere."""
    errors: list[ErrorItem] = []
    for name, values in given.lists():
        error = _find_error(name, [str(value) for value in values], known)
        if error is not None:
            errors.append(error)
        if len(errors) == MAX_ITEMS:
            break
    return errors


def _find_error(name: str, values: Sequence[str], known: Sequence[str]) -> ErrorItem | None:
    if name not in known:
        return describe_unknown_key("unknown_parameter", name, known)
    if len(values) > 1:
        return ErrorItem("repeated_parameter", _("Give “%(name)s” once.") % {"name": name}, name)
    if not values[0]:
        text = _("“%(name)s” is empty: leave it out, or give a value.") % {"name": name}
        return ErrorItem("empty_parameter", text, name, "")
    if "\0" in values[0]:
        return ErrorItem("bad_character", _("There is a NUL character in it."), name, show(values[0]))
    return None
