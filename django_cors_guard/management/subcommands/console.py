"""Where a subcommand talks to the operator, and the exit codes it ends with."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.core.management.base import CommandError, OutputWrapper
from django.core.management.color import Style
from django.core.serializers.json import DjangoJSONEncoder

#: The question was answered with no: an origin is refused, a set-up is not in order.
NO: Final = 1
#: What was typed makes no sense, or the database cannot be used; nothing was written.
NOTHING_DONE: Final = 2
#: What was to be applied and what is there contradict one another, so that somebody has to decide; nothing was written.
CONFLICTS: Final = 3

#: How wide the times are that ``moment`` gives.
MOMENT_WIDTH: Final = len("2030-12-31 18:00 UTC")

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Console:
    """Results go to stdout, warnings to stderr. ``verbosity`` is Django's, 0 to 3."""

    stdout: OutputWrapper
    stderr: OutputWrapper
    style: Style
    verbosity: int = 1

    def show(self, text: str = "", style: Callable[[str], str] | None = None) -> None:
        """Print what the operator asked for."""
        self.stdout.write(text, style)

    def say(self, text: str = "", style: Callable[[str], str] | None = None) -> None:
        """Print what was done; not at verbosity 0."""
        if self.verbosity:
            self.show(text, style)

    def detail(self, text: str) -> None:
        """Print progress; only above verbosity 1."""
        if self.verbosity > 1:
            self.show(text)

    def warn(self, text: str) -> None:
        """Print what the operator should think about."""
        self.stderr.write(text, self.style.WARNING)

    def show_title(self, text: str) -> None:
        """Print a heading."""
        self.show(text, self.style.MIGRATE_HEADING)

    def show_table(self, rows: Iterable[Row], *, indent: int = 0) -> None:
        """Print ``rows`` in columns as wide as their longest cells."""
        cells = [tuple(row) for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            self.show(" " * indent + lay_out(row, widths))

    def show_json(self, value: object) -> None:
        """Print ``value`` for a program to read."""
        self.show(as_json(value, indent=2))


def lay_out(row: Row, widths: Iterable[int]) -> str:
    """Return the cells of ``row`` side by side."""
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return ``value`` as JSON; times in ISO 8601."""
    return json.dumps(value, cls=DjangoJSONEncoder, indent=indent)


def command(*words: str) -> str:
    """Return the line that runs this command with ``words``, ready to be pasted into a shell."""
    return f"manage.py cors_guard {shlex.join(words)}"


def moment(at: datetime | None, *, never: str = "") -> str:
    """Return ``at`` in words, in UTC: operators of one site sit in several time zones."""
    if at is None:
        return never
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def reject(text: str) -> CommandError:
    """Return the error of a call that makes no sense as it was typed."""
    return CommandError(text, returncode=NOTHING_DONE)


def report_conflicts(text: str) -> CommandError:
    """Return the error of a call that was right, and that somebody has to decide about first."""
    return CommandError(text, returncode=CONFLICTS)


def answer_no(text: str) -> CommandError:
    """Return the error that makes a no also an exit code."""
    return CommandError(text, returncode=NO)
