"""Settings for django-cors-headers as Python text, ready to be pasted into a settings module."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from django_cors_guard.core.corsheaders import write_settings
from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.management.subcommands.console import reject
from django_cors_guard.management.subcommands.corsheaders_words import word_loss, word_unwritable

WIDTH = 100


def render_settings(document: PolicyFile, environment: str, group: str = "", *, now: datetime) -> str:
    """Return the settings that mean what ``document`` means there; raises CommandError if none can."""
    written = write_settings(document, environment, group, now=now)
    if written.problem is not None:
        raise reject(word_unwritable(written.problem))
    lines = [
        *_comment(_("django-cors-headers as the guard has it for the environment “%s”.") % environment),
        *(line for loss in written.losses for line in _comment(word_loss(loss))),
        *(line for name, value in written.values.items() for line in _assign(name, value)),
    ]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> Iterator[str]:
    # A line break would end the comment, and what follows would be read as Python.
    for line in textwrap.wrap(" ".join(text.split()), WIDTH, break_on_hyphens=False):
        yield f"# {line}"


def _assign(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{name} = {_literal(value)}"
        return
    if not value:
        yield f"{name} = []"
        return
    yield f"{name} = ["
    for item in value:
        yield f"    {_literal(item)},"
    yield "]"


def _literal(value: object) -> str:
    if isinstance(value, str) and "\\" in value and not {'"', "\n"} & set(value) and not value.endswith("\\"):
        return f'r"{value}"'
    if isinstance(value, str) and value.isprintable() and not {'"', "\\"} & set(value):
        return f'"{value}"'
    return repr(value)
