"""Trusting: one origin in one place, several in several, and what a grant says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from django_cors_guard.core.origins import Problem, check_rules, parse_origin
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
from django_cors_guard.models.rejection import CardStatus
from django_cors_guard.models.trusted_origin import Status, rules_for
from django_cors_guard.services.grants import (
    GrantKey,
    find_grant,
    find_grants,
    key_of,
    list_expiry_problems,
    lock_grant,
    mark_card,
    mark_cards,
    refuse_revoked,
    require_origin,
)
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
from django_cors_guard.services.previews import Wish, check_wishes, multiply

TRUSTED: Final = "trusted"
RENEWED: Final = "renewed"


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
    wishes = multiply(origins, environments, api_groups, expires_at)
    if not wishes:
        raise InvalidRequest(_("Name at least one origin, one environment and one API group."))
    return trust_wishes(wishes, actor=actor, note=note, front_end=front_end)


@retry_deadlocks
def trust_wishes(
    wishes: Iterable[Wish],
    *,
    actor: AbstractBaseUser | None = None,
    note: str = "",
    front_end: FrontEnd | str | None = None,
) -> list[TrustedOrigin]:
    """Trust all that is wished for, or nothing, in one revision; returns a grant for each wish, in their order.

    Raises what ``trust`` raises; ``preview_wishes`` shows refusals beforehand. Cards of grants that are there already
    are closed, too.
    """
    wanted = _reread(wishes)
    owner = find_front_end(front_end) if front_end is not None else None
    check_protected(actor, {wish.environment for wish in wanted})
    previews = check_wishes(wanted)
    problems = tuple(dict.fromkeys(problem for preview in previews for problem in preview.problems))
    if problems:
        raise RefusedOrigin(", ".join(dict.fromkeys(wish.origin for wish in wanted))[:255], problems)
    asked = [(wish, preview.origin) for wish, preview in zip(wanted, previews, strict=True)]
    grant_all = partial(_grant_all, asked, actor, note=tidy(note), front_end=owner)
    if _is_no_change(asked):
        with transaction.atomic(using=alias()):
            return grant_all(find_grants(asked))
    with policy_write(actor=actor, action=TRUSTED, using=alias()):
        # Looked up again under the lock: somebody may have been faster.
        return grant_all(find_grants(asked, lock=True))


def _reread(wishes: Iterable[Wish]) -> list[Wish]:
    """With places as they stand now."""
    wanted = list(wishes)
    places = {wish.environment.pk: wish.environment for wish in wanted}
    groups = {wish.api_group.pk: wish.api_group for wish in wanted}
    environments = {pk: find_environment(place) for pk, place in places.items()}
    api_groups = {pk: find_api_group(group) for pk, group in groups.items()}
    return [
        replace(wish, environment=environments[wish.environment.pk], api_group=api_groups[wish.api_group.pk])
        for wish in wanted
    ]


def _is_no_change(asked: list[tuple[Wish, str]]) -> bool:
    """Whether all of it is trusted already, so that the policy stays as it is."""
    if reads_may_be_stale() or any(wish.expires_at is not None for wish, _origin in asked):
        return False
    there = find_grants(asked)
    return all(key_of(wish, origin) in there for wish, origin in asked)


def _grant_all(
    asked: list[tuple[Wish, str]],
    actor: AbstractBaseUser | None,
    there: dict[GrantKey, TrustedOrigin],
    *,
    note: str,
    front_end: FrontEnd | None,
) -> list[TrustedOrigin]:
    granted = [_grant(wish, origin, actor, there, note=note, front_end=front_end) for wish, origin in asked]
    mark_cards((grant for grant in granted if grant.status() == Status.ACTIVE), CardStatus.TRUSTED, actor)
    return granted


def _grant(
    wish: Wish,
    origin: str,
    actor: AbstractBaseUser | None,
    there: dict[GrantKey, TrustedOrigin],
    *,
    note: str,
    front_end: FrontEnd | None,
) -> TrustedOrigin:
    key = key_of(wish, origin)
    if key in there:
        refuse_revoked(there[key])
        return _renew(there[key], actor, note=note, expires_at=wish.expires_at, front_end=front_end)
    grant = TrustedOrigin(
        environment=wish.environment,
        api_group=wish.api_group,
        origin=origin,
        front_end=front_end,
        note=note,
        expires_at=wish.expires_at,
        created_by_id=actor.pk if actor is not None else None,
    )
    grant.save(using=alias(), force_insert=True)
    there[key] = grant
    return grant


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
