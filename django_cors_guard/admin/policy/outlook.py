"""What would change if an API group became stricter, in words: a page of its own, and a part of what is confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import shown, word_group, word_moment
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.rejections.cards import CARD, list_origin_obstacles
from django_cors_guard.services.consequences.outlook import Caller, Outlook
from django_cors_guard.wording import word_effect, word_kind, word_reason

#: Longest path or origin in a cell.
LONG: Final = 120


@dataclass(frozen=True, slots=True)
class ShownCaller:
    """An origin in words; addresses are blank where there is nothing to go to, or the user may not."""

    origin: str
    group: str
    count: int
    kinds: str
    reasons: str
    effects: str
    card_url: str
    trust_url: str


def describe(request: HttpRequest, outlook: Outlook) -> dict[str, Any]:
    """Return ``outlook`` as the template shows it; who may not see rejections gets the numbers alone."""
    sees_log = may(request, "view_rejection")
    return {
        "total": outlook.total,
        "since": word_moment(outlook.since),
        "rows": outlook.rows,
        "is_cut": outlook.is_cut,
        "unknown": outlook.unknown,
        "skipped": [word_group(slug) for slug in outlook.skipped],
        "steps": [
            {"group": word_group(step.api_group), "before": step.before, "after": step.after} for step in outlook.steps
        ],
        "effects": [(word_effect(code), count) for code, count in outlook.by_effect],
        "kinds": [(word_kind(code), count) for code, count in outlook.by_kind],
        "reasons": [(word_reason(code), count) for code, count in outlook.by_reason],
        "methods": [(shown(method) or "—", count) for method, count in outlook.by_method],
        "callers": [_show_caller(request, caller) for caller in outlook.callers] if sees_log else [],
        "more_callers": outlook.more_callers if sees_log else 0,
        "callbacks": [
            {
                "path": shown(callback.path, LONG),
                "method": shown(callback.method),
                "origin": shown(callback.origin, LONG) or "—",
                "count": callback.count,
            }
            for callback in outlook.callbacks
        ]
        if sees_log
        else [],
        "more_callbacks": outlook.more_callbacks if sees_log else 0,
        "sees_log": sees_log,
    }


def _show_caller(request: HttpRequest, caller: Caller) -> ShownCaller:
    return ShownCaller(
        origin=shown(caller.origin, LONG) or (_("(no Origin)") if "cross_site" in caller.reasons else "—"),
        group=word_group(caller.api_group),
        count=caller.count,
        kinds=_join(word_kind(code) for code in caller.kinds),
        reasons=_join(word_reason(code) for code in caller.reasons),
        effects=_join(word_effect(code) for code in caller.effects),
        card_url=_link_to_card(request, caller),
        trust_url=_link_to_trust(request, caller),
    )


def _link_to_card(request: HttpRequest, caller: Caller) -> str:
    if caller.card is None or not may(request, "view_rejectedorigin"):
        return ""
    return link_to("rejectedorigin_change", caller.card)


def _link_to_trust(request: HttpRequest, caller: Caller) -> str:
    """The form for trusting is prefilled from the card's id; what cannot be trusted, or was revoked, leads nowhere."""
    may_trust = caller.card is not None and may(request, "view_rejectedorigin", "add_trustedorigin")
    if not may_trust or "revoked" in caller.reasons or list_origin_obstacles(caller.origin):
        return ""
    return link_to("trustedorigin_add", **{CARD: caller.card})


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)
