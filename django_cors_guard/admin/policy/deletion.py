"""Why an environment or API group cannot be deleted: the grants in it, revoked ones included, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import shown
from django_cors_guard.admin.links import link_to
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.write import PolicyModel

#: The other side of a grant, and how the list of trusted origins is asked for it.
_SIDES: Final[dict[type[PolicyModel], tuple[str, str]]] = {
    ApiGroup: ("api_group", "environment"),
    Environment: ("environment", "api_group"),
}
#: Places that are named.
MAX_PLACES: Final = 50


def list_grants_that_keep(request: HttpRequest, rows: Iterable[PolicyModel]) -> list[SafeString]:
    """Return a line for each place that has grants of ``rows``; none: they can be deleted. One query."""
    chosen = list(rows)
    if not chosen or type(chosen[0]) not in _SIDES:
        return []
    side, other = _SIDES[type(chosen[0])]
    grants = TrustedOrigin.objects.filter(**{f"{side}__in": [row.pk for row in chosen]}).order_by()
    places = grants.values_list(f"{side}_id", f"{side}__slug", f"{other}_id", f"{other}__slug").annotate(
        count=Count("pk"), revoked=Count("revoked_at")
    )
    sees = may(request, "view_trustedorigin")
    return [
        _line(place, {f"{side}__id__exact": place[0], f"{other}__id__exact": place[2]} if sees else {}, side)
        for place in places.order_by(f"{side}__slug", f"{other}__slug")[:MAX_PLACES]
    ]


def _line(place: tuple[int, str, int, str, int, int], query: dict[str, int], side: str) -> SafeString:
    _own_id, own, _other_id, other, count, revoked = place
    group, environment = (own, other) if side == "api_group" else (other, own)
    words = ngettext("%(count)d trusted origin", "%(count)d trusted origins", count) % {"count": count}
    if revoked:
        words = _("%(grants)s (%(revoked)d of them revoked)") % {"grants": words, "revoked": revoked}
    text = _("%(grants)s for %(group)s in %(environment)s") % {
        "grants": words,
        "group": shown(group),
        "environment": shown(environment),
    }
    address = link_to("trustedorigin_changelist", **query) if query else ""
    return format_html('<a href="{}">{}</a>', address, text) if address else format_html("{}", text)
