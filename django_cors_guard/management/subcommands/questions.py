"""Questions to the operator at the terminal. A bad answer is asked again; nothing is written meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from django_cors_guard.management.subcommands.console import Console, reject

_T = TypeVar("_T")


def is_terminal() -> bool:
    """Whether there is somebody who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks on stdout, reads from stdin."""

    console: Console

    def ask(self, question: str, read: Callable[[str], _T], *, default: str = "") -> _T:
        """Return what ``read`` makes of the answer; it raises CommandError or ValidationError for a bad one."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        while True:
            answer = self._read_line(shown).strip() or default
            try:
                return read(answer)
            except ValidationError as error:
                self.console.warn(" ".join(error.messages))
            except CommandError as error:
                self.console.warn(str(error))

    def confirm(self, question: str) -> bool:
        """Return whether the answer is yes; no is the default, for it is what opens nothing."""
        return self.ask(_("%(question)s [y/N]") % {"question": question}, read_yes)

    def _read_line(self, question: str) -> str:
        self.console.stdout.write(question, ending="")
        self.console.stdout.flush()
        try:
            return input()
        except (EOFError, KeyboardInterrupt) as error:
            raise reject("\n" + _("Stopped; nothing was written.")) from error


def read_yes(answer: str) -> bool:
    """Read a yes or a no."""
    lowered = answer.lower()
    if lowered in {"", "n", "no", _("no")}:
        return False
    if lowered in {"y", "yes", _("yes")}:
        return True
    raise ValidationError(_("Answer y or n."))
