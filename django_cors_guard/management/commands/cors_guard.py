"""``manage.py cors_guard SUBCOMMAND``: what an operator does with the policy from a shell.

Exit codes: 0 done, or yes; 1 the answer is no (``check``: refused; ``status``: not in order; ``revoke``: nothing to
revoke; ``review --mark``: nothing to mark; ``parity``: the two differ); 2 nothing was done, because of what was typed,
because the database cannot be used, or because there is nothing to go by (``parity``: nothing is compared); 3 nothing
was done, because of conflicts that somebody has to settle first (``import``: the file trusts what was revoked here,
say).

System checks do not run first: a revocation must not wait until an error elsewhere is mended. ``status`` and ``init``
show the guard's own.
"""

from __future__ import annotations

import getpass
import os
import sys
from argparse import SUPPRESS
from collections.abc import Mapping
from copy import copy
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.utils.translation import gettext as _

from django_cors_guard.exceptions import CorsGuardError
from django_cors_guard.management.subcommands import SUBCOMMANDS
from django_cors_guard.management.subcommands.console import NOTHING_DONE, Console, reject
from django_cors_guard.management.subcommands.database import DATABASE_ERRORS, describe_trouble
from django_cors_guard.models import writing
from django_cors_guard.models.revision import Source


class Command(BaseCommand):
    """Hands over to the subcommand, and words what it raises."""

    requires_system_checks = ()

    @property
    def help(self) -> str:  # type: ignore[override]  # Django's is text; ours is in the operator's language
        return _("Trust and revoke browser origins, and see why one was refused.")

    @property
    def missing_args_message(self) -> str:
        """What a call without any subcommand is told."""
        return _("Name a subcommand: %(names)s.") % {"names": ", ".join(SUBCOMMANDS)}

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the subcommands, each with Django's base options, which so work before and after its name."""
        # Kept for scripts that pass it to every command; there are no checks to skip.
        parser.add_argument("--skip-checks", action="store_true", help=SUPPRESS)
        subparsers = parser.add_subparsers(
            dest="subcommand", metavar="SUBCOMMAND", required=True, title=_("subcommands")
        )
        for name, subcommand in SUBCOMMANDS.items():
            subparser = subparsers.add_parser(
                name,
                help=str(subcommand.help),
                description=str(subcommand.help),
                formatter_class=DjangoHelpFormatter,
                allow_abbrev=False,  # an option added later must not change what a script means
            )
            _repeat_base_options(parser, subparser)
            subcommand.add_arguments(subparser)

    def handle(self, *args: Any, subcommand: str, **options: Any) -> None:
        """Run ``subcommand``; what is wrong becomes a CommandError that says so."""
        console = Console(self.stdout, self.stderr, self.style, options["verbosity"])
        try:
            _require_text(options)
            with writing(Source.CLI, label=_account()):
                SUBCOMMANDS[subcommand].run(console, **options)
            self.stdout.flush()
        except CorsGuardError as error:
            raise CommandError(error.message, returncode=NOTHING_DONE) from error
        except DATABASE_ERRORS as error:
            raise CommandError(describe_trouble(error), returncode=NOTHING_DONE) from error
        except BrokenPipeError:
            _leave_pipe()


def _repeat_base_options(parser: CommandParser, subparser: CommandParser) -> None:
    """Let ``subparser`` take the options of ``parser``; one that is not given there leaves the other's value alone."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list; Django's call_command reads it, too
        if action.option_strings and action.dest != "help":
            repeated = copy(action)
            repeated.default = SUPPRESS
            subparser._add_action(repeated)  # noqa: SLF001 - as above


def _require_text(options: Mapping[str, Any]) -> None:
    """Refuse bytes of the command line that are no UTF-8: no database stores them, and no terminal shows them."""
    for name, given in options.items():
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, str) and not value.isprintable() and _is_broken(value):
                raise reject(_("%(name)s is no text: %(value)s.") % {"name": name, "value": ascii(value[:100])})


def _is_broken(text: str) -> bool:
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def _leave_pipe() -> None:
    """Be silent when the reader has gone (``cors_guard list | head``), also when Python flushes at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _account() -> str:
    """The account of the system that runs the command: the story names it where it cannot name a user."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):
        return "cli"
