"""``cors_guard suggest-access``: the least set of API groups that each trusted origin needs, by what was recorded."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_cors_guard import conf
from django_cors_guard.management.subcommands.console import Console, command, moment
from django_cors_guard.management.subcommands.places import find_environment
from django_cors_guard.management.subcommands.retention import parse_days
from django_cors_guard.management.subcommands.usage import choose_window
from django_cors_guard.services.least_access import Advice, Doubt, LeastAccess, Suggestion, suggest_access

_DOUBTS: Final[Mapping[Doubt, Any]] = {
    Doubt.YOUNG: gettext_lazy("not used, and younger than that"),
    Doubt.OPEN: gettext_lazy("open to any origin, so its use is not recorded"),
    Doubt.SHORT: gettext_lazy("not used, and the audit is younger than that"),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Take the span, the environment and the format."""
    parser.add_argument(
        "--days",
        metavar="N",
        type=parse_days,
        default=30,
        help=_("go by what was recorded in that many days (default: 30)"),
    )
    parser.add_argument("--environment", metavar="SLUG", help=_("default: the active environment"))
    parser.add_argument("--format", choices=("table", "json"), default="table", help=_("default: table"))


def run(
    console: Console,
    *,
    days: int,
    environment: str | None,
    format: str,  # noqa: A002 - the name of the option
    **_options: Any,
) -> None:
    """Print what to trust and what to revoke, with the commands; write nothing."""
    row = find_environment(environment or conf.current().environment)
    window = choose_window(console, days)
    found = suggest_access(row, window)
    if format == "json":
        console.show_json(_as_dict(found, window.days))
    else:
        _print(console, found, window.days)


def _print(console: Console, found: LeastAccess, days: int) -> None:
    changes = [item for item in found.suggestions if item.advice in {Advice.REVOKE, Advice.TRUST}]
    counts = {advice: sum(1 for item in found.suggestions if item.advice is advice) for advice in Advice}
    console.show_title(
        _("%(environment)s, by the last %(days)d days: %(keep)d to keep, %(revoke)d to revoke, %(trust)d to trust")
        % {"environment": found.environment, "days": days, **{str(advice): count for advice, count in counts.items()}}
    )
    named = {item.origin for item in changes}
    shown = [item for item in found.suggestions if item.origin in named]
    if shown:
        console.show_table(map(_cells, shown), indent=2)
        console.show()
        for line in _list_commands(changes, found.environment, days):
            console.show(line)
    else:
        console.say(_("Nothing to suggest."))
    _warn(console, found, counts)


def _warn(console: Console, found: LeastAccess, counts: Mapping[Advice, int]) -> None:
    if counts[Advice.TRUST]:
        console.warn(_("A refusal proves only that somebody sent those bytes: trust what you know the page needs."))
    if found.is_short:
        since = moment(found.reaches, never=_("it was never used"))
        console.warn(
            _("The audit does not reach that far back (%(since)s), so nothing is called unused.") % {"since": since}
        )
    if any(item.managed_by for item in found.suggestions if item.advice is Advice.REVOKE):
        console.warn(_("What a policy file or an issuer manages is best changed there: see who manages it above."))


def _cells(item: Suggestion) -> tuple[str, str, str, str]:
    return item.origin, item.api_group, str(item.advice), _word_why(item)


def _word_why(item: Suggestion) -> str:
    if item.advice is Advice.WAIT and item.doubt is not None:
        why = str(_DOUBTS[item.doubt])
    elif item.advice is Advice.REVOKE:
        why = _("not used")
    elif item.advice is Advice.TRUST:
        why = _("refused %(count)d times, last %(last)s")
    else:
        why = _("used %(count)d times, last %(last)s")
    why %= {"count": item.count, "last": moment(item.last_seen)}
    return _("%(why)s (managed by %(who)s)") % {"why": why, "who": item.managed_by} if item.managed_by else why


def _list_commands(changes: Sequence[Suggestion], environment: str, days: int) -> Iterator[str]:
    """One command for all groups of an origin that are to be trusted, and one for those to be revoked."""
    for (origin, advice), items in groupby(
        sorted(changes, key=lambda item: (item.origin, item.advice)), key=lambda item: (item.origin, item.advice)
    ):
        groups = [word for item in items for word in ("--group", item.api_group)]
        words = [str(advice), origin, "--environment", environment, *groups]
        if advice is Advice.REVOKE:
            words += [
                "--reason",
                ngettext("not used for %(days)d day", "not used for %(days)d days", days) % {"days": days},
            ]
        yield command(*words)


def _as_dict(found: LeastAccess, days: int) -> dict[str, Any]:
    changes = [item for item in found.suggestions if item.advice in {Advice.REVOKE, Advice.TRUST}]
    return {
        "environment": found.environment,
        "days": days,
        "since": found.since,
        "audit_reaches": found.reaches,
        "origins": [
            {"origin": origin, "api_groups": [_group_as_dict(item) for item in items]}
            for origin, items in groupby(found.suggestions, key=lambda item: item.origin)
        ],
        "commands": list(_list_commands(changes, found.environment, days)),
    }


def _group_as_dict(item: Suggestion) -> dict[str, Any]:
    return {name: value for name, value in asdict(item).items() if name != "origin"}
