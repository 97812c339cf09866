"""``cors_guard review``: every grant as of a date, what is due, and the mark that somebody has looked at it."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.core.problems import Problem, show
from django_cors_guard.exceptions import RefusedOrigin, UnknownName
from django_cors_guard.management.subcommands.console import Console, answer_no, command, lay_out, moment, reject
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.notices import say_revision, show_mends
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    find_environment,
    find_group,
    unique,
)
from django_cors_guard.management.subcommands.policy_texts import STANDARD_STREAM, write_blocks
from django_cors_guard.management.subcommands.retention import parse_days
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import GrantList, GrantReview, Overdue, ReviewReceipt
from django_cors_guard.services.reviewing.due import OLDER_THAN, Due
from django_cors_guard.services.reviewing.listing import STATUSES
from django_cors_guard.services.reviewing.moments import read_as_of
from django_cors_guard.services.reviewing.sheets import encode_csv, encode_json
from django_cors_guard.wording import word_due, word_review_limit

CSV: Final = "csv"
JSON: Final = "json"
TABLE: Final = "table"
#: The columns of the table are as wide as the cells of the first block need.
_SAMPLE: Final = 200
_MAX_WIDTH: Final = 60
#: Grants of one revision, where everything is marked.
_BATCH: Final = 500


def add_arguments(parser: ArgumentParser) -> None:
    """Take the filters, the format, and the mark."""
    parser.add_argument(
        "origins",
        metavar="ORIGIN",
        nargs="*",
        help=_("with --mark: what was looked at, such as https://app.example.com"),
    )
    parser.add_argument(
        "--as-of",
        metavar="DATE",
        type=_parse_as_of,
        help=_("as of the end of that day (of UTC), or of a moment in ISO 8601 with its zone (default: now)"),
    )
    add_environment(parser, text=_("only there (repeatable)"))
    add_group(parser, text=_("only for that API group (repeatable)"))
    parser.add_argument(
        "--front-end", metavar="SLUG", action="append", default=[], help=_("only of that front end (repeatable)")
    )
    parser.add_argument("--status", choices=STATUSES, action="append", default=[], help=_("only those (repeatable)"))
    parser.add_argument("--due", action="store_true", help=_("only what is due for review"))
    parser.add_argument(
        "--older-than",
        metavar="DAYS",
        type=parse_days,
        default=OLDER_THAN,
        help=_("what nobody has looked at for so many days is due (default: 90)"),
    )
    parser.add_argument("--format", choices=(TABLE, JSON, CSV), default=TABLE, help=_("default: table"))
    parser.add_argument(
        "--output", metavar="FILE", default=STANDARD_STREAM, help=_("where to (default: -, standard output)")
    )
    parser.add_argument("--mark", action="store_true", help=_("mark the grants of the named origins as reviewed"))
    parser.add_argument(
        "--all",
        action="store_true",
        help=_("with --mark, instead of ORIGIN: everything that stands and is not filtered out"),
    )
    parser.add_argument(
        "--reason", default="", help=_("with --mark: what the review found; kept for whoever asks later")
    )
    parser.add_argument(
        "--next-review",
        metavar="DAY",
        type=_parse_day,
        help=_("with --mark and one --front-end: all of its grants are reviewed, and it is due again on that day"),
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the filters name."""

    environments: tuple[Environment, ...]
    groups: tuple[ApiGroup, ...]
    front_ends: tuple[FrontEnd, ...]

    @classmethod
    def of(cls, environment: Sequence[str], group: Sequence[str], front_end: Sequence[str]) -> _Choice:
        """Find it all; raises CommandError that says what there is."""
        return cls(
            tuple(find_environment(slug) for slug in unique(environment)),
            tuple(find_group(slug) for slug in unique(group)),
            tuple(_find_front_end(slug) for slug in unique(front_end)),
        )

    def narrow(self, rows: QuerySet[TrustedOrigin]) -> QuerySet[TrustedOrigin]:
        """Leave out what is elsewhere."""
        named = {"environment": self.environments, "api_group": self.groups, "front_end": self.front_ends}
        return rows.filter(**{f"{name}__in": found for name, found in named.items() if found})


def run(
    console: Console,
    *,
    origins: Sequence[str],
    as_of: datetime | None,
    environment: Sequence[str],
    group: Sequence[str],
    front_end: Sequence[str],
    status: Sequence[str],
    due: bool,
    older_than: int,
    format: str,  # noqa: A002 - the name of the option
    output: str,
    mark: bool,
    reason: str,
    next_review: date | None,
    **options: Any,
) -> None:
    """List the grants, or mark some of them."""
    choice = _Choice.of(environment, group, front_end)
    if mark:
        takes_all = bool(options["all"])
        _check_mark(origins, choice, as_of, status, reason, next_review, takes_all=takes_all)
        if next_review is not None:
            _mark_front_end(console, choice.front_ends[0], next_review, reason)
        else:
            rule = Due(timezone.now(), older_than) if due else None
            _mark(console, unique(origins), choice, rule, reason)
        return
    if origins or options["all"] or reason or next_review is not None:
        raise reject(_("Origins, --all, --reason and --next-review go with --mark. To list, leave them out."))
    found = services.list_grants(
        as_of,
        environments=choice.environments,
        api_groups=choice.groups,
        front_ends=choice.front_ends,
        statuses=unique(status),
        due_only=due,
        older_than=older_than,
        counts=format != TABLE,
    )
    _list(console, found, choice, format, output)


def _parse_as_of(text: str) -> datetime | None:
    try:
        return read_as_of(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(_("%(text)r is no day: write it as 2026-06-30.") % {"text": text[:20]}) from error


def _find_front_end(slug: str) -> FrontEnd:
    try:
        return services.find_front_end(slug)
    except UnknownName as error:
        raise reject(error.message) from error


def _check_mark(
    origins: Sequence[str],
    choice: _Choice,
    as_of: datetime | None,
    status: Sequence[str],
    reason: str,
    next_review: date | None,
    *,
    takes_all: bool,
) -> None:
    if as_of is not None or status:
        raise reject(_("What is marked is what stands now: --as-of and --status go without --mark."))
    if not reason.strip():
        raise reject(_("Say what the review found, with --reason: a mark without a reason proves nothing later."))
    if next_review is not None:
        others = (choice.environments, choice.groups, origins, takes_all)
        if len(choice.front_ends) != 1 or any(others):
            raise reject(_("--next-review is for a front end as a whole: name it with --front-end, and nothing else."))
    elif bool(origins) == takes_all:
        raise reject(_("Say what to mark: either origins, or --all for everything that the filters leave."))


def _mark(console: Console, origins: Sequence[str], choice: _Choice, rule: Due | None, reason: str) -> None:
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias())
    rows = choice.narrow(rows)
    if rule is not None:
        rows = rule.narrow(rows)
    if origins:
        texts = [_read_origin(console, origin) for origin in origins]
        missing = [text for text in texts if not rows.filter(origin=text).exists()]
        if missing:
            text = _("Nothing was marked: there is no such grant of %(origins)s.")
            raise answer_no(text % {"origins": ", ".join(missing)})
        receipt = services.review(rows.filter(origin__in=texts).only("pk"), reason=reason)
        _tell_places(console, receipt)
        _tell(console, _count(receipt))
        return
    still = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    marked = Counter[str]()
    for receipt in _mark_all(rows.filter(still, revoked_at=None), reason):
        _tell_places(console, receipt)
        marked += _count(receipt)
    if not marked:
        raise answer_no(_("Nothing was marked: there are no such grants."))
    _tell(console, marked)


def _mark_all(rows: QuerySet[TrustedOrigin], reason: str) -> Iterator[ReviewReceipt]:
    """Mark in batches, each of them a revision, so that an emergency revocation need not wait for all of it."""
    last = 0
    while grants := list(rows.filter(pk__gt=last).order_by("pk").only("pk")[:_BATCH]):
        last = grants[-1].pk
        yield services.review(grants, reason=reason)


def _count(receipt: ReviewReceipt) -> Counter[str]:
    return Counter(reviewed=len(receipt.reviewed), already=len(receipt.already), ended=len(receipt.ended))


def _read_origin(console: Console, text: str) -> str:
    parsed = parse_origin(text)
    if parsed.origin is None:
        problems: tuple[Problem, ...] = parsed.problems
        raise RefusedOrigin(text[:255], problems)
    show_mends(console, text)
    return parsed.origin.text


def _mark_front_end(console: Console, front_end: FrontEnd, next_review: date, reason: str) -> None:
    done = services.review_front_end(front_end, next_review_by=next_review, reason=reason)
    _tell_places(console, done.grants)
    _tell(console, _count(done.grants))
    console.say(
        _("%(front_end)s is to be reviewed again by %(day)s.")
        % {"front_end": show(str(done.front_end)), "day": done.next_review_by.isoformat()}
    )


def _tell_places(console: Console, receipt: ReviewReceipt) -> None:
    for place in receipt.reviewed:
        console.detail(f"  {show(place.origin)} ({place.environment}/{place.api_group})")


def _tell(console: Console, counts: Counter[str]) -> None:
    reviewed, already, ended = counts["reviewed"], counts["already"], counts["ended"]
    if reviewed:
        text = ngettext("%(count)d grant marked as reviewed.", "%(count)d grants marked as reviewed.", reviewed)
        console.say(text % {"count": reviewed}, console.style.SUCCESS)
    if already:
        text = ngettext("%(count)d was marked a moment ago.", "%(count)d were marked a moment ago.", already)
        console.say(text % {"count": already})
    if ended:
        text = ngettext(
            "%(count)d has ended, so there is nothing to review.",
            "%(count)d have ended, so there is nothing to review.",
            ended,
        )
        console.say(text % {"count": ended})
    if reviewed:
        say_revision(console)


def _list(console: Console, found: GrantList, choice: _Choice, wanted: str, output: str) -> None:
    overdue = []
    if found.as_of is None:
        overdue = services.list_overdue(
            environments=choice.environments, api_groups=choice.groups, front_ends=choice.front_ends
        )
    if wanted == TABLE and output != STANDARD_STREAM:
        raise reject(_("A file takes --format csv or --format json; the table is for the screen."))
    if wanted == TABLE:
        _print_table(console, found, overdue)
        return
    front_ends = [_describe(item) for item in overdue]
    blocks = encode_csv(found.walk()) if wanted == CSV else encode_json(found, found.walk(), front_ends=front_ends)
    if output == STANDARD_STREAM:
        for block in blocks:
            console.stdout.write(block.decode("utf-8-sig"), ending="")
    else:
        write_blocks(output, blocks)
    if wanted == CSV:
        _warn(console, found)


def _describe(item: Overdue) -> dict[str, Any]:
    row = item.front_end
    return {
        "slug": row.slug,
        "name": row.name,
        "owner": row.owner,
        "contact": row.contact,
        "external": row.external,
        "review_by": item.review_by,
        "standing_grants": item.standing,
    }


def _warn(console: Console, found: GrantList) -> None:
    for caveat in found.list_caveats():
        console.warn(word_review_limit(caveat.code, caveat.detail))


def _print_table(console: Console, found: GrantList, overdue: Sequence[Overdue]) -> None:
    console.show_title(_("Trusted origins as of %(at)s") % {"at": moment(found.moment)})
    if overdue:
        console.show(_("Front ends past their review:"))
        console.show_table([_front_end_cells(item) for item in overdue], indent=2)
    count = due = 0
    widths: list[int] = []
    for grant in found:
        if not count:
            console.show(lay_out(_titles(), widths := _measure(found)), console.style.MIGRATE_HEADING)
        console.show(lay_out(_cells(grant), widths))
        count += 1
        due += bool(grant.due)
    if not count:
        console.say(_("There are no such grants."))
    else:
        text = ngettext("%(count)d grant, %(due)d due for review.", "%(count)d grants, %(due)d due for review.", count)
        console.say(text % {"count": count, "due": due})
    for caveat in found.list_caveats():
        console.say(word_review_limit(caveat.code, caveat.detail))
    if due and found.as_of is None:
        console.say(_("To mark what was looked at: %s") % command("review", "ORIGIN", "--mark", "--reason", "…"))


def _front_end_cells(item: Overdue) -> tuple[str, ...]:
    standing = ngettext("%(count)d grant", "%(count)d grants", item.standing) % {"count": item.standing}
    return show(str(item.front_end)), item.review_by.isoformat(), standing, show(item.front_end.owner)


def _titles() -> tuple[str, ...]:
    return (
        _("origin"),
        _("environment"),
        _("API group"),
        _("status"),
        _("owner"),
        _("age"),
        _("last used"),
        _("reviewed"),
        _("due, or why it was trusted"),
    )


def _measure(found: GrantList) -> list[int]:
    """As wide as the first ones need: a million are not read twice."""
    rows = [_titles(), *(_cells(grant) for grant in found.page(_SAMPLE).grants)]
    return [min(max(map(len, column)), _MAX_WIDTH) for column in zip(*rows, strict=True)]


def _cells(grant: GrantReview) -> tuple[str, ...]:
    labels = {**dict(Status.choices), "unknown": _("not known")}
    why = ", ".join(word_due(code) for code in grant.due) or grant.note or grant.reason
    reviewed = f"{_day(grant.reviewed_at)} {show(grant.reviewed_by)}".rstrip() if grant.reviewed_at else _("never")
    unsure = "*" if set(grant.unsure) - {"front_end_details", "use"} else ""
    return (
        f"{show(grant.origin)}{unsure}" + (f" ({grant.unicode})" if grant.unicode != grant.origin else ""),
        grant.environment,
        grant.api_group,
        str(labels.get(grant.status, grant.status)),
        show(grant.owner or grant.front_end_name),
        _("%(count)d d") % {"count": grant.age_days} if grant.age_days is not None else "",
        _day(grant.last_used) if grant.last_used else _("not seen"),
        reviewed,
        show(why)[:_MAX_WIDTH],
    )


def _day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}" if at is not None else ""
