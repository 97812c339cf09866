"""Where a revision is out: the processes one by one, and the wait until none is left behind."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.management.subcommands.console import Console, answer_no, command, reject
from django_cors_guard.management.subcommands.database import DATABASE_ERRORS, describe_trouble
from django_cors_guard.services import ProcessReport, ProcessStanding, Propagation
from django_cors_guard.services.propagation import read_current, reports_from
from django_cors_guard.wording import word_process

#: Longest that --wait waits: by then each process has followed, or refuses by itself, with the settings as they come.
MAX_WAIT: Final = 3600.0
#: More processes that are missing are only counted in the sentence that names them.
MAX_NAMED: Final = 20

#: 18 digits fit into every database's BIGINT.
_MAX_DIGITS: Final = 18


def add_wait(parser: ArgumentParser) -> None:
    """Let ``parser`` take --wait."""
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=parse_seconds,
        help=_("wait until every process has confirmed it, at most so long; exit code 1 if one has not"),
    )


def parse_seconds(text: str) -> float:
    """Return a number of seconds, 0 to an hour; raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT:
        raise ArgumentTypeError(
            _("%(text)r is no time to wait: give seconds, from 0 to %(limit)g.")
            % {"text": text[:20], "limit": MAX_WAIT}
        )
    return seconds


def parse_revision(text: str) -> int:
    """Return a revision as a receipt names it; raises ArgumentTypeError."""
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and int(text) > 0:
        return int(text)
    raise ArgumentTypeError(_("%(text)r is no revision: give the number that a receipt names.") % {"text": text[:20]})


def check_places(environments: Iterable[str]) -> None:
    """Refuse a name that neither an environment nor a process goes by: of that, everything would be true."""
    for slug in environments:
        if not reports_from(slug):
            raise reject(_("There is no environment “%(slug)s”, and no process reports one.") % {"slug": slug[:50]})


def check_revision(revision: int) -> None:
    """Refuse a revision that is still to come."""
    newest = read_current().revision
    if revision > newest:
        raise reject(
            _("There is no revision %(revision)d yet: the database is at %(newest)d.")
            % {"revision": revision, "newest": newest}
        )


def follow(revision: int, seconds: float, environments: Iterable[str] | None) -> Propagation:
    """Return how ``revision`` stands when it is out everywhere, the time is over, or Ctrl-C was pressed."""
    found = None
    try:
        for report in services.wait_for(revision, seconds=seconds, environments=environments):
            found = report
    except KeyboardInterrupt:
        if found is None:
            raise
    assert found is not None  # noqa: S101 - it yields once at least
    return found


def prove(console: Console, revision: int, seconds: float | None, environments: Iterable[str]) -> None:
    """Wait until the revocation is out everywhere, and say where it is not; that ends with exit code 1.

    Nobody waits where no time was given.
    """
    if seconds is None:
        return
    places = tuple(environments)
    console.show(_("Waiting until every process has confirmed revision %(revision)d…") % {"revision": revision})
    console.stdout.flush()
    try:
        found = follow(revision, seconds, places)
    except DATABASE_ERRORS as error:
        raise answer_no(
            _("The revocation stands; where it is out cannot be said. %s") % describe_trouble(error)
        ) from error
    print_processes(console, found.processes, unlisted=found.unlisted)
    if not found.everywhere:
        again = command("status", "--revision", str(revision), "--wait", "30", *_options(places))
        raise answer_no(
            _("The revocation stands. %(missing)s To look again: %(command)s")
            % {"missing": word_missing(found), "command": again}
        )
    console.show(word_everywhere(found), console.style.SUCCESS)


def _options(environments: Iterable[str]) -> list[str]:
    return [word for slug in environments for word in ("--environment", slug)]


def print_processes(console: Console, processes: Iterable[ProcessReport], *, unlisted: int = 0) -> None:
    """Print a line a process, those that somebody waits for first."""
    console.show_table([_cells(item) for item in processes], indent=2)
    if unlisted:
        console.show(_("  and %(count)d more") % {"count": unlisted})


def _cells(item: ProcessReport) -> tuple[str, ...]:
    return item.name, item.environment, word_process(item.standing), _("revision %d") % item.revision, _word(item)


def _word(item: ProcessReport) -> str:
    if item.standing is ProcessStanding.IDLE:
        return _("looks before its next decision")
    if item.standing is ProcessStanding.UNCONFIRMED:
        return _("refuses by itself at %(at)s, in %(seconds)d s") % {
            "at": _clock(item.lapses_at),
            "seconds": item.lapses_in,
        }
    return _("at %(at)s") % {"at": _clock(item.confirmed_at)} if item.confirmed_at is not None else ""


def _clock(at: datetime) -> str:
    if timezone.is_naive(at):
        at = timezone.make_aware(at)
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


def word_missing(found: Propagation) -> str:
    """Say which processes may still decide by an earlier revision, and until when."""
    named = [f"{item.name} ({item.environment})" for item in found.missing[:MAX_NAMED]]
    more = found.unconfirmed - len(named)
    names = ", ".join(named) + (_(" and %(count)d more") % {"count": more} if more else "")
    text = ngettext(
        "%(count)d process of %(total)d has not confirmed revision %(revision)d: %(names)s.",
        "%(count)d processes of %(total)d have not confirmed revision %(revision)d: %(names)s.",
        found.unconfirmed,
    ) % {"count": found.unconfirmed, "total": found.total, "revision": found.revision, "names": names}
    until = found.lapses_at
    if until is None or len(found.missing) < found.unconfirmed:
        return text
    return _("%(text)s They trust by what they know until %(at)s at the longest, then they refuse.") % {
        "text": text,
        "at": _clock(until),
    }


def word_everywhere(found: Propagation) -> str:
    """Say that no process may decide by an earlier revision."""
    if not found.total:
        return _("No process reports itself there: none has answered a request of late, or none could write its row.")
    text = _("Revision %(revision)d is out everywhere: %(confirmed)d of %(total)d processes have confirmed it") % {
        "revision": found.revision,
        "confirmed": found.confirmed,
        "total": found.total,
    }
    if not found.idle:
        return f"{text}."
    return ngettext(
        "%(text)s, %(count)d is idle and looks before its next decision.",
        "%(text)s, %(count)d are idle and look before their next decision.",
        found.idle,
    ) % {"text": text, "count": found.idle}


def as_data(found: Propagation) -> dict[str, Any]:
    """Return it for programs."""
    counts = {standing.value: getattr(found, standing.value) for standing in ProcessStanding}
    return {
        "ok": found.everywhere,
        "asked_revision": found.revision,
        "everywhere": found.everywhere,
        "counts": {**counts, "unlisted": found.unlisted},
        "processes": [asdict(item) for item in found.processes],
    }
