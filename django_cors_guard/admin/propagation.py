"""Where a revision is out, as the receipt and the overview show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import time_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_cors_guard import services
from django_cors_guard.admin.display import badge, shown, word_duration
from django_cors_guard.admin.names import Names
from django_cors_guard.models import Environment
from django_cors_guard.services import ProcessReport, ProcessStanding, Propagation
from django_cors_guard.wording import word_process

#: Most processes that a page lists, those that somebody waits for first.
MAX_LISTED: Final = 100
#: Most of them that the summary names.
MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class ProcessLine:
    """One process. ``age`` is how long ago it was confirmed, blank before; ``note`` what comes of it by itself."""

    name: str
    environment: str
    revision: int
    standing: SafeString
    age: str
    note: str


def describe_propagation(revision: int, environments: Iterable[str] | None, names: Names) -> dict[str, Any]:
    """Return what ``propagation.html`` and ``processes.html`` show."""
    found = services.describe_processes(revision, environments=environments)
    return {
        "propagation": found,
        "propagation_summary": word_propagation(found),
        "processes": [_line(item, found, names) for item in found.processes[:MAX_LISTED]],
        "more_processes": max(found.total - MAX_LISTED, 0),
    }


def word_propagation(found: Propagation) -> str:
    """Say it in a sentence."""
    if not found.total:
        return _("No process reports itself: none has answered a request of late, or none could write its row.")
    parts = [
        _("Confirmed by %(confirmed)d of %(total)d processes") % {"confirmed": found.confirmed, "total": found.total}
    ]
    if found.idle:
        parts.append(_("idle: %(count)d") % {"count": found.idle})
    if found.everywhere:
        return _("It is out everywhere. %(parts)s.") % {"parts": "; ".join(parts)}
    return _("%(parts)s; still waiting for: %(missing)s.") % {
        "parts": "; ".join(parts),
        "missing": _name_missing(found),
    }


def _name_missing(found: Propagation) -> str:
    named = [
        _("%(name)s, refuses by itself at the latest at %(at)s") % {"name": shown(item.name), "at": _clock(item)}
        for item in found.missing[:MAX_NAMED]
    ]
    more = found.unconfirmed - len(named)
    return "; ".join([*named, _("and %(count)d more") % {"count": more}] if more else named)


def _clock(item: ProcessReport) -> str:
    at = item.lapses_at if timezone.is_naive(item.lapses_at) else timezone.localtime(item.lapses_at)
    return time_format(at, "H:i:s")


def _line(item: ProcessReport, found: Propagation, names: Names) -> ProcessLine:
    age = (found.at - item.confirmed_at).total_seconds() if item.confirmed_at is not None else None
    return ProcessLine(
        name=shown(item.name),
        environment=names.of_slug(Environment, item.environment),
        revision=item.revision,
        standing=badge(item.standing.value, word_process(item.standing)),
        age=word_duration(max(age, 0)) if age is not None else "",
        note=_note(item),
    )


def _note(item: ProcessReport) -> str:
    if item.standing is ProcessStanding.UNCONFIRMED:
        return _("refuses by itself at the latest at %(at)s") % {"at": _clock(item)}
    if item.standing is ProcessStanding.IDLE:
        return _("looks before its next decision")
    return ""
