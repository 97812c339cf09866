"""What was trusted where, in which revision, and what was there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_cors_guard import conf
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import name_of, show_origin, word_duration
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.trusting.effect import Effect
from django_cors_guard.admin.trusting.expiry import word_end
from django_cors_guard.admin.trusting.page import Look
from django_cors_guard.models import TrustedOrigin

#: A heading for each effect, in the order of the page.
TITLES: Final = {
    Effect.NEW: _("Trusted now"),
    Effect.RENEWED: _("Trusted already, with another end now"),
    Effect.DESCRIBED: _("Trusted already; front end and note were rewritten"),
    Effect.STAYS: _("Trusted already, and not changed"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One origin, with its grants by the names of their places."""

    origin: Any
    grants: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The grants of one effect."""

    id: str
    title: Any
    count: int
    items: tuple[Item, ...]


def lay_receipt(request: HttpRequest, look: Look, grants: Sequence[TrustedOrigin]) -> dict[str, Any]:
    """Return what the receipt says. ``grants`` are in the order in which ``look`` asked for them."""
    by_effect = _sort(look, grants)
    touched = [*by_effect[Effect.NEW], *by_effect[Effect.RENEWED]]
    revision = max((grant.revision for grant in touched), default=0)
    return {
        "parts": [_lay_part(request, effect, by_effect[effect]) for effect in TITLES if by_effect[effect]],
        "revision": revision,
        "end": word_end(look.chosen.ends) if touched else "",
        "refresh": word_duration(conf.current().refresh_seconds),
        "changes_url": _link_to_changes(request, revision),
        "open_groups": sorted({name_of(grant.api_group) for grant in touched if grant.api_group.any_origin}),
    }


def log(request: HttpRequest, look: Look, grants: Sequence[TrustedOrigin]) -> None:
    """Tell Django's log of the admin, which shows on the grants' own pages."""
    by_effect = _sort(look, grants)
    user = actor_of(request).pk
    if by_effect[Effect.NEW]:
        LogEntry.objects.log_actions(user, by_effect[Effect.NEW], ADDITION, change_message=[{"added": {}}])
    renewed, described = by_effect[Effect.RENEWED], by_effect[Effect.DESCRIBED]
    for rows, message in ((renewed, _("Renewed.")), (described, _("Front end or note rewritten."))):
        if rows:
            LogEntry.objects.log_actions(user, rows, CHANGE, change_message=str(message))


def _sort(look: Look, grants: Iterable[TrustedOrigin]) -> dict[Effect, list[TrustedOrigin]]:
    sorted_out: dict[Effect, list[TrustedOrigin]] = {effect: [] for effect in Effect}
    for one, grant in zip((one for line in look.found for one in line), grants, strict=True):
        sorted_out[one.effect].append(grant)
    return sorted_out


def _lay_part(request: HttpRequest, effect: Effect, grants: list[TrustedOrigin]) -> Part:
    is_open = may(request, "view_trustedorigin")
    places: dict[str, list[tuple[str, str]]] = {}
    for grant in grants:
        words = _("%(group)s in %(environment)s") % {
            "group": name_of(grant.api_group),
            "environment": name_of(grant.environment),
        }
        url = link_to("trustedorigin_change", grant.pk) if is_open else ""
        places.setdefault(grant.origin, []).append((words, url))
    items = tuple(Item(show_origin(origin, 255), tuple(found)) for origin, found in places.items())
    return Part(f"trusted-{effect.value}", TITLES[effect], len(grants), items)


def _link_to_changes(request: HttpRequest, revision: int) -> str:
    if not revision or not may(request, "view_policychange"):
        return ""
    return link_to("policychange_changelist", revision=revision)
