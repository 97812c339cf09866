"""``cors_guard list``: the grants, as a table or as JSON, row by row however many there are."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from django.db.models import Max, Q
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from django_cors_guard.management.subcommands.console import MOMENT_WIDTH, Console, as_json, lay_out, moment
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.management.subcommands.places import (
    add_environment,
    add_group,
    find_environment,
    find_group,
    unique,
)
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, TrustedOriginQuerySet
from django_cors_guard.models.write import label_of

CHUNK: Final = 2000


def add_arguments(parser: ArgumentParser) -> None:
    """Take the filters and the format."""
    add_environment(parser, text=_("only there (repeatable)"))
    add_group(parser, text=_("only for that API group (repeatable)"))
    parser.add_argument(
        "--status", choices=Status.values, action="append", default=[], help=_("only those (repeatable)")
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help=_("default: table"))


def run(
    console: Console,
    *,
    environment: Sequence[str],
    group: Sequence[str],
    status: Sequence[str],
    format: str,  # noqa: A002 - the name of the option
    **_options: Any,
) -> None:
    """Print the grants that pass every filter."""
    rows = _select(environment, group)
    wanted = frozenset(unique(status))
    if format == "json":
        _print_json(console, _walk(rows, wanted))
    else:
        _print_table(console, rows, wanted)


def _select(environment: Sequence[str], group: Sequence[str]) -> TrustedOriginQuerySet:
    rows: TrustedOriginQuerySet = TrustedOrigin.objects.using(alias())
    if environment:
        rows = rows.filter(environment__in=[find_environment(slug) for slug in unique(environment)])
    if group:
        rows = rows.filter(api_group__in=[find_group(slug) for slug in unique(group)])
    return rows


def _walk(rows: TrustedOriginQuerySet, wanted: frozenset[str]) -> Iterator[TrustedOrigin]:
    """Yield the rows whose status is ``wanted`` (any, if none is named), without holding them all."""
    related = ("environment", "api_group", "front_end", "created_by", "revoked_by")
    ordered = _narrow(rows, wanted).select_related(*related).order_by("environment__slug", "api_group__slug", "origin")
    for grant in ordered.iterator(chunk_size=CHUNK):
        if not wanted or grant.status() in wanted:
            yield grant


def _narrow(rows: TrustedOriginQuerySet, wanted: frozenset[str]) -> TrustedOriginQuerySet:
    """Leave out in the database what cannot be ``wanted``; safety rules are judged row by row."""
    if wanted == {Status.REVOKED}:
        return rows.revoked()
    if wanted and Status.REVOKED not in wanted:
        return rows.filter(Q(revoked_at=None))
    return rows


def _print_table(console: Console, rows: TrustedOriginQuerySet, wanted: frozenset[str]) -> None:
    titles = (_("origin"), _("environment"), _("API group"), _("status"), _("expires"), _("front end"))
    longest = rows.aggregate(
        origin=Max(Length("origin")), place=Max(Length("environment__slug")), group=Max(Length("api_group__slug"))
    )
    statuses = max(len(str(label)) for label in Status.labels)
    sizes = (longest["origin"] or 0, longest["place"] or 0, longest["group"] or 0, statuses, MOMENT_WIDTH, 0)
    widths = [max(size, len(title)) for size, title in zip(sizes, titles, strict=True)]
    found = False
    for grant in _walk(rows, wanted):
        if not found:
            console.show(lay_out(titles, widths), console.style.MIGRATE_HEADING)
            found = True
        console.show(lay_out(_cells(grant), widths))
    if not found:
        console.say(_("There are no such grants."))


def _cells(grant: TrustedOrigin) -> tuple[str, ...]:
    return (
        grant.origin,
        grant.environment.slug,
        grant.api_group.slug,
        str(grant.status().label),
        moment(grant.expires_at, never=_("never")),
        grant.front_end.slug if grant.front_end is not None else "",
    )


def _print_json(console: Console, grants: Iterable[TrustedOrigin]) -> None:
    """Print a JSON array, one grant a line."""
    before = "["
    for grant in grants:
        console.show(f"{before}\n  {as_json(_as_dict(grant))}", None)
        before = ","
    console.show("[]" if before == "[" else "]")


def _as_dict(grant: TrustedOrigin) -> dict[str, Any]:
    return {
        "id": grant.pk,
        "origin": grant.origin,
        "environment": grant.environment.slug,
        "api_group": grant.api_group.slug,
        "status": grant.status().value,
        "expires_at": grant.expires_at,
        "front_end": grant.front_end.slug if grant.front_end is not None else None,
        "note": grant.note,
        "created_at": grant.created_at,
        "created_by": label_of(grant.created_by),
        "revoked_at": grant.revoked_at,
        "revoked_by": label_of(grant.revoked_by),
        "revoke_reason": grant.revoke_reason,
        "managed_by": grant.managed_by,
        "revision": grant.revision,
    }
