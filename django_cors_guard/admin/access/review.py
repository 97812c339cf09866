"""The review: every change that would be saved, in words, with what it means and what stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_cors_guard import conf
from django_cors_guard.admin.access.table import Powers, word_revocation
from django_cors_guard.admin.display import show_moment, show_origin, shown, word_duration, word_moment
from django_cors_guard.core.origins import Problem, parse_canonical
from django_cors_guard.models import TrustedOrigin
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import AccessPlan, Kind, Step
from django_cors_guard.wording import word_problem, word_risk

#: A heading for each kind of change, in the order of the page.
TITLES: Final = {
    Kind.REVOKE: gettext_lazy("Will be revoked"),
    Kind.REINSTATE: gettext_lazy("Will be reinstated"),
    Kind.TRUST: gettext_lazy("Will be trusted"),
    Kind.RENEW: gettext_lazy("Will be renewed"),
    Kind.KEEP: gettext_lazy("Is so already"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One change. ``moved`` says how the cell has changed since it was seen; ``problems`` keep it from being saved."""

    origin: Any
    group: str
    facts: tuple[Any, ...]
    risks: tuple[str, ...]
    problems: tuple[str, ...]
    moved: str


@dataclass(frozen=True, slots=True)
class Part:
    """The changes of one kind."""

    id: str
    title: Any
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """All of them. ``is_blocked``: some cannot be saved, so none is; ``is_empty``: there is nothing left to save."""

    parts: tuple[Part, ...]
    has_moved: bool
    is_blocked: bool
    is_empty: bool
    can_be_trimmed: bool


def lay_review(plan: AccessPlan, powers: Powers) -> Review:
    """Return the review of ``plan`` by somebody with ``powers``."""
    parts = [
        Part(f"access-{kind.value}", title, tuple(_describe(step, plan, powers) for step in plan.of_kind(kind)))
        for kind, title in TITLES.items()
        if plan.of_kind(kind)
    ]
    blocked = [step for step in plan.changing if is_blocked(step, powers)]
    return Review(
        parts=tuple(parts),
        has_moved=plan.has_moved,
        is_blocked=bool(blocked),
        is_empty=not plan.changing,
        can_be_trimmed=0 < len(blocked) < len(plan.changing),
    )


def is_blocked(step: Step, powers: Powers) -> bool:
    """Whether a change cannot be saved, at all or by this user."""
    return bool(step.problems) or not _may(step, powers)


def _may(step: Step, powers: Powers) -> bool:
    return step.kind is Kind.KEEP or (powers.add if step.kind is Kind.TRUST else powers.change)


def _describe(step: Step, plan: AccessPlan, powers: Powers) -> Item:
    problems = [word_problem(_show(problem)) for problem in step.problems]
    if not _may(step, powers):
        problems.append(_("You may not do this. Ask somebody who may, or leave it out."))
    return Item(
        origin=show_origin(step.origin),
        group=shown(str(step.api_group)),
        facts=tuple(_list_facts(step, plan)),
        risks=tuple(word_risk(_show(risk)) for risk in step.risks),
        problems=tuple(problems),
        moved=_word_move(step) if step.has_moved else "",
    )


def _list_facts(step: Step, plan: AccessPlan) -> Iterator[Any]:
    if step.kind is Kind.TRUST and step.front_end is not None:
        yield _("For the front end %(name)s.") % {"name": shown(str(step.front_end))}
    elif step.kind is Kind.KEEP:
        yield _("It is trusted already.") if step.change.trusted else _("It is not trusted any more.")
    elif step.grant is not None:
        facts = {Kind.REVOKE: _list_effects, Kind.REINSTATE: _list_revocation, Kind.RENEW: _list_end}
        yield from facts[step.kind](step, step.grant)


def _list_effects(step: Step, grant: TrustedOrigin) -> Iterator[Any]:
    yield _word_use(step)
    seconds = conf.current().refresh_seconds + step.api_group.max_age
    yield _("Browsers may act on preflights they have cached for up to %(time)s.") % {"time": word_duration(seconds)}
    parsed = parse_canonical(step.origin)
    if parsed is not None and parsed.is_pattern:
        yield _("It is a pattern: origins with a grant of their own stay trusted.")


def _word_use(step: Step) -> str:
    if step.use.last_seen is None:
        return _("No request in the last 30 days.")
    words = ngettext(
        "{count} request in the last 30 days, {moment}.",
        "{count} requests in the last 30 days, the last of them {moment}.",
        step.use.count,
    )
    count = number_format(step.use.count, force_grouping=True)
    return format_html(words, count=count, moment=show_moment(step.use.last_seen))


def _list_revocation(step: Step, grant: TrustedOrigin) -> Iterator[str]:
    yield word_revocation(grant, step.revoked_by)
    if step.needs_end:
        yield _("It would be over at once, or live too long: it gets the end that is chosen below.")
    elif grant.expires_at is not None:
        yield _("It keeps its end: %(at)s.") % {"at": word_moment(grant.expires_at)}


def _list_end(step: Step, grant: TrustedOrigin) -> Iterator[str]:
    if grant.status() == Status.EXPIRED and grant.expires_at is not None:
        yield _("Expired on %(at)s. It gets the end that is chosen below.") % {"at": word_moment(grant.expires_at)}
    else:
        yield _("It is switched off. It gets the end that is chosen below.")


def _word_move(step: Step) -> str:
    before, now = _word_state(step.change.seen or ""), _word_state(step.state)
    if before == now:
        return _("Somebody has changed it since you looked.")
    return _("Changed since you looked: it was %(before)s, and is %(now)s now.") % {"before": before, "now": now}


def _word_state(state: str) -> str:
    status = state.partition(":")[0]
    return str(Status(status).label) if status in Status.values else _("not trusted")


def _show(problem: Problem) -> Problem:
    return Problem(problem.code, shown(problem.value), shown(problem.detail))


def count_words(counts: Iterable[tuple[Kind, int]]) -> str:
    """Return in words how many of each kind were saved."""
    words = {
        Kind.TRUST: _("%(count)d trusted"),
        Kind.REVOKE: _("%(count)d revoked"),
        Kind.REINSTATE: _("%(count)d reinstated"),
        Kind.RENEW: _("%(count)d renewed"),
    }
    return ", ".join(words[kind] % {"count": count} for kind, count in counts if count)
