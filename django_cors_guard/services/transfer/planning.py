"""Planning an import: reading what is there, in a few queries, and judging row by row. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from django_cors_guard.core.files import FileProblem, GrantRow, problem, suggest
from django_cors_guard.core.likeness import find_look_alikes, host_of
from django_cors_guard.core.origins import Problem, parse_origin
from django_cors_guard.exceptions import ProtectedEnvironment
from django_cors_guard.models import ApiGroup, Environment, FrontEnd, PolicyState
from django_cors_guard.services.places import alias, check_protected
from django_cors_guard.services.previews import Preview, Wish, preview_wishes
from django_cors_guard.services.revoking.receipts import Place
from django_cors_guard.services.transfer.grants import label_revokers
from django_cors_guard.services.transfer.judging import Case, Verdict, judge
from django_cors_guard.services.transfer.plans import Addition, Change, ImportPlan, LeftAlone, Refusal, Repeat

_V = TypeVar("_V")

#: Unknown names for which the nearest known one is looked for, at a millisecond or more each.
MAX_SUGGESTED: Final = 100


def plan_import(
    rows: Iterable[GrantRow], *, actor: AbstractBaseUser | None = None, may_change: bool = True
) -> ImportPlan:
    """Return what importing ``rows`` would do now; ``may_change`` says whether grants that are there may change.

    Blank cells change nothing on a grant that is there; of a new one they mean: no front end, no note, no end.
    """
    given = tuple(rows)
    # Before the rest: whatever is committed while it is read shows as another version.
    version = PolicyState.read(alias())
    names = _Names.read()
    sound, refusals = _sift(given, names)
    wishes = [names.as_wish(row) for row in sound]
    first, repeats, contradictions = _find_repeats(sound, preview_wishes(wishes))
    cases = _make_cases(first, names, actor, may_change=may_change)
    verdicts = [verdict for case in cases if (verdict := judge(case)) is not None]
    additions = _find_likeness(_pick(Addition, verdicts))
    groups = {addition.place.api_group for addition in additions}
    return ImportPlan(
        version=version,
        rows=given,
        may_change=may_change,
        additions=additions,
        changes=_pick(Change, verdicts),
        refusals=_by_number([*refusals, *contradictions, *_pick(Refusal, verdicts)]),
        left_alone=_pick(LeftAlone, verdicts),
        repeats=repeats,
        unchanged=len(cases) - len(verdicts),
        open_groups=tuple(slug for slug in sorted(groups) if names.groups[slug].any_origin),
        compared_all=all(case.preview.compared_all for case in cases),
    )


def as_stored(moment: datetime | None) -> datetime | None:
    """Return an aware ``moment`` as the database takes it: without USE_TZ naive, in the project's zone."""
    if moment is None or settings.USE_TZ:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())


@dataclass(frozen=True, slots=True)
class _Names:
    """What rows may name, by slug."""

    environments: Mapping[str, Environment]
    groups: Mapping[str, ApiGroup]
    front_ends: Mapping[str, int]
    suggested: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def read(cls) -> _Names:
        """Return what there is now."""
        return cls(
            {row.slug: row for row in Environment.objects.using(alias()).order_by("slug")},
            {row.slug: row for row in ApiGroup.objects.using(alias()).order_by("slug")},
            dict(FrontEnd.objects.using(alias()).order_by("slug").values_list("slug", "pk")),
        )

    def find_unknown(self, row: GrantRow) -> list[Problem]:
        """Return a problem for each name in ``row`` that nothing has."""
        asked = (
            (FileProblem.UNKNOWN_ENVIRONMENT, row.environment, self.environments),
            (FileProblem.UNKNOWN_API_GROUP, row.api_group, self.groups),
            (FileProblem.UNKNOWN_FRONT_END, row.front_end, self.front_ends),
        )
        return [
            problem(code, slug, self._suggest(code, slug, known))
            for code, slug, known in asked
            if slug and slug not in known
        ]

    def _suggest(self, code: str, slug: str, known: Mapping[str, object]) -> str:
        """Return what may have been meant, once for each name, and not for more of them than anybody mistypes."""
        if (code, slug) not in self.suggested and len(self.suggested) < MAX_SUGGESTED:
            self.suggested[code, slug] = suggest(slug, list(known))
        return self.suggested.get((code, slug), "")

    def as_wish(self, row: GrantRow) -> Wish:
        """Return what ``row`` asks for; it names nothing that is unknown."""
        return Wish(
            row.origin, self.environments[row.environment], self.groups[row.api_group], as_stored(row.expires_at)
        )


def _sift(rows: Iterable[GrantRow], names: _Names) -> tuple[list[GrantRow], list[Refusal]]:
    """Part the rows that make sense from those that are wrong by themselves, with all that is wrong with these."""
    sound, refusals = [], []
    for row in rows:
        problems = [*(row.problems or _find_blank(row)), *names.find_unknown(row)]
        if not problems:
            sound.append(row)
            continue
        place = Place(row.environment, row.api_group, row.origin)
        refusals.append(
            Refusal(row.number, place, (*problems, *(parse_origin(row.origin).problems if row.origin else ())))
        )
    return sound, refusals


def _find_blank(row: GrantRow) -> list[Problem]:
    return [
        problem(FileProblem.EMPTY_CELL, name)
        for name, slug in (("environment", row.environment), ("api_group", row.api_group))
        if not slug
    ]


def _find_repeats(
    rows: Iterable[GrantRow], previews: Iterable[Preview]
) -> tuple[list[tuple[GrantRow, Preview]], tuple[Repeat, ...], list[Refusal]]:
    """Return the first row about each grant, and what became of the others."""
    first: dict[Place, tuple[GrantRow, Preview]] = {}
    repeats, contradictions = [], []
    for row, preview in zip(rows, previews, strict=True):
        place = Place(preview.environment, preview.api_group, preview.origin or preview.given)
        other, _preview = first.setdefault(place, (row, preview))
        if other is row:
            continue
        if _says(other) == _says(row):
            repeats.append(Repeat(row.number, place, other.number))
        else:
            contradictions.append(Refusal(row.number, place, (problem(FileProblem.CONTRADICTION, str(other.number)),)))
    return list(first.values()), tuple(repeats), contradictions


def _says(row: GrantRow) -> tuple[object, ...]:
    return (row.front_end, row.note, row.expires_at, row.is_endless, row.status)


def _make_cases(
    pairs: Iterable[tuple[GrantRow, Preview]], names: _Names, actor: AbstractBaseUser | None, *, may_change: bool
) -> list[Case]:
    pairs = list(pairs)
    revokers = label_revokers(preview.grant for _row, preview in pairs if preview.grant is not None)
    barred = _find_barred(names.environments, actor)
    slugs = {pk: slug for slug, pk in names.front_ends.items()}
    return [
        Case(
            row=row,
            preview=preview,
            expires_at=as_stored(row.expires_at),
            front_end=slugs.get(preview.grant.front_end_id or 0, "") if preview.grant is not None else "",
            revoked_by=revokers.get(preview.grant.pk, "") if preview.grant is not None else "",
            may_write=preview.environment not in barred,
            may_change=may_change,
        )
        for row, preview in pairs
    ]


def _find_likeness(additions: tuple[Addition, ...]) -> tuple[Addition, ...]:
    """Say of additions which others they are easily taken for: the policy does not know these yet."""
    hosts = {host for addition in additions if (host := host_of(addition.place.origin))}
    found = find_look_alikes(sorted(hosts), (addition.place.origin for addition in additions))
    return tuple(
        replace(addition, alike=alike) if (alike := found.get(host_of(addition.place.origin), ())) else addition
        for addition in additions
    )


def _find_barred(environments: Mapping[str, Environment], actor: AbstractBaseUser | None) -> frozenset[str]:
    """Return the protected environments that ``actor`` may not change."""
    try:
        check_protected(actor, environments.values())
    except ProtectedEnvironment as error:
        return frozenset(error.slugs)
    return frozenset()


def _pick(kind: type[_V], verdicts: Iterable[Verdict]) -> tuple[_V, ...]:
    return tuple(verdict for verdict in verdicts if isinstance(verdict, kind))


def _by_number(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(refusals, key=lambda refusal: refusal.number))
