"""``cors_guard usage``: what trusted origins called, grant by grant. It shows use and proves none."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db.models import Max, QuerySet
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import conf
from django_cors_guard.management.subcommands.console import MOMENT_WIDTH, Console, as_json, lay_out, moment
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    find_environment,
    find_group,
    unique,
)
from django_cors_guard.management.subcommands.retention import parse_days
from django_cors_guard.models import OriginUsage, TrustedOrigin
from django_cors_guard.services.calls import describe_calls, narrow_to_unused
from django_cors_guard.services.usage import MAX_NAMED, longest_window

#: Grants a query for their use.
CHUNK: Final = 500
_COUNT_WIDTH: Final = 10


def add_arguments(parser: ArgumentParser) -> None:
    """Take the span, the filters and the format."""
    parser.add_argument(
        "--days", metavar="N", type=parse_days, help=_("look back that many days (default: 30, as far as use is kept)")
    )
    add_environment(parser, text=_("only there (repeatable)"))
    add_group(parser, text=_("only for that API group (repeatable)"))
    parser.add_argument(
        "--unused", action="store_true", help=_("only grants that still stand and that nobody used, however young")
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help=_("default: table"))


def run(
    console: Console,
    *,
    days: int | None,
    environment: Sequence[str],
    group: Sequence[str],
    unused: bool,
    format: str,  # noqa: A002 - the name of the option
    **_options: Any,
) -> None:
    """Print each grant with the requests that it let in."""
    window = choose_window(console, days)
    usage = OriginUsage.objects.using(alias()).filter(last_seen__gte=timezone.now() - window)
    grants = _select(environment, group)
    if unused:
        # Where any origin is let in, nothing is recorded of the use of one.
        grants = narrow_to_unused(grants.filter(api_group__any_origin=False), usage)
    if format == "json":
        _print_json(console, _walk(grants, usage))
    else:
        _print_table(console, grants, usage, window)


def choose_window(console: Console, days: int | None) -> timedelta:
    """Return how far back to look: no farther than use is kept, and say so."""
    if days is None:
        return longest_window()
    kept = conf.current().audit_retention_days
    if days > kept:
        console.warn(_("Use is kept for %(days)d days, so that is how far back this looks.") % {"days": kept})
    return timedelta(days=min(days, kept))


def _select(environment: Sequence[str], group: Sequence[str]) -> QuerySet[TrustedOrigin]:
    rows: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(alias())
    if environment:
        rows = rows.filter(environment__in=[find_environment(slug) for slug in unique(environment)])
    if group:
        rows = rows.filter(api_group__in=[find_group(slug) for slug in unique(group)])
    return rows


def _walk(grants: QuerySet[TrustedOrigin], usage: QuerySet[OriginUsage]) -> Iterator[dict[str, Any]]:
    """Yield each grant with its use, without holding them all."""
    rows = grants.select_related("environment", "api_group", "front_end")
    ordered = rows.order_by("environment__slug", "api_group__slug", "origin")
    waiting: list[TrustedOrigin] = []
    for grant in ordered.iterator(chunk_size=CHUNK):
        waiting.append(grant)
        if len(waiting) == CHUNK:
            yield from describe_calls(waiting, usage)
            waiting = []
    yield from describe_calls(waiting, usage) if waiting else ()


def _print_json(console: Console, found: Iterator[dict[str, Any]]) -> None:
    """Print a JSON array, one grant a line."""
    before = "["
    for item in found:
        console.show(f"{before}\n  {as_json(item)}", None)
        before = ","
    console.show("[]" if before == "[" else "]")


def _print_table(
    console: Console, grants: QuerySet[TrustedOrigin], usage: QuerySet[OriginUsage], window: timedelta
) -> None:
    titles = (_("origin"), _("environment"), _("API group"), _("requests"), _("last used"), _("methods"))
    longest = grants.aggregate(
        origin=Max(Length("origin")), place=Max(Length("environment__slug")), group=Max(Length("api_group__slug"))
    )
    sizes = (longest["origin"] or 0, longest["place"] or 0, longest["group"] or 0, _COUNT_WIDTH, MOMENT_WIDTH, 0)
    widths = [max(size, len(title)) for size, title in zip(sizes, titles, strict=True)]
    found = False
    for item in _walk(grants, usage):
        if not found:
            console.show(lay_out(titles, widths), console.style.MIGRATE_HEADING)
            found = True
        console.show(lay_out(_cells(item), widths))
    if not found:
        console.say(_("There are no such grants."))
        return
    console.say(
        ngettext(
            "In the last %(days)d day. This shows use and proves none: anybody can send an Origin header.",
            "In the last %(days)d days. This shows use and proves none: anybody can send an Origin header.",
            window.days,
        )
        % {"days": window.days}
    )


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    named = [f"{used['method']} {used['count']}" for used in item["methods"][:MAX_NAMED]]
    more = ["…"] if len(item["methods"]) > MAX_NAMED else []
    return (
        item["origin"],
        item["environment"],
        item["api_group"],
        str(item["count"]),
        moment(item["last_seen"], never=_("not seen")),
        ", ".join([*named, *more]),
    )
