"""``cors_guard bump``: make every process read the policy anew, after rows were changed by raw SQL."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.management.subcommands.console import Console
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.notices import say_revision
from django_cors_guard.models import policy_write


def add_arguments(parser: ArgumentParser) -> None:
    """Take the reason."""
    parser.add_argument("--reason", default="", help=_("why; kept for whoever asks later"))


def run(console: Console, *, reason: str, **_options: Any) -> None:
    """Take a revision that asks for a rebuild."""
    _bump(reason)
    say_revision(console)


@services.retry_deadlocks
def _bump(reason: str) -> None:
    with policy_write(reason=reason, rebuild=True, using=alias()) as write:
        write.record("bumped", "policystate:1")
