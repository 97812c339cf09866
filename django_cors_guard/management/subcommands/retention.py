"""``cors_guard prune``: delete what the audit has kept long enough, and grants that ended as long ago.

What was revoked stays, and the story of the policy is kept for ever.

To be run once a day by whatever runs things here: a line of cron, or from a task queue
``django.core.management.call_command("cors_guard", "prune")``. It may be stopped at any time and run beside itself.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.management.subcommands.console import Console, moment
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.models import (
    GuardProcess,
    OriginUsage,
    ParityDifference,
    RejectedOrigin,
    Rejection,
    RejectionTally,
)
from django_cors_guard.services import pruning

#: Rows a statement, each of which is a transaction: short enough that no flush of the audit has to wait for it.
BATCH: Final = 1000
#: How often a run that takes longer says how far it is.
PROGRESS_SECONDS: Final = 5.0
MAX_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Shelf:
    """One table and when its rows were last needed."""

    name: str
    rows: models.QuerySet[Any]
    last: str

    def older_than(self, cutoff: datetime) -> models.QuerySet[Any]:
        """Return the rows that may go."""
        return self.rows.filter(**{f"{self.last}__lt": cutoff})


def list_shelves() -> list[Shelf]:
    """Return every table that ``prune`` looks through."""
    using = alias()
    processes = GuardProcess.objects.using(using).alias(seen=Coalesce("confirmed_at", "started_at"))
    return [
        Shelf(_("rejections"), Rejection.objects.using(using), "last_seen"),
        Shelf(_("rows of usage"), OriginUsage.objects.using(using), "last_seen"),
        Shelf(_("differences"), ParityDifference.objects.using(using), "last_seen"),
        # Whatever became of a card: what nobody has sent for so long is no open question.
        Shelf(_("rejected origins"), RejectedOrigin.objects.using(using), "last_seen"),
        Shelf(_("tallies"), RejectionTally.objects.using(using), "hour"),
        # A process that still runs writes its row anew.
        Shelf(_("processes"), processes, "seen"),
    ]


def parse_days(text: str) -> int:
    """Return a whole number of days, 1 or more."""
    if text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= MAX_DAYS:
        return int(text[:6])
    raise ArgumentTypeError(
        _("%(text)r is no number of days: give one from 1 to %(limit)d.") % {"text": text[:20], "limit": MAX_DAYS}
    )


def add_arguments(parser: ArgumentParser) -> None:
    """Take the retention."""
    parser.add_argument(
        "--days",
        metavar="N",
        type=parse_days,
        help=_('keep that many days (default: CORS_GUARD["AUDIT_RETENTION_DAYS"])'),
    )
    parser.add_argument("--dry-run", action="store_true", help=_("only count"))


def run(console: Console, *, days: int | None, dry_run: bool, **_options: Any) -> None:
    """Delete in batches, each a transaction of its own; what is interrupted goes on next time."""
    kept = days if days is not None else conf.current().audit_retention_days
    cutoff = timezone.now() - timedelta(days=kept)
    removed: dict[str, int] = {}
    try:
        for shelf in list_shelves():
            if dry_run:
                removed[shelf.name] = shelf.older_than(cutoff).count()
            else:
                _tell_batches(console, shelf.name, _delete_batches(shelf, cutoff), removed)
        _prune_grants(console, cutoff, removed, dry_run=dry_run)
    finally:
        # Also after Ctrl-C or an error: what has gone is gone.
        title = _("Would be deleted, older than %(days)d days:") if dry_run else _("Deleted, older than %(days)d days:")
        console.say(title % {"days": kept})
        if console.verbosity and removed:
            console.show_table([(name, str(count)) for name, count in removed.items()], indent=2)
    console.say(_("Kept: what was seen since %(cutoff)s, and every policy change.") % {"cutoff": moment(cutoff)})


def _prune_grants(console: Console, cutoff: datetime, removed: dict[str, int], *, dry_run: bool) -> None:
    """Those that ended so long ago; each batch is a policy write, and stands in the history."""
    name = _("expired grants")
    if dry_run:
        removed[name] = pruning.count_prunable(cutoff)
    else:
        _tell_batches(console, name, pruning.prune_grants(cutoff), removed)


def _tell_batches(console: Console, name: str, batches: Iterable[int], removed: dict[str, int]) -> None:
    removed[name] = 0
    told = monotonic()
    for count in batches:
        removed[name] += count
        text = _("%(name)s: %(count)d deleted so far") % {"name": name, "count": removed[name]}
        if console.verbosity > 1:
            console.detail(text)
        elif monotonic() - told >= PROGRESS_SECONDS:
            console.say(text)
            told = monotonic()


def _delete_batches(shelf: Shelf, cutoff: datetime) -> Iterator[int]:
    """Walk the table once, by primary key; yield how many rows of each batch went.

    No statement reads or deletes more than a batch of keys, but for the two that find where the walk begins and ends.
    Each batch is looked for behind the one before it: from the start again, each would step over all the rows that the
    earlier ones deleted, which PostgreSQL and MariaDB clear away only later.
    """
    old = shelf.older_than(cutoff)
    first, last = (old.order_by(order).values_list("pk", flat=True).first() for order in ("pk", "-pk"))
    if first is None or last is None:
        return
    begin = models.Q(pk__gte=first)
    while keys := list(shelf.rows.filter(begin, pk__lte=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        # Asked again with its age: a card may have been seen a moment ago.
        count, _by_model = old.filter(pk__gte=keys[0], pk__lte=keys[-1]).delete()
        if count:
            yield count
        begin = models.Q(pk__gt=keys[-1])
