"""What trusting would mean, before anything is written: problems, what is mended, risks, and what is there already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django_cors_guard.core.likeness import find_look_alikes
from django_cors_guard.core.origins import Mend, OriginKind, Parsed, Problem, check_rules, parse_origin
from django_cors_guard.core.risks import find_risks
from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services.grants import ROWS_PER_QUERY, list_expiry_problems
from django_cors_guard.services.places import alias, find_api_group, find_environment

#: Grants, the newest first, that new origins are compared with for look-alikes; reading more would take seconds.
MAX_COMPARED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What trusting one origin in one place would mean; ``existing`` is the status of a grant that is there."""

    given: str
    environment: str
    api_group: str
    origin: str
    problems: tuple[Problem, ...]
    mended: tuple[Mend, ...]
    risks: tuple[Problem, ...]
    existing: str = ""
    #: The grant itself, where there is one.
    grant: TrustedOrigin | None = field(default=None, compare=False)
    #: Whether it was compared with every trusted origin, and not just with the newest ``MAX_COMPARED`` grants.
    compared_all: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """One grant that somebody would like to have: ``origin`` as it was typed."""

    origin: str
    environment: Environment
    api_group: ApiGroup
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What new origins are easily taken for."""

    texts: dict[str, tuple[str, ...]]
    is_complete: bool


def preview_trust(
    origins: Iterable[str],
    *,
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    expires_at: datetime | None = None,
) -> list[Preview]:
    """Return, without writing anything, what trusting every origin in every place would mean."""
    return preview_wishes(multiply(origins, environments, api_groups, expires_at))


def preview_wishes(wishes: Iterable[Wish]) -> list[Preview]:
    """Return, without writing anything, what each of ``wishes`` would mean, in a few queries however many there are.

    Look-alikes are looked for among the trusted origins of every environment: what is easily taken for an origin of
    production is no better in staging.
    """
    given = list(wishes)
    parsed = _parse(given)
    return _preview_all(given, parsed, _find_likeness(parsed.values()))


def check_wishes(wishes: Iterable[Wish]) -> list[Preview]:
    """As ``preview_wishes``, without looking for look-alikes: for who has decided, and asks what stands against it."""
    given = list(wishes)
    return _preview_all(given, _parse(given), _Likeness({}, is_complete=False))


def multiply(
    origins: Iterable[str],
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    expires_at: datetime | None = None,
) -> list[Wish]:
    """Return a wish for every origin, blank ones left out, in every place."""
    places = [find_environment(item) for item in environments]
    groups = [find_api_group(item) for item in api_groups]
    lines = [origin for origin in origins if origin.strip()]
    return [Wish(line, place, group, expires_at) for line in lines for place in places for group in groups]


def _parse(wishes: list[Wish]) -> dict[str, Parsed]:
    return {text: parse_origin(text) for text in {wish.origin for wish in wishes}}


def _preview_all(wishes: list[Wish], parsed: dict[str, Parsed], likeness: _Likeness) -> list[Preview]:
    grants = _find_grants({found.origin.text for found in parsed.values() if found.origin is not None})
    return [_preview(wish, parsed[wish.origin], grants, likeness) for wish in wishes]


def _preview(
    wish: Wish, parsed: Parsed, grants: dict[tuple[int, int, str], TrustedOrigin], likeness: _Likeness
) -> Preview:
    environment, group = wish.environment, wish.api_group
    rules = rules_for(environment, group)
    grant = grants.get((environment.pk, group.pk, parsed.origin.text)) if parsed.origin is not None else None
    problems, risks = list(parsed.problems), tuple[Problem, ...]()
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules)
        risks = find_risks(parsed.origin, rules=rules, trusted=likeness.texts.get(parsed.origin.host, ()))
    existing = grant.status().value if grant is not None else ""
    if existing == Status.REVOKED:
        problems.append(Problem("revoked", parsed.origin.text if parsed.origin is not None else ""))
    else:
        problems += list_expiry_problems(
            parsed.origin, environment, group, wish.expires_at, renewed=True, is_there=grant is not None
        )
    return Preview(
        given=wish.origin,
        environment=environment.slug,
        api_group=group.slug,
        origin=parsed.origin.text if parsed.origin is not None else "",
        problems=tuple(problems),
        mended=parsed.mended,
        risks=risks,
        existing=existing,
        grant=grant,
        compared_all=likeness.is_complete,
    )


def _find_grants(origins: Iterable[str]) -> dict[tuple[int, int, str], TrustedOrigin]:
    """The grants of ``origins`` that are there, by environment, API group and origin."""
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group", "revoked_by")
    texts = sorted(origins)
    found = [
        row
        for start in range(0, len(texts), ROWS_PER_QUERY)
        for row in rows.filter(origin__in=texts[start : start + ROWS_PER_QUERY])
    ]
    return {(row.environment_id, row.api_group_id, row.origin): row for row in found}


def _find_likeness(parsed: Iterable[Parsed]) -> _Likeness:
    origins = [found.origin for found in parsed if found.origin is not None]
    hosts = {origin.host for origin in origins if origin.kind is not OriginKind.CUSTOM_SCHEME}
    if not hosts:
        return _Likeness({}, is_complete=True)
    rows = TrustedOrigin.objects.using(alias()).filter(revoked_at=None).order_by("-pk")
    texts = list(rows.values_list("origin", flat=True)[: MAX_COMPARED + 1])
    found = find_look_alikes(sorted(hosts), dict.fromkeys(texts[:MAX_COMPARED]))
    return _Likeness(found, is_complete=len(texts) <= MAX_COMPARED)
