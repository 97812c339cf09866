"""``cors_guard parity``: where another CORS middleware and the guard would answer differently, while both run."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import conf, neighbours
from django_cors_guard.core.browser import STATUS
from django_cors_guard.management.subcommands.console import Console, answer_no, moment, reject
from django_cors_guard.management.subcommands.mending import word_mending
from django_cors_guard.management.subcommands.places import find_environment
from django_cors_guard.management.subcommands.spans import parse_span
from django_cors_guard.services.parity import Finding, ParityReport, forget_parity, read_parity
from django_cors_guard.wording import word_disparity, word_reason

#: More differences than anybody reads in one go are only counted; JSON has them all.
MAX_SHOWN: Final = 50


def add_arguments(parser: ArgumentParser) -> None:
    """Take the span, the environment and the format."""
    parser.add_argument(
        "--since", metavar="SPAN", type=parse_span, help=_("only what was seen lately: 7d, 12h (default: all there is)")
    )
    parser.add_argument("--environment", metavar="SLUG", help=_("default: the active environment"))
    parser.add_argument("--format", choices=("text", "json"), default="text", help=_("default: text"))
    parser.add_argument(
        "--forget", action="store_true", help=_("delete what was recorded, after somebody has looked at it")
    )


def run(
    console: Console,
    *,
    since: timedelta | None,
    environment: str | None,
    format: str,  # noqa: A002 - the name of the option
    forget: bool,
    **_options: Any,
) -> None:
    """Print the differences. Exit code 1 while there are any, 2 where nothing is compared, else 0."""
    row = find_environment(environment) if environment else None
    slug = row.slug if row is not None else conf.current().environment
    if forget:
        _forget(console, slug, since)
        return
    report = read_parity(slug, row=row, since=timezone.now() - since if since is not None else None)
    if format == "json":
        console.show_json(_as_dict(report))
    else:
        _print(console, report)
    _conclude(report)


def _forget(console: Console, environment: str, since: timedelta | None) -> None:
    if since is not None:
        raise reject(_("--forget deletes all that was recorded: leave --since out."))
    total = forget_parity(environment)
    forgotten = ngettext(
        "Forgotten: %(count)d request that was answered differently.",
        "Forgotten: %(count)d requests that were answered differently.",
        total,
    )
    console.say(forgotten % {"count": total})


def _conclude(report: ParityReport) -> None:
    count = len(report.unsettled)
    if count:
        differ = ngettext("The two differ in %(count)d way.", "The two differ in %(count)d ways.", count)
        raise answer_no(differ % {"count": count})
    if neighbours.find_inner():
        return
    others = neighbours.find_others()
    if others:
        raise reject(
            _("Nothing is compared: %(others)s stands before the guard. Put the guard first in MIDDLEWARE.")
            % {"others": ", ".join(others)}
        )
    raise reject(_("Nothing is compared: no other CORS middleware stands in MIDDLEWARE behind the guard."))


def _print(console: Console, report: ParityReport) -> None:
    unsettled, settled = report.unsettled, report.settled
    console.show_title(
        _("%(environment)s: %(unsettled)d differences, and %(settled)d that are settled")
        % {"environment": report.environment, "unsettled": len(unsettled), "settled": len(settled)}
    )
    others = ", ".join(neighbours.find_inner())
    console.show_table(
        [
            (_("compared with"), others or _("nothing")),
            (_("API groups that monitor"), ", ".join(report.monitored) or _("none")),
            (_("requests counted there"), _word_traffic(report)),
        ],
        indent=2,
    )
    for found in unsettled[:MAX_SHOWN]:
        _print_finding(console, found, report.environment)
    for found in settled[:MAX_SHOWN]:
        _print_settled(console, found)
    _warn(console, report, len(unsettled) + len(settled))


def _warn(console: Console, report: ParityReport, count: int) -> None:
    if max(len(report.unsettled), len(report.settled)) > MAX_SHOWN:
        console.warn(_("These are the most frequent of %(count)d. For all: --format json.") % {"count": count})
    if not report.monitored:
        console.warn(_("No API group monitors, so only what belongs to none is compared."))
    elif report.seen_last is None:
        console.warn(_("No request of another origin was counted yet, so no difference means nothing."))


def _word_traffic(report: ParityReport) -> str:
    if report.seen_first is None:
        return _("none")
    return _("%(first)s to %(last)s") % {"first": moment(report.seen_first), "last": moment(report.seen_last)}


def _print_finding(console: Console, found: Finding, environment: str) -> None:
    now = found.now
    disparity = str(now.disparity) if now is not None else found.difference
    console.show(f"{disparity}: {word_disparity(disparity)}", console.style.ERROR)
    console.show(f"  {_word_request(found)}")
    console.show(f"  {_word_times(found)}")
    if found.origin:
        reason = f" ({word_reason(now.reason)})" if now is not None else ""
        console.show(_("  they sent: %(answer)s") % {"answer": _word_answer(found.theirs)})
        ours = _word_answer(now.ours if now is not None else found.ours)
        console.show(_("  the guard would send: %(answer)s%(reason)s") % {"answer": ours, "reason": reason})
    console.show(_("  to mend it: %(mending)s") % {"mending": word_mending(found, environment)})


def _print_settled(console: Console, found: Finding) -> None:
    console.show(_("settled: it was %(difference)s") % {"difference": found.difference}, console.style.SUCCESS)
    console.show(f"  {_word_request(found)}")
    console.show(f"  {_word_times(found)}")


def _word_request(found: Finding) -> str:
    if not found.origin:
        return _("many others of %(group)s") % {"group": found.api_group or _("no API group")}
    method = found.method
    if found.requested_method:
        method = _("preflight for %(method)s") % {"method": found.requested_method}
    if found.requested_headers:
        method = _("%(method)s with %(names)s") % {"method": method, "names": found.requested_headers}
    group = (found.now.group if found.now is not None else found.api_group) or _("no API group")
    return f"{found.origin} → {group}: {method} {found.path}"


def _word_times(found: Finding) -> str:
    text = ngettext(
        "%(count)d request, %(first)s to %(last)s", "%(count)d requests, %(first)s to %(last)s", found.count
    )
    return text % {
        "count": found.count,
        "first": moment(found.first_seen),
        "last": moment(found.last_seen),
    }


def _word_answer(answer: Mapping[str, str]) -> str:
    parts = [
        _("status %(status)s") % {"status": value} if name == STATUS else f"{name}: {value}"
        for name, value in answer.items()
    ]
    return "; ".join(parts) or _("no CORS header")


def _as_dict(report: ParityReport) -> dict[str, Any]:
    return {
        "environment": report.environment,
        "compared_with": neighbours.find_inner(),
        "monitored": list(report.monitored),
        "seen_first": report.seen_first,
        "seen_last": report.seen_last,
        "unsettled": len(report.unsettled),
        "settled": len(report.settled),
        "differences": [_finding_as_dict(found, report.environment) for found in report.findings],
    }


def _finding_as_dict(found: Finding, environment: str) -> dict[str, Any]:
    now = found.now
    return {
        "difference": found.difference,
        "api_group": found.api_group,
        "origin": found.origin,
        "kind": found.kind,
        "method": found.method,
        "host": found.host,
        "path": found.path,
        "requested_method": found.requested_method,
        "requested_headers": found.requested_headers,
        "count": found.count,
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
        "theirs": found.theirs,
        "ours": now.ours if now is not None else found.ours,
        "settled": found.is_settled,
        "now": {"difference": now.disparity, "api_group": now.group, "reason": now.reason, "widens": now.widens}
        if now is not None
        else None,
        "mend": word_mending(found, environment),
    }
