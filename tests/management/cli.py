"""`cors_guard` as tests call it: in this process, with what it printed and the code it would exit with."""

from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True, slots=True)
class Run:
    """One call. `err` ends with the CommandError, if there was one."""

    code: int
    out: str
    err: str


def cors_guard(*words: str, **options: Any) -> Run:
    """Run the subcommand."""
    out, err = StringIO(), StringIO()
    try:
        call_command("cors_guard", *words, stdout=out, stderr=err, **options)
    except CommandError as error:
        return Run(error.returncode, out.getvalue(), f"{err.getvalue()}{error}")
    return Run(0, out.getvalue(), err.getvalue())
