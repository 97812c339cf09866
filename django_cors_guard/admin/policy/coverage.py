"""What the routes of an API group cover, in words: for the page while they are typed, and after they were saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.admin.display import CELL, shown
from django_cors_guard.core.policy import normalise_host
from django_cors_guard.models import ApiRoute
from django_cors_guard.url_patterns import Claim, Cover, Route, find_claims
from django_cors_guard.validators import MAX_PATH_PREFIX, canonical_path_prefix, validate_host, validate_path_prefix

#: URL patterns that are listed of each route, and routes that are looked at.
MAX_PATTERNS: Final = 20
MAX_ROUTES: Final = 50
MAX_HOST: Final = 253


@dataclass(frozen=True, slots=True)
class Note:
    """What one route covers. ``state``: *good*, *doubtful* (nothing is left to it) or *open* (it is no route yet)."""

    route: str
    state: str
    summary: str
    warnings: tuple[str, ...] = ()
    patterns: tuple[dict[str, str], ...] = ()
    more: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def describe_routes(rows: Iterable[tuple[str, str]], others: Sequence[Route]) -> list[Note]:
    """Return a note for each (host, path prefix) as typed into a form; ``others`` are the routes of other groups.

    Blank rows have none.
    """
    typed = [(host.strip(), prefix.strip()) for host, prefix in rows if host.strip() or prefix.strip()][:MAX_ROUTES]
    routes = [_read(host, prefix) for host, prefix in typed]
    own = [route for route in routes if route is not None]
    return [
        _describe(route, own, others) if route is not None else _reject(host, prefix)
        for (host, prefix), route in zip(typed, routes, strict=True)
    ]


def read_routes(*, beside: int | None = None) -> list[Route]:
    """Return the stored routes of all API groups, but for those of the group whose id is ``beside``. One query."""
    rows = ApiRoute.objects.all() if beside is None else ApiRoute.objects.exclude(api_group=beside)
    columns = rows.order_by("api_group__slug", "host", "path_prefix").values_list(
        "api_group__slug", "path_prefix", "host"
    )
    return [Route(*row) for row in columns]


def _read(host: str, prefix: str) -> Route | None:
    """Return what the row would be stored as, or None for what could not be."""
    if len(prefix) > MAX_PATH_PREFIX or len(host) > MAX_HOST:
        return None
    try:
        validate_path_prefix(prefix)
        validate_host(host)
    except ValidationError:
        return None
    # No slug is blank, so that the group's own routes are nobody's rivals, whatever it is called.
    return Route("", canonical_path_prefix(prefix), normalise_host(host))


def _reject(host: str, prefix: str) -> Note:
    summary = _("No route yet: a path prefix is the plain start of a path, such as /api/billing.")
    return Note(shown(f"{host}{prefix}"), "open", summary)


def _describe(route: Route, own: Sequence[Route], others: Sequence[Route]) -> Note:
    claims = find_claims(route, [*own, *others])
    open_ones = [claim for claim in claims if not claim.pattern.is_own]
    closed = len(claims) - len(open_ones)
    listed = open_ones[:MAX_PATTERNS]
    more = len(open_ones) - len(listed)
    return Note(
        route=_name(route),
        state="good" if any(not claim.is_lost for claim in open_ones) else "doubtful",
        summary=_summarise(open_ones, closed=closed),
        warnings=(*_warn_of_own_paths(closed if open_ones else 0), *_warn_of_spelling(route, own, others)),
        patterns=tuple({"text": shown(claim.pattern.text), "remark": _remark(claim)} for claim in listed),
        more=ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more} if more else "",
    )


def _name(route: Route) -> str:
    return shown(f"{route.host}{route.prefix}", CELL)


def _summarise(claims: Sequence[Claim], *, closed: int) -> str:
    if not claims and closed:
        return _("Covers nothing but the admin and this app's own API, where no origin is trusted whatever routes say.")
    if not claims:
        return _(
            "Covers no URL pattern of this project. Is it misspelt? Prefixes are whole segments, and upper and lower "
            "case differ."
        )
    if all(claim.is_lost for claim in claims):
        return _("All that it covers belongs to longer routes of other API groups, so it does nothing.")
    whole = sum(claim.cover is Cover.WHOLE for claim in claims)
    if not whole:
        count = len(claims)
        text = ngettext("May cover %(count)d URL pattern.", "May cover %(count)d URL patterns.", count)
        return text % {"count": count}
    text = ngettext("Covers %(count)d URL pattern", "Covers %(count)d URL patterns", whole) % {"count": whole}
    if whole < len(claims):
        rest = len(claims) - whole
        beside = ngettext("and may cover %(count)d more in part", "and may cover %(count)d more in part", rest)
        return f"{text} {beside % {'count': rest}}."
    return f"{text}."


def _remark(claim: Claim) -> str:
    remarks = []
    if claim.pattern.is_unread:
        remarks.append(_("what is below could not be read"))
    elif claim.cover is Cover.PART:
        remarks.append(_("in part: it depends on what the path holds"))
    if claim.rival is not None:
        words = {"group": shown(claim.rival.group), "route": _name(claim.rival)}
        if claim.in_part:
            remarks.append(_("in part taken by %(group)s, whose route %(route)s decides first") % words)
        else:
            remarks.append(_("taken by %(group)s, whose route %(route)s decides first") % words)
    return "; ".join(remarks)


def _warn_of_own_paths(count: int) -> list[str]:
    if not count:
        return []
    text = ngettext(
        "It also covers %(count)d URL pattern of the admin or of this app's own API: closed, whatever routes say.",
        "It also covers %(count)d URL patterns of the admin and of this app's own API: closed, whatever routes say.",
        count,
    )
    return [text % {"count": count}]


def _warn_of_spelling(route: Route, own: Sequence[Route], others: Sequence[Route]) -> list[str]:
    """Paths that differ in upper and lower case are different ones, and rarely meant to be."""
    found = []
    for other in dict.fromkeys([*own, *others]):
        if other.host != route.host or other.prefix.lower() != route.prefix.lower():
            continue
        words = {"route": _name(other), "group": shown(other.group)}
        if other.prefix != route.prefix:
            where = _("%(route)s of %(group)s") % words if other.group else words["route"]
            found.append(_("Differs from %(other)s in upper and lower case alone.") % {"other": where})
        elif other.group:
            found.append(_("%(group)s has this very route already.") % words)
    if own.count(route) > 1:
        found.append(_("It stands here twice."))
    return found
