"""The grants nearest to what was refused, for one origin or a whole page of them, in three queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from django.db import connections, router
from django.db.models import QuerySet

from django_cors_guard.core.explain import Candidate, Difference, Nearest, find_nearest, hosts_to_search
from django_cors_guard.core.kinship import find_kin
from django_cors_guard.models.revision import PolicyChange, PolicyState
from django_cors_guard.models.trusted_origin import CARRIED_REVOKER, REVOKED, TrustedOrigin, pick_revoker
from django_cors_guard.models.write import label_of

#: The latest grants of an environment among which relatives and look-alikes are sought.
MAX_SAMPLE: Final = 500
#: Most grants that are read for one page; each text may be granted in many places.
MAX_ROWS: Final = 5000


class Refused(NamedTuple):
    """What was refused, as it was sent, and where, by slugs."""

    origin: str
    environment: str
    api_group: str


@dataclass(frozen=True, slots=True)
class Nearby:
    """The nearest grant and its row; first among those, where the very origin is trusted in other places only."""

    nearest: Nearest
    rows: tuple[TrustedOrigin, ...]

    @property
    def row(self) -> TrustedOrigin:
        return self.rows[0]


def find_nearby(refused: Sequence[Refused], *, among: Collection[str] | None = None) -> list[Nearby | None]:
    """Return the grant nearest to each of ``refused``, or None where nothing is near.

    ``among`` are the environments whose grants may be named beside those of its own (None: all).
    """
    samples = _sample({question.environment for question in refused})
    kin = {place: find_kin(_origins_in(refused, place), texts) for place, texts in samples.items()}
    searched = {question.origin: hosts_to_search(question.origin) for question in refused}
    texts = {text for found in (*searched.values(), *_all_of(kin.values())) for text in found}
    rows = _by_text(_read(texts, None if among is None else {*among, *samples}))
    found = [
        _choose(question, rows, searched[question.origin], kin[question.environment].get(question.origin, ()), among)
        for question in refused
    ]
    names = name_revokers(near.row for near in found if near is not None)
    return [_name(near, names) if near is not None else None for near in found]


def name_revokers(grants: Iterable[TrustedOrigin]) -> dict[int, str]:
    """Return by id who revoked ``grants``, as ``revoked_by_label`` says it, in one query at most."""
    revoked = [grant for grant in grants if grant.revoked_at is not None]
    names = {grant.pk: label_of(grant.revoked_by) for grant in revoked}
    orphans = {grant.target()[:512]: grant.pk for grant in revoked if grant.revoked_by is None}
    if orphans:
        story = PolicyChange.objects.using(_alias()).filter(target__in=list(orphans), action=REVOKED)
        told = story.order_by("revision", "pk").values_list("target", "actor_label", f"after__{CARRIED_REVOKER}")
        for target, label, carried in told:
            name = pick_revoker(label, carried)
            if target in orphans:  # a collation may find more
                names[orphans[target]] = name
    return names


def _origins_in(refused: Iterable[Refused], environment: str) -> list[str]:
    return [question.origin for question in refused if question.environment == environment]


def _all_of(kin: Iterable[dict[str, tuple[str, ...]]]) -> list[tuple[str, ...]]:
    return [texts for found in kin for texts in found.values()]


def _sample(environments: Iterable[str]) -> dict[str, list[str]]:
    """Return the texts of the latest grants of each environment, in one query; no environment crowds another out."""
    texts: dict[str, list[str]] = {slug: [] for slug in sorted(environments)}
    first, *others = [_latest_in(slug) for slug in texts] or [TrustedOrigin.objects.none()]
    rows = (first.union(*others, all=True) if others else first).values_list("environment__slug", "origin")
    for slug, text in rows:
        if slug in texts:  # a collation may find more
            texts[slug].append(text)
    return texts


def _latest_in(environment: str) -> QuerySet[TrustedOrigin]:
    rows = TrustedOrigin.objects.using(_alias()).filter(revoked_at=None, environment__slug=environment)
    latest: QuerySet[TrustedOrigin] = rows.order_by("-pk")[:MAX_SAMPLE]
    if connections[_alias()].features.supports_slicing_ordering_in_compound:
        return latest
    again: QuerySet[TrustedOrigin] = TrustedOrigin.objects.using(_alias()).filter(pk__in=latest.values("pk"))
    return again


def _read(texts: Collection[str], among: Collection[str] | None) -> list[TrustedOrigin]:
    rows = TrustedOrigin.objects.using(_alias()).filter(origin__in=sorted(texts))
    if among is not None:
        rows = rows.filter(environment__slug__in=sorted(among))
    return list(rows.select_related("environment", "api_group", "revoked_by")[:MAX_ROWS])


def _by_text(rows: Iterable[TrustedOrigin]) -> dict[str, list[tuple[Candidate, TrustedOrigin]]]:
    found: dict[str, list[tuple[Candidate, TrustedOrigin]]] = {}
    # By name, so that of two that are equally near it is always the same one.
    for row in sorted(rows, key=lambda row: (row.environment.slug, row.api_group.slug)):
        found.setdefault(row.origin, []).append((_candidate(row), row))
    return found


def _candidate(row: TrustedOrigin) -> Candidate:
    """Who revoked it is left open: that may take a query a row, and of hundreds of candidates one is told of."""
    return Candidate(
        origin=row.origin,
        environment=row.environment.slug,
        api_group=row.api_group.slug,
        status=row.status().value,  # type: ignore[arg-type]  # the same four words
        at=row.revoked_at or row.expires_at,
    )


def _choose(
    refused: Refused,
    rows: dict[str, list[tuple[Candidate, TrustedOrigin]]],
    searched: Iterable[str],
    kin: Iterable[str],
    among: Collection[str] | None,
) -> Nearby | None:
    candidates = {
        candidate: row
        for text in searched
        for candidate, row in rows.get(text, ())
        if among is None or candidate.environment == refused.environment or candidate.environment in among
    }
    for text in kin:
        here = (found for found in rows.get(text, ()) if found[0].environment == refused.environment)
        candidates.update(here)
    nearest = find_nearest(
        refused.origin, environment=refused.environment, api_group=refused.api_group, candidates=candidates
    )
    if nearest is None:
        return None
    others = [row for candidate, row in candidates.items() if _is_alike(candidate, nearest, refused)]
    return Nearby(nearest, (candidates[nearest.candidate], *others))


def _is_alike(candidate: Candidate, nearest: Nearest, refused: Refused) -> bool:
    """Whether it is the same origin in another of the places where it stands as the nearest does."""
    chosen = nearest.candidate
    if candidate == chosen or (candidate.origin, candidate.status) != (chosen.origin, chosen.status):
        return False
    is_here = candidate.environment == refused.environment
    return (nearest.difference is Difference.OTHER_GROUP and is_here) or (
        nearest.difference is Difference.OTHER_ENVIRONMENT and not is_here
    )


def _name(near: Nearby, names: dict[int, str]) -> Nearby:
    candidate = replace(near.nearest.candidate, by=names.get(near.row.pk, ""))
    return replace(near, nearest=replace(near.nearest, candidate=candidate))


def _alias() -> str:
    return router.db_for_write(PolicyState)
