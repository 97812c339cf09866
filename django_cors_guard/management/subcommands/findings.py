"""What the guard's own system checks say, for subcommands that show it."""

from __future__ import annotations

from typing import Final

from django.core.checks import CheckMessage, run_checks

from django_cors_guard.management.subcommands.database import alias

#: The tag that every check of the guard carries.
TAG: Final = "cors_guard"


def find() -> list[str]:
    """Run the guard's checks, those of the database too; return each finding in a line, with what to do."""
    found = run_checks(tags=[TAG], databases=[alias()])
    return sorted(_word(message) for message in found if not message.is_silenced())


def _word(message: CheckMessage) -> str:
    hint = f" {message.hint}" if message.hint else ""
    return f"{message.msg}{hint} ({message.id})"
