"""Policy files where they lie: on the disk, or on the standard streams."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from django.utils.translation import gettext as _

from django_cors_guard.core.policy_files import MAX_BYTES
from django_cors_guard.core.problems import show
from django_cors_guard.management.subcommands.console import reject
from django_cors_guard.models.issuer import ISSUER_PREFIX

#: The name of a file that is none.
STANDARD_STREAM: Final = "-"
#: As long as the column that holds it.
MAX_NAME: Final = 100
#: Which format the ending of a name means.
ENDINGS: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
DEFAULT_FORMAT: Final = "yaml"


def add_format(parser: ArgumentParser, known: Collection[str]) -> None:
    """Let ``parser`` take --format."""
    parser.add_argument(
        "--format",
        dest="text_format",
        choices=sorted(known),
        metavar="FORMAT",
        help=_("%(known)s (default: by the ending of the file; yaml)") % {"known": ", ".join(sorted(known))},
    )


def choose_format(file: str, given: str | None, known: Collection[str]) -> str:
    """Return the format that was asked for, or that the ending of the file means; raises CommandError."""
    if given is not None:
        return given
    if file == STANDARD_STREAM:
        return DEFAULT_FORMAT
    meant = ENDINGS.get(Path(file).suffix.lower())
    if meant is None:
        raise reject(
            _("The ending of %(file)s says nothing about its format. Say it: --format %(known)s.")
            % {"file": show(file), "known": "|".join(sorted(known))}
        )
    return meant


def check_name(name: str) -> None:
    """Raise CommandError for what cannot be the name of a policy file."""
    if len(name) > MAX_NAME or not (name.isprintable() and name == name.strip()):
        raise reject(_("--name: at most %(limit)d characters that can be seen.") % {"limit": MAX_NAME})
    if name.casefold().startswith(ISSUER_PREFIX):
        raise reject(_("--name: %(prefix)s… are the names of issuers' grants.") % {"prefix": ISSUER_PREFIX})


def read_bytes(file: str) -> bytes:
    """Return what is in ``file``, or a little more than can be read of it; raises CommandError."""
    if file == STANDARD_STREAM:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise reject(_word_trouble(file, error)) from error


def write_file(file: str, text: str) -> None:
    """Replace ``file`` by ``text``, as a whole or not at all; raises CommandError."""
    write_blocks(file, [text.encode("utf-8")])


def write_blocks(file: str, blocks: Iterable[bytes]) -> None:
    """As ``write_file``, for what is not in memory as a whole."""
    path = Path(file).resolve()
    if path.exists() and not path.is_file():
        _write_through(file, path, blocks)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Nobody else's to read until it has the mode of the file that it replaces.
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.exists() else 0o666)
    except OSError as error:
        raise reject(_word_trouble(file, error)) from error
    try:
        with os.fdopen(number, "wb") as opened:
            opened.writelines(blocks)
            opened.flush()
            os.fsync(opened.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o7777)
        beside.replace(path)
    except OSError as error:
        raise reject(_word_trouble(file, error)) from error
    finally:
        # Where it took the other's place, it is not there any more.
        with suppress(OSError):
            beside.unlink()


def _write_through(file: str, path: Path, blocks: Iterable[bytes]) -> None:
    """A pipe or a device cannot be replaced."""
    try:
        with path.open("wb") as opened:
            opened.writelines(blocks)
    except OSError as error:
        raise reject(_word_trouble(file, error)) from error


def _word_trouble(file: str, error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error)
    return _("%(file)s: %(error)s.") % {"file": show(file), "error": told}
