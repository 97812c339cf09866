"""A plan on its page and as a file: every row in words, the grave ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_cors_guard.admin.display import show_origin, shown, shown_text, word_moment
from django_cors_guard.admin.links import link_to
from django_cors_guard.core.files import write_csv
from django_cors_guard.core.origins import Problem
from django_cors_guard.services import ImportPlan, Place
from django_cors_guard.services.transfer import Addition, Change, Difference, Leaving, LeftAlone, Refusal, Repeat
from django_cors_guard.wording import word_file_problem, word_leaving, word_mend, word_risk

_Row = TypeVar("_Row", Refusal, LeftAlone, Addition, Change, Repeat)

#: Rows of one kind that the page lists; the file of the plan has all of them.
MAX_SHOWN: Final = 200
#: A risk that is the API group's: it is said once, and not again for each origin.
SHARED_RISK: Final = "credentials"

_FIELDS: Final = {
    "expires_at": gettext_lazy("until"),
    "front_end": gettext_lazy("front end"),
    "note": gettext_lazy("note"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the plan. ``facts`` are plain, ``worries`` are what to mind or what is wrong."""

    number: int
    place: Place
    origin: Any
    environment: str
    api_group: str
    facts: tuple[str, ...] = ()
    worries: tuple[str, ...] = ()
    url: str = ""
    has_moved: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one kind: how many there are, and the first of them."""

    count: int
    lines: tuple[Line, ...]

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.count - len(self.lines)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A plan in words."""

    refusals: Part
    left_alone: Part
    additions: Part
    changes: Part
    repeats: Part
    unchanged: int
    settled: int
    warnings: tuple[str, ...]


def sketch(plan: ImportPlan, seen: Mapping[int, str] | None = None) -> Sketch:
    """Return ``plan`` for its page.

    ``seen`` are the fingerprints of the plan that was seen before, if there was one: what is new is marked, and
    ``settled`` counts the rows that there is nothing to say about any more.
    """
    now = plan.fingerprints()
    moved = {number for number, seal in now.items() if seen is not None and seen.get(number) != seal}
    return Sketch(
        refusals=_part(plan.refusals, _word_refusal, moved),
        left_alone=_part(plan.left_alone, _word_left, moved),
        additions=_part(plan.additions, _word_addition, moved),
        changes=_part(plan.changes, _word_change, moved),
        repeats=_part(plan.repeats, _word_repeat, moved),
        unchanged=plan.unchanged,
        settled=len((seen or {}).keys() - now.keys()),
        warnings=tuple(_list_warnings(plan)),
    )


def as_csv(plan: ImportPlan) -> Iterator[bytes]:
    """Yield all of ``plan`` as a table, for those who have to agree to it."""
    kinds: tuple[tuple[str, Iterable[Line]], ...] = (
        (_("refused"), map(_word_refusal, plan.refusals)),
        (_("left alone"), map(_word_left, plan.left_alone)),
        (_("will be trusted"), map(_word_addition, plan.additions)),
        (_("will change"), map(_word_change, plan.changes)),
        (_("repeated"), map(_word_repeat, plan.repeats)),
    )
    yield b"\xef\xbb\xbf" + write_csv([["number", "plan", "environment", "api_group", "origin", "details", "mind"]])
    for kind, lines in kinds:
        yield write_csv(
            [str(line.number), kind, *_cells(line.place), "; ".join(line.facts), "; ".join(line.worries)]
            for line in lines
        )


def _cells(place: Place) -> tuple[str, str, str]:
    return shown(place.environment), shown(place.api_group), shown(place.origin, 255)


def _part(rows: Sequence[_Row], word: Callable[[_Row], Line], moved: AbstractSet[int]) -> Part:
    # What asks for attention must not be the part that is cut off.
    order = sorted(rows, key=lambda row: (row.number not in moved, not _is_grave(row), row.number))
    lines = (replace(word(row), has_moved=row.number in moved) for row in order[:MAX_SHOWN])
    return Part(len(rows), tuple(lines))


def _is_grave(row: object) -> bool:
    return bool(_worries_of(row)) if isinstance(row, Addition) else isinstance(row, Change) and row.revives


def _line(number: int, place: Place, facts: Iterable[str], worries: Iterable[str], url: str = "") -> Line:
    return Line(
        number=number,
        place=place,
        origin=show_origin(place.origin, 255),
        environment=shown(place.environment),
        api_group=shown(place.api_group),
        facts=tuple(facts),
        worries=tuple(worries),
        url=url,
    )


def _word_refusal(refusal: Refusal) -> Line:
    problems = [word_file_problem(_show(problem)) for problem in refusal.problems]
    return _line(refusal.number, refusal.place, (), problems)


def _word_left(left: LeftAlone) -> Line:
    page = {
        Leaving.REVOKED_HERE: "trustedorigin_reinstate",
        Leaving.REVOKED_THERE: "trustedorigin_revoke",
        Leaving.EXPIRED_THERE: "trustedorigin_revoke",
    }.get(left.why, "trustedorigin_change")
    facts = [_word_revocation(left)] if left.at is not None else []
    url = link_to(page, left.pk) if left.pk is not None else ""
    return _line(left.number, left.place, facts, [word_leaving(left.why)], url)


def _word_revocation(left: LeftAlone) -> str:
    return _("Revoked by %(by)s on %(at)s: %(reason)s") % {
        "by": shown(left.by) or _("an unknown user"),
        "at": word_moment(left.at) if left.at is not None else "",
        "reason": shown_text(left.reason) or _("no reason given"),
    }


def _word_addition(addition: Addition) -> Line:
    return _line(addition.number, addition.place, _list_facts(addition), _worries_of(addition))


def _list_facts(addition: Addition) -> Iterator[str]:
    if addition.mended:
        mends = ", ".join(word_mend(mend) for mend in addition.mended)
        yield _("Written as “%(given)s”: %(mends)s.") % {"given": shown(addition.given, 255), "mends": mends}
    yield _("Until %(end)s.") % {"end": _word_end(addition.expires_at)}
    if addition.front_end:
        yield _("Front end: %(slug)s") % {"slug": shown(addition.front_end)}
    if addition.note.strip():
        yield _("Note: %(note)s") % {"note": shown_text(addition.note)}


def _worries_of(addition: Addition) -> tuple[str, ...]:
    risks = [word_risk(_show(risk)) for risk in addition.risks if risk.code != SHARED_RISK]
    words = _("It looks like %(origin)s, which is in the file, too.")
    return (*risks, *(words % {"origin": shown(other, 255)} for other in addition.alike))


def _word_change(change: Change) -> Line:
    worries = [word_risk(_show(risk)) for risk in change.risks if risk.code != SHARED_RISK]
    if change.managed_by:
        words = _("It is managed by “%(name)s”, which may undo the change.")
        worries.insert(0, words % {"name": shown(change.managed_by)})
    if change.revives:
        worries.insert(0, _("It has expired, and will be trusted again."))
    return _line(change.number, change.place, map(_word_difference, change.differences), worries)


def _word_difference(difference: Difference) -> str:
    return _("%(field)s: %(before)s → %(after)s") % {
        "field": _FIELDS[difference.field],
        "before": _word_value(difference, difference.before),
        "after": _word_value(difference, difference.after),
    }


def _word_value(difference: Difference, value: str | datetime | None) -> str:
    if difference.field == "expires_at":
        return _word_end(value)
    return shown_text(value) if isinstance(value, str) and value.strip() else "—"


def _word_end(value: str | datetime | None) -> str:
    return word_moment(value) if isinstance(value, datetime) else _("it is revoked")


def _word_repeat(repeat: Repeat) -> Line:
    return _line(repeat.number, repeat.place, [_("The same as No. %(first)d.") % {"first": repeat.first}], ())


def _list_warnings(plan: ImportPlan) -> Iterator[str]:
    groups = Counter(
        addition.place.api_group
        for addition in plan.additions
        if any(risk.code == SHARED_RISK for risk in addition.risks)
    )
    for group, count in sorted(groups.items()):
        words = _(
            "The API group %(group)s allows credentials: pages of its origins act as the signed-in user. %(count)d of "
            "the additions are for it."
        )
        yield words % {"group": shown(group), "count": count}
    for group in plan.open_groups:
        words = _("The API group %(group)s is open to any origin, so a grant makes no difference there.")
        yield words % {"group": shown(group)}
    if not plan.compared_all:
        yield _("There are very many trusted origins: look-alikes were looked for among the newest of them only.")


def _show(problem: Problem) -> Problem:
    return Problem(problem.code, shown(problem.value, 255), shown(problem.detail, 255))
