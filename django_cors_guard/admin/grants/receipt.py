"""The receipt of a revocation, read from the story: at an address of its own, whoever opens it, whenever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.admin.desk import DeskPage, may, show_page
from django_cors_guard.admin.display import show_origin, shown, shown_text, status_badge, word_duration
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.names import Names
from django_cors_guard.admin.propagation import describe_propagation
from django_cors_guard.core.origins import parse_canonical
from django_cors_guard.models import ApiGroup, Environment, PolicyChange, TrustedOrigin
from django_cors_guard.models.revision import Source
from django_cors_guard.models.trusted_origin import REVOKED
from django_cors_guard.services.revoking.matches import list_patterns_above, matched_by
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.wording import RECEIPT_LIMITS

#: Most grants that a receipt lists.
MAX_LISTED: Final = 500
#: Most grants that stand now beside them.
MAX_STANDING: Final = 100
#: 18 digits fit into every database's BIGINT.
_MAX_DIGITS: Final = 18
_PREFIX: Final = "trustedorigin:"


@dataclass(frozen=True, slots=True)
class Line:
    """One grant. ``was_left`` says that only a pattern had let the origin in; ``status`` is said of one that stands."""

    origin: SafeString | str
    api_group: str
    environment: str
    url: str
    was_left: bool = False
    status: SafeString | str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Until when browsers may act on what they have cached of one API group."""

    api_group: str
    until: datetime
    duration: str
    is_over: bool


def receipt(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show what one revision revoked, and what of that stands now."""
    if not (may(request, "view_trustedorigin") or may(request, "change_trustedorigin")):
        raise PermissionDenied
    changes = _find_changes(request.GET.get("revision", ""))
    if not changes:
        messages.error(request, _("Nothing was revoked in that revision."))
        return HttpResponseRedirect(reverse("admin:cors_guard_trustedorigin_changelist"))
    return show_page(request, site, "receipt.html", _("Receipt of a revocation"), **_describe(request, changes))


def _find_changes(text: str) -> list[PolicyChange]:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return []
    rows = PolicyChange.objects.filter(revision=int(text), action=REVOKED, target__startswith=_PREFIX)
    newest = rows.exclude(target=TrustedOrigin.bulk_target()).defer("after").order_by("-pk")
    changes = list(newest[: MAX_LISTED + 1])
    # A number may come again, after a backup was restored for one; pairs with the token do not.
    return [change for change in reversed(changes) if change.token == changes[0].token]


def _describe(request: HttpRequest, changes: Sequence[PolicyChange]) -> dict[str, Any]:
    first, places = changes[0], [_read_place(change.target) for change in changes[:MAX_LISTED]]
    names, groups = Names.load(()), {group.slug: group for group in ApiGroup.objects.all()}
    origins = list(dict.fromkeys(place.origin for place in places))
    grants = _find_grants(origins)
    standing = _sort_standing(origins, grants, set(places))
    refresh = conf.current().refresh_seconds
    return {
        "revision": first.revision,
        "at": first.at,
        "who": shown(first.actor_label) or _("the system"),
        "how": str(dict(Source.choices).get(first.source, shown(first.source))),
        "reason": shown_text(first.reason),
        "closed": [
            _word_place(names, place, grants.get(place), was_left=change.before is None)
            for place, change in zip(places, changes, strict=False)
        ],
        "is_cut": len(changes) > MAX_LISTED,
        "elsewhere": [_word_place(names, Place.of(grant), grant) for grant in standing.elsewhere],
        "through": [_word_place(names, Place.of(grant), grant) for grant in standing.through],
        "patterns": [_word_place(names, Place.of(grant), grant) for grant in standing.patterns],
        "below": [_word_place(names, Place.of(grant), grant) for grant in _find_below(origins)],
        "open_groups": ", ".join(names.of_slug(ApiGroup, group.slug) for group in groups.values() if group.any_origin),
        "refresh": word_duration(refresh),
        "holds_at": first.at + timedelta(seconds=refresh),
        "memories": list(_list_memories(names, groups, places, first.at + timedelta(seconds=refresh))),
        "limits": [RECEIPT_LIMITS["sessions"], RECEIPT_LIMITS["no_origin"]],
        "check_url": _link_to_check(grants.get(places[0])) if may(request, "view_environment") else "",
        "changes_url": _link_to_changes(request, first.revision),
        # Of a list that is cut, the rest may be anywhere.
        **describe_propagation(
            first.revision,
            {place.environment for place in places} if len(changes) <= MAX_LISTED else None,
            names,
        ),
    }


def _read_place(target: str) -> Place:
    """The story names a grant by its natural key; whatever else stands there is shown as it is."""
    environment, _slash, rest = target.removeprefix(_PREFIX).partition("/")
    api_group, _slash, origin = rest.partition("/")
    return Place(environment, api_group, origin)


def _find_grants(origins: Sequence[str]) -> dict[Place, TrustedOrigin]:
    """Return the grants of ``origins`` and of the patterns above them, as they are now."""
    above = [text for origin in origins for text in _list_above(origin)]
    wanted = TrustedOrigin.objects.filter(origin__in=[*origins, *above[:MAX_LISTED]])
    rows = wanted.select_related("environment", "api_group").order_by("pk")
    return {Place.of(grant): grant for grant in rows[: MAX_LISTED + MAX_STANDING]}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is not closed: grants ``elsewhere``, patterns that let an origin in ``through``, and other ``patterns``."""

    elsewhere: tuple[TrustedOrigin, ...]
    through: tuple[TrustedOrigin, ...]
    patterns: tuple[TrustedOrigin, ...]


def _sort_standing(origins: Sequence[str], grants: dict[Place, TrustedOrigin], closed: set[Place]) -> Standing:
    above = {origin: set(_list_above(origin)) for origin in origins}
    elsewhere, through, patterns = [], [], []
    for place, grant in grants.items():
        if place in closed or grant.revoked_at is not None:
            continue
        matched = [origin for origin in origins if place.origin in above[origin]]
        if not matched:
            elsewhere.append(grant)
        elif all(replace(place, origin=origin) in grants for origin in matched):
            patterns.append(grant)
        else:
            through.append(grant)
    return Standing(tuple(elsewhere), tuple(through), tuple(patterns))


def _list_above(text: str) -> list[str]:
    origin = parse_canonical(text)
    return list_patterns_above(origin) if origin is not None else []


def _find_below(origins: Sequence[str]) -> list[TrustedOrigin]:
    """Grants of their own that a pattern, if one was revoked by itself, has left in force."""
    pattern = parse_canonical(origins[0]) if len(origins) == 1 else None
    if pattern is None or not pattern.is_pattern:
        return []
    below = TrustedOrigin.objects.filter(matched_by(pattern), revoked_at=None).exclude(origin=pattern.text)
    return list(below.select_related("environment", "api_group").order_by("origin")[:MAX_STANDING])


def _list_memories(
    names: Names, groups: dict[str, ApiGroup], places: Iterable[Place], holds_at: datetime
) -> Iterable[Memory]:
    for slug in dict.fromkeys(place.api_group for place in places):
        group = groups.get(slug)
        if group is not None and group.max_age:
            until = holds_at + timedelta(seconds=group.max_age)
            name = names.of_slug(ApiGroup, slug)
            yield Memory(name, until, word_duration(group.max_age), until <= timezone.now())


def _word_place(names: Names, place: Place, grant: TrustedOrigin | None, *, was_left: bool = False) -> Line:
    return Line(
        origin=show_origin(place.origin, 255),
        api_group=names.of_slug(ApiGroup, place.api_group),
        environment=names.of_slug(Environment, place.environment),
        url=link_to("trustedorigin_change", grant.pk) if grant is not None else "",
        was_left=was_left,
        status=status_badge(grant) if grant is not None and grant.revoked_at is None else "",
    )


def _link_to_check(grant: TrustedOrigin | None) -> str:
    return link_to("check", grant=grant.pk) if grant is not None else ""


def _link_to_changes(request: HttpRequest, revision: int) -> str:
    return link_to("policychange_changelist", revision=revision) if may(request, "view_policychange") else ""


PAGE: Final = DeskPage("receipt", (), receipt)
