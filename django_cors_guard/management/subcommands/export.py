"""``cors_guard export``: the whole policy as text, always written in the same way."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import conf
from django_cors_guard.core.policy_file import PolicyFile
from django_cors_guard.core.policy_files import TextFormat, write_document
from django_cors_guard.management.subcommands.console import Console, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.places import add_environment, find_environment, unique
from django_cors_guard.management.subcommands.policy_texts import (
    STANDARD_STREAM,
    add_format,
    check_name,
    choose_format,
    write_file,
)
from django_cors_guard.management.subcommands.settings_text import render_settings
from django_cors_guard.models import PolicyState
from django_cors_guard.services.policy import read_policy

#: Makes text of a policy. The first slug is of the environment that is meant where only one can be written: the chosen
#: one, else the active one. The second is of the API group that was chosen, or blank. What cannot be written is told on
#: the console.
Writer: TypeAlias = Callable[[PolicyFile, str, str, Console], str]


def _write_yaml(document: PolicyFile, _environment: str, _group: str, _console: Console) -> str:
    return write_document(document, TextFormat.YAML)


def _write_json(document: PolicyFile, _environment: str, _group: str, _console: Console) -> str:
    return write_document(document, TextFormat.JSON)


def _write_corsheaders(document: PolicyFile, environment: str, group: str, _console: Console) -> str:
    return render_settings(document, environment, group, now=datetime.now(UTC))


#: Settings for django-cors-headers: of one environment, and of one API group where they differ.
CORSHEADERS: Final = "corsheaders"
#: By the name that --format takes.
FORMATS: Final[dict[str, Writer]] = {"yaml": _write_yaml, "json": _write_json, CORSHEADERS: _write_corsheaders}


def add_arguments(parser: ArgumentParser) -> None:
    """Take where to, in which format, and how much."""
    parser.add_argument(
        "file", nargs="?", default=STANDARD_STREAM, metavar="FILE", help=_("where to (default: -, standard output)")
    )
    add_format(parser, FORMATS)
    parser.add_argument(
        "--name", default="", help=_("the name of the file: importing it makes it the manager of the grants it lists")
    )
    add_environment(parser, text=_("only that environment and its grants (repeatable; default: all)"))
    parser.add_argument(
        "--group", metavar="SLUG", default="", help=_("the API group whose rules --format corsheaders writes")
    )


def run(
    console: Console,
    *,
    file: str,
    text_format: str | None,
    name: str,
    environment: Sequence[str],
    group: str,
    **_options: Any,
) -> None:
    """Write the policy; a file is replaced as a whole or not at all."""
    check_name(name)
    chosen = [find_environment(slug).slug for slug in unique(environment)]
    chosen_format = choose_format(file, text_format, FORMATS)
    if chosen_format == CORSHEADERS and len(chosen) > 1:
        raise reject(_("Settings are those of one environment: name one."))
    if chosen_format != CORSHEADERS and group:
        raise reject(_("--group goes with --format corsheaders; policy files hold every API group."))
    revision = PolicyState.read(alias()).revision
    document = read_policy(name=name, environments=chosen)
    writer = FORMATS[chosen_format]
    text = writer(document, chosen[0] if chosen else conf.current().environment, group, console)
    if file == STANDARD_STREAM:
        console.stdout.write(text, ending="")
        return
    write_file(file, text)
    count = len(document.trusted_origins)
    console.say(
        ngettext(
            "%(file)s: %(count)d trusted origin, revision %(revision)d.",
            "%(file)s: %(count)d trusted origins, revision %(revision)d.",
            count,
        )
        % {"file": file, "count": count, "revision": revision}
    )
