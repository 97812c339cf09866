"""The words of an explanation: what happens to one request of a page, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import badge, shown, word_moment, word_place
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.rejections.cards import list_origin_obstacles, trust_url
from django_cors_guard.core.decision import Mode, Reason
from django_cors_guard.explanation import Answer, Explanation
from django_cors_guard.models import ApiGroup, RejectedOrigin
from django_cors_guard.models.rejection import card_key
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.wording import word_difference

#: Longest piece of what was asked in a sentence.
MAX_PIECE: Final = 120

#: What a grant could cure.
_CURABLE: Final = frozenset({Reason.UNKNOWN_ORIGIN, Reason.OTHER_GROUP, Reason.OTHER_ENVIRONMENT})
#: What the API group's own settings could cure.
_OF_THE_GROUP: Final = frozenset({Reason.METHOD_NOT_ALLOWED, Reason.HEADER_NOT_ALLOWED, Reason.CROSS_SITE})

_OUTCOMES: Final = {
    "allowed": gettext_lazy("%(origin)s may call %(method)s %(path)s in %(environment)s."),
    "refused": gettext_lazy("%(origin)s may not call %(method)s %(path)s in %(environment)s."),
    "watched": gettext_lazy("%(origin)s would be refused on %(method)s %(path)s in %(environment)s, but gets through."),
    "unguarded": gettext_lazy("Nothing is guarded on %(path)s in %(environment)s."),
}


@dataclass(frozen=True, slots=True)
class GrantShown:
    """A grant for the page. ``how`` says how it differs from what was asked about, ``story`` how it ended or ends."""

    url: str
    origin: str
    place: str
    badge: SafeString
    story: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next: ``id`` is that of the link."""

    id: str
    url: str
    label: str


def name_outcome(found: Explanation) -> str:
    """Return the outcome; what is only recorded is ``watched``."""
    return "watched" if found.is_watched else found.outcome


def word_outcome(found: Explanation) -> str:
    """Return the decision in one sentence."""
    return str(_OUTCOMES[name_outcome(found)]) % {
        "origin": shown(found.origin, MAX_PIECE) if found.has_origin else _("A request without Origin"),
        "method": found.method,
        "path": shown(found.path, MAX_PIECE),
        "environment": shown(found.environment),
    }


def word_consequence(found: Explanation) -> str:
    """Return what comes of it, as the mode has it."""
    if found.outcome == "unguarded":
        return _("The guard adds no header, removes none and records nothing: it is the view's own affair.")
    if found.mode == Mode.MONITOR:
        return _word_monitor(found)
    if not found.has_origin:
        return _word_isolation(found)
    if found.preflight is not None and not found.preflight.allowed:
        return _word_refused_preflight(found.preflight)
    return _word_request(found)


def _word_monitor(found: Explanation) -> str:
    if found.allowed:
        return _("In mode monitor the guard adds no headers: it would let this pass, and leaves it to the view.")
    return _("Mode monitor only records: the view runs, and the guard adds no header and removes none.")


def _word_isolation(found: Explanation) -> str:
    if found.allowed:
        return _("The view runs. Without Origin it is nothing that CORS has a say in.")
    if found.request.runs_view:
        return _("The API group's isolation only records: the view runs.")
    return _("The API group is isolated: what pages of other sites load gets 403 before any view runs.")


def _word_refused_preflight(preflight: Answer) -> str:
    if preflight.status == HTTPStatus.FORBIDDEN:
        return _("The browser asks first, with a preflight. It gets 403, so it never sends the request.")
    return _("The browser asks first, with a preflight. The answer lacks what it needs, so it never sends the request.")


def _word_request(found: Explanation) -> str:
    if found.allowed:
        return _("The view runs, and the browser gives its answer to the page.")
    if found.request.runs_view:
        return _("In mode enforce the view runs, whatever it does; the browser keeps its answer from the page.")
    if found.reason == Reason.REVOKED:
        return _("An operator said no, so in every mode but monitor it gets 403 before any view runs.")
    return _("In mode block it gets 403 before any view runs.")


def word_part(found: Explanation, answer: Answer) -> str:
    """Return what happens to ``answer``, that of one of the two requests."""
    words = _word_answer(answer, found.mode)
    preflight = found.preflight
    if answer is preflight or preflight is None or preflight.allowed or preflight.runs_view:
        return words
    return _("Browsers do not get that far. Sent by a program that does not ask: %(words)s") % {"words": words}


def _word_answer(answer: Answer, mode: str) -> str:
    if answer.runs_view and mode == Mode.MONITOR:
        return _("It goes on to the view; the guard adds no header and removes none.")
    if answer.runs_view and answer.reason == Reason.UNGUARDED:
        return _("It goes on to the view; the guard leaves it alone.")
    if answer.runs_view:
        return _("The view answers. Of its own, no Access-Control header gets out; these are added:")
    return _("The guard answers, and no view runs:")


def show_grant(found: Explanation) -> GrantShown | None:
    """Return the row that decided."""
    grant = found.grant
    if grant is None:
        return None
    return GrantShown(
        url=_grant_url("change", grant.id),
        origin=shown(grant.origin, MAX_PIECE),
        place=word_place(grant.environment, grant.api_group),
        badge=badge(grant.status, str(Status(grant.status).label)),
        story=_word_story(grant.status, grant.revoked_at or grant.expires_at, grant.revoked_by, grant.revoke_reason),
    )


def show_nearest(found: Explanation) -> GrantShown | None:
    """Return the nearest grant to what was refused, and how it differs."""
    if found.nearest is None or found.nearest_id is None:
        return None
    near = found.nearest.candidate
    return GrantShown(
        url=_grant_url("change", found.nearest_id),
        origin=shown(near.origin, MAX_PIECE),
        place=word_place(near.environment, near.api_group),
        badge=badge(near.status, str(Status(near.status).label)),
        story=_word_story(near.status, near.at, near.by),
        how=word_difference(found.nearest.difference),
    )


def _word_story(status: str, at: datetime | None, by: str, reason: str = "") -> str:
    if at is None:
        return ""
    moment = word_moment(at)
    if status != Status.REVOKED:
        return _("until %(at)s") % {"at": moment}
    said = _("revoked by %(by)s on %(at)s") % {"by": shown(by) or _("an unknown user"), "at": moment}
    return f"{said}: {shown(reason, MAX_PIECE)}" if reason else said


def _grant_url(page: str, pk: int) -> str:
    return link_to(f"trustedorigin_{page}", pk)


def list_steps(request: HttpRequest, found: Explanation, group: ApiGroup | None) -> list[Step]:
    """Return what the user may do about it."""
    steps = [*_list_grant_steps(request, found), *_list_other_steps(request, found, group)]
    return [step for step in steps if step.url]


def _list_grant_steps(request: HttpRequest, found: Explanation) -> Iterator[Step]:
    grant = found.grant
    if grant is None:
        if found.reason in _CURABLE and may(request, "add_trustedorigin"):
            yield _offer_trust(request, found)
        return
    yield Step("grant-link", _grant_url("change", grant.id), _("Open the grant"))
    if may(request, "change_trustedorigin"):
        verb, words = ("reinstate", _("Reinstate…")) if grant.revoked_at is not None else ("revoke", _("Revoke…"))
        yield Step(f"{verb}-link", _grant_url(verb, grant.id), words)


def _offer_trust(request: HttpRequest, found: Explanation) -> Step:
    """Prefilled by a card's id alone: whoever makes a link to this page must not choose what is trusted."""
    card = _find_card(request, found)
    if card is not None and not list_origin_obstacles(card.origin):
        return Step("trust-link", trust_url(card), _("Trust this origin…"))
    return Step("trust-link", link_to("trustedorigin_add"), _("Trust an origin…"))


def _find_card(request: HttpRequest, found: Explanation) -> RejectedOrigin | None:
    if not may(request, "view_rejectedorigin"):
        return None
    key = card_key(found.environment, found.api_group, found.origin)
    return RejectedOrigin.objects.filter(key=key).first()


def _list_other_steps(request: HttpRequest, found: Explanation, group: ApiGroup | None) -> Iterator[Step]:
    if found.reason in _OF_THE_GROUP and group is not None and may(request, "view_apigroup"):
        yield Step("group-step", link_to("apigroup_change", group.pk), _("Open the API group"))
    if found.reason == Reason.UNGUARDED and may(request, "view_apigroup"):
        yield Step("groups-step", link_to("apigroup_changelist"), _("See what is guarded"))
    if found.outcome == "refused" and may(request, "view_rejection"):
        which = {"q": found.origin} if found.has_origin else {"api_group": found.api_group, "reason": found.reason}
        target = link_to("rejection_changelist", environment=found.environment, **which)
        yield Step("rejections-link", target, _("What was recorded of it"))
