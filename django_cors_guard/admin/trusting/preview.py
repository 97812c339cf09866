"""The preview of a request to trust: a row a line, with everything that people have to know before they say yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_cors_guard.admin.desk import may
from django_cors_guard.admin.display import name_of, shown, unicode_of
from django_cors_guard.admin.links import link_to
from django_cors_guard.admin.trusting.ask import Asked, Spot
from django_cors_guard.admin.trusting.effect import Choices, Effect, effect_on, word_effect_on
from django_cors_guard.core.origins import Problem, parse_origin
from django_cors_guard.core.risks import Severity, severity_of
from django_cors_guard.models.trusted_origin import Status
from django_cors_guard.services import Preview
from django_cors_guard.wording import word_mend, word_problem, word_risk, word_severity

#: Problems that are about the end of a grant; all others are about its origin.
EXPIRY_PROBLEMS: Final = frozenset({"trusted_too_long", "invalid_expiry"})
_STANDING: Final = frozenset({Effect.STAYS, Effect.DESCRIBED, Effect.RENEWED})
_SAID_ELSEWHERE: Final = EXPIRY_PROBLEMS | {Status.REVOKED.value}
#: Longest text of a line that is shown.
MAX_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Found:
    """One origin in one place: what the services say of it, and what would become of a grant that is there."""

    spot: Spot
    preview: Preview
    effect: Effect


@dataclass(frozen=True, slots=True)
class Link:
    """A place with the page of its grant; the address is blank for those who may not see it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Saying:
    """Something that holds in the places named, or in all of them where none is."""

    text: str
    places: tuple[Link, ...] = ()
    severity: Severity | None = None

    @property
    def label(self) -> str:
        """How much it weighs, in a word."""
        return word_severity(self.severity) if self.severity is not None else ""

    @property
    def kind(self) -> str:
        """The same for the style sheet."""
        return self.severity.name.lower() if self.severity is not None else ""


@dataclass(frozen=True, slots=True)
class Row:
    """What the preview says of one line."""

    number: int
    given: str
    origin: str
    unicode: str
    mends: str
    suggestion: str
    problems: tuple[Saying, ...]
    pending: tuple[Saying, ...]
    risks: tuple[Saying, ...]
    standing: tuple[Saying, ...]
    fresh: tuple[str, ...]
    leave_out: str
    has_moved: bool

    @property
    def is_serious(self) -> bool:
        """Whether it has a risk that must have been read."""
        return any(risk.severity == Severity.SERIOUS for risk in self.risks)


def find_all(asked: Iterable[Asked], previews: Sequence[Preview], chosen: Choices) -> list[list[Found]]:
    """Return, line by line, what was found in each place; ``previews`` are in the order of ``list_wishes``."""
    ahead = iter(previews)
    return [[_find(spot, next(ahead), chosen) for spot in one.spots] for one in asked]


def lay_row(request: HttpRequest, asked: Asked, found: Sequence[Found], chosen: Choices, *, has_moved: bool) -> Row:
    """Put into words what was found of one line."""
    parsed = parse_origin(asked.line.text)
    origin = parsed.origin.text if parsed.origin is not None else ""
    link = partial(_link, request)
    return Row(
        number=asked.line.number,
        given=shown(asked.line.text, MAX_SHOWN),
        origin=origin,
        unicode=unicode_of(origin) if origin else "",
        mends=", ".join(word_mend(mend) for mend in parsed.mended),
        suggestion=_suggest(parsed.problems),
        problems=tuple(_say_problems(parsed.problems, found, link)),
        pending=tuple(_gather(found, _word_if(chosen, {Effect.NEEDS_END}), link)),
        risks=tuple(_say_risks(found)),
        standing=tuple(_gather(found, _word_if(chosen, _STANDING), link)),
        fresh=tuple(_list_fresh(found)),
        leave_out=asked.leave_out,
        has_moved=has_moved,
    )


def _find(spot: Spot, preview: Preview, chosen: Choices) -> Found:
    return Found(spot, preview, effect_on(preview.grant, preview.existing, chosen))


def _link(request: HttpRequest, one: Found, page: str = "trustedorigin_change") -> Link:
    grant = one.preview.grant
    is_open = may(request, "view_trustedorigin" if page == "trustedorigin_change" else "change_trustedorigin")
    return Link(_word_spot(one.spot), link_to(page, grant.pk) if grant is not None and is_open else "")


def _word_spot(spot: Spot) -> str:
    return _("%(group)s in %(environment)s") % {
        "group": name_of(spot.api_group),
        "environment": name_of(spot.environment),
    }


def _suggest(problems: Iterable[Problem]) -> str:
    details = {problem.detail for problem in problems}
    return details.pop() if len(details) == 1 else ""


def _say_problems(parsed: Iterable[Problem], found: Sequence[Found], link: Callable[..., Link]) -> Iterator[Saying]:
    # What is wrong with the text itself is wrong everywhere, also where no place was chosen yet.
    general = list(parsed)
    yield from (Saying(word_problem(problem)) for problem in general)
    places: dict[Problem, list[Found]] = {}
    for one in found:
        for problem in one.preview.problems:
            if problem not in general and problem.code not in _SAID_ELSEWHERE:
                places.setdefault(problem, []).append(one)
    yield from (Saying(word_problem(problem), _name_spots(ones, found)) for problem, ones in places.items())
    yield from _gather(found, _word_if(Choices(), {Effect.REVOKED}), partial(link, page="trustedorigin_reinstate"))


def _name_spots(ones: Sequence[Found], every: Sequence[Found]) -> tuple[Link, ...]:
    return () if len(ones) == len(every) else tuple(Link(_word_spot(one.spot), "") for one in ones)


def _say_risks(found: Sequence[Found]) -> list[Saying]:
    """The gravest first; each once, with where it holds."""
    places: dict[tuple[Severity, Problem], list[Found]] = {}
    for one in found:
        for risk in one.preview.risks:
            places.setdefault((_weigh(risk, one.spot), risk), []).append(one)
    said = [
        Saying(
            word_risk(risk._replace(detail=shown(risk.detail, MAX_SHOWN))),
            _name_spots(ones, found),
            severity,
        )
        for (severity, risk), ones in places.items()
    ]
    said += _say_open_groups(found)
    return sorted(said, key=lambda saying: saying.severity or 0, reverse=True)


def _weigh(risk: Problem, spot: Spot) -> Severity:
    return severity_of(risk, credentials=spot.api_group.allow_credentials, protected=spot.environment.protected)


def _say_open_groups(found: Sequence[Found]) -> Iterator[Saying]:
    groups = {one.spot.api_group.pk: one.spot.api_group for one in found if one.spot.api_group.any_origin}
    for group in groups.values():
        words = _("%(group)s is open to any origin, so trusting one makes no difference there.")
        yield Saying(words % {"group": name_of(group)}, (), Severity.NOTE)


def _gather(found: Sequence[Found], word: Callable[[Found], str], link: Callable[..., Link]) -> Iterator[Saying]:
    """Say the same of several places once."""
    places: dict[str, list[Link]] = {}
    for one in found:
        if text := word(one):
            places.setdefault(text, []).append(link(one))
    yield from (Saying(text, tuple(links)) for text, links in places.items())


def _word_if(chosen: Choices, effects: AbstractSet[Effect]) -> Callable[[Found], str]:
    def word(one: Found) -> str:
        grant = one.preview.grant
        return word_effect_on(grant, one.effect, chosen) if grant is not None and one.effect in effects else ""

    return word


def _list_fresh(found: Iterable[Found]) -> Iterator[str]:
    """The places of new grants, an environment at a time."""
    groups: dict[str, list[str]] = {}
    for one in found:
        if one.effect == Effect.NEW:
            groups.setdefault(name_of(one.spot.environment), []).append(name_of(one.spot.api_group))
    for environment, names in groups.items():
        yield _("%(environment)s: %(groups)s") % {"environment": environment, "groups": ", ".join(names)}
