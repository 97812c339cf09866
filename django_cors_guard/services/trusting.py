"""Trusting: one origin in one place, several in several, and what a grant says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import (
    Mend,
    Parsed,
    Problem,
    check_rules,
    parse_origin,
)
from django_cors_guard.core.risks import find_risks
from django_cors_guard.exceptions import (
    InvalidRequest,
    RefusedOrigin,
)
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    TrustedOrigin,
    policy_write,
)
from django_cors_guard.models.rejection import CardStatus, card_key
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services.grants import find_grant, list_expiry_problems, lock_grant, mark_card, require_origin
from django_cors_guard.services.places import (
    alias,
    check_protected,
    find_api_group,
    find_environment,
    find_front_end,
    reads_may_be_stale,
    retry_deadlocks,
    tidy,
)

TRUSTED: Final = "trusted"
RENEWED: Final = "renewed"
#: Trusted origins that a new one is compared with for look-alikes.
LOOK_ALIKE_SAMPLE: Final = 2000
#: Within what every database takes as parameters of one statement.
ORIGINS_PER_QUERY: Final = 500


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


@dataclass(frozen=True, slots=True)
class Wish:
    """One grant that somebody would like to have: ``origin`` as it was typed."""

    origin: str
    environment: Environment
    api_group: ApiGroup
    expires_at: datetime | None = None


@retry_deadlocks
def trust(
    origin: str,
    *,
    environment: Environment | str,
    api_group: ApiGroup | str,
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> TrustedOrigin:
    """Let ``origin`` call ``api_group`` in ``environment`` and return the grant.

    Raises RefusedOrigin (every problem at once), RevokedOrigin if it was revoked there, UnknownName, InvalidRequest
    and ProtectedEnvironment. On an active or expired grant nothing changes but what is passed.
    """
    place, group = find_environment(environment), find_api_group(api_group)
    owner = find_front_end(front_end) if front_end is not None else None
    check_protected(actor, [place])
    parsed = require_origin(origin, place, group, expires_at)
    note = tidy(note)
    existing = None if reads_may_be_stale() else find_grant(parsed, place, group)
    if existing is not None:
        return _renew(existing, actor, note=note, expires_at=expires_at, front_end=owner)
    with policy_write(actor=actor, action=TRUSTED, using=alias()):
        # Looked up again under the lock: somebody may have been faster.
        existing = find_grant(parsed, place, group, lock=True)
        if existing is not None:
            return _renew(existing, actor, note=note, expires_at=expires_at, front_end=owner)
        grant = TrustedOrigin(
            environment=place,
            api_group=group,
            origin=parsed.text,
            front_end=owner,
            note=note,
            expires_at=expires_at,
            created_by_id=actor.pk if actor is not None else None,
        )
        grant.save(using=alias())
        mark_card(grant, CardStatus.TRUSTED, actor)
        return grant


def preview_trust(
    origins: Iterable[str],
    *,
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    expires_at: datetime | None = None,
) -> list[Preview]:
    """Return, without writing anything, what trusting every origin in every place would mean."""
    places = [find_environment(item) for item in environments]
    groups = [find_api_group(item) for item in api_groups]
    lines = [origin for origin in origins if origin.strip()]
    return preview_wishes(
        Wish(line, place, group, expires_at) for line in lines for place in places for group in groups
    )


def preview_wishes(wishes: Iterable[Wish]) -> list[Preview]:
    """Return, without writing anything, what each of ``wishes`` would mean, in a few queries however many there are."""
    asked = [(wish, parse_origin(wish.origin)) for wish in wishes]
    grants = _find_grants({parsed.origin.text for _wish, parsed in asked if parsed.origin is not None})
    places = {wish.environment.pk: wish.environment for wish, _parsed in asked}
    samples = {pk: _sample_trusted(place) for pk, place in places.items()}
    return [
        _preview(wish, parsed, grants.get(_place_of(wish, parsed)), samples[wish.environment.pk])
        for wish, parsed in asked
    ]


@retry_deadlocks
def trust_many(
    origins: Iterable[str],
    *,
    environments: Iterable[Environment | str],
    api_groups: Iterable[ApiGroup | str],
    actor: AbstractBaseUser | None = None,
    note: str = "",
    expires_at: datetime | None = None,
    front_end: FrontEnd | str | None = None,
) -> list[TrustedOrigin]:
    """Trust every origin in every place, all or none, in one revision; ``preview_trust`` shows refusals."""
    lines = [origin for origin in origins if origin.strip()]
    places = [find_environment(item) for item in environments]
    groups = [find_api_group(item) for item in api_groups]
    if not (lines and places and groups):
        raise InvalidRequest(_("Name at least one origin, one environment and one API group."))
    check_protected(actor, places)
    previews = preview_trust(lines, environments=places, api_groups=groups, expires_at=expires_at)
    problems = tuple(problem for preview in previews for problem in preview.problems)
    if problems:
        raise RefusedOrigin(", ".join(lines)[:255], tuple(dict.fromkeys(problems)))

    def trust_all() -> list[TrustedOrigin]:
        # In the order in which the audit log locks their cards, so that neither stands in the other's way.
        trusted = {
            preview: trust(
                preview.given,
                environment=preview.environment,
                api_group=preview.api_group,
                actor=actor,
                note=note,
                expires_at=expires_at,
                front_end=front_end,
            )
            for preview in sorted(previews, key=_card_key_of)
        }
        return [trusted[preview] for preview in previews]

    if expires_at is None and all(preview.existing for preview in previews):
        return trust_all()
    with policy_write(actor=actor, action=TRUSTED, using=alias()):
        return trust_all()


def _card_key_of(preview: Preview) -> str:
    return card_key(preview.environment, preview.api_group, preview.origin)


def check_expiry(trusted_origin: TrustedOrigin, expires_at: datetime | None) -> tuple[Problem, ...]:
    """Return what stands against ``expires_at`` as the new end of a grant (None: no end), all of it."""
    environment, group = trusted_origin.environment, trusted_origin.api_group
    parsed = parse_origin(trusted_origin.origin)
    problems = list(parsed.problems)
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules_for(environment, group))
    problems += list_expiry_problems(parsed.origin, environment, group, expires_at, renewed=expires_at is not None)
    return tuple(problems)


@retry_deadlocks
def amend(
    trusted_origin: TrustedOrigin,
    *,
    actor: AbstractBaseUser | None = None,
    note: str,
    front_end: FrontEnd | str | None,
    expires_at: datetime | None,
) -> TrustedOrigin:
    """Rewrite what a grant says of itself, and when it ends; unlike in ``trust``, blank and None empty a field.

    A revoked grant stays revoked. Raises RefusedOrigin for an end that its environment does not allow, UnknownName
    and ProtectedEnvironment. Only another end is a change of the policy.
    """
    owner = find_front_end(front_end) if front_end is not None else None
    grant = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group").get(pk=trusted_origin.pk)
    check_protected(actor, [grant.environment])
    if grant.expires_at == expires_at:
        _describe(grant, note, owner)
    else:
        problems = check_expiry(grant, expires_at)
        if problems:
            raise RefusedOrigin(grant.origin, problems)
        with policy_write(actor=actor, action=RENEWED, using=alias()):
            _move_end(grant.pk, expires_at, actor)
            _describe(grant, note, owner)
    trusted_origin.refresh_from_db()
    return trusted_origin


def _move_end(pk: int, expires_at: datetime | None, actor: AbstractBaseUser | None) -> None:
    grant = lock_grant(pk)
    grant.expires_at = expires_at
    grant.save(using=alias(), update_fields=["expires_at"])
    if grant.revoked_at is None:
        mark_card(grant, CardStatus.TRUSTED, actor)


def _describe(grant: TrustedOrigin, note: str, front_end: FrontEnd | None) -> None:
    grant.note, grant.front_end = note, front_end
    grant.save(using=alias(), update_fields=["note", "front_end"])


def _renew(
    grant: TrustedOrigin,
    actor: AbstractBaseUser | None,
    *,
    note: str,
    expires_at: datetime | None,
    front_end: FrontEnd | None,
) -> TrustedOrigin:
    """Take over what was passed; only another expiry is a change of the policy."""
    wanted = {"note": note or grant.note, "front_end_id": front_end.pk if front_end else grant.front_end_id}
    if any(getattr(grant, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(grant, name, value)
        grant.save(using=alias(), update_fields=["note", "front_end"])
    if expires_at is not None and grant.expires_at != expires_at:
        grant.expires_at = expires_at
        with policy_write(actor=actor, action=RENEWED, using=alias()):
            grant.save(using=alias(), update_fields=["expires_at"])
            mark_card(grant, CardStatus.TRUSTED, actor)
    return grant


def _preview(wish: Wish, parsed: Parsed, grant: TrustedOrigin | None, sample: list[str]) -> Preview:
    environment, group = wish.environment, wish.api_group
    rules = rules_for(environment, group)
    problems, risks = list(parsed.problems), tuple[Problem, ...]()
    if parsed.origin is not None:
        problems += check_rules(parsed.origin, rules)
        risks = find_risks(parsed.origin, rules=rules, trusted=sample)
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
    )


def _place_of(wish: Wish, parsed: Parsed) -> tuple[int, int, str]:
    return (wish.environment.pk, wish.api_group.pk, parsed.origin.text if parsed.origin is not None else "")


def _find_grants(origins: Iterable[str]) -> dict[tuple[int, int, str], TrustedOrigin]:
    """The grants of ``origins`` that are there, by environment, API group and origin."""
    rows = TrustedOrigin.objects.using(alias()).select_related("environment", "api_group", "revoked_by")
    texts = sorted(origins)
    found = [
        row
        for start in range(0, len(texts), ORIGINS_PER_QUERY)
        for row in rows.filter(origin__in=texts[start : start + ORIGINS_PER_QUERY])
    ]
    return {(row.environment_id, row.api_group_id, row.origin): row for row in found}


def _sample_trusted(environment: Environment) -> list[str]:
    rows = TrustedOrigin.objects.using(alias()).filter(environment=environment, revoked_at=None)
    return list(rows.order_by("-pk").values_list("origin", flat=True)[:LOOK_ALIKE_SAMPLE])
